//! What changes goes to many clients.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::peers::{self, counting, default_form, draining, figure, probe, telling, total, until_drained};
use crate::{
    Failure,
    node::{Node, wait_for},
    programs::{Kind, Programs},
    runs::Runs,
    table::Row,
};

const CLIENTS: usize = 1000;
/// Clients beside them that tell of a change.
const TELLING: usize = 20;
/// Keys of the server.
const KVS: u32 = 1000;
/// Changes one by one.
const CHANGES: usize = 200;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(10);
/// Changes at once.
const MANY: u32 = 10_000;
/// After so long without a byte all is over.
const SILENCE: Duration = Duration::from_secs(1);

struct Deltas {
    /// How long each change took to each client that tells of it, sorted.
    delays: Vec<Duration>,
    /// Processor time of the server for many changes.
    processor: Duration,
}

pub(super) fn measure(runs: &Runs<'_>) -> Result<Vec<Row>, Failure> {
    let deltas = runs.each("sync: changes", deltas)?;
    let delay = |deltas: &Deltas, percent| quantile(&deltas.delays, percent).as_secs_f64() * 1e3;
    let one = |what: &str| format!("one change to {CLIENTS} clients: {what} of the delays");
    let many = format!("{MANY} changes to {CLIENTS} clients: CPU of the server");
    Ok(vec![
        Row::new(many, "s", &deltas, |deltas| deltas.processor.as_secs_f64()).aim("Go's / 10"),
        Row::new(one("median"), "ms", &deltas, |deltas| delay(deltas, 50)),
        Row::new(one("p99"), "ms", &deltas, |deltas| delay(deltas, 99)).aim("20"),
    ])
}

fn deltas(programs: &Programs, kind: Kind) -> Result<Deltas, Failure> {
    let (mut server, form) = (peers::server(programs, kind, KVS)?, default_form(kind));
    let probe = probe(programs, &server, kind, form)?;
    let mut clients = draining(programs, &server, kind, (form, Some(&probe)), CLIENTS)?;
    until_drained(&mut clients, CLIENTS)?;
    let telling = telling(programs, &server, kind, TELLING)?;
    let delays = delays(&mut server, telling)?;
    let mut counting = counting(programs, &server, kind)?;
    until_counted(&mut counting, KVS)?;
    let before = server.usage()?.processor;
    server.ask("touch", json!({ "touch": MANY }))?;
    until_counted(&mut counting, KVS + MANY)?;
    until_silent(&mut clients)?;
    Ok(Deltas { delays, processor: server.usage()?.processor.saturating_sub(before) })
}

fn delays(server: &mut Node, mut telling: Node) -> Result<Vec<Duration>, Failure> {
    for _ in 0..TELLING {
        told(&mut telling, |event| event.get("status") == Some(&json!(2)))?;
    }
    let mut delays = Vec::new();
    for _ in 0..CHANGES {
        thread::sleep(PAUSE);
        let start = Instant::now();
        server.ask("touch", json!({ "touch": 1 }))?;
        for _ in 0..TELLING {
            let at = told(&mut telling, |event| event.get("updates").is_some())?;
            delays.push(at.saturating_duration_since(start));
        }
    }
    delays.sort_unstable();
    Ok(delays)
}

/// When the next such event came.
fn told(clients: &mut Node, wanted: impl Fn(&Value) -> bool) -> Result<Instant, Failure> {
    loop {
        let event = clients.event()?;
        if wanted(&event.fields) {
            return Ok(event.at);
        }
    }
}

/// Waits until a client has been sent so many updates.
fn until_counted(counting: &mut Node, count: u32) -> Result<(), Failure> {
    wait_for("updates", || Ok((figure(&total(counting)?, "kvs")? >= f64::from(count)).then_some(())))
}

/// Waits until the clients get nothing more.
fn until_silent(clients: &mut Node) -> Result<(), Failure> {
    let (mut bytes, mut since) = (0.0, Instant::now());
    wait_for("silence", || {
        let now = figure(&total(clients)?, "bytes")?;
        if now > bytes {
            (bytes, since) = (now, Instant::now());
        }
        Ok((since.elapsed() > SILENCE).then_some(()))
    })
}

fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}
