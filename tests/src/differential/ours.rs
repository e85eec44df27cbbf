//! A schedule done by a cluster of ours.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use networkdb_core::{
    machine::{Instant, Machine},
    memberlist::RequestId,
    networkdb::{Config, EntryKey, Event, Filter, NODE_TABLE, NetworkDb, Peer, RowState, WatchId},
};
use networkdb_sim::World;

use super::schedule::{Change, Op, Outcome, Round, Row, Schedule, Step, View};

/// The places of a world.
const PLACES: usize = 8;

/// Does a schedule.
pub fn run(schedule: &Schedule) -> Outcome {
    let mut cluster = Cluster::new(schedule.seed);
    let mut end = cluster.world.now();
    let mut rounds = Vec::new();
    for (steps, lasts) in schedule.rounds.iter().zip(&schedule.lasts_ms) {
        cluster.results = vec![String::new(); steps.len()];
        cluster.call_all(steps);
        end = end + Duration::from_millis(*lasts);
        cluster.run_until(end);
        let nodes = cluster.views(schedule);
        rounds.push(Round { results: std::mem::take(&mut cluster.results), nodes });
    }
    Outcome { seed: schedule.seed, rounds }
}

struct Cluster {
    world: World<NetworkDb>,
    users: BTreeMap<usize, User>,
    results: Vec<String>,
}

/// The user of the node at a place.
struct User {
    name: String,
    watch: WatchId,
    changes: Vec<Change>,
    /// The call that waits for the node to have joined.
    joining: Option<(RequestId, usize)>,
}

fn addr_of(place: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, place as u8 + 1], 7946))
}

impl Cluster {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        for place in 0..PLACES {
            world.add(addr_of(place));
        }
        Self { world, users: BTreeMap::new(), results: Vec::new() }
    }

    /// Makes the calls of a round at one instant, in the order of the Go program.
    fn call_all(&mut self, steps: &[Step]) {
        let ordered = |rank: fn(Op) -> bool| (0..).zip(steps).filter(move |(_, step)| rank(step.op));
        ordered(|op| !op.waits()).for_each(|(at, step)| self.results[at] = self.call(step));
        ordered(|op| op == Op::NetworkJoin).for_each(|(at, step)| self.results[at] = self.call(step));
        ordered(|op| op == Op::Leave).for_each(|(_, step)| {
            self.world.command(step.place, NetworkDb::leave);
        });
        ordered(|op| op == Op::Start).for_each(|(at, step)| self.start(at, step));
    }

    fn call(&mut self, step: &Step) -> String {
        match step.op {
            Op::Cut => return self.cut(step.place),
            Op::Mend => {
                self.world.network.heal();
                return String::new();
            }
            _ => {}
        }
        let key = EntryKey::new(&*step.network, &*step.table, &*step.key);
        let value = step.value.clone().into_bytes().into();
        let network = step.network.as_bytes();
        let result = self.world.command(step.place, |db, now| match step.op {
            Op::NetworkJoin => text(db.join_network(now, network)),
            Op::NetworkLeave => text(db.leave_network(now, network)),
            Op::Create => text(db.create_entry(now, &key, value)),
            Op::Update => text(db.update_entry(now, &key, value)),
            Op::Delete => text(db.delete_entry(now, &key)),
            _ => db.get_entry(&key).map_or_else(
                |error| error.to_string(),
                |row| format!("= {}", String::from_utf8_lossy(&row.value)),
            ),
        });
        self.take_news(step.place);
        result.expect("the node is up")
    }

    fn cut(&mut self, place: usize) -> String {
        for other in (0..PLACES).filter(|other| *other != place) {
            self.world.network.cut((place, other));
            self.world.network.cut((other, place));
        }
        String::new()
    }

    fn start(&mut self, at: usize, step: &Step) {
        let addr = addr_of(step.place);
        let (config, seed) = (Config::new(&*step.name, addr), self.world.seed());
        let started = self.world.start(step.place, addr, |now| NetworkDb::new(config, seed, now));
        started.expect("a default configuration works");
        let seeds: Vec<_> = step.seeds.iter().map(|place| addr_of(*place).into()).collect();
        let (watch, joining) = self
            .world
            .command(step.place, |db, now| {
                let watch = db.watch(Filter::default());
                (watch, (!seeds.is_empty()).then(|| (db.join(now, seeds), at)))
            })
            .expect("it was just started");
        self.users.insert(step.place, User { name: step.name.clone(), watch, changes: Vec::new(), joining });
    }

    fn run_until(&mut self, end: Instant) {
        while self.world.next_at().is_some_and(|at| at <= end) {
            if let Some(place) = self.world.step().and_then(|step| step.ran) {
                self.take_news(place);
            }
        }
        self.world.wait_until(end);
    }

    fn take_news(&mut self, place: usize) {
        let (Some(user), Some(db)) = (self.users.get_mut(&place), self.world.machine_mut(place)) else {
            return;
        };
        while let Some(change) = db.next_change(user.watch) {
            if change.table.as_bytes() != NODE_TABLE {
                user.changes.push(told(&change));
            }
        }
        let mut left = false;
        while let Some(event) = db.poll_event() {
            match event {
                Event::Joined { request, result } => {
                    if let Some((_, at)) = user.joining.take_if(|(joining, _)| *joining == request) {
                        self.results[at] = text(result);
                    }
                }
                Event::Left { .. } => left = true,
                _ => {}
            }
        }
        if left {
            self.world.crash(place, false);
            self.users.remove(&place);
        }
    }

    fn views(&mut self, schedule: &Schedule) -> BTreeMap<String, View> {
        let mut views = BTreeMap::new();
        for (place, user) in &mut self.users {
            let db = self.world.machine(*place).expect("who has not left is up");
            let mut view = view(db, schedule);
            view.changes = std::mem::take(&mut user.changes);
            views.insert(user.name.clone(), view);
        }
        views
    }
}

fn text<T, E: ToString>(result: Result<T, E>) -> String {
    result.err().map_or_else(String::new, |error| error.to_string())
}

fn told(change: &networkdb_core::networkdb::Change) -> Change {
    let networkdb_core::networkdb::Change { network, table, key, value, previous } = change;
    let text = |value: &Option<bytes::Bytes>| {
        value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned())
    };
    Change { row: format!("{network}/{table}/{key}"), value: text(value), prev: text(previous) }
}

fn view(db: &NetworkDb, schedule: &Schedule) -> View {
    let rows = schedule.networks.iter().flat_map(|network| db.rows(&Filter::network(&**network)));
    let rows = rows.filter(|row| row.state == RowState::Live).map(|row| {
        let value = String::from_utf8_lossy(&row.value).into_owned();
        (format!("{}/{}/{}", row.network, row.table, row.key), Row { value, owner: row.owner.to_string() })
    });
    View {
        members: names(db.cluster_peers()),
        peers: schedule
            .networks
            .iter()
            .map(|network| (network.clone(), names(db.peers(network.as_bytes()))))
            .collect(),
        rows: rows.collect(),
        changes: Vec::new(),
    }
}

fn names(peers: Vec<Peer>) -> Vec<String> {
    let mut names: Vec<String> = peers.iter().map(|peer| peer.name.to_string()).collect();
    names.sort();
    names
}
