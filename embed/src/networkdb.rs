//! A NetworkDB node.

use std::net::SocketAddr;

use bytes::Bytes;
use networkdb_core::{
    Name,
    machine::{Endpoint, Input, Instant, Machine, Output},
    memberlist::JoinReport,
    networkdb::{
        self, Change, ChangeKind, Config, EntryKey, Filter, JoinError, NetworkDb, RowState, Standing,
        Warning, WatchId, digests,
    },
};
use zeroize::Zeroizing;

use crate::{
    Code, Error, Event, EventKind, Member, Write,
    fields::Fields,
    json::{self, Answer},
    object::{Commands, Object, Request},
    settings::set_ms,
};

/// Rows in an answer unless a limit is given.
const PAGE: usize = 1_000;

/// The settings of a NetworkDB node. What is left out is the peer's default.
#[derive(Clone, Debug, Default)]
pub struct NetworkDbSettings {
    /// What every member has.
    pub member: Member,
    /// The longest time between rounds of table gossip, in milliseconds.
    pub table_gossip_interval_ms: Option<u64>,
    /// Time between bulk syncs, in milliseconds.
    pub bulk_sync_interval_ms: Option<u64>,
    /// How long a tombstone lives, in milliseconds.
    pub reap_entry_ms: Option<u64>,
    /// Time between looks whether a bootstrap address is part of the cluster, in milliseconds.
    pub rejoin_interval_ms: Option<u64>,
    /// How long a goodbye may take, in milliseconds.
    pub leave_timeout_ms: Option<u64>,
}

impl NetworkDbSettings {
    pub(crate) fn read(from: &mut Fields) -> Self {
        Self {
            member: Member::read(from),
            table_gossip_interval_ms: from.number("table_gossip_interval_ms"),
            bulk_sync_interval_ms: from.number("bulk_sync_interval_ms"),
            reap_entry_ms: from.number("reap_entry_ms"),
            rejoin_interval_ms: from.number("rejoin_interval_ms"),
            leave_timeout_ms: from.number("leave_timeout_ms"),
        }
    }

    pub(crate) fn build(self, seed: [u8; 32], now: Instant) -> Result<Box<dyn Object>, Error> {
        let (name, advertise) = self.member.identity()?;
        let mut config = Config::new(name, advertise);
        self.member.apply(&mut config.memberlist);
        set_ms(&mut config.gossip_interval, self.table_gossip_interval_ms);
        set_ms(&mut config.bulk_sync_interval, self.bulk_sync_interval_ms);
        set_ms(&mut config.reap_entry, self.reap_entry_ms);
        set_ms(&mut config.rejoin_interval, self.rejoin_interval_ms);
        set_ms(&mut config.leave_timeout, self.leave_timeout_ms);
        let db = NetworkDb::new(config, seed, now)?;
        Ok(Box::new(Tables { db, watches: Vec::new(), turn: 0 }))
    }
}

/// What may be asked of a NetworkDB node.
enum Command {
    Join {
        members: Vec<Endpoint>,
    },
    Leave,
    NetworkJoin {
        network: String,
    },
    NetworkLeave {
        network: String,
    },
    Networks,
    Members,
    Peers {
        network: Option<String>,
    },
    List {
        of: Filter,
        behind: Option<EntryKey>,
        limit: Option<usize>,
    },
    Digest {
        of: Filter,
    },
    Watch {
        of: Filter,
    },
    Unwatch {
        watch: u64,
    },
    /// A paused watch tells nothing. What it misses it makes up for when it goes on, if need be after a resync.
    WatchPause {
        watch: u64,
        paused: bool,
    },
    KeyAdd {
        key: Zeroizing<Vec<u8>>,
    },
    KeyUse {
        key: Zeroizing<Vec<u8>>,
    },
    KeyRemove {
        key: Zeroizing<Vec<u8>>,
    },
    Stats,
    Snapshot,
}

/// How it is asked.
const COMMANDS: Commands<Command> = &[
    ("join", |from| Command::Join { members: from.need("members", Fields::endpoints) }),
    ("leave", |_| Command::Leave),
    ("network_join", |from| Command::NetworkJoin { network: from.need("network", Fields::text) }),
    ("network_leave", |from| Command::NetworkLeave { network: from.need("network", Fields::text) }),
    ("networks", |_| Command::Networks),
    ("members", |_| Command::Members),
    ("peers", |from| Command::Peers { network: from.text("network") }),
    ("list", |from| Command::List {
        of: filter(from),
        behind: from.nested("behind", behind),
        limit: from.number("limit"),
    }),
    ("digest", |from| Command::Digest { of: filter(from) }),
    // `own`: tell also what this node writes itself.
    ("watch", |from| Command::Watch {
        of: Filter { own: from.flag("own").unwrap_or_default(), ..filter(from) },
    }),
    ("unwatch", |from| Command::Unwatch { watch: from.need("watch", Fields::number) }),
    ("watch_pause", |from| Command::WatchPause {
        watch: from.need("watch", Fields::number),
        paused: from.need("paused", Fields::flag),
    }),
    ("key_add", |from| Command::KeyAdd { key: from.need("key_hex", Fields::key) }),
    ("key_use", |from| Command::KeyUse { key: from.need("key_hex", Fields::key) }),
    ("key_remove", |from| Command::KeyRemove { key: from.need("key_hex", Fields::key) }),
    ("stats", |_| Command::Stats),
    ("snapshot", |_| Command::Snapshot),
];

/// All rows, or those of a network, of a table.
fn filter(from: &mut Fields) -> Filter {
    Filter {
        network: from.text("network").map(Name::from),
        table: from.text("table").map(Name::from),
        ..Filter::default()
    }
}

/// The row a page begins behind, as an answer gave it, by its names: in hex too if they are no text.
fn behind(row: &mut Fields) -> EntryKey {
    row.ignore_others();
    EntryKey::new(
        name(row, "network", "network_hex"),
        name(row, "table", "table_hex"),
        name(row, "key", "key_hex"),
    )
}

fn name(row: &mut Fields, text: &'static str, digits: &'static str) -> Name {
    let text = row.need(text, Fields::text);
    row.bytes(digits).map_or_else(|| Name::from(text), |bytes| Name::from(&bytes[..]))
}

struct Tables {
    db: NetworkDb,
    /// Watches, asked in turn.
    watches: Vec<Watch>,
    turn: usize,
}

#[derive(Clone, Copy)]
struct Watch {
    id: WatchId,
    paused: bool,
}

impl Object for Tables {
    fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.db.handle(now, input);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.db.poll_output()
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.db.next_deadline()
    }

    fn next_event(&mut self) -> Option<Event> {
        self.db.poll_event().map(event).or_else(|| self.next_change())
    }

    fn command(&mut self, now: Instant, request: Request, answer: &mut Answer) -> Result<(), Error> {
        let db = &mut self.db;
        match request.read(COMMANDS)? {
            Command::Join { members } => answer.number("request", db.join(now, members).0),
            Command::Leave => answer.number("request", db.leave(now).0),
            Command::NetworkJoin { network } => {
                answer.number("request", db.join_network(now, network.as_bytes())?.0);
            }
            Command::NetworkLeave { network } => db.leave_network(now, network.as_bytes())?,
            Command::Watch { of } => {
                let id = db.watch(of);
                self.watches.push(Watch { id, paused: false });
                answer.number("watch", id.0);
            }
            Command::WatchPause { watch, paused } => {
                let place = self.watch(WatchId(watch))?;
                self.watches.get_mut(place).ok_or(Code::Missing)?.paused = paused;
            }
            Command::Unwatch { watch } => {
                let watch = WatchId(watch);
                self.watches.remove(self.watch(watch)?);
                self.db.unwatch(watch);
            }
            Command::KeyAdd { key } => db.add_key(&key)?,
            Command::KeyUse { key } => db.use_key(&key)?,
            Command::KeyRemove { key } => db.remove_key(&key)?,
            Command::Networks => answer.list("networks", &db.networks(), json::network),
            Command::Members => answer.list("members", &db.members(), json::member),
            Command::Peers { network } => {
                let peers = network.map_or_else(|| db.cluster_peers(), |name| db.peers(name.as_bytes()));
                answer.list("peers", &peers, json::peer);
            }
            Command::List { of, behind, limit } => {
                let rows = db.page(&of, behind.as_ref(), limit.unwrap_or(PAGE));
                answer.list("rows", &rows, json::row);
            }
            Command::Digest { of } => self.digest(&of, answer),
            Command::Stats => answer.figures(&db.stats()),
            Command::Snapshot => self.snapshot(answer),
        }
        Ok(())
    }

    fn write(&mut self, now: Instant, how: Write, key: &EntryKey, value: Bytes) -> Result<(), Code> {
        let result = match how {
            Write::Create => self.db.create_entry(now, key, value),
            Write::Update => self.db.update_entry(now, key, value),
            Write::Put => self.db.put_entry(now, key, value),
            Write::Delete => self.db.delete_entry(now, key),
        };
        result.map_err(|error| Code::from(&error))
    }

    fn read(&self, key: &EntryKey) -> Result<Bytes, Code> {
        self.db.get_entry(key).map(|row| row.value).map_err(|error| Code::from(&error))
    }

    fn advertised(&self) -> Option<SocketAddr> {
        Some(self.db.memberlist().config().advertise)
    }
}

impl Tables {
    fn digest(&self, of: &Filter, answer: &mut Answer) {
        let mut rows = self.db.rows(of);
        rows.retain(|row| row.state == RowState::Live);
        answer.list("digests", digests(rows), |answer, table| {
            answer.text("digest", &format_args!("{:016x}", table.digest));
            answer.bytes("network", &table.network);
            answer.count("rows", table.rows);
            answer.bytes("table", &table.table);
        });
    }

    fn snapshot(&self, answer: &mut Answer) {
        let snapshot = self.db.snapshot();
        answer.list("members", &self.db.members(), json::member);
        answer.bytes("name", &snapshot.name);
        answer.list("networks", &snapshot.networks, json::network);
        answer.list("nodes", &snapshot.nodes, |answer, (name, node)| {
            answer.text("addr", &node.addr);
            answer.bytes("name", name);
            answer.text("standing", &standing(node.standing));
            answer.number("time", node.time);
        });
        answer.list("peers", &snapshot.peers, |answer, (network, nodes)| {
            answer.bytes("name", network);
            answer.list("nodes", nodes, |answer, name| answer.bytes("name", name));
        });
        answer.list("rows", &snapshot.rows, json::row);
        answer.object("stats", |answer| answer.figures(&snapshot.stats));
    }

    fn watch(&self, id: WatchId) -> Result<usize, Code> {
        self.watches.iter().position(|watch| watch.id == id).ok_or(Code::Missing)
    }

    fn next_change(&mut self) -> Option<Event> {
        for _ in 0..self.watches.len() {
            self.turn = (self.turn + 1) % self.watches.len();
            let Watch { id, paused } = *self.watches.get(self.turn)?;
            if !paused && let Some(found) = self.db.next_change(id) {
                return Some(change(id, found));
            }
        }
        None
    }
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "active",
        Standing::Failed => "failed",
        Standing::Left => "left",
    }
}

fn copied(name: &[u8]) -> Bytes {
    Bytes::copy_from_slice(name)
}

fn event(event: networkdb::Event) -> Event {
    use networkdb::Event as E;
    match event {
        E::Joined { request, result } => {
            let (code, report) = match &result {
                Ok(report) => (Code::Ok, report),
                Err(JoinError::Unreachable(report)) => (Code::Unreachable, report),
                Err(JoinError::Unannounced(report)) => (Code::Unannounced, report),
            };
            joined(request.0, code, report)
        }
        E::Left { request } => Event::new(EventKind::Left).id(request.0),
        E::NetworkJoined { request, network, synced } => Event {
            network: copied(&network),
            number: synced as u64,
            ..Event::new(EventKind::NetworkJoined).id(request.0)
        },
        E::Node { name, addr, standing } => {
            let kind = match standing {
                Standing::Active => EventKind::NodeActive,
                Standing::Failed => EventKind::NodeFailed,
                Standing::Left => EventKind::NodeLeft,
            };
            Event::new(kind).key(&name).addr(addr)
        }
        E::Network { network, node, joined } => {
            let kind = if joined { EventKind::PeerJoined } else { EventKind::PeerLeft };
            Event { network: copied(&network), ..Event::new(kind).key(&node) }
        }
        E::Alone => Event::new(EventKind::Alone),
        E::Warning(warning) => warn(warning),
    }
}

pub(crate) fn joined(request: u64, code: Code, report: &JoinReport) -> Event {
    let event = Event::new(EventKind::Joined).id(request).code(code).text(&json::failures(report));
    Event { number: report.reached.len() as u64, ..event }
}

fn warn(warning: Warning) -> Event {
    let event = Event::new(EventKind::Warning);
    match warning {
        Warning::ClockJump => event.text(&"a time too far ahead of a clock; the message was dropped"),
        Warning::BulkSyncTimedOut(node) => {
            event.key(&node).text(&format_args!("{node} did not answer a bulk sync in time"))
        }
        Warning::Rejected { from, reason } => event.addr(from).text(&reason),
        Warning::NameInUse { name, owner, other } => event
            .key(&name)
            .addr(other)
            .text(&format_args!("{other} claims the name {name}, which {owner} has; it is not let in")),
    }
}

fn change(watch: WatchId, change: Change) -> Event {
    let kind = match change.kind() {
        ChangeKind::Create => EventKind::RowCreated,
        ChangeKind::Update => EventKind::RowUpdated,
        ChangeKind::Delete => EventKind::RowDeleted,
        ChangeKind::Resync => EventKind::Resync,
    };
    Event {
        network: copied(&change.network),
        table: copied(&change.table),
        value: change.value,
        previous: change.previous,
        ..Event::new(kind).id(watch.0).key(&change.key)
    }
}
