//! Exchange of full state over a stream. Source: `hashicorp/memberlist` `net.go`, `state.go`, `memberlist.go`.

use std::{borrow::Cow, net::SocketAddr, time::Duration};

use bytes::Bytes;

use super::{
    Delegate, Member, Memberlist, Row, State, Timer, Versions,
    claims::{ip_bytes, ip_from_bytes},
    stream::{self, PushPull},
    talk::Role,
};
use crate::{
    Name,
    machine::{Endpoint, Instant},
};

/// Up to this many nodes the push/pull interval is as configured.
const SCALE_FROM: f64 = 32.0;

/// Why the state of a peer was not merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeRefusal {
    /// A node speaks or understands versions that do not go together with the others.
    Versions(Name),
    /// The delegate said no.
    Delegate,
}

impl std::fmt::Display for MergeRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Versions(name) => write!(f, "the versions of node `{name}` do not fit those of the others"),
            Self::Delegate => f.write_str("the merge delegate refused"),
        }
    }
}

impl Memberlist {
    /// The push/pull ticker.
    pub(super) fn push_pull_tick(&mut self, now: Instant) {
        let interval = push_pull_interval(self.config.push_pull_interval, self.roster.len());
        self.timers.set(Timer::PushPull, now + interval);
        self.push_pull_now(now);
    }

    /// Exchanges full state with one random live member, without waiting for the ticker.
    pub fn push_pull_now(&mut self, now: Instant) {
        let local = self.config.name.clone();
        let chosen = self
            .roster
            .choose(1, &mut self.rng, &|member| member.state == State::Alive && member.name != local);
        for name in chosen {
            let Some(record) = self.roster.get(&name) else { continue };
            let to = Endpoint::Addr(record.member.addr);
            let deadline = now + self.config.stream_timeout;
            self.dial(to.clone(), Role::Sync { join: None, to }, deadline);
        }
    }

    /// This node's state as a message.
    pub(super) fn state_message(&mut self, now: Instant, join: bool, d: &mut dyn Delegate) -> Vec<u8> {
        let user_state = d.local_state(now, join);
        let rows: Vec<Row<'_>> = self.roster.members().filter_map(row).collect();
        stream::push_pull(join, &rows, &user_state, self.config.dialect)
    }

    /// Takes over what a peer knows, if it fits.
    pub(super) fn merge(
        &mut self,
        now: Instant,
        state: &PushPull,
        join: bool,
        d: &mut dyn Delegate,
    ) -> Result<(), MergeRefusal> {
        self.verify_versions(&state.rows)?;
        if join {
            let members: Vec<Member> = state.rows.iter().filter_map(|row| self.member_of(now, row)).collect();
            if !d.accepts_merge(&members) {
                return Err(MergeRefusal::Delegate);
            }
        }
        for row in &state.rows {
            self.merge_row(now, row, d);
        }
        if !state.user_state.is_empty() {
            d.merge_state(now, &state.user_state, join);
        }
        Ok(())
    }

    fn member_of(&self, now: Instant, row: &Row<'_>) -> Option<Member> {
        Some(Member {
            name: Name::from(&*row.name),
            addr: SocketAddr::new(ip_from_bytes(row.addr.as_deref()?)?, self.effective_port(row.port)),
            meta: Bytes::copy_from_slice(row.meta.as_deref().unwrap_or_default()),
            versions: Versions::from_bytes(row.vsn.as_deref().unwrap_or_default()),
            incarnation: row.incarnation,
            state: state_of(row.state)?,
            since: now,
        })
    }

    /// Whether every node, here and there, speaks what every live node understands.
    pub(super) fn verify_versions(&self, rows: &[Row<'_>]) -> Result<(), MergeRefusal> {
        let mut bounds = Bounds { protocol: (0, u8::MAX), delegate: (0, u8::MAX) };
        for row in rows.iter().filter(|row| row.state == State::Alive as i64) {
            let vsn = row.vsn.as_deref().unwrap_or_default();
            if !vsn.is_empty() {
                bounds.narrow(Versions::from_bytes(vsn).ok_or_else(|| refused(&row.name))?);
            }
        }
        let told = || self.roster.members().filter_map(|member| Some((member, member.versions?)));
        for (_, versions) in told().filter(|(member, _)| member.state == State::Alive) {
            bounds.narrow(versions);
        }
        for row in rows {
            let versions = Versions::from_bytes(row.vsn.as_deref().unwrap_or_default()).unwrap_or_default();
            if !bounds.admit(versions) {
                return Err(refused(&row.name));
            }
        }
        match told().find(|(_, versions)| !bounds.admit(*versions)) {
            Some((member, _)) => Err(refused(&member.name)),
            None => Ok(()),
        }
    }
}

fn refused(name: &[u8]) -> MergeRefusal {
    MergeRefusal::Versions(Name::from(name))
}

/// The versions that all live nodes understand.
struct Bounds {
    protocol: (u8, u8),
    delegate: (u8, u8),
}

impl Bounds {
    fn narrow(&mut self, versions: Versions) {
        let Versions { protocol_min, protocol_max, delegate_min, delegate_max, .. } = versions;
        self.protocol = (self.protocol.0.max(protocol_min), self.protocol.1.min(protocol_max));
        self.delegate = (self.delegate.0.max(delegate_min), self.delegate.1.min(delegate_max));
    }

    fn admit(&self, versions: Versions) -> bool {
        (self.protocol.0..=self.protocol.1).contains(&versions.protocol)
            && (self.delegate.0..=self.delegate.1).contains(&versions.delegate)
    }
}

/// A member as a row. One whose versions are not known would make peers refuse the whole state.
fn row(member: &Member) -> Option<Row<'_>> {
    Some(Row {
        name: Cow::Borrowed(&member.name),
        addr: Some(Cow::Owned(ip_bytes(member.addr.ip()))),
        port: member.addr.port(),
        meta: Some(Cow::Borrowed(&member.meta)),
        incarnation: member.incarnation,
        state: member.state as i64,
        vsn: Some(Cow::Owned(member.versions?.to_bytes().to_vec())),
    })
}

fn state_of(number: i64) -> Option<State> {
    [State::Alive, State::Suspect, State::Dead, State::Left].into_iter().find(|state| *state as i64 == number)
}

/// The interval in a cluster of `nodes`: doubled above 32, and once more with each doubling from there.
pub fn push_pull_interval(interval: Duration, nodes: usize) -> Duration {
    let nodes = nodes as f64;
    if nodes <= SCALE_FROM {
        return interval;
    }
    let times = libm::ceil(libm::log2(nodes) - libm::log2(SCALE_FROM)) + 1.0;
    interval.saturating_mul(times as u32)
}
