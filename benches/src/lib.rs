//! What the programs here share.

pub mod usage;
pub mod workload;

/// What stops a measurement.
pub type Failure = Box<dyn std::error::Error>;

/// Keys of a server of the sync protocol, each with 804 bytes of a stream.
pub const KVS: u32 = 100_000;
