//! Real nodes as child processes, ours and those of the Go packages, each driven by JSON lines.
//!
//! | file | what |
//! |---|---|
//! | `kind` | which programs there are, and how each is started |
//! | `ports` | free addresses on loopback, and children that do not hold them |
//! | `process` | a child whose output is always read, and that never outlives its owner |
//! | `lines` | requests and replies, one JSON object a line |
//! | `peer` | one node: start, ask, kill, start again |
//! | `rows` | the rows that were written, and which of them each node must hold |
//! | `cluster` | several nodes in one network, and what must hold for all of them |
//! | `wait` | waiting for a condition, and many cases at once |
//! | `differential` | the same schedules done by clusters of Go nodes and of ours, compared |
//! | `sync` | servers and clients of Typha's sync protocol, ours and Go's |

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod cluster;
pub mod differential;
mod kind;
mod lines;
mod peer;
mod ports;
mod process;
mod rows;
pub mod sync;
mod wait;

pub use cluster::{Cluster, NETWORK, TABLE};
pub use kind::Kind;
pub use peer::{Peer, Spec};
pub use ports::{free_addr, spawn};
pub use process::{Log, Process};
pub use rows::Table;
pub use wait::{Case, each, eventually, keys, matrix};
