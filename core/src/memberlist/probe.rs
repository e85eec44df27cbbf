//! Failure detection: probes, asking others, and answering. Source: `hashicorp/memberlist` `state.go`, `net.go`.

use std::{borrow::Cow, net::SocketAddr};

use super::{
    Delegate, Memberlist, State, Timer,
    claims::{MAX_NAME, ip_bytes, ip_from_bytes},
    encoded,
    message::{Accusation, Ack, IndirectPing, Nack, Ping},
    talk::Role,
};
use crate::{
    Name,
    machine::{Endpoint, Instant, StreamId},
    map::Map,
};

/// Pings this node sends for others at one time.
pub const MAX_RELAYS: usize = 1024;

/// Pings answered or passed on for one packet. A peer sends one in a packet; without a limit, one small packet of
/// many would make this node send thousands to whom it names.
pub const MAX_ANSWERS: usize = 8;
/// From these protocol versions on a node answers pings by stream, and says when it got no answer.
const STREAM_PING_FROM: u8 = 3;
const NACK_FROM: u8 = 4;

/// The probe under way.
#[derive(Debug)]
struct Probe {
    seq: u32,
    target: Name,
    started: Instant,
    ends: Instant,
    /// Whether others have been asked.
    indirect: bool,
    /// Helpers that would say that they got no answer, and those that did.
    nacks_expected: u32,
    nacks: u32,
    stream: Option<StreamId>,
    answered_by_stream: bool,
}

/// A ping sent for somebody else.
#[derive(Debug)]
struct Relay {
    asker: SocketAddr,
    asker_seq: u32,
    nack: bool,
}

/// What this node waits for.
#[derive(Debug, Default)]
pub(super) struct Probes {
    seq: u32,
    current: Option<Probe>,
    /// A tick came while a probe was under way.
    overdue: bool,
    /// By sequence number, which is widened: there is one code for all maps of this kind of key.
    relays: Map<u64, Relay>,
    /// Pings of the packet at hand that were answered or passed on.
    pub(super) answers: usize,
}

impl Probes {
    fn next_seq(&mut self) -> u32 {
        self.seq = self.seq.wrapping_add(1);
        self.seq
    }

    /// Pings sent for others and not yet answered.
    pub(super) fn relays(&self) -> usize {
        self.relays.len()
    }
}

impl Memberlist {
    /// The probe ticker.
    pub(super) fn probe_tick(&mut self, now: Instant, d: &mut dyn Delegate) {
        self.timers.set(Timer::Probe, now + self.config.probe_interval);
        if self.probes.current.is_some() {
            self.probes.overdue = true;
        } else {
            self.probe_next(now, d);
        }
    }

    fn probe_next(&mut self, now: Instant, d: &mut dyn Delegate) {
        let keep = self.config.gossip_to_the_dead_time;
        let next = self.roster.next_to_probe(&self.config.name, now, keep, &mut self.rng);
        if let Some(target) = next {
            self.probe(now, target, d);
        }
    }

    fn probe(&mut self, now: Instant, target: Name, d: &mut dyn Delegate) {
        let Some(record) = self.roster.get(&target) else { return };
        let (addr, state, incarnation) = (record.member.addr, record.member.state, record.member.incarnation);
        let seq = self.probes.next_seq();
        let ends = now + self.awareness.scale(self.config.probe_interval);
        let ping = encoded(|out| self.ping(seq, &target).encode(out));
        if state == State::Alive {
            self.send_with_broadcasts(addr, ping.into(), d);
        } else {
            // A suspect is told so, that it may refute.
            let suspect = Accusation { incarnation, node: Cow::Borrowed(&target), from: self.own_name() };
            let suspect = encoded(|out| suspect.encode_suspect(out));
            let crc = self.understands_crc(&target);
            self.send_parts(addr, &[ping, suspect], crc);
        }
        self.timers.set(Timer::ProbeTimeout, (now + self.config.probe_timeout).min(ends));
        self.timers.set(Timer::ProbeEnd, ends);
        self.probes.current = Some(Probe {
            seq,
            target,
            started: now,
            ends,
            indirect: false,
            nacks_expected: 0,
            nacks: 0,
            stream: None,
            answered_by_stream: false,
        });
    }

    /// No answer in time: ask others, and try a stream.
    pub(super) fn probe_timeout(&mut self) {
        let Some(probe) = &mut self.probes.current else { return };
        probe.indirect = true;
        let (seq, target, ends) = (probe.seq, probe.target.clone(), probe.ends);
        let Some(record) = self.roster.get(&target) else { return };
        let (addr, versions) = (record.member.addr, record.member.versions.unwrap_or_default());
        let local = self.config.name.clone();
        let helpers = self.roster.choose(self.config.indirect_checks, &mut self.rng, &|member| {
            member.state == State::Alive && member.name != local && member.name != target
        });
        for helper in helpers {
            self.ask(&helper, seq, &target, addr);
        }
        if !self.config.disable_stream_pings && versions.protocol_max >= STREAM_PING_FROM {
            let stream = self.dial(Endpoint::Addr(addr), Role::Ping { seq, target }, ends);
            if let Some(probe) = &mut self.probes.current {
                probe.stream = Some(stream);
            }
        }
    }

    fn ask(&mut self, helper: &Name, seq: u32, target: &Name, addr: SocketAddr) {
        let Some(record) = self.roster.get(helper) else { return };
        let to = record.member.addr;
        let nack = record.member.versions.unwrap_or_default().protocol_max >= NACK_FROM;
        let own = self.config.advertise;
        let ask = IndirectPing {
            seq,
            target: Some(Cow::Owned(ip_bytes(addr.ip()))),
            port: addr.port(),
            node: Cow::Borrowed(target),
            nack,
            source_addr: Some(Cow::Owned(ip_bytes(own.ip()))),
            source_port: own.port(),
            source_node: self.own_name(),
        };
        let message = encoded(|out| ask.encode(out));
        if nack && let Some(probe) = &mut self.probes.current {
            probe.nacks_expected += 1;
        }
        self.send(to, &message, false);
    }

    /// The end of the probe's time.
    pub(super) fn probe_end(&mut self, now: Instant, d: &mut dyn Delegate) {
        let Some(probe) = self.probes.current.take() else { return };
        if probe.answered_by_stream {
            self.counters.drop("probe: answered by stream, but not by packet");
            self.probe_succeeded(now, d);
            return;
        }
        self.counters.probes_failed += 1;
        let missing = i64::from(probe.nacks_expected) - i64::from(probe.nacks);
        self.awareness.apply(if probe.nacks_expected == 0 { 1 } else { missing.max(0) });
        if let Some(record) = self.roster.get(&probe.target) {
            let incarnation = record.member.incarnation;
            let suspect = Accusation {
                incarnation,
                node: Cow::Borrowed(&probe.target),
                from: Cow::Owned(self.config.name.to_vec()),
            };
            self.suspect(now, &suspect);
        }
        self.probe_over(now, d);
    }

    fn probe_succeeded(&mut self, now: Instant, d: &mut dyn Delegate) {
        self.counters.probes_answered += 1;
        self.awareness.apply(-1);
        self.probe_over(now, d);
    }

    fn probe_over(&mut self, now: Instant, d: &mut dyn Delegate) {
        self.timers.cancel(&Timer::ProbeTimeout);
        self.timers.cancel(&Timer::ProbeEnd);
        if std::mem::take(&mut self.probes.overdue) {
            self.probe_next(now, d);
        }
    }

    /// The stream ping of a probe was answered.
    pub(super) fn stream_ping_answered(&mut self, seq: u32) {
        if let Some(probe) = &mut self.probes.current
            && probe.seq == seq
        {
            probe.answered_by_stream = true;
        }
    }

    pub(super) fn on_ping(&mut self, from: SocketAddr, ping: &Ping<'_>, d: &mut dyn Delegate) {
        if !ping.node.is_empty() && *ping.node != *self.config.name {
            return self.counters.drop("ping for another node");
        }
        let Some(to) = self.reply_to(from, ping.source_addr.as_deref(), ping.source_port) else { return };
        self.probes.answers += 1;
        let payload = d.ack_payload();
        let ack = Ack { seq: ping.seq, payload: payload.as_deref().map(Cow::Borrowed) };
        self.send_with_broadcasts(to, encoded(|out| ack.encode(out)).into(), d);
    }

    pub(super) fn on_indirect_ping(
        &mut self,
        now: Instant,
        from: SocketAddr,
        ask: &IndirectPing<'_>,
        d: &mut dyn Delegate,
    ) {
        let target = ip_from_bytes(ask.target.as_deref().unwrap_or_default());
        let asker = self.reply_to(from, ask.source_addr.as_deref(), ask.source_port);
        let (Some(target), Some(asker)) = (target, asker) else {
            return self.counters.drop("indirect ping: address is not 4 or 16 bytes");
        };
        if self.probes.relays.len() >= MAX_RELAYS {
            return self.counters.drop("indirect ping: too many at once");
        }
        if ask.node.len() > MAX_NAME {
            return self.counters.drop("indirect ping: name over 512 bytes");
        }
        self.probes.answers += 1;
        let seq = self.probes.next_seq();
        self.probes.relays.insert(seq.into(), Relay { asker, asker_seq: ask.seq, nack: ask.nack });
        self.timers.set(Timer::Relay(seq), now + self.config.probe_timeout);
        let ping = encoded(|out| self.ping(seq, &ask.node).encode(out));
        let to = SocketAddr::new(target, self.effective_port(ask.port));
        self.send_with_broadcasts(to, ping.into(), d);
    }

    /// A ping sent for somebody else was not answered in time.
    pub(super) fn relay_timeout(&mut self, seq: u32, d: &mut dyn Delegate) {
        if let Some(Relay { asker, asker_seq, nack: true }) = self.probes.relays.remove(&seq.into()) {
            let nack = encoded(|out| Nack { seq: asker_seq }.encode(out));
            self.send_with_broadcasts(asker, nack.into(), d);
        }
    }

    pub(super) fn on_ack(&mut self, now: Instant, ack: &Ack<'_>, d: &mut dyn Delegate) {
        if let Some(relay) = self.probes.relays.remove(&ack.seq.into()) {
            self.timers.cancel(&Timer::Relay(ack.seq));
            let ack = encoded(|out| Ack { seq: relay.asker_seq, payload: None }.encode(out));
            return self.send_with_broadcasts(relay.asker, ack.into(), d);
        }
        let Some(probe) = self.probes.current.take_if(|probe| probe.seq == ack.seq) else { return };
        if let Some(stream) = probe.stream {
            self.hang_up(stream);
        }
        if !probe.indirect {
            let payload = ack.payload.as_deref().unwrap_or_default();
            d.probed(now, &probe.target, now.since(probe.started), payload);
        }
        self.probe_succeeded(now, d);
    }

    pub(super) fn on_nack(&mut self, nack: &Nack) {
        if let Some(probe) = &mut self.probes.current
            && probe.seq == nack.seq
            && probe.nacks < probe.nacks_expected
        {
            probe.nacks += 1;
        }
    }

    /// A ping of this node.
    pub(super) fn ping<'a>(&'a self, seq: u32, node: &'a [u8]) -> Ping<'a> {
        let own = self.config.advertise;
        Ping {
            seq,
            node: Cow::Borrowed(node),
            source_addr: Some(Cow::Owned(ip_bytes(own.ip()))),
            source_port: own.port(),
            source_node: self.own_name(),
        }
    }

    fn own_name(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.config.name)
    }

    /// Where an answer goes: to the address the asker told, else to where the packet came from.
    fn reply_to(&mut self, from: SocketAddr, addr: Option<&[u8]>, port: u16) -> Option<SocketAddr> {
        let addr = addr.unwrap_or_default();
        if addr.is_empty() || port == 0 {
            return Some(from);
        }
        let ip = ip_from_bytes(addr);
        if ip.is_none() {
            self.counters.drop("ping: source address is not 4 or 16 bytes");
        }
        Some(SocketAddr::new(ip?, port))
    }
}
