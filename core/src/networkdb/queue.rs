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

impl<K: Eq + Hash + Clone> EventQueue<K> {
    /// Queues an event about `key` of this time. An older one about it goes, a later one stays beside it.
    pub(super) fn push(&mut self, key: K, time: u64, bytes: Bytes) -> BroadcastId {
        let later = self.queue.get(&key).is_some_and(|queued| time_of(queued) > time);
        self.queue.push((!later).then_some(key), bytes)
    }

    /// Queues an event that replaces none.
    pub(super) fn push_alone(&mut self, bytes: Bytes) -> BroadcastId {
        self.queue.push(None, bytes)
    }

    /// Takes what fits; see [`BroadcastQueue::take`].
    pub(super) fn take<F: Fn(usize) -> usize>(&mut self, budget: &Budget<F>, into: &mut Vec<Bytes>) -> usize {
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
