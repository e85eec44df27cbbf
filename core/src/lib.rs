//! networkdb-core: every protocol of networkdb as a sans-IO machine.
//!
//! Nothing here opens a socket, reads a clock, starts a thread or asks the operating system for randomness.
//! A host feeds [`machine::Input`] and the time, and carries out [`machine::Output`].

pub mod machine;
mod map;
pub mod memberlist;
mod name;
pub mod networkdb;
pub mod syncproto;
pub mod wire;

pub use name::Name;
