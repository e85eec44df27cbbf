//! Times measured in clusters.

use std::time::Duration;

use networkdb_core::networkdb::{EntryKey, Filter, NetworkDb, RowState};
use networkdb_sim::{Cluster, Violation, faults::NodeId};

/// Times, to be summed up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    times: Vec<Duration>,
    /// Those that never came.
    pub(crate) missing: usize,
}

impl Times {
    pub(crate) fn add(&mut self, time: Option<Duration>) {
        match time {
            Some(time) => {
                let place = self.times.partition_point(|other| *other <= time);
                self.times.insert(place, time);
            }
            None => self.missing += 1,
        }
    }

    /// In milliseconds, by share in percent; infinite when too many are missing.
    pub(crate) fn at(&self, percent: usize) -> f64 {
        let all = self.times.len() + self.missing;
        let place = (all.saturating_sub(1) * percent).div_ceil(100);
        self.times.get(place).map_or(f64::INFINITY, |time| time.as_secs_f64() * 1e3)
    }
}

/// A number of milliseconds as one reads it.
pub(crate) fn shown(millis: f64) -> String {
    match millis {
        never if never.is_infinite() => "never".into(),
        long if long >= 10_000.0 => format!("{:.1} s", long / 1e3),
        short if short < 10.0 => format!("{short:.1} ms"),
        millis => format!("{millis:.0} ms"),
    }
}

/// Runs until each of `nodes` is `done`, in steps of `grain`, at most `bound`; tells how long each took.
pub(crate) fn until(
    cluster: &mut Cluster,
    nodes: &[NodeId],
    (grain, bound): (Duration, Duration),
    done: impl Fn(&NetworkDb) -> bool,
) -> Result<Vec<Option<Duration>>, Violation> {
    let start = cluster.time();
    let mut waiting = nodes.to_vec();
    let mut times = Vec::new();
    loop {
        let world = &cluster.world;
        let before = waiting.len();
        waiting.retain(|node| !world.machine(*node).is_some_and(&done));
        times.extend((waiting.len()..before).map(|_| Some(cluster.time().saturating_sub(start))));
        if waiting.is_empty() || cluster.time() >= start + bound {
            times.extend(waiting.iter().map(|_| None));
            return Ok(times);
        }
        cluster.run_until(cluster.time() + grain)?;
    }
}

/// The row of a number in the first network.
pub(crate) fn row(number: u8) -> EntryKey {
    EntryKey::new("net0", "t", format!("k{number}"))
}

/// The time of a row that is live, or `None`.
pub(crate) fn written(db: &NetworkDb, number: u8) -> Option<u64> {
    db.get_entry(&row(number)).ok().map(|row| row.time)
}

/// Whether a node has any live row.
pub(crate) fn holds_rows(db: &NetworkDb, count: usize) -> bool {
    db.rows(&Filter::network("net0")).iter().filter(|row| row.state == RowState::Live).count() >= count
}
