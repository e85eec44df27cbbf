//! `networkdb sync bench`: many clients in one process.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{HumanBytes, HumanCount};
use networkdb_host::{
    Host, Ports, Tls,
    sync::{SyncClient, SyncClientConfig, SyncEvent, follow},
};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{args::BenchArgs, drain::Drain};
use crate::failure::Failure;

/// Between two lines.
const LINE: Duration = Duration::from_secs(1);

/// Measures until the time is over or it is interrupted.
pub(super) async fn run(args: BenchArgs) -> Result<(), Failure> {
    let tls = args.server.tls.clone().load()?;
    let clients: Box<dyn Clients> = if args.decode {
        Box::new(Decoding::start(&args, tls).await?)
    } else {
        Box::new(Draining::start(&args, tls)?)
    };
    let begun = Instant::now();
    let interrupt = tokio::signal::ctrl_c();
    tokio::select! {
        _ = interrupt => {}
        () = sleep(args.duration) => {}
        () = print_lines(&*clients, begun) => {}
    }
    let (total, seconds) = (clients.total(), begun.elapsed().as_secs_f64());
    println!("in {seconds:.1} s: {}", sum(&total));
    if let Some((median, slowest)) = clients.snapshot_times() {
        println!("until in sync: half of the clients {median:.2?}, the slowest {slowest:.2?}");
    }
    if total.connected == 0 {
        return Err(Failure::Unreachable("no client was connected: see `networkdb sync watch`".to_owned()));
    }
    Ok(())
}

async fn print_lines(clients: &dyn Clients, begun: Instant) {
    let mut ticks = interval(LINE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let (mut before, mut at) = (clients.total(), begun);
    loop {
        ticks.tick().await;
        let (total, now) = (clients.total(), Instant::now());
        println!("{}", line(&total, &before, (now - at).as_secs_f64()));
        (before, at) = (total, now);
    }
}

/// What was received between two moments, a second.
fn line(total: &Total, before: &Total, seconds: f64) -> String {
    let rate = |now: u64, before: u64| (now.saturating_sub(before) as f64 / seconds.max(1e-3)) as u64;
    let bytes = HumanBytes(rate(total.bytes, before.bytes));
    let connections = format!("{} connected, {} ended, {bytes}/s", total.connected, total.ended);
    let Some((in_sync, updates)) = total.decoded else { return connections };
    let updates = HumanCount(rate(updates, before.decoded.map_or(0, |(_, updates)| updates)));
    format!("{connections}, {in_sync} in sync, {updates} updates/s")
}

/// All that was received.
fn sum(total: &Total) -> String {
    let Total { connected, ended, bytes, decoded } = total;
    let received = format!("{connected} connected, {ended} ended, {} received", HumanBytes(*bytes));
    match decoded {
        Some((in_sync, updates)) => {
            format!("{received}, {in_sync} in sync, {} updates", HumanCount(*updates))
        }
        None => received,
    }
}

/// Sums over all clients.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    connected: usize,
    ended: usize,
    bytes: u64,
    /// Clients in sync, and updates.
    decoded: Option<(usize, u64)>,
}

trait Clients: Send + Sync {
    fn total(&self) -> Total;

    /// How long half of the clients took until they were in sync, and the slowest of those that were.
    fn snapshot_times(&self) -> Option<(Duration, Duration)>;
}

/// All in one machine.
struct Draining(Host<Drain>);

impl Draining {
    fn start(args: &BenchArgs, tls: Option<Tls>) -> Result<Self, Failure> {
        let server = &args.server;
        let host = Host::start::<io::Error>(Ports::default().secured(tls), |now| {
            Ok(Drain::new(&server.servers, args.clients, &server.syncer, now))
        });
        Ok(Self(host.map_err(|error| Failure::agent(format!("cannot start: {error}")))?))
    }
}

impl Clients for Draining {
    fn total(&self) -> Total {
        let totals = self.0.shared().read(Drain::totals);
        Total { connected: totals.connected, ended: totals.ended, bytes: totals.bytes, decoded: None }
    }

    fn snapshot_times(&self) -> Option<(Duration, Duration)> {
        None
    }
}

/// Each a real client that keeps nothing.
struct Decoding {
    clients: Arc<[SyncClient]>,
    counts: Arc<Counts>,
    _readers: JoinSet<()>,
}

#[derive(Default)]
struct Counts {
    updates: AtomicU64,
    connected: AtomicUsize,
    ended: AtomicUsize,
}

impl Decoding {
    async fn start(args: &BenchArgs, tls: Option<Tls>) -> Result<Self, Failure> {
        let mut clients = Vec::new();
        for number in 0..args.clients {
            let mut client = follow::Config::new(format!("bench-{number}"), args.server.servers.clone());
            client.syncer_type.clone_from(&args.server.syncer);
            client.tracking = follow::Tracking::None;
            client.accept_old_servers = true;
            client.retry.reconnect = false;
            let client = SyncClient::start(SyncClientConfig { client, tls: tls.clone() }).await;
            clients.push(client.map_err(|error| Failure::usage(error.to_string()))?);
        }
        let (clients, counts) = (Arc::<[SyncClient]>::from(clients), Arc::new(Counts::default()));
        let mut readers = JoinSet::new();
        for number in 0..clients.len() {
            readers.spawn(read(Arc::clone(&clients), number, Arc::clone(&counts)));
        }
        Ok(Self { clients, counts, _readers: readers })
    }
}

async fn read(clients: Arc<[SyncClient]>, number: usize, counts: Arc<Counts>) {
    let Some(client) = clients.get(number) else { return };
    while let Some(event) = client.event().await {
        match event {
            SyncEvent::Updates(updates) => {
                counts.updates.fetch_add(updates.len() as u64, Ordering::Relaxed);
            }
            SyncEvent::Connected(_) => {
                counts.connected.fetch_add(1, Ordering::Relaxed);
            }
            SyncEvent::Finished { .. } => {
                counts.ended.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

impl Clients for Decoding {
    fn total(&self) -> Total {
        let stats = self.clients.iter().map(SyncClient::stats);
        let (mut bytes, mut in_sync) = (0, 0);
        for stats in stats {
            bytes += stats.bytes_in;
            in_sync += usize::from(stats.times.in_sync.is_some());
        }
        let load = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        let updates = self.counts.updates.load(Ordering::Relaxed);
        Total {
            connected: load(&self.counts.connected),
            ended: load(&self.counts.ended),
            bytes,
            decoded: Some((in_sync, updates)),
        }
    }

    fn snapshot_times(&self) -> Option<(Duration, Duration)> {
        let times = self.clients.iter().map(|client| client.stats().times);
        let mut took: Vec<_> = times.filter_map(|times| Some(times.in_sync?.since(times.dialled?))).collect();
        took.sort_unstable();
        Some((*took.get(took.len() / 2)?, *took.last()?))
    }
}
