//! What is measured.

mod cluster;
mod codec;
mod flood;
mod idle;
mod late_join;
mod spread;
pub(crate) mod sync;

use clap::ValueEnum;

use crate::{
    Failure,
    programs::{Family, Programs},
    runs::Runs,
    table::Row,
};

/// Rows written at one go.
pub(crate) const FLOODS: [u32; 2] = [10_000, 50_000];
/// Bytes of a value; a key has 10.
pub(crate) const SIZE: u32 = 64;
/// Nodes a created row comes to, the writer included.
pub(crate) const SPREADS: [usize; 3] = [3, 10, 30];
/// Rows created one by one in each run.
pub(crate) const CREATES: u32 = 20;
/// Events encoded and decoded in each run.
pub(crate) const ROUNDS: u32 = 500_000;

/// A measurement, which may give several rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// A node joins a network with rows in it: time, CPU and memory
    LateJoin,
    /// A row is created and comes to all nodes
    Spread,
    /// Many rows are written and come to all nodes
    Flood,
    /// Many rows are written on ours, and one of the other two nodes is a Go node
    Mixed,
    /// Nothing happens in a cluster of 30
    Idle,
    /// One table event is encoded and decoded
    Codec,
    /// The program without symbols
    Size,
    /// A server of the sync protocol and its clients; the encoding and decoding of what they exchange
    Sync,
}

impl Work {
    pub(crate) fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Self::Sync => Family::Sync,
            _ => Family::NetworkDb,
        }
    }

    pub(crate) fn measure(self, runs: &Runs<'_>) -> Result<Vec<Row>, Failure> {
        match self {
            Self::LateJoin => late_join::measure(runs),
            Self::Spread => spread::measure(runs),
            Self::Flood => flood::measure(runs),
            Self::Mixed => flood::mixed(runs),
            Self::Idle => idle::measure(runs),
            Self::Codec => codec::measure(runs),
            Self::Size => size(runs),
            Self::Sync => sync::measure(runs),
        }
    }
}

fn size(runs: &Runs<'_>) -> Result<Vec<Row>, Failure> {
    let sizes = Runs { count: 1, ..*runs }.each("size", Programs::stripped_size)?;
    Ok(vec![Row::new("program, stripped", "MB", &sizes, |size| *size as f64 / 1e6)])
}
