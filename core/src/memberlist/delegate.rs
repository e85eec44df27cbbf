//! What a layer above membership adds to it.

use std::net::SocketAddr;

use bytes::Bytes;

use super::{JoinReport, Member, MemberEvent, RequestId, message::Alive};
use crate::{Name, machine::Instant};

/// The layer above a [`super::Memberlist`]. Passed as an argument to each call, never stored.
///
/// News comes in the order it happened: a member is known before its first message. A delegate cannot call the
/// memberlist; what it wants done it notes, and its owner does it after the call.
pub trait Delegate {
    /// This node's meta, at most 512 bytes, asked for at start and at each update.
    fn meta(&self) -> Bytes {
        Bytes::new()
    }

    /// Appends broadcasts to ride on a packet.
    fn broadcasts(&mut self, _room: Room, _into: &mut Vec<Bytes>) {}

    /// If broadcasts wait: how often the one that was sent least has been sent. Who queues a new one also calls
    /// [`super::Memberlist::hurry_gossip`].
    fn least_sent(&self) -> Option<u32> {
        None
    }

    /// A user message arrived, by packet or by stream.
    fn message(&mut self, _now: Instant, _bytes: &[u8]) {}

    /// The state to send in a push/pull.
    fn local_state(&mut self, _now: Instant, _join: bool) -> Bytes {
        Bytes::new()
    }

    /// The state of a peer, from a push/pull.
    fn merge_state(&mut self, _now: Instant, _bytes: &[u8], _join: bool) {}

    /// A member came, changed or went.
    fn member(&mut self, _now: Instant, _event: &MemberEvent) {}

    /// Whether to take an alive message at all.
    fn accepts_alive(&mut self, _alive: &Alive<'_>) -> bool {
        true
    }

    /// Whether to merge with a cluster of these members, at a join.
    fn accepts_merge(&mut self, _members: &[Member]) -> bool {
        true
    }

    /// Two nodes claim one name.
    fn conflict(&mut self, _existing: &Member, _other: &Member) {}

    /// What to send with each ack; `None` is told apart from empty on the wire.
    fn ack_payload(&mut self) -> Option<Bytes> {
        None
    }

    /// A probe of `name` was answered.
    fn probed(&mut self, _now: Instant, _name: &Name, _round_trip: std::time::Duration, _payload: &[u8]) {}

    /// A request of the owner has ended: a join, a leave, an update or a reliable message.
    fn done(&mut self, _now: Instant, _request: RequestId, _outcome: Outcome) {}

    /// Input was dropped; the cluster goes on.
    fn rejected(&mut self, _now: Instant, _from: SocketAddr, _reason: &str) {}
}

/// What a packet has left for broadcasts of the layer above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes in all.
    pub limit: usize,
    /// What each costs beyond its own bytes.
    pub overhead: usize,
    /// Only broadcasts sent fewer times than this are wanted.
    pub below: u32,
}

/// How a request of the owner ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A join: whom it reached.
    Joined(JoinReport),
    /// A leave or an update: whether the news was sent its full number of times before the deadline.
    Spread(bool),
    /// A reliable message: `Err` says why it was not handed over.
    Sent(Result<(), super::StreamFault>),
}

/// No layer above.
impl Delegate for () {}
