//! The state of a `NetworkDB`: everything but the membership below it, whose delegate it is.

use std::{collections::VecDeque, net::SocketAddr};

use bytes::Bytes;

use super::{
    Config, Event, Warning,
    bulk_sync::{Question, Sync},
    entry::Draft,
    join::JoinWait,
    lamport::Lamport,
    message::{Encode, JOIN, Kind, NetworkEntry, NodeEvent, PushPull, wrap},
    network::Networks,
    node::Nodes,
    queue::EventQueue,
    rows::{Place, Rows, Step},
    stats::Counters,
    watch::Watchers,
};
use crate::{
    Name,
    machine::{Endpoint, Instant, Pace, Rng, Timers},
    map::Map,
    memberlist::{
        Delegate, JoinReport, Member, MemberEvent, Outcome, RequestId, Room,
        broadcast::{BroadcastId, Budget, Overhead, copies},
    },
};

/// What the tables want of the membership.
#[derive(Debug)]
pub(super) enum Todo {
    /// Join at these addresses.
    Join(Vec<Endpoint>, Purpose),
    /// Say goodbye.
    Leave(Purpose),
    /// Gossip of nodes and networks has news.
    Hurry,
    /// Exchange state with a member.
    PushPull,
    /// One packet, the same to each.
    BestEffort(Vec<Name>, Vec<u8>),
    /// One message on a stream, the same to each.
    Reliable(Vec<(SocketAddr, Purpose)>, Bytes),
}

/// Why something was asked of the membership.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// The user joins.
    Join(RequestId),
    /// No bootstrap address is part of the cluster.
    Bootstrap,
    /// A failed node may be back.
    Reconnect(Name),
    /// The user leaves.
    Leave(RequestId),
    /// A part of a bulk sync.
    Sync(u64),
    /// A part of the queue of a network, for a node.
    Drain(Name, Name),
    /// An event of a network that fits no packet, of so many bytes.
    Oversize(Name, usize),
}

/// What is to happen once an own node event has been sent.
#[derive(Clone, Debug)]
pub(super) enum After {
    /// The user is told.
    Joined(RequestId, JoinReport),
    /// memberlist leaves.
    Leave(RequestId),
    /// A bulk sync with a node that is back.
    Sync(Name),
    /// Nothing.
    Nothing,
}

#[derive(Debug)]
pub(super) struct NodeWait {
    pub(super) id: BroadcastId,
    pub(super) deadline: Instant,
    pub(super) after: After,
}

/// The deadlines of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Timer {
    Gossip,
    BulkSync,
    Reap,
    ReapNodes,
    Reconnect,
    Rejoin,
    CatchUp,
    Askers,
    NodeEvents,
    Goodbye(RequestId),
    Sync(u64),
}

/// Where a message came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    /// Inside a bulk sync.
    pub(super) bulk: bool,
    /// All others know it.
    pub(super) known: bool,
    /// Compounds around it.
    pub(super) depth: usize,
}

/// All state of a `NetworkDB` above its membership. Implements the delegate of memberlist.
#[derive(Debug)]
pub struct Tables {
    pub(super) config: Config,
    pub(super) name: Name,
    pub(super) network_clock: Lamport,
    pub(super) table_clock: Lamport,
    pub(super) nodes: Nodes,
    pub(super) networks: Networks,
    pub(super) rows: Rows,
    pub(super) watchers: Watchers,
    pub(super) network_queue: EventQueue<(Name, Name)>,
    pub(super) node_queue: EventQueue<Name>,
    pub(super) syncs: Map<u64, Sync>,
    pub(super) last_sync: u64,
    /// What nodes not yet known have asked.
    pub(super) unanswered: Map<Name, Question>,
    pub(super) joins: Map<Name, JoinWait>,
    pub(super) node_waits: Vec<NodeWait>,
    /// Time of the last own node event.
    pub(super) own_node_time: u64,
    pub(super) last_reap: Instant,
    pub(super) bootstrap: Bootstrap,
    pub(super) reconnecting: bool,
    /// Failed nodes tried in a row that did not answer.
    pub(super) reconnects_failed: u32,
    pub(super) leaving: bool,
    /// A planted bug, for tests of tests: rows are taken whatever their time.
    pub(super) takes_old_news: bool,
    pub(super) timers: Timers<Timer>,
    pub(super) rng: Rng,
    pub(super) todo: VecDeque<Todo>,
    pub(super) waiting: Map<RequestId, Purpose>,
    pub(super) early: Vec<(RequestId, Outcome)>,
    pub(super) last_request: u64,
    pub(super) done: VecDeque<Event>,
    pub(super) news: VecDeque<Event>,
    pub(super) counters: Counters,
    /// Bytes a packet has for the parts of a compound.
    pub(super) packet_room: usize,
    /// Of table gossip.
    pub(super) pace: Pace,
    /// Bytes of events on their way that fit no packet.
    pub(super) oversize_sent: usize,
}

/// The addresses the cluster is to be found at.
#[derive(Debug, Default)]
pub(super) struct Bootstrap {
    pub(super) seeds: Vec<Endpoint>,
    /// Those that have answered: how names are told to belong to a member.
    pub(super) reached: Vec<SocketAddr>,
    pub(super) trying: bool,
    /// The user was told that no other node is known.
    pub(super) alone: bool,
    /// Tries in a row that failed.
    pub(super) failures: u32,
}

impl Tables {
    /// No rows and no nodes; the timers start at `now`.
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        let mut tables = Self {
            name: config.memberlist.name.clone(),
            network_clock: Lamport::default(),
            table_clock: Lamport::default(),
            nodes: Nodes::default(),
            networks: Networks::default(),
            rows: Rows::default(),
            watchers: Watchers::new(config.memberlist.name.clone()),
            network_queue: EventQueue::default(),
            node_queue: EventQueue::default(),
            syncs: Map::default(),
            last_sync: 0,
            unanswered: Map::default(),
            joins: Map::default(),
            node_waits: Vec::new(),
            own_node_time: 0,
            last_reap: now,
            bootstrap: Bootstrap::default(),
            reconnecting: false,
            reconnects_failed: 0,
            takes_old_news: false,
            leaving: false,
            timers: Timers::default(),
            rng: Rng::new(seed),
            todo: VecDeque::new(),
            waiting: Map::default(),
            early: Vec::new(),
            last_request: 0,
            done: VecDeque::new(),
            news: VecDeque::new(),
            counters: Counters::default(),
            packet_room: 0,
            oversize_sent: 0,
            pace: Pace::gossip(config.gossip_rate),
            config,
        };
        tables.set_sealed(false);
        tables.start_timers(now);
        tables
    }

    /// Whether packets are sealed: less room is left in them then.
    pub(super) fn set_sealed(&mut self, sealed: bool) {
        let list = &self.config.memberlist;
        let label = if list.label.is_empty() { 0 } else { 2 + list.label.len() };
        let around = 1 + 5 + if sealed { 29 } else { 0 } + label + super::message::COMPOUND_OVERHEAD;
        self.packet_room = list.packet_size.saturating_sub(around);
    }

    pub(super) fn next_request(&mut self) -> RequestId {
        self.last_request += 1;
        RequestId(self.last_request)
    }

    /// Tells the user what is no answer; with nobody reading, the oldest goes.
    pub(super) fn tell(&mut self, event: Event) {
        if self.news.len() >= self.config.limits.events {
            self.news.pop_front();
            self.counters.events_dropped += 1;
        }
        self.news.push_back(event);
    }

    pub(super) fn next_event(&mut self) -> Option<Event> {
        self.done.pop_front().or_else(|| self.news.pop_front())
    }

    /// Stores a row and keeps the counter of its network.
    pub(super) fn put(&mut self, at: Place<'_>, draft: &Draft<'_>) -> Step {
        let step = self.rows.put(at, draft);
        self.count(at, &step);
        step
    }

    /// Stores a row as others made it: watchers are told.
    pub(super) fn put_and_tell(&mut self, at: Place<'_>, draft: &Draft<'_>) -> Step {
        let step = self.put(at, draft);
        self.watchers.publish(at, &step, self.config.limits.watch_queue);
        step
    }

    /// Removes a row: watchers are told if it was live.
    pub(super) fn remove_and_tell(&mut self, at: Place<'_>) {
        let Some(step) = self.rows.remove(at) else { return };
        self.count(at, &step);
        self.watchers.publish(at, &step, self.config.limits.watch_queue);
    }

    pub(super) fn count(&mut self, at: Place<'_>, step: &Step) {
        if let Some(own) = self.networks.own_mut(at.network) {
            own.entries += step.grew();
        }
    }

    /// Queues an own node event; `after` follows once it has been sent, at once if nobody else is there.
    pub(super) fn announce(&mut self, now: Instant, kind: i32, after: After) {
        let time = self.network_clock.increment();
        self.own_node_time = time;
        let event = NodeEvent { kind, time, node: &self.name }.to_bytes();
        let id = self.node_queue.push_alone(wrap(Kind::NodeEvent, &event).into());
        // Others can make this node speak: each of their words that it left gets an answer.
        self.counters.cluster_dropped += self.node_queue.prune(self.config.limits.cluster_queue);
        self.todo.push_back(Todo::Hurry);
        if matches!(after, After::Nothing) {
            return;
        }
        if self.nodes.active() > 1 {
            let deadline = now + self.config.node_event_timeout;
            self.node_waits.push(NodeWait { id, deadline, after });
            self.timers.set(Timer::NodeEvents, deadline);
        } else {
            self.announced(now, after, true);
        }
    }

    /// Looks which own node events have been sent or given up.
    pub(super) fn check_announced(&mut self, now: Instant) {
        let over =
            |wait: &NodeWait, queue: &EventQueue<Name>| !queue.contains(wait.id) || wait.deadline <= now;
        while let Some(at) = self.node_waits.iter().position(|wait| over(wait, &self.node_queue)) {
            let wait = self.node_waits.remove(at);
            let sent = !self.node_queue.contains(wait.id);
            self.announced(now, wait.after, sent);
        }
        match self.node_waits.iter().map(|wait| wait.deadline).min() {
            Some(deadline) => self.timers.set(Timer::NodeEvents, deadline),
            None => self.timers.cancel(&Timer::NodeEvents),
        }
    }

    fn announced(&mut self, now: Instant, after: After, sent: bool) {
        match after {
            After::Joined(request, report) => {
                let result = if sent { Ok(report) } else { Err(super::JoinError::Unannounced(report)) };
                self.done.push_back(Event::Joined { request, result });
            }
            // Who heard of it should have passed it on before memberlist tells the same: a leave is no failure.
            After::Leave(request) => {
                self.timers.set(Timer::Goodbye(request), now + 2 * self.config.gossip_interval);
            }
            After::Sync(node) if sent => self.sync_after_return(now, &node),
            After::Sync(_) | After::Nothing => {}
        }
    }

    /// What was asked of the membership has ended.
    pub(super) fn finished(&mut self, now: Instant, purpose: Purpose, outcome: Outcome) {
        match (purpose, outcome) {
            (Purpose::Sync(id), Outcome::Sent(result)) => self.part_sent(now, id, result.is_ok()),
            (Purpose::Sync(id), _) => self.part_sent(now, id, false),
            (Purpose::Drain(network, node), outcome) => {
                self.drained(now, &network, &node, matches!(outcome, Outcome::Sent(Ok(()))));
            }
            (Purpose::Oversize(network, len), _) => self.oversize_done(&network, len),
            (Purpose::Join(request), Outcome::Joined(report)) => self.user_joined(now, request, report),
            (Purpose::Bootstrap, Outcome::Joined(report)) => self.bootstrapped(now, &report),
            (Purpose::Reconnect(node), Outcome::Joined(report)) => self.reconnected(now, node, &report),
            (Purpose::Leave(request), _) => self.done.push_back(Event::Left { request }),
            _ => {}
        }
    }

    pub(super) fn cluster_limit(&self) -> u32 {
        let config = &self.config.memberlist;
        copies(config.retransmit_mult, self.nodes.active(), config.gossip_nodes)
    }
}

impl Delegate for Tables {
    fn meta(&self) -> Bytes {
        self.config.meta.clone()
    }

    fn broadcasts(&mut self, room: Room, into: &mut Vec<Bytes>) {
        let budget = Budget::new(room.limit, Overhead::Each(room.overhead), self.cluster_limit());
        let budget = Budget { below: room.below, ..budget };
        let used = self.network_queue.take(&budget, into);
        self.node_queue.take(&Budget { limit: room.limit.saturating_sub(used), ..budget }, into);
    }

    fn least_sent(&self) -> Option<u32> {
        [self.network_queue.least_sent(), self.node_queue.least_sent()].into_iter().flatten().min()
    }

    fn message(&mut self, now: Instant, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.receive(now, bytes, Context { bulk: false, known: false, depth: 0 });
        }
    }

    fn local_state(&mut self, _now: Instant, join: bool) -> Bytes {
        if join {
            let time = self.network_clock.increment();
            self.networks.owns_mut().for_each(|own| own.attachment.time = time);
        }
        let mut room = self.config.limits.push_pull;
        let own = self.networks.owns().map(|(network, own)| (&self.name, network, &own.attachment));
        let entries = own.chain(self.networks.others()).map(|(node, network, attachment)| NetworkEntry {
            network,
            time: attachment.time,
            node,
            leaving: attachment.leaving,
        });
        let mut left_out = 0;
        let entries = entries.filter(|entry| {
            let cost = 24 + entry.network.len() + entry.node.len();
            let fits = room >= cost;
            room = room.saturating_sub(cost);
            left_out += u64::from(!fits);
            fits
        });
        let message = PushPull::write(self.network_clock.time(), &self.name, entries);
        self.counters.push_pull_dropped += left_out;
        wrap(Kind::PushPull, &message).into()
    }

    fn merge_state(&mut self, now: Instant, bytes: &[u8], _join: bool) {
        self.merge(now, bytes);
    }

    fn member(&mut self, now: Instant, event: &MemberEvent) {
        match event {
            MemberEvent::Joined(member) => self.member_joined(now, member),
            MemberEvent::Updated(member) => self.member_updated(member),
            MemberEvent::Gone(member) => {
                self.member_gone(member);
                self.seek(now);
            }
        }
    }

    fn conflict(&mut self, existing: &Member, other: &Member) {
        let (name, owner, other) = (existing.name.clone(), existing.addr, other.addr);
        self.tell(Event::Warning(Warning::NameInUse { name, owner, other }));
    }

    fn rejected(&mut self, _now: Instant, from: SocketAddr, reason: &str) {
        self.tell(Event::Warning(Warning::Rejected { from, reason: reason.into() }));
    }

    fn done(&mut self, now: Instant, request: RequestId, outcome: Outcome) {
        match self.waiting.remove(&request) {
            Some(purpose) => self.finished(now, purpose, outcome),
            None => self.early.push((request, outcome)),
        }
    }
}

/// The own JOIN after a join that worked.
impl Tables {
    fn user_joined(&mut self, now: Instant, request: RequestId, report: JoinReport) {
        self.bootstrap.trying = false;
        self.bootstrap.reached.clone_from(&report.reached);
        if report.reached.is_empty() {
            self.retry_bootstrap(now);
            let result = Err(super::JoinError::Unreachable(report));
            self.done.push_back(Event::Joined { request, result });
        } else {
            self.announce(now, JOIN, After::Joined(request, report));
        }
    }
}
