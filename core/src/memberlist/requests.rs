//! What the owner asks for: joining, leaving, new meta, messages. What takes time ends in [`Delegate::done`].

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;

use super::{
    BroadcastId, Delegate, Member, Memberlist, Outcome, PROTOCOL_UNDERSTOOD, State, StreamFault, Timer,
    Topic, Versions, claims::own_alive, message::Accusation, roster::is_gone, send::user_message, stream,
    talk::Role,
};
use crate::{
    Name,
    machine::{Endpoint, Instant},
    map::Map,
};

/// Names a request until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Whom a join reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinReport {
    /// Seeds that exchanged state with this node.
    pub reached: Vec<SocketAddr>,
    /// Seeds that did not, and why.
    pub failed: Vec<(Endpoint, StreamFault)>,
}

/// Requests not yet ended.
#[derive(Debug, Default)]
pub(super) struct Requests {
    last: u64,
    joins: Map<RequestId, Join>,
    /// News of which the owner wants to know when it has been sent its full number of times.
    spreads: Map<RequestId, Option<BroadcastId>>,
}

#[derive(Debug)]
struct Join {
    open: usize,
    report: JoinReport,
}

impl Requests {
    fn next(&mut self) -> RequestId {
        self.last += 1;
        RequestId(self.last)
    }
}

impl Memberlist {
    /// This node's first word about itself.
    pub(super) fn announce(&mut self, now: Instant, d: &mut dyn Delegate) {
        self.incarnation = 1;
        let own = Member {
            name: self.config.name.clone(),
            addr: self.config.advertise,
            meta: d.meta(),
            versions: Some(self.own_versions()),
            incarnation: self.incarnation,
            state: State::Alive,
            since: now,
        };
        self.alive(now, &own_alive(&own), true, d);
    }

    fn own_versions(&self) -> Versions {
        let [delegate_min, delegate_max, delegate] = self.config.delegate_versions;
        let (protocol_min, protocol_max) = PROTOCOL_UNDERSTOOD;
        let protocol = self.config.protocol_version;
        Versions { protocol_min, protocol_max, protocol, delegate_min, delegate_max, delegate }
    }

    /// Exchanges state with all `seeds` at once. One dead seed costs no other anything, and its own deadline once.
    /// Ends with [`Outcome::Joined`].
    pub fn join(&mut self, now: Instant, seeds: Vec<Endpoint>, d: &mut dyn Delegate) -> RequestId {
        let now = self.advance(now);
        let request = self.requests.next();
        if seeds.is_empty() {
            d.done(now, request, Outcome::Joined(JoinReport::default()));
            return request;
        }
        self.lost.seeds.clone_from(&seeds);
        self.requests.joins.insert(request, Join { open: seeds.len(), report: JoinReport::default() });
        let deadline = now + self.config.stream_timeout;
        for to in seeds {
            self.dial(to.clone(), Role::Sync { join: Some(request), to }, deadline);
        }
        request
    }

    /// One seed of a join has answered, or failed.
    pub(super) fn join_progress(
        &mut self,
        now: Instant,
        request: RequestId,
        seed: Endpoint,
        result: Result<Option<SocketAddr>, StreamFault>,
        d: &mut dyn Delegate,
    ) {
        let Some(join) = self.requests.joins.get_mut(&request) else { return };
        match result {
            Ok(at) => join.report.reached.extend(at),
            Err(fault) => join.report.failed.push((seed, fault)),
        }
        join.open -= 1;
        if join.open == 0
            && let Some(join) = self.requests.joins.remove(&request)
        {
            d.done(now, request, Outcome::Joined(join.report));
        }
    }

    /// Says goodbye. Ends with [`Outcome::Spread`] once the others have been told, or after `timeout`. The node
    /// keeps running, and no longer believes that it is alive.
    pub fn leave(&mut self, now: Instant, timeout: Duration, d: &mut dyn Delegate) -> RequestId {
        let now = self.advance(now);
        self.leaving = true;
        let name = self.config.name.clone();
        let incarnation = self.roster.get(&name).map_or(0, |record| record.member.incarnation);
        let node = std::borrow::Cow::Borrowed(&*name);
        self.dead(now, &Accusation { incarnation, node: node.clone(), from: node }, d);
        self.await_spread(now, timeout, d)
    }

    /// Spreads this node's meta, asked of `d`, as news. Ends with [`Outcome::Spread`]. Meta over 512 bytes is cut
    /// off at the call of the owner, not here: it is then not spread at all.
    pub fn update(&mut self, now: Instant, timeout: Duration, d: &mut dyn Delegate) -> RequestId {
        let now = self.advance(now);
        self.raise_incarnation(0);
        let name = self.config.name.clone();
        if let Some(record) = self.roster.get(&name) {
            let own = Member { meta: d.meta(), incarnation: self.incarnation, ..record.member.clone() };
            self.alive(now, &own_alive(&own), true, d);
        }
        self.await_spread(now, timeout, d)
    }

    fn await_spread(&mut self, now: Instant, timeout: Duration, d: &mut dyn Delegate) -> RequestId {
        let request = self.requests.next();
        let local = &self.config.name;
        let alone = !self.roster.members().any(|member| member.name != *local && !is_gone(member.state));
        if alone {
            d.done(now, request, Outcome::Spread(true));
            return request;
        }
        let news = self.broadcasts.id(&Topic::Node(self.config.name.clone()));
        self.requests.spreads.insert(request, news);
        self.timers.set(Timer::Spread(request), now + timeout);
        request
    }

    /// Ends the waits whose news has been sent its full number of times, or replaced.
    pub(super) fn settle_spreads(&mut self, now: Instant, d: &mut dyn Delegate) {
        let spread = |news: Option<BroadcastId>| !news.is_some_and(|id| self.broadcasts.contains(id));
        for request in self.requests.spreads.keys_of(&|_, news| spread(*news)) {
            self.requests.spreads.remove(&request);
            self.timers.cancel(&Timer::Spread(request));
            d.done(now, request, Outcome::Spread(true));
        }
    }

    pub(super) fn spread_timeout(&mut self, now: Instant, request: RequestId, d: &mut dyn Delegate) {
        if self.requests.spreads.remove(&request).is_some() {
            d.done(now, request, Outcome::Spread(false));
        }
    }

    /// Sends one user message as a packet of its own to each of these members; it may be lost. Returns how many of
    /// them are known.
    pub fn send_best_effort(&mut self, to: &[Name], bytes: &[u8]) -> usize {
        let message = user_message(bytes);
        let mut known = 0;
        for crc in [false, true] {
            let addrs: Vec<SocketAddr> = to
                .iter()
                .filter(|name| self.understands_crc(name) == crc)
                .filter_map(|name| self.roster.get(name).map(|record| record.member.addr))
                .collect();
            known += addrs.len();
            self.send_to_all(&addrs, &message, crc);
        }
        known
    }

    /// Sends one user message over a stream of its own. Ends with [`Outcome::Sent`] once every byte has left.
    pub fn send_reliable(&mut self, now: Instant, to: SocketAddr, bytes: &[u8]) -> RequestId {
        let sealed = self.seal_reliable(bytes);
        self.deliver(now, to, sealed)
    }

    /// A user message as a stream carries it, to be delivered to one or many.
    pub(crate) fn seal_reliable(&mut self, bytes: &[u8]) -> Bytes {
        let message = stream::user_message(bytes, self.config.dialect);
        stream::seal_stream(&self.security, &message, true, &mut self.rng)
    }

    /// Sends what [`Memberlist::seal_reliable`] made. Ends with [`Outcome::Sent`].
    pub(crate) fn deliver(&mut self, now: Instant, to: SocketAddr, sealed: Bytes) -> RequestId {
        let now = self.advance(now);
        let request = self.requests.next();
        let deadline = now + self.config.stream_timeout;
        self.dial(Endpoint::Addr(to), Role::Deliver { request, sealed }, deadline);
        request
    }
}
