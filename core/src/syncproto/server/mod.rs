//! The server: any number of clients, each sent a snapshot and then what changes.
//!
//! Source: `projectcalico/calico` `typha/pkg/syncserver`; `projectcalico/typha` v3.2.5 for clients of that time.
//!
//! A [`Server`] is a machine that accepts streams. What it sends comes from a [`Cache`](super::cache::Cache) for each
//! syncer type, of which [`Server::follow`] tells. Several servers, each with its own host and thread, may follow the
//! same caches: they share what was published and nothing else. A server goes only as far as it was told, so the same
//! inputs and commands give the same outputs, whatever other threads publish meanwhile.

mod config;
mod conflate;
mod event;
mod feed;
mod send;
mod session;
mod stats;

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use bytes::Bytes;

pub use config::Config;
pub use event::{Client, Event, Reason};
use feed::Feed;
use session::{Session, Stage};
pub use stats::{Stats, Summary, SyncerStats};

use super::cache::Published;
use crate::{
    machine::{Input, Instant, Machine, Outbox, Output, Rng, StreamId, StreamInput, Timers},
    wire::gob::Time,
};

/// Events kept for a user who takes none.
const MAX_EVENTS: usize = 4096;

/// Serves the clients of all syncer types it was told of.
#[derive(Debug)]
pub struct Server {
    shared: Shared,
    feeds: Vec<Feed>,
    /// In boxes: the code of a tree grows with its values.
    sessions: BTreeMap<StreamId, Box<Session>>,
    drain: Option<Duration>,
}

/// What all sessions use.
#[derive(Debug)]
struct Shared {
    now: Instant,
    config: Config,
    rng: Rng,
    out: Outbox,
    timers: Timers<Timer>,
    events: VecDeque<Event>,
    stats: Stats,
    /// What every stream in snappy begins with.
    opening: Bytes,
    next_conn_id: u64,
}

/// What is due at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    /// Another connection is to be dropped.
    Drop,
    /// Something of a connection.
    Of(StreamId, Kind),
}

/// Deadlines of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    /// The client is to say hello or to acknowledge.
    Answer,
    /// A ping is to be sent.
    Ping,
    /// A ping is to be answered.
    Pong,
    /// Something of what was written is to be gone.
    Write,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Answer, Self::Ping, Self::Pong, Self::Write];
}

impl Shared {
    fn event(&mut self, event: Event) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        } else {
            self.stats.events_dropped += 1;
        }
    }

    fn with_jitter(&mut self, interval: Duration) -> Duration {
        interval + self.rng.duration(interval / 10)
    }

    fn wall_time(&self) -> Time {
        let time = self.config.unix_origin + Duration::from_nanos(self.now.as_nanos());
        Time::from_unix(time.as_secs() as i64, time.subsec_nanos())
    }

    /// Random above, counted below, as upstream's.
    fn next_conn_id(&mut self) -> u64 {
        self.next_conn_id += 1;
        self.next_conn_id
    }
}

impl Server {
    /// A server without clients. The seed is the only source of chance.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let mut rng = Rng::new(seed);
        let mut upper = [0; 4];
        rng.fill(&mut upper);
        let shared = Shared {
            now: Instant::ORIGIN,
            config,
            rng,
            out: Outbox::default(),
            timers: Timers::default(),
            events: VecDeque::new(),
            stats: Stats::default(),
            opening: send::snappy_opening(),
            next_conn_id: u64::from(u32::from_be_bytes(upper)) << 32,
        };
        Self { shared, feeds: Vec::new(), sessions: BTreeMap::new(), drain: None }
    }

    // ---- Commands --------------------------------------------------------------------------------------------

    /// Serves what a cache has published to the clients of `syncer_type`; what is older than what was told before is
    /// ignored. Clients are refused whose syncer type was never told, so tell of all before the first connection.
    pub fn follow(&mut self, now: Instant, syncer_type: &str, published: Published) {
        self.shared.now = self.shared.now.max(now);
        let known = self.feeds.iter().position(|feed| *feed.syncer_type == *syncer_type);
        let Some(at) = known else {
            return self.feeds.push(Feed::new(syncer_type, published, &self.shared.config));
        };
        let Some(feed) = self.feeds.get_mut(at) else { return };
        feed.follow(published);
        feed.expire(self.shared.now, &self.shared.config);
        let mut ended = Vec::new();
        for (id, session) in &mut self.sessions {
            if session.feed == at
                && let Err(reason) = session.published(&mut self.shared, feed)
            {
                ended.push((*id, reason));
            }
        }
        for (id, reason) in ended {
            self.end(id, reason);
        }
    }

    /// Sets how many connections there should be: beyond it a random one is dropped at each drop interval.
    pub fn set_max_connections(&mut self, now: Instant, max: usize) {
        self.shared.now = self.shared.now.max(now);
        self.shared.config.max_connections = max;
        self.rebalance();
    }

    /// Takes no more connections and drops those there are, at random, evenly over 95 % of `timeout` or faster.
    /// [`Event::Drained`] follows the last one.
    pub fn drain(&mut self, now: Instant, timeout: Duration) {
        self.shared.now = self.shared.now.max(now);
        let connections = u32::try_from(self.sessions.len()).unwrap_or(u32::MAX);
        let share = (timeout * 19 / 20).checked_div(connections);
        self.drain = Some(share.unwrap_or_default().min(self.shared.config.max_drain_interval));
        self.drop_one(Reason::Draining);
    }

    /// Drops a connection, if there is such a one.
    pub fn disconnect(&mut self, now: Instant, stream: StreamId) {
        self.shared.now = self.shared.now.max(now);
        self.end(stream, Reason::Disconnected);
    }

    // ---- Questions -------------------------------------------------------------------------------------------

    /// Those who are served.
    pub fn clients(&self) -> impl Iterator<Item = &Client> {
        self.sessions.values().filter_map(|session| session.client.as_deref())
    }

    /// What has been counted.
    pub fn stats(&self) -> Stats {
        let mut syncers = BTreeMap::new();
        // Collecting would sort them, which is much code for a few.
        for feed in &self.feeds {
            syncers.insert(feed.syncer_type.clone(), feed.stats.clone());
        }
        let counted = &self.shared.stats;
        Stats { connections_active: self.sessions.len(), closed: counted.closed.clone(), syncers, ..*counted }
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    // ---- Connections -----------------------------------------------------------------------------------------

    fn stream(&mut self, id: StreamId, input: StreamInput<'_>) {
        let result = match input {
            StreamInput::Accepted { from } => return self.accept(id, from),
            StreamInput::Received(bytes) => {
                self.with(id, |session, shared, feeds| session.received(bytes, shared, feeds))
            }
            StreamInput::Sent(count) => {
                self.with(id, |session, shared, feeds| session.sent(count, shared, feeds))
            }
            StreamInput::Finished => self.with(id, |session, _, _| Err(session.finished())),
            StreamInput::Failed(fault) => Err(Reason::Failed(fault)),
            StreamInput::Opened { .. } => Ok(()),
        };
        if let Err(reason) = result {
            self.end(id, reason);
        }
    }

    fn accept(&mut self, id: StreamId, from: SocketAddr) {
        self.shared.stats.connections_accepted += 1;
        let refused = match self.drain {
            Some(_) => Some(Reason::Draining),
            None if self.sessions.len() >= self.shared.config.max_accepted => {
                Some(Reason::TooManyConnections)
            }
            None => None,
        };
        if let Some(reason) = refused {
            self.shared.out.refuse(id);
            return self.closed(id, from, None, reason);
        }
        let session = Session::new(id, from, &mut self.shared);
        self.sessions.insert(id, Box::new(session));
        self.rebalance();
    }

    fn with(
        &mut self,
        id: StreamId,
        act: impl FnOnce(&mut Session, &mut Shared, &mut [Feed]) -> Result<(), Reason>,
    ) -> Result<(), Reason> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        act(session, &mut self.shared, &mut self.feeds)
    }

    /// Ends a connection, if there is such a one.
    fn end(&mut self, id: StreamId, reason: Reason) {
        let Some(mut session) = self.sessions.remove(&id) else { return };
        session.line.abort(&mut self.shared);
        if let (Stage::Snapshot { .. }, Some(feed)) = (&session.stage, self.feeds.get_mut(session.feed)) {
            feed.stats.connections_streaming -= 1;
        }
        self.closed(id, session.from, session.client, reason);
        if self.drain.is_some() && self.sessions.is_empty() {
            self.shared.timers.cancel(&Timer::Drop);
            self.shared.event(Event::Drained);
        }
    }

    fn closed(
        &mut self,
        stream: StreamId,
        from: SocketAddr,
        client: Option<std::sync::Arc<Client>>,
        reason: Reason,
    ) {
        *self.shared.stats.closed.entry(reason.name()).or_default() += 1;
        self.shared.event(Event::Closed { stream, from, client, reason });
    }

    // ---- What is due -----------------------------------------------------------------------------------------

    /// Sees to it that connections are dropped while there are too many.
    fn rebalance(&mut self) {
        let too_many = self.sessions.len() > self.shared.config.max_connections;
        if too_many && self.drain.is_none() && self.shared.timers.get(&Timer::Drop).is_none() {
            let at = self.shared.now + self.shared.with_jitter(self.shared.config.drop_interval);
            self.shared.timers.set(Timer::Drop, at);
        }
    }

    fn drop_due(&mut self) {
        if let Some(pause) = self.drain {
            self.drop_one(Reason::Draining);
            // Without a pause between them all go in this turn.
            while pause.is_zero() && !self.sessions.is_empty() {
                self.drop_one(Reason::Draining);
            }
            return;
        }
        if self.sessions.len() > self.shared.config.max_connections {
            self.drop_one(Reason::Rebalanced);
        }
        self.rebalance();
    }

    /// Drops a random connection, and in a drain sets the time of the next.
    fn drop_one(&mut self, reason: Reason) {
        let at = self.shared.rng.below(self.sessions.len());
        match self.sessions.keys().nth(at).copied() {
            Some(id) => {
                self.shared.stats.connections_dropped += 1;
                self.end(id, reason);
            }
            None if reason == Reason::Draining => self.shared.event(Event::Drained),
            None => {}
        }
        if let Some(interval) = self.drain.filter(|_| !self.sessions.is_empty()) {
            self.shared.timers.set(Timer::Drop, self.shared.now + interval);
        }
    }

    /// What is set meanwhile for this very moment has its turn at the next input, so that this one ends.
    fn run_due(&mut self) {
        let due: Vec<_> = std::iter::from_fn(|| self.shared.timers.pop_due(self.shared.now)).collect();
        for timer in due {
            let Timer::Of(id, kind) = timer else {
                self.drop_due();
                continue;
            };
            if let Err(reason) = self.with(id, |session, shared, feeds| session.due(kind, shared, feeds)) {
                self.end(id, reason);
            }
        }
    }
}

impl Machine for Server {
    type Event = Event;

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.shared.now = self.shared.now.max(now);
        match input {
            Input::Stream(id, input) => self.stream(id, input),
            Input::Tick | Input::Datagram { .. } => {}
        }
        self.run_due();
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.shared.out.poll()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.shared.events.pop_front()
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.shared.timers.next()
    }
}
