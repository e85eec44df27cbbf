//! How long one change takes to reach all nodes, in virtual time, without loss.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use networkdb_core::networkdb::NetworkDb;
use networkdb_sim::{
    Cluster, Settings, Violation,
    faults::{Action, NodeId, Write},
    network::{Latency, Link},
};

use crate::sample::{Times, holds_rows, until, written};

const SIZES: [usize; 5] = [2, 3, 5, 10, 25];
/// How finely a time is measured, and when a change counts as lost.
const GRAIN: (Duration, Duration) = (Duration::from_micros(500), Duration::from_secs(60));
const ROWS: usize = 20;

#[derive(Args)]
pub(crate) struct Yardstick {
    /// Samples a cell.
    #[arg(long, default_value_t = 30)]
    samples: u8,
}

/// A change, how it is measured, and what the Go peer took by size of cluster.
type Change = (&'static str, Measure, [&'static str; 5]);

const CHANGES: [Change; 7] = [
    ("create a row", create, ["200/200", "200/200", "400/400", "400/600", "600/800"]),
    ("update a row", update, ["200/200", "200/200", "400/400", "400/800", "600/1000"]),
    ("delete a row", delete, ["200/200", "200/200", "400/400", "400/600", "800/1000"]),
    (
        "write right after another node joined",
        after_join,
        ["-", "400/400", "400/600", "600/800", "1000/1200"],
    ),
    ("join a network", join_network, ["-", "200/200", "200/400", "400/600", "600/1000"]),
    ("leave a network", leave_network, ["-", "200/200", "225/400", "400/800", "600/800"]),
    ("join a network that has rows", join_with_rows, ["-", "0/0", "0/0", "0/0", "0/0"]),
];

const HEAD: &str = "\
# How long one change takes to reach all nodes

Written by `networkdb-sim yardstick`: virtual time, no loss, links of 0.1 ms, default settings. Median / longest in
milliseconds, in brackets what Go's NetworkDB took (moby b985e2313a, 200 ms tick, links without delay, 30 samples a cell).
A network that has rows is there when the joiner holds them; Go's call returns only then, ours at once.
";

/// One sample in a cluster that has come together; the last time of all nodes is what counts.
type Measure = fn(&mut Cluster, u8) -> Result<Option<Duration>, Violation>;

impl Yardstick {
    pub(crate) fn execute(&self) -> ExitCode {
        println!("{HEAD}\n{} samples a cell.\n", self.samples);
        print!("| change |");
        for size in SIZES {
            print!(" {size} nodes |");
        }
        println!("\n|---|---|---|---|---|---|");
        for (name, measure, peer) in CHANGES {
            print!("| {name} |");
            for (size, peer) in SIZES.into_iter().zip(peer) {
                match self.cell(size, measure) {
                    Ok(times) => print!(" {:.1}/{:.1} ({peer}) |", times.at(50), times.at(100)),
                    Err(violation) => {
                        eprintln!("{violation}");
                        return ExitCode::FAILURE;
                    }
                }
            }
            println!();
        }
        ExitCode::SUCCESS
    }

    fn cell(&self, size: usize, measure: Measure) -> Result<Times, Violation> {
        let mut times = Times::default();
        for sample in 0..self.samples {
            let link = Link { latency: Latency::Fixed(Duration::from_micros(100)), ..Link::default() };
            let seed = u64::from(sample) + 1;
            let mut cluster = Cluster::new(Settings { seed, nodes: size, link, ..Settings::default() });
            cluster.start()?;
            cluster.run_until(cluster.time() + Duration::from_secs(10))?;
            times.add(measure(&mut cluster, sample)?);
        }
        Ok(times)
    }
}

fn nodes(cluster: &Cluster) -> Vec<NodeId> {
    (0..cluster.settings.nodes).collect()
}

/// The time of the last of all nodes.
fn last(
    cluster: &mut Cluster,
    nodes: &[NodeId],
    done: impl Fn(&NetworkDb) -> bool,
) -> Result<Option<Duration>, Violation> {
    Ok(until(cluster, nodes, GRAIN, done)?
        .into_iter()
        .collect::<Option<Vec<_>>>()
        .and_then(|all| all.into_iter().max()))
}

fn write(cluster: &mut Cluster, write: Write) -> Result<(), Violation> {
    cluster.apply(&Action::Write(0, 0, 0, write))
}

fn settle(cluster: &mut Cluster) -> Result<(), Violation> {
    cluster.run_until(cluster.time() + Duration::from_secs(5))
}

fn create(cluster: &mut Cluster, _: u8) -> Result<Option<Duration>, Violation> {
    write(cluster, Write::Create(64))?;
    last(cluster, &nodes(cluster), |db| written(db, 0).is_some())
}

fn update(cluster: &mut Cluster, _: u8) -> Result<Option<Duration>, Violation> {
    write(cluster, Write::Create(64))?;
    settle(cluster)?;
    let before = cluster.world.machine(0).and_then(|db| written(db, 0));
    write(cluster, Write::Update(64))?;
    last(cluster, &nodes(cluster), |db| written(db, 0) > before)
}

fn delete(cluster: &mut Cluster, _: u8) -> Result<Option<Duration>, Violation> {
    write(cluster, Write::Create(64))?;
    settle(cluster)?;
    write(cluster, Write::Delete)?;
    last(cluster, &nodes(cluster), |db| written(db, 0).is_none())
}

/// The node that joins is the last one; another writes as soon as it knows of it.
fn after_join(cluster: &mut Cluster, _: u8) -> Result<Option<Duration>, Violation> {
    let (size, joiner) = (cluster.settings.nodes, cluster.settings.nodes.saturating_sub(1));
    cluster.apply(&Action::LeaveCluster(joiner))?;
    cluster.run_until(cluster.time() + Duration::from_secs(30))?;
    cluster.apply(&Action::Restart { node: joiner, moved: false, renamed: true })?;
    until(cluster, &[0], GRAIN, |db| db.stats().active_nodes == size)?;
    write(cluster, Write::Create(64))?;
    last(cluster, &nodes(cluster), |db| written(db, 0).is_some())
}

fn join_network(cluster: &mut Cluster, _: u8) -> Result<Option<Duration>, Violation> {
    let size = cluster.settings.nodes;
    cluster.apply(&Action::Leave(0, 0))?;
    settle(cluster)?;
    cluster.apply(&Action::Join(0, 0))?;
    last(cluster, &nodes(cluster), |db| db.peers(b"net0").len() == size)
}

fn leave_network(cluster: &mut Cluster, _: u8) -> Result<Option<Duration>, Violation> {
    let size = cluster.settings.nodes;
    cluster.apply(&Action::Leave(0, 0))?;
    last(cluster, &nodes(cluster), |db| db.peers(b"net0").len() < size)
}

/// Until the node that joins has the rows.
fn join_with_rows(cluster: &mut Cluster, _: u8) -> Result<Option<Duration>, Violation> {
    let writer = cluster.settings.nodes.saturating_sub(1);
    cluster.apply(&Action::Leave(0, 0))?;
    settle(cluster)?;
    for key in 0..ROWS as u8 {
        cluster.apply(&Action::Write(writer, 0, key, Write::Create(64)))?;
    }
    settle(cluster)?;
    cluster.apply(&Action::Join(0, 0))?;
    last(cluster, &[0], |db| holds_rows(db, ROWS))
}
