//! A client of the sync protocol as a machine: it keeps a connection to one of several servers, and tells its user
//! what keys and values there are, then what changes.
//!
//! ```text
//! handle ─► Link: Reader (snappy, gob) ─► Session (what a message means) ─► Known (news for the user?) ─► Queue ─► poll_event
//! ```
//!
//! A user who takes no events stops the reading ([`Limits::pending_bytes`]); taking them resumes it at the next
//! [`Machine::handle`], which [`Machine::next_deadline`] then asks for at once. Pings that have been read are answered
//! at once, whatever the user does; those behind what is not read have to wait, so a server may end the connection of a
//! user who takes nothing for a minute.
//!
//! Source: `projectcalico/calico` `typha/pkg/syncclient`, `projectcalico/typha` v3.2.5 `pkg/syncclient`; deletions after
//! a new connection as in `felix` `dedupebuffer`.

mod config;

mod dialer;
mod event;
mod known;
mod link;
mod queue;
mod reader;
mod session;
mod state;
mod stats;
mod updates;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

pub use self::{
    config::{Config, ConfigError, Generation, Limits, Retry, Tracking},
    event::{Connected, Event, Reason},
    stats::{Stats, Times},
    updates::Updates,
};
use self::{dialer::Dialer, known::Known, link::Link, queue::Queue, state::Core};
use super::SyncStatus;
use crate::machine::{
    Endpoint, Input, Instant, Lane, Machine, Outbox, Output, Rng, StreamId, StreamInput, Timers,
};

/// A client of the sync protocol.
#[derive(Debug)]
pub struct Client {
    core: Core,
    dialer: Dialer,
    phase: Phase,
    /// The user has made room, and how late it is has to be told before anything comes of that.
    room: bool,
}

#[derive(Debug)]
enum Phase {
    /// For the next try; without a deadline, for the user to take events.
    Waiting,
    Dialling(Lane, Endpoint),
    Up(Box<Link>),
    Over,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    Connect,
    Read,
    Write,
    Retry,
}

impl Client {
    /// A client that begins to connect.
    ///
    /// # Errors
    /// The first setting that cannot work.
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Result<Self, ConfigError> {
        config.check()?;
        let (mut rng, limits) = (Rng::new(seed), config.limits);
        let known = Known::new(config.tracking, limits.keys, limits.key_bytes, &mut rng);
        let dialer = Dialer::new(config.endpoints.clone(), config.shuffle, rng);
        let core = Core {
            now,
            out: Outbox::default(),
            timers: Timers::default(),
            queue: Queue::new(limits.pending_bytes),
            known,
            stats: Stats::default(),
            config,
        };
        let mut client = Self { core, dialer, phase: Phase::Waiting, room: false };
        client.dial();
        Ok(client)
    }

    /// Ends the connection and the client. [`Event::Finished`] is the last event.
    pub fn stop(&mut self, now: Instant) {
        self.core.pass(now);
        self.end(Reason::Stopped);
    }

    /// Replaces the servers, which were discovered anew; the connection stays. `false`, and nothing is changed, if
    /// there is none.
    pub fn set_endpoints(&mut self, endpoints: Vec<Endpoint>) -> bool {
        self.dialer.replace(endpoints)
    }

    /// Figures.
    pub fn stats(&self) -> Stats {
        let Core { known, queue, stats, .. } = &self.core;
        Stats {
            known_keys: known.len(),
            known_bytes: known.bytes(),
            pending_events: queue.len(),
            pending_bytes: queue.bytes(),
            pending_since: queue.oldest(),
            unread_bytes: if let Phase::Up(link) = &self.phase { link.unread() } else { 0 },
            ..stats.clone()
        }
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.core.config
    }

    /// Whether the client has ended: there will be no more events than wait.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    fn dial(&mut self) {
        if self.core.queue.is_full() {
            return;
        }
        let endpoint = self.dialer.next();
        self.core.stats.tries += 1;
        self.core.stats.times.dialled = Some(self.core.now);
        self.core.timers.set(Timer::Connect, self.core.now + self.core.config.connect_timeout);
        let lane = self.core.out.open(endpoint.clone());
        self.phase = Phase::Dialling(lane, endpoint);
    }

    /// Room was made for events.
    fn resume(&mut self) {
        match &self.phase {
            Phase::Waiting if self.core.timers.get(&Timer::Retry).is_none() => self.dial(),
            _ => self.on_link(Link::resume),
        }
    }

    fn on_link(&mut self, act: impl FnOnce(&mut Link, &mut Core) -> Result<(), Reason>) {
        if let Phase::Up(link) = &mut self.phase
            && let Err(reason) = act(link, &mut self.core)
        {
            self.end(reason);
        }
    }

    fn stream(&mut self, id: StreamId, input: StreamInput<'_>) {
        if let StreamInput::Accepted { .. } = input {
            return self.core.out.refuse(id);
        }
        match &mut self.phase {
            Phase::Dialling(lane, _) if lane.id() == id => self.dialled(input),
            Phase::Up(link) if link.id() == id => self.on_link(|link, core| match input {
                StreamInput::Received(bytes) => link.received(core, bytes),
                StreamInput::Sent(count) => link.sent(core, count),
                StreamInput::Finished => link.ended(core, Reason::Closed),
                StreamInput::Failed(fault) => link.ended(core, Reason::Broken(fault)),
                StreamInput::Accepted { .. } | StreamInput::Opened { .. } => Ok(()),
            }),
            _ => {}
        }
    }

    fn dialled(&mut self, input: StreamInput<'_>) {
        match input {
            StreamInput::Opened { at } => self.connected(at),
            StreamInput::Failed(fault) => {
                if let Phase::Dialling(lane, _) = &mut self.phase {
                    link::hush(lane);
                }
                self.end(Reason::Dial(fault));
            }
            _ => {}
        }
    }

    fn connected(&mut self, at: SocketAddr) {
        let Phase::Dialling(lane, _) = std::mem::replace(&mut self.phase, Phase::Waiting) else { return };
        let core = &mut self.core;
        core.timers.cancel(&Timer::Connect);
        core.known.begin();
        core.stats.connections += 1;
        core.stats.times =
            Times { dialled: core.stats.times.dialled, connected: Some(core.now), ..Times::default() };
        if core.config.generation == Generation::Today {
            core.tell(Event::Status(SyncStatus::RESYNC_IN_PROGRESS));
        }
        self.phase = Phase::Up(Box::new(Link::new(core, lane, at, self.dialer.connection())));
    }

    /// A connection has ended or was not made.
    fn end(&mut self, reason: Reason) {
        let core = &mut self.core;
        core.timers = Timers::default();
        let retry = core.config.retry;
        let mut was_up = false;
        match std::mem::replace(&mut self.phase, Phase::Waiting) {
            Phase::Over => return self.phase = Phase::Over,
            Phase::Waiting => {}
            Phase::Dialling(mut lane, endpoint) => {
                lane.abort(&mut core.out);
                self.dialer.failed();
                if !reason.is_final() {
                    core.tell(Event::Unreached { endpoint, reason: reason.clone() });
                }
            }
            Phase::Up(mut link) => {
                link.abort(core);
                was_up = true;
                let settled = link.is_settled(core, core.now.before(retry.max_pause));
                if settled { self.dialer.succeeded() } else { self.dialer.failed() }
            }
        }
        if reason.is_final() || self.dialer.is_exhausted(&retry) || (was_up && !retry.reconnect) {
            self.phase = Phase::Over;
            return core.tell(Event::Finished { reason });
        }
        if was_up {
            core.tell(Event::Disconnected { reason });
            core.tell(Event::Status(SyncStatus::WAIT_FOR_DATASTORE));
        }
        core.timers.set(Timer::Retry, core.now + self.dialer.pause(&retry));
    }

    fn due(&mut self, timer: Timer) {
        match (timer, &self.phase) {
            (Timer::Connect, Phase::Dialling(..)) => self.end(Reason::ConnectTimeout),
            (Timer::Read, Phase::Up(link)) => self.end(link.silence()),
            (Timer::Write, Phase::Up(_)) => self.end(Reason::WriteTimeout),
            (Timer::Retry, Phase::Waiting) => self.dial(),
            _ => {}
        }
    }
}

impl Machine for Client {
    type Event = Event;

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.core.pass(now);
        // First, since it may say that the stream is over of which there would be something to say.
        if let Input::Stream(id, input) = input {
            self.stream(id, input);
        }
        if std::mem::take(&mut self.room) {
            self.resume();
        }
        while let Some(timer) = self.core.timers.pop_due(self.core.now) {
            self.due(timer);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.core.out.poll()
    }

    fn poll_event(&mut self) -> Option<Event> {
        let was_full = self.core.queue.is_full();
        let event = self.core.queue.pop();
        self.room |= was_full && !self.core.queue.is_full();
        event
    }

    fn next_deadline(&self) -> Option<Instant> {
        if self.room { Some(self.core.now) } else { self.core.timers.next() }
    }
}
