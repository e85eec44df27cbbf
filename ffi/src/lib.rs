//! libnetworkdb: the C ABI of networkdb. Its documentation is the header, `include/networkdb.h`.
//!
//! | file | what |
//! |---|---|
//! | `abi` | every exported function, and all unsafe code of this crate |
//! | `guard` | what panics are stopped by |
//! | `step` | one step, however its outputs are shown |
//! | `given` | what belongs to the caller from then on |
//! | `types` | the structures of the header |
//! | `nodes` | the table of nodes: a number that is no node is an answer, not a crash |
//! | `held` | what a stepping host was shown and may still look at |
//! | `descriptor` | descriptors to wait for |
#![deny(unsafe_code)]

#[allow(unsafe_code, reason = "the one place: each block says why it is sound")]
pub mod abi;
mod descriptor;
mod given;
mod guard;
mod held;
pub mod nodes;
mod step;
pub mod types;
