//! How clusters of growing size form and converge, with and without loss.

use std::{fmt::Write as _, fs, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use networkdb_sim::{
    Cluster, Settings, Traffic, Violation,
    faults::{Action, NodeId, Write},
    network::Link,
};

use crate::{
    plot::plot,
    sample::{Times, shown, until, written},
};

/// How long a cluster may take to form, and a row to reach all.
const BOUND: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(500);
const GRAIN: Duration = Duration::from_millis(2);
/// How long traffic is counted with nothing going on.
const IDLE: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(crate) struct Ladder {
    /// Nodes.
    #[arg(long, value_delimiter = ',', default_value = "25,100,500,1000")]
    nodes: Vec<usize>,
    /// Datagrams and segments lost, in percent.
    #[arg(long, value_delimiter = ',', default_value = "0,10,30")]
    loss: Vec<u32>,
    /// The largest cluster tried at 30 % loss and more, where news of suspicions fills the pace of gossip and a run
    /// takes long.
    #[arg(long, default_value_t = 100)]
    lossy_nodes: usize,
    /// Rows written one after the other in each cluster.
    #[arg(long, default_value_t = 20)]
    rows: u8,
    /// Where `simulation.md` and `simulation.svg` go.
    #[arg(long, default_value = "docs")]
    out: PathBuf,
}

/// What one cluster showed.
pub(crate) struct Cell {
    pub(crate) nodes: usize,
    pub(crate) loss: u32,
    formed: Times,
    pub(crate) spread: Times,
    /// Of each row, until the last node had it.
    whole: Times,
    idle: Traffic,
    deaths: u64,
}

impl Ladder {
    pub(crate) fn execute(&self) -> ExitCode {
        match self.climb() {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => {
                eprintln!("{reason}");
                ExitCode::FAILURE
            }
        }
    }

    fn climb(&self) -> Result<(), String> {
        let mut cells = Vec::new();
        for &nodes in &self.nodes {
            for &loss in &self.loss {
                if loss >= 30 && nodes > self.lossy_nodes {
                    continue;
                }
                let cell = self.cell(nodes, loss).map_err(|violation| violation.to_string())?;
                print!("{}", line(&cell));
                cells.push(cell);
            }
        }
        fs::create_dir_all(&self.out).map_err(|error| error.to_string())?;
        let write = |name: &str, text: String| {
            fs::write(self.out.join(name), text).map_err(|error| error.to_string())
        };
        write("simulation.md", self.page(&cells))?;
        write("simulation.svg", plot(&cells))
    }

    fn cell(&self, nodes: usize, loss: u32) -> Result<Cell, Violation> {
        let link = Link::default().losing(loss);
        let stagger = Duration::from_millis(10);
        let mut cluster = Cluster::new(Settings { nodes, link, stagger, ..Settings::default() });
        let all: Vec<NodeId> = (0..nodes).collect();
        cluster.start()?;
        let mut formed = Times::default();
        for time in until(&mut cluster, &all, (LOOK, BOUND), |db| db.stats().active_nodes == nodes)? {
            formed.add(time);
        }
        cluster.run_until(cluster.time() + Duration::from_secs(30))?;
        let before = cluster.world.traffic();
        cluster.run_until(cluster.time() + IDLE)?;
        let idle = less(cluster.world.traffic(), before);
        let (mut spread, mut whole) = (Times::default(), Times::default());
        for number in 0..self.rows {
            let writer = usize::from(number) * 7919 % nodes;
            cluster.apply(&Action::Write(writer, 0, number, Write::Create(64)))?;
            let times = until(&mut cluster, &all, (GRAIN, BOUND), |db| written(db, number).is_some())?;
            whole
                .add(times.iter().copied().collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max()));
            for time in times {
                spread.add(time);
            }
        }
        let deaths = cluster.news.false_deaths;
        Ok(Cell { nodes, loss, formed, spread, whole, idle, deaths })
    }

    fn page(&self, cells: &[Cell]) -> String {
        let mut page = String::from(HEAD);
        for cell in cells {
            page.push_str(&line(cell));
        }
        // Writing to a string does not fail.
        let _ = write!(page, "{}", TAIL.replace("ROWS", &self.rows.to_string()));
        page
    }
}

const HEAD: &str = "# Clusters in virtual time

Written by `networkdb-sim ladder`: one seed a line, default settings, links of 0.2 to 2 ms, nodes started 10 ms apart
with three bootstrap addresses. Loss holds for every datagram and, as a resend, for every segment of a stream.

- *formed*: from the last start until a node holds all others active.
- *row at a node*: from a write until a node holds the row; *at all*: until the last one does, by row.
- *idle*: what one node sends when nothing goes on: datagrams, their bytes, and bytes of streams, a second.
- *false deaths*: how often a node that was up was declared dead by one that was, in the whole run.

| nodes | loss | formed: median, 99 %, last | never | row at a node: median, 99 % | at all: median, longest | never | idle: packets, B, stream B | false deaths |
|---|---|---|---|---|---|---|---|---|
";

const TAIL: &str = "
ROWS rows a cluster, one after the other, each by another node. ![Spread of a row](simulation.svg)
";

fn line(cell: &Cell) -> String {
    let Cell { nodes, loss, formed, spread, whole, idle, deaths } = cell;
    let each = |count: u64| count as f64 / *nodes as f64 / IDLE.as_secs_f64();
    format!(
        "| {nodes} | {loss} % | {}, {}, {} | {} | {}, {} | {}, {} | {} | {:.1}, {:.0}, {:.0} | {deaths} |\n",
        shown(formed.at(50)),
        shown(formed.at(99)),
        shown(formed.at(100)),
        formed.missing,
        shown(spread.at(50)),
        shown(spread.at(99)),
        shown(whole.at(50)),
        shown(whole.at(100)),
        spread.missing,
        each(idle.datagrams),
        each(idle.datagram_bytes),
        each(idle.stream_bytes),
    )
}

fn less(after: Traffic, before: Traffic) -> Traffic {
    Traffic {
        datagrams: after.datagrams - before.datagrams,
        datagram_bytes: after.datagram_bytes - before.datagram_bytes,
        streams: after.streams - before.streams,
        stream_bytes: after.stream_bytes - before.stream_bytes,
    }
}
