//! `NetworkDB` nodes in a world, what their users do, and what is checked of them.

mod actions;
mod settled;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use bytes::Bytes;
use networkdb_core::{
    machine::{Endpoint, Instant, Machine},
    memberlist::Keyring,
    networkdb::{ChangeKind, EntryKey, Event, Filter, NODE_TABLE, NetworkDb, Standing, WatchId},
};

pub(crate) use settled::visible;

use crate::{
    faults::{NetworkId, NodeId},
    invariants::{Cause, Invariants, Violation},
    settings::{BOOTSTRAP, Settings, addr_of, key, network_name},
    world::World,
};

/// What a user of a node knows and wants.
#[derive(Debug)]
pub struct Node {
    pub(crate) name: String,
    pub(crate) addr: SocketAddr,
    moves: u8,
    renames: u8,
    /// The networks it is to be in, after a restart too.
    pub(crate) joined: BTreeSet<NetworkId>,
    pub(crate) watch: Option<WatchId>,
    /// Whether the user takes changes.
    watching: bool,
    /// What the watch said, and what the user wrote: the visible rows.
    pub(crate) replica: BTreeMap<EntryKey, Bytes>,
    keys: Vec<u8>,
    pub(crate) leaving: bool,
}

impl Node {
    /// Whether its replica is kept up.
    pub(crate) fn is_watching(&self) -> bool {
        self.watching && self.watch.is_some()
    }
}

/// What happened so far that somebody may want to know.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// Nodes that said they are alone.
    pub alone: BTreeSet<NodeId>,
    /// Times a node was declared dead that was up.
    pub false_deaths: u64,
    /// Who was declared dead while up, by whom.
    pub wronged: BTreeSet<(NodeId, NodeId)>,
    /// Warnings by kind.
    pub warnings: BTreeMap<String, u64>,
}

/// `NetworkDB` nodes with their users, checked after every step.
pub struct Cluster {
    /// The world.
    pub world: World<NetworkDb>,
    /// How it is set up.
    pub settings: Settings,
    /// What was said since somebody last asked.
    pub news: News,
    pub(crate) nodes: Vec<Node>,
    invariants: Invariants,
    written: u64,
    steps: u64,
    origin: Instant,
}

impl Cluster {
    /// Nodes that start one after the other from now on.
    pub fn new(settings: Settings) -> Self {
        let mut world = World::new(settings.seed);
        world.network.set_default(settings.link);
        let nodes = (0..settings.nodes).map(|id| {
            let addr = addr_of(id, 0);
            world.add(addr);
            Node {
                name: format!("n{id}"),
                addr,
                moves: 0,
                renames: 0,
                joined: (0..settings.networks).collect(),
                watch: None,
                watching: true,
                replica: BTreeMap::new(),
                keys: if settings.keys { vec![0] } else { Vec::new() },
                leaving: false,
            }
        });
        let nodes: Vec<Node> = nodes.collect();
        let origin = world.now();
        world.tap();
        let invariants = Invariants::new(nodes.len(), settings.limits());
        Self { world, settings, news: News::default(), nodes, invariants, written: 0, steps: 0, origin }
    }

    /// Time since the beginning.
    pub fn time(&self) -> Duration {
        self.world.now().since(self.origin)
    }

    /// Steps so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Starts all nodes, one after the other.
    ///
    /// # Errors
    /// The first invariant that was violated.
    pub fn start(&mut self) -> Result<(), Violation> {
        for id in 0..self.nodes.len() {
            self.start_node(id)?;
            self.run_until(self.time() + self.settings.stagger)?;
        }
        Ok(())
    }

    /// Runs until `time` after the beginning.
    ///
    /// # Errors
    /// The first invariant that was violated.
    pub fn run_until(&mut self, time: Duration) -> Result<(), Violation> {
        let end = self.origin + time;
        while self.world.next_at().is_some_and(|at| at <= end) {
            let Some(step) = self.world.step() else { break };
            self.steps += 1;
            if let Some(id) = step.ran {
                self.after(id, Cause::Network)?;
            }
        }
        self.world.wait_until(end);
        Ok(())
    }

    /// What comes of a step or command at a node.
    fn after(&mut self, id: NodeId, cause: Cause) -> Result<(), Violation> {
        self.take_events(id);
        self.take_changes(id);
        let Self { world, nodes, invariants, .. } = self;
        let (Some(db), Some(node), Some(process)) = (world.machine(id), nodes.get(id), world.process(id))
        else {
            return Ok(());
        };
        invariants.after(id, db, node, process, (world.now(), cause))?;
        invariants.sent(id, &world.sent, db, node)
    }

    fn take_events(&mut self, id: NodeId) {
        let mut left = false;
        let now = self.world.now();
        while let Some(event) = self.world.machine_mut(id).and_then(Machine::poll_event) {
            self.world.trace.line(now, || format!("{id} ! {event:?}"));
            match event {
                Event::Alone => drop(self.news.alone.insert(id)),
                Event::Left { .. } => left = true,
                Event::Node { name, standing: Standing::Failed, .. } => self.note_death(id, &name),
                Event::Warning(warning) => {
                    let kind = format!("{warning:?}");
                    let kind = kind.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
                    *self.news.warnings.entry(kind).or_default() += 1;
                }
                _ => {}
            }
        }
        if left {
            self.world.crash(id, false);
        }
    }

    fn note_death(&mut self, by: NodeId, name: &[u8]) {
        let Some(of) = self.nodes.iter().position(|node| node.name.as_bytes() == name) else { return };
        let lives = self.world.process(of).is_some_and(|process| process.is_up() && !process.is_paused());
        if lives && !self.nodes.get(of).is_some_and(|node| node.leaving) {
            self.news.false_deaths += 1;
            self.news.wronged.insert((of, by));
        }
    }

    fn take_changes(&mut self, id: NodeId) {
        let (Some(node), Some(db)) = (self.nodes.get_mut(id), self.world.machine_mut(id)) else { return };
        let Some(watch) = node.watch.filter(|_| node.watching) else { return };
        while let Some(change) = db.next_change(watch) {
            if change.table.as_bytes() == NODE_TABLE {
                continue;
            }
            let resync = change.kind() == ChangeKind::Resync;
            let key = EntryKey { network: change.network, table: change.table, key: change.key };
            match change.value {
                _ if resync => {
                    let own = |key: &EntryKey| {
                        db.get_entry(key).is_ok_and(|row| *row.owner == *node.name.as_bytes())
                    };
                    node.replica.retain(|key, _| own(key));
                }
                Some(value) => drop(node.replica.insert(key, value)),
                None => drop(node.replica.remove(&key)),
            }
        }
    }

    /// Starts a node: it watches, joins the cluster, and the networks it is to be in.
    pub(crate) fn start_node(&mut self, id: NodeId) -> Result<(), Violation> {
        let Some(node) = self.nodes.get_mut(id) else { return Ok(()) };
        let keys: Vec<[u8; 32]> = node.keys.iter().map(|number| key(*number)).collect();
        let config = self.settings.config(&node.name, node.addr, Keyring::new(&keys).unwrap_or_default());
        node.replica.clear();
        node.leaving = false;
        self.invariants.started(id);
        let (seed, addr, joined) = (self.world.seed(), node.addr, node.joined.clone());
        let started = self.world.start(id, addr, |now| NetworkDb::new(config, seed, now));
        if let Err(error) = started {
            return Err(Violation::new("every setting works", id, error.to_string()));
        }
        let seeds: Vec<Endpoint> = (0..BOOTSTRAP.min(self.settings.nodes))
            .filter(|seed| *seed != id)
            .map(|seed| addr_of(seed, 0).into())
            .collect();
        let planted = self.settings.planted_bug;
        let watch = self.world.command(id, |db, now| {
            if planted {
                db.plant_bug();
            }
            let watch = db.watch(Filter::default());
            db.join(now, seeds);
            for network in joined {
                // A fresh node has joined none.
                let _ = db.join_network(now, network_name(network).as_bytes());
            }
            watch
        });
        if let Some(node) = self.nodes.get_mut(id) {
            node.watch = watch;
        }
        self.after(id, Cause::Command)
    }
}
