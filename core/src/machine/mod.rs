//! What every machine is made of: the boundary to the host, and the few parts all protocols share.
//!
//! A machine owns no socket, clock or thread. Inputs and the time go in; outputs, events and one deadline come
//! out. See [`Machine`].

mod io;
mod outbox;
mod pace;
mod rng;
mod timers;

pub use io::{Endpoint, Fault, How, Input, Instant, Machine, Output, StreamId, StreamInput, Transport, pump};
pub use outbox::{Lane, Outbox};
pub use pace::{Pace, Rhythm};
pub use rng::Rng;
pub use timers::Timers;
