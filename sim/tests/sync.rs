//! Servers and clients of the sync protocol in one world, under loss, partitions, crashes and pauses: in the end every
//! user has what the datastore has.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use networkdb_core::{
    machine::{Endpoint, Input, Instant, Machine, Output, Rng},
    syncproto::{
        SerializedUpdate, SyncStatus, UpdateType,
        cache::Cache,
        client::{Client, Config, Event, Generation, Tracking},
        server::{self, Server},
    },
};
use networkdb_sim::{World, network::Link};

const SERVERS: usize = 2;
const CLIENTS: usize = 6;

type Data = BTreeMap<Vec<u8>, Vec<u8>>;

/// A client and what its user made of the events.
struct User {
    client: Client,
    held: Data,
    status: SyncStatus,
    finished: bool,
}

enum Kind {
    Server(Box<Server>),
    User(Box<User>),
}

impl User {
    fn take(&mut self) {
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Updates(updates) => updates.iter().for_each(|update| self.apply(&update)),
                Event::Status(status) => self.status = status,
                Event::Finished { .. } => self.finished = true,
                _ => {}
            }
        }
    }

    fn apply(&mut self, update: &SerializedUpdate<'_>) {
        let was = match update.value {
            Some(value) => self.held.insert(update.key.to_vec(), value.to_vec()).is_some(),
            None => self.held.remove(update.key).is_some(),
        };
        let means = match (update.value, was) {
            (Some(_), false) => UpdateType::NEW,
            (Some(_), true) => UpdateType::UPDATED,
            (None, true) => UpdateType::DELETED,
            (None, false) => panic!("a deletion of what was not there"),
        };
        assert_eq!(update.update_type, means);
    }
}

impl Machine for Kind {
    type Event = ();

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        match self {
            Self::Server(server) => server.handle(now, input),
            Self::User(user) => user.client.handle(now, input),
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        match self {
            Self::Server(server) => server.poll_output(),
            Self::User(user) => user.client.poll_output(),
        }
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn next_deadline(&self) -> Option<Instant> {
        match self {
            Self::Server(server) => server.next_deadline(),
            Self::User(user) => user.client.next_deadline(),
        }
    }
}

/// A datastore, servers that follow it, and users.
struct Deployment {
    world: World<Kind>,
    cache: Cache,
    data: Data,
    rng: Rng,
}

fn addr(id: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, id as u8 + 1], 5473))
}

impl Deployment {
    /// Processes 0 and 1 are servers, the others clients.
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        let rng = Rng::new(world.seed());
        for id in 0..SERVERS + CLIENTS {
            world.add(addr(id));
        }
        let mut all = Self { world, cache: Cache::default(), data: Data::new(), rng };
        (0..SERVERS + CLIENTS).for_each(|id| all.start(id));
        all
    }

    fn start(&mut self, id: usize) {
        let seed = self.world.seed();
        let published = self.cache.published();
        let make = |now| {
            if id < SERVERS {
                let config =
                    server::Config { require_modern_policy_keys: false, ..server::Config::default() };
                let mut server = Server::new(config, seed);
                server.follow(now, "felix", published);
                return Ok(Kind::Server(Box::new(server)));
            }
            let client = Client::new(client_config(id), seed, now)?;
            let (held, status) = (Data::new(), SyncStatus::default());
            Ok::<_, networkdb_core::syncproto::client::ConfigError>(Kind::User(Box::new(User {
                client,
                held,
                status,
                finished: false,
            })))
        };
        self.world.start(id, addr(id), make).unwrap();
    }

    /// Changes some keys and publishes.
    fn change(&mut self) {
        for _ in 0..=self.rng.below(20) {
            let key = format!("/calico/v1/config/key-{}", self.rng.below(500)).into_bytes();
            let value = (self.rng.below(3) > 0).then(|| {
                let len = 1 + self.rng.below(2_000);
                (0..len).map(|_| b'a' + self.rng.below(26) as u8).collect::<Vec<u8>>()
            });
            let known = match &value {
                Some(value) => self.data.insert(key.clone(), value.clone()).is_some(),
                None => self.data.remove(&key).is_some(),
            };
            let update_type = match (&value, known) {
                (None, _) => UpdateType::DELETED,
                (_, true) => UpdateType::UPDATED,
                (_, false) => UpdateType::NEW,
            };
            let update = SerializedUpdate {
                key: &key,
                value: value.as_deref(),
                update_type,
                ..SerializedUpdate::default()
            };
            self.cache.update(&update).unwrap();
        }
        self.publish();
    }

    fn publish(&mut self) {
        let Some(published) = self.cache.publish(self.world.now()) else { return };
        for id in 0..SERVERS {
            let published = published.clone();
            self.world.command(id, |kind, now| {
                if let Kind::Server(server) = kind {
                    server.follow(now, "felix", published);
                }
            });
        }
    }

    fn in_sync(&mut self) {
        self.cache.status(SyncStatus::IN_SYNC);
        self.publish();
    }

    fn run(&mut self, time: Duration) {
        let end = self.world.now() + time;
        while self.world.next_at().is_some_and(|at| at <= end) {
            let ran = self.world.step().and_then(|step| step.ran);
            if let Some(id) = ran.filter(|id| *id >= SERVERS) {
                self.world.command(id, |kind, _| {
                    if let Kind::User(user) = kind {
                        user.take();
                    }
                });
            }
        }
        self.world.wait_until(end);
    }

    /// Does something bad.
    fn fault(&mut self) {
        let (server, client) = (self.rng.below(SERVERS), SERVERS + self.rng.below(CLIENTS));
        match self.rng.below(8) {
            0 => self.world.crash(server, self.rng.below(2) == 0),
            1 => self.start(server),
            2 => self.world.network.cut((server, client)),
            3 => self.world.network.cut((client, server)),
            4 => self.world.network.heal(),
            5 => self.world.pause(client),
            6 => self.world.resume(client),
            _ => self.start(client),
        }
    }

    fn mend(&mut self) {
        self.world.network.heal();
        for id in 0..SERVERS + CLIENTS {
            self.world.resume(id);
            if self.world.machine(id).is_none() {
                self.start(id);
            }
        }
    }

    fn users(&self) -> impl Iterator<Item = &User> {
        (SERVERS..SERVERS + CLIENTS).filter_map(|id| match self.world.machine(id) {
            Some(Kind::User(user)) => Some(&**user),
            _ => None,
        })
    }

    fn check_all_equal(&self) {
        assert_eq!(self.users().count(), CLIENTS);
        for (number, user) in self.users().enumerate() {
            let stats = user.client.stats();
            assert_eq!(user.status, SyncStatus::IN_SYNC, "client {number}: {stats:?}");
            assert!(user.held == self.data, "client {number} holds something else: {stats:?}");
            assert!(!user.finished);
        }
    }
}

/// Each client is of another kind.
fn client_config(id: usize) -> Config {
    let endpoints = (0..SERVERS).map(|server| Endpoint::from(addr(server))).collect();
    let mut config = Config::new(format!("node-{id}"), endpoints);
    match id - SERVERS {
        1 => config.snappy = false,
        2 => config.decoder_restart = false,
        3 => config.generation = Generation::V3_2_5,
        4 => config.limits.pending_bytes = 5_000,
        5 => config.tracking = Tracking::Values,
        _ => {}
    }
    config
}

#[test]
fn every_user_gets_what_the_datastore_has() {
    let mut all = Deployment::new(1);
    all.world.network.set_default(Link::default().losing(5));
    (0..30).for_each(|_| all.change());
    all.in_sync();
    all.run(Duration::from_secs(20));
    all.check_all_equal();
    for _ in 0..100 {
        all.change();
        all.run(Duration::from_millis(50));
    }
    all.run(Duration::from_secs(5));
    all.check_all_equal();
    assert!(all.users().all(|user| user.client.stats().connections == 1), "nobody was lost on the way");
}

#[test]
fn crashes_partitions_and_pauses_end_in_equal_states() {
    let (mut swept, mut reconnects) = (0, 0);
    for seed in 0..20 {
        let mut all = Deployment::new(seed);
        all.world.network.set_default(Link::default().losing(2));
        all.in_sync();
        for _ in 0..60 {
            if all.rng.below(2) == 0 {
                all.change();
            }
            if all.rng.below(3) == 0 {
                all.fault();
            }
            let time = Duration::from_millis(50 << all.rng.below(8));
            all.run(time);
        }
        all.mend();
        all.run(Duration::from_secs(180));
        all.check_all_equal();
        swept += all.users().map(|user| user.client.stats().swept).sum::<u64>();
        reconnects += all.users().map(|user| user.client.stats().connections - 1).sum::<u64>();
    }
    println!("{swept} deletions found by comparison, {reconnects} connections replaced");
    assert!(swept > 0 && reconnects > 20, "the faults did nothing: {swept}, {reconnects}");
}

#[test]
fn a_seed_says_everything() {
    let run = || {
        let mut all = Deployment::new(9);
        all.in_sync();
        for _ in 0..20 {
            all.change();
            all.fault();
            all.run(Duration::from_millis(700));
        }
        (all.world.trace.hash(), all.world.traffic())
    };
    assert_eq!(run(), run());
}
