//! SWIM membership with Lifeguard, on the wire of `hashicorp/memberlist` 0.4 to 0.7.
//!
//! [`Memberlist`] is the engine: it finds out who is there, spreads the news and carries messages of a layer above
//! (the [`Delegate`], passed to each call). [`Membership`] is the [`crate::machine::Machine`] for those who want
//! membership alone.
//!
//! | file | what |
//! |---|---|
//! | `config`, `member`, `delegate`, `counters` | what one can set, see, add and count |
//! | `message`, `packet`, `stream`, `keyring` | the formats, inside out |
//! | `roster`, `claims`, `suspicion`, `awareness` | who is there, and what is believed of them |
//! | `probe`, `send`, `push_pull`, `reconnect`, `talk`, `requests` | what is done about it |
//! | `broadcast` | the queue of news |

mod awareness;
pub mod broadcast;
mod claims;
mod config;
mod counters;
mod delegate;
mod keyring;
mod member;
mod membership;
pub mod message;
pub mod packet;
mod probe;
mod push_pull;
mod reconnect;
mod requests;
mod roster;
mod send;
pub mod stream;
mod suspicion;
mod talk;
#[doc(hidden)]
pub mod testing;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;

pub(crate) use self::send::LEAST_COST;
pub use self::{
    awareness::Awareness,
    broadcast::{BroadcastId, BroadcastQueue},
    claims::{MAX_META, MAX_NAME},
    config::{Cidr, Config, ConfigError},
    counters::{Counters, Gauges, MAX_UNDECRYPTABLE, Undecryptable},
    delegate::{Delegate, Outcome, Room},
    keyring::{KeyError, Keyring, SealError},
    member::{Member, MemberEvent, State, Versions},
    membership::{Event, Membership},
    message::Row,
    packet::Security,
    probe::{MAX_ANSWERS, MAX_RELAYS},
    push_pull::{MergeRefusal, push_pull_interval},
    requests::{JoinReport, RequestId},
    suspicion::{Suspicion, grace, suspicion_timeout},
    talk::{MAX_ACCEPTED, MAX_INBOUND, MAX_OUTBOUND, StreamFault},
};
use self::{
    message::{Accusation, Ack, Alive, IndirectPing, MessageType, Nack, Ping},
    packet::PacketError,
    probe::Probes,
    reconnect::Lost,
    requests::Requests,
    roster::Roster,
    talk::Talk,
};
pub use crate::wire::msgpack::Dialect;
use crate::{
    Name,
    machine::{Input, Instant, Outbox, Output, Pace, Rhythm, Rng, StreamId, Timers},
    map::Map,
    wire::DecodeError,
};

/// Members known at one time, this node included; further ones are not learned.
pub const MAX_MEMBERS: usize = 1 << 16;

/// Lowest and highest protocol version understood.
const PROTOCOL_UNDERSTOOD: (u8, u8) = (1, 5);

/// What can fall due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    Gossip,
    Probe,
    ProbeTimeout,
    ProbeEnd,
    PushPull,
    Reconnect,
    Suspicion(Name),
    Relay(u32),
    Talk(StreamId),
    Spread(RequestId),
}

/// What a broadcast is about; a newer one replaces an older one about the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Topic {
    Node(Name),
    /// This node's answer to an accusation; it does not replace news filed under the name.
    Refutation,
}

/// The engine of membership: all of it but the layer above.
#[derive(Debug)]
pub struct Memberlist {
    config: Config,
    security: Arc<Security>,
    /// The largest instant seen.
    now: Instant,
    rng: Rng,
    out: Outbox,
    timers: Timers<Timer>,
    roster: Roster,
    awareness: Awareness,
    /// The own incarnation. Never wraps.
    incarnation: u32,
    leaving: bool,
    broadcasts: BroadcastQueue<Topic>,
    rhythm: Rhythm,
    pace: Pace,
    probes: Probes,
    talks: Map<StreamId, Talk>,
    requests: Requests,
    lost: Lost,
    counters: Counters,
    /// Bytes on the wire of the state last sent in a push/pull.
    state_bytes: usize,
}

impl Memberlist {
    /// A node that knows only itself, and says so to `d`. `seed` decides everything left to chance.
    ///
    /// # Errors
    /// The first setting that cannot work.
    pub fn new(
        config: Config,
        seed: [u8; 32],
        now: Instant,
        d: &mut dyn Delegate,
    ) -> Result<Self, ConfigError> {
        config.check(&d.meta())?;
        let mut list = Self {
            security: Arc::new(Security::from(&config)),
            now,
            rng: Rng::new(seed),
            out: Outbox::default(),
            timers: Timers::default(),
            roster: Roster::default(),
            awareness: Awareness::new(config.awareness_max_multiplier),
            incarnation: 0,
            leaving: false,
            broadcasts: BroadcastQueue::default(),
            rhythm: Rhythm::new(config.gossip_interval),
            pace: Pace::gossip(config.gossip_rate),
            probes: Probes::default(),
            talks: Map::default(),
            requests: Requests::default(),
            lost: Lost::default(),
            counters: Counters::default(),
            state_bytes: 0,
            config,
        };
        list.announce(now, d);
        list.start_tickers(now);
        Ok(list)
    }

    /// Each ticker begins at a random moment of its interval, so that nodes started together do not act together.
    fn start_tickers(&mut self, now: Instant) {
        let Config { probe_interval, push_pull_interval, .. } = self.config;
        let tickers = [(Timer::Probe, probe_interval), (Timer::PushPull, push_pull_interval)];
        for (timer, interval) in tickers {
            if !interval.is_zero() {
                let delay = self.rng.duration(interval);
                self.timers.set(timer, now + interval + delay);
            }
        }
    }

    /// Takes one input, does what is due, and tells `d` what came of it.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, d: &mut dyn Delegate) {
        let now = self.advance(now);
        match input {
            Input::Tick => {}
            Input::Datagram { from, bytes } => self.on_packet(now, from, bytes, d),
            Input::Stream(id, input) => self.on_stream(now, id, input, d),
        }
        while let Some(timer) = self.timers.pop_due(now) {
            self.on_timer(now, timer, d);
        }
        self.settle_spreads(now, d);
    }

    /// The next thing the host is to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.poll()
    }

    /// When to call [`Memberlist::handle`] at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// All members known, this node and those gone included, in no particular order.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.roster.members()
    }

    /// All members known, by name.
    pub fn members_by_name(&self) -> Vec<&Member> {
        let mut members: Vec<&Member> = self.members().collect();
        members.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        members
    }

    /// The member of this name.
    pub fn member(&self, name: &[u8]) -> Option<&Member> {
        self.roster.get(name).map(|record| &record.member)
    }

    /// This node's name.
    pub fn name(&self) -> &Name {
        &self.config.name
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The health score: 0 is healthy.
    pub fn health(&self) -> u32 {
        self.awareness.score()
    }

    /// What has been counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What is held now.
    pub fn gauges(&self) -> Gauges {
        Gauges {
            members: self.roster.len(),
            broadcasts: self.broadcasts.len(),
            streams: self.streams_accepted(),
            stream_bytes_in: self.stream_bytes_in(),
            stream_bytes_out: self.stream_bytes_out(),
            relays: self.probes.relays(),
            state_bytes: self.state_bytes,
        }
    }

    /// Broadcasts waiting in the membership queue.
    pub fn queued(&self) -> usize {
        self.broadcasts.len()
    }

    /// The keys installed.
    pub fn keyring(&self) -> &Keyring {
        &self.security.keyring
    }

    /// Installs a key to open with; one already there is left as it is.
    ///
    /// # Errors
    /// If the key is not 16, 24 or 32 bytes, or the node runs without encryption.
    pub fn add_key(&mut self, key: &[u8]) -> Result<(), KeyError> {
        if self.security.keyring.is_empty() {
            return Err(KeyError::Plain);
        }
        Arc::make_mut(&mut self.security).keyring.add(key)
    }

    /// Seals with this key from now on.
    ///
    /// # Errors
    /// If it is not installed.
    pub fn use_key(&mut self, key: &[u8]) -> Result<(), KeyError> {
        Arc::make_mut(&mut self.security).keyring.use_key(key)
    }

    /// Removes a key; one not installed is left alone.
    ///
    /// # Errors
    /// If it is the key in use.
    pub fn remove_key(&mut self, key: &[u8]) -> Result<(), KeyError> {
        Arc::make_mut(&mut self.security).keyring.remove(key)
    }

    /// Time never runs back.
    fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    fn on_timer(&mut self, now: Instant, timer: Timer, d: &mut dyn Delegate) {
        match timer {
            Timer::Gossip => self.gossip(now, d),
            Timer::Probe => self.probe_tick(now, d),
            Timer::ProbeTimeout => self.probe_timeout(),
            Timer::ProbeEnd => self.probe_end(now, d),
            Timer::PushPull => self.push_pull_tick(now),
            Timer::Reconnect => self.reconnect(now),
            Timer::Suspicion(name) => self.suspicion_over(now, &name, d),
            Timer::Relay(seq) => self.relay_timeout(seq, d),
            Timer::Talk(id) => self.talk_timeout(now, id, d),
            Timer::Spread(request) => self.spread_timeout(now, request, d),
        }
    }

    fn on_packet(&mut self, now: Instant, from: SocketAddr, bytes: &[u8], d: &mut dyn Delegate) {
        self.counters.packets_in += 1;
        self.counters.bytes_in += bytes.len() as u64;
        self.probes.answers = 0;
        let security = Arc::clone(&self.security);
        packet::open(&security, bytes, &mut |leaf| {
            let result = match leaf {
                Ok((kind, body)) => self.dispatch(now, from, kind, body, d),
                Err(error) => {
                    if let PacketError::Seal(_) = error {
                        self.counters.undecryptable.count(from.ip());
                    }
                    Err(error.reason())
                }
            };
            if let Err(reason) = result {
                self.counters.drop(reason);
                d.rejected(now, from, reason);
            }
        });
    }

    fn dispatch(
        &mut self,
        now: Instant,
        from: SocketAddr,
        kind: MessageType,
        body: &[u8],
        d: &mut dyn Delegate,
    ) -> Result<(), &'static str> {
        let bad = |reason| move |_: DecodeError| reason;
        match kind {
            MessageType::Ping | MessageType::IndirectPing if self.probes.answers >= MAX_ANSWERS => {
                return Err("ping: too many in one packet");
            }
            MessageType::Ping => self.on_ping(from, &Ping::decode(body).map_err(bad("ping: malformed"))?, d),
            MessageType::IndirectPing => {
                let ask = IndirectPing::decode(body).map_err(bad("indirect ping: malformed"))?;
                self.on_indirect_ping(now, from, &ask, d);
            }
            MessageType::Ack => self.on_ack(now, &Ack::decode(body).map_err(bad("ack: malformed"))?, d),
            MessageType::Nack => self.on_nack(&Nack::decode(body).map_err(bad("nack: malformed"))?),
            MessageType::Suspect => {
                self.suspect(now, &Accusation::decode(body).map_err(bad("suspect: malformed"))?);
            }
            MessageType::Dead => {
                self.dead(now, &Accusation::decode(body).map_err(bad("dead: malformed"))?, d);
            }
            MessageType::Alive => {
                let alive = Alive::decode(body).map_err(bad("alive: malformed"))?;
                if !self.is_allowed(from.ip()) {
                    return Err("alive: source outside the allow list");
                }
                self.alive(now, &alive, false, d);
            }
            MessageType::User => d.message(now, body),
            _ => return Err("packet: not a packet message"),
        }
        Ok(())
    }
}

/// Encodes a message on its own.
fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut out = Vec::new();
    encode(&mut out);
    out.into()
}

/// The form a socket takes: an IPv4 address written as IPv6 is IPv4.
fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V6(ip) => SocketAddr::new(ip.to_canonical(), addr.port()),
        IpAddr::V4(_) => addr,
    }
}
