//! A queue of events, in which a newer event takes the place of an older one that says the same.

use std::hash::Hash;

use bytes::Bytes;

use super::message::{Gossip, NetworkEvent};
use crate::memberlist::broadcast::{BroadcastId, BroadcastQueue, Budget};

/// Events waiting for packets.
#[derive(Debug)]
pub(super) struct EventQueue<K> {
    queue: BroadcastQueue<K>,
}

impl<K> Default for EventQueue<K> {
    fn default() -> Self {
        Self { queue: BroadcastQueue::default() }
    }
}

impl<K: Eq + Hash> EventQueue<K> {
    /// Queues an event about `key` of this time. Older ones about it go, later ones stay beside it.
    pub(super) fn push(&mut self, key: K, time: u64, bytes: Bytes) -> BroadcastId {
        self.queue.push_over(Some(key), bytes, |queued| time_of(queued) <= time)
    }

    /// Queues an event that replaces none.
    pub(super) fn push_alone(&mut self, bytes: Bytes) -> BroadcastId {
        self.queue.push(None, bytes)
    }

    /// Takes what fits; see [`BroadcastQueue::take`].
    pub(super) fn take(&mut self, budget: &Budget, into: &mut Vec<Bytes>) -> usize {
        self.queue.take(budget, into)
    }

    /// Whether an event still waits.
    pub(super) fn contains(&self, id: BroadcastId) -> bool {
        self.queue.contains(id)
    }

    /// Keeps no more than `limit`; returns how many went.
    pub(super) fn prune(&mut self, limit: usize) -> u64 {
        self.queue.prune(limit) as u64
    }

    /// Drops all events.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
    }

    /// Events waiting.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Bytes of the events never sent.
    pub(super) fn unsent(&self) -> usize {
        self.queue.unsent()
    }

    /// How often the event that was sent least has been sent.
    pub(super) fn least_sent(&self) -> Option<u32> {
        self.queue.least_sent()
    }

    /// Bytes of all events waiting.
    pub(super) fn bytes(&self) -> usize {
        self.queue.bytes()
    }
}

/// All events have their time in the same field.
fn time_of(bytes: &[u8]) -> u64 {
    Gossip::decode(bytes).and_then(|gossip| NetworkEvent::decode(gossip.data)).map_or(0, |event| event.time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networkdb::message::{Encode, JOIN, Kind, wrap};

    #[test]
    fn an_event_replaces_all_that_are_not_later() {
        let mut queue = EventQueue::default();
        for (time, waiting) in [(5, 1), (3, 2), (4, 2), (9, 1)] {
            let event = NetworkEvent { kind: JOIN, time, node: b"node", network: b"network" };
            queue.push("key", time, wrap(Kind::NetworkEvent, &event.to_bytes()).into());
            assert_eq!(queue.len(), waiting, "after {time}");
        }
    }
}
