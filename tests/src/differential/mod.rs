//! The same schedule for a cluster of Go nodes and for one of ours, both in virtual time, and what came of it compared.
//!
//! A schedule is rounds of calls. All calls of a round are made at one instant, so each sees what the round before has
//! left; the next round begins when a bulk sync has repaired what gossip missed.
//!
//! | file | what |
//! |---|---|
//! | `schedule` | a schedule and its outcome, as the Go program reads and writes them |
//! | `draw` | random schedules whose outcome the protocol determines, or says what it may be |
//! | `ours`, `theirs` | doing them |
//! | `judge` | the comparison |

mod draw;
mod judge;
mod ours;
mod schedule;
mod theirs;

pub use draw::draw;
pub use judge::judge;
pub use ours::run;
pub use schedule::{Op, Outcome, Schedule, Step};
pub use theirs::run_all;
