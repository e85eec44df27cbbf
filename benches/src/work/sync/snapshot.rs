//! Many clients come at once, and each is sent everything.

use std::time::Duration;

use serde_json::Value;

use super::{
    KVS,
    peers::{self, Form, draining, probe, until_drained},
};
use crate::{
    Failure,
    programs::{Kind, Programs},
    runs::Runs,
    table::Row,
};

const CLIENTS: usize = 100;

struct Snapshot {
    digest: Value,
    /// How long the very first client of the server took.
    first: Option<Duration>,
    /// How long the last of all clients took.
    last: Duration,
    processor: Duration,
    memory: u64,
}

pub(super) fn measure(runs: &Runs<'_>) -> Result<Vec<Row>, Failure> {
    let plain =
        runs.each("sync: plain snapshots", |programs, kind| snapshots(programs, kind, Form::Plain))?;
    let today: Vec<Kind> = runs.kinds.iter().copied().filter(|kind| *kind != Kind::Older).collect();
    let snappy = Runs { kinds: &today, ..*runs }
        .each("sync: snapshots in snappy", |programs, kind| snapshots(programs, kind, Form::Snappy))?;
    check_alike(&plain)?;
    check_alike(&snappy)?;
    let seconds = |time: &Duration| time.as_secs_f64();
    let megabytes = |snapshot: &Snapshot| snapshot.memory as f64 / 1e6;
    let what = |form: &str, what: &str| format!("{form} snapshot to {CLIENTS} clients: {what}");
    let first = snappy.each_ref().map(|runs| runs.iter().filter_map(|run| run.first).collect());
    Ok(vec![
        Row::new(what("plain", "the last has it"), "s", &plain, |run| seconds(&run.last)).aim("4"),
        Row::new(what("plain", "CPU of the server"), "s", &plain, |run| seconds(&run.processor)).aim("4"),
        Row::new(what("plain", "memory of the server"), "MB", &plain, megabytes).aim("120"),
        Row::new("snappy snapshot to the first client ever", "s", &first, seconds).aim("0.1"),
        Row::new(what("snappy", "the last has it"), "s", &snappy, |run| seconds(&run.last)).aim("Go's"),
        Row::new(what("snappy", "CPU of the server"), "s", &snappy, |run| seconds(&run.processor))
            .aim("Go's"),
        Row::new(what("snappy", "memory of the server"), "MB", &snappy, megabytes).aim("120"),
    ])
}

fn snapshots(programs: &Programs, kind: Kind, form: Form) -> Result<Snapshot, Failure> {
    let server = peers::server(programs, kind, KVS)?;
    let first = match form {
        Form::Plain => None,
        Form::Snappy => Some({
            let mut client = draining(programs, &server, kind, (form, None), 1)?;
            until_drained(&mut client, 1)?
        }),
    };
    let probe = probe(programs, &server, kind, form)?;
    let before = server.usage()?.processor;
    let mut clients = draining(programs, &server, kind, (form, Some(&probe)), CLIENTS)?;
    let last = until_drained(&mut clients, CLIENTS)?;
    let usage = server.usage()?;
    let processor = usage.processor.saturating_sub(before);
    Ok(Snapshot { digest: probe.digest, first, last, processor, memory: usage.memory })
}

fn check_alike(snapshots: &[Vec<Snapshot>; 3]) -> Result<(), Failure> {
    let mut digests = snapshots.iter().flatten().map(|snapshot| &snapshot.digest);
    let first = digests.next();
    if digests.all(|digest| Some(digest) == first) {
        return Ok(());
    }
    Err("the servers do not have the same keys and values".into())
}
