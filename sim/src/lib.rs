//! A whole cluster in one process, in virtual time: any schedule of faults can be replayed from a seed.
//!
//! | module | what |
//! |---|---|
//! | [`world`], [`network`] | machines of any kind, the links, partitions and streams between them, and the time |
//! | [`faults`] | what is done to a cluster, as plain data |
//! | [`cluster`] | `NetworkDB` nodes with their users |
//! | [`invariants`] | what must hold after every step |

mod clock;
pub mod cluster;
pub mod faults;
pub mod invariants;
pub mod network;
mod process;
pub mod random;
pub mod run;
pub mod scenario;
mod settings;
mod trace;
pub mod world;

pub use clock::Clock;
pub use cluster::Cluster;
pub use invariants::Violation;
pub use process::Process;
pub use scenario::Scenario;
pub use settings::Settings;
pub use trace::Trace;
pub use world::{Sent, Step, Traffic, World};
