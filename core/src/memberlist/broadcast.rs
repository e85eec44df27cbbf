//! The broadcast queue: updates waiting to ride on packets, each sent a bounded number of times.
//!
//! Order: fewest transmissions, then longest, then newest. Source: `hashicorp/memberlist` `queue.go`; unlike
//! there, ids never restart, so two entries are never taken for one.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use bytes::Bytes;

/// Names one queued broadcast for the life of its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BroadcastId(u64);

type Place = (u32, Reverse<usize>, Reverse<u64>);

#[derive(Debug)]
struct Entry<K> {
    key: Option<K>,
    bytes: Bytes,
    transmits: u32,
}

/// What one [`BroadcastQueue::take`] may fill.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Bytes that may be used.
    pub limit: usize,
    /// What a message of a given length costs beyond its own bytes. Must not fall as the length grows.
    pub overhead: fn(usize) -> usize,
}

impl Budget {
    /// What a message of `len` bytes uses up.
    pub fn cost(&self, len: usize) -> usize {
        len + (self.overhead)(len)
    }

    /// The longest message that fits into `room` bytes.
    fn longest(&self, room: usize) -> Option<usize> {
        let mut len = room.checked_sub((self.overhead)(0))?;
        while self.cost(len) > room {
            len = len.checked_sub(1)?;
        }
        Some(len)
    }
}

/// Broadcasts waiting, by what they say (`K`): a new one replaces the older one with the same key.
#[derive(Debug)]
pub struct BroadcastQueue<K> {
    entries: HashMap<u64, Entry<K>>,
    order: BTreeSet<Place>,
    /// Ids under one key, in the order they came.
    by_key: HashMap<K, Vec<u64>>,
    last_id: u64,
    bytes: usize,
}

impl<K> Default for BroadcastQueue<K> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: BTreeSet::new(), by_key: HashMap::new(), last_id: 0, bytes: 0 }
    }
}

impl<K: Eq + Hash + Clone> BroadcastQueue<K> {
    /// Queues a broadcast. With a key it replaces what is queued under that key.
    pub fn push(&mut self, key: Option<K>, bytes: Bytes) -> BroadcastId {
        self.push_over(key, bytes, |_| true)
    }

    /// Queues a broadcast. With a key it replaces what is queued under that key, so far as `outdated` says; the
    /// rest stays beside it.
    pub fn push_over(
        &mut self,
        key: Option<K>,
        bytes: Bytes,
        outdated: impl Fn(&Bytes) -> bool,
    ) -> BroadcastId {
        self.last_id += 1;
        let id = self.last_id;
        if let Some(key) = &key {
            let mut ids = self.by_key.remove(key).unwrap_or_default();
            ids.retain(|&old| {
                let over = self.entries.get(&old).is_none_or(|entry| outdated(&entry.bytes));
                if over {
                    self.remove(old);
                }
                !over
            });
            ids.push(id);
            self.by_key.insert(key.clone(), ids);
        }
        self.order.insert((0, Reverse(bytes.len()), Reverse(id)));
        self.bytes += bytes.len();
        self.entries.insert(id, Entry { key, bytes, transmits: 0 });
        BroadcastId(id)
    }

    /// Whether this broadcast still waits: neither sent its full number of times nor replaced.
    pub fn contains(&self, id: BroadcastId) -> bool {
        self.entries.contains_key(&id.0)
    }

    /// The broadcast last queued under `key`.
    pub fn id(&self, key: &K) -> Option<BroadcastId> {
        self.by_key.get(key)?.last().copied().map(BroadcastId)
    }

    /// Appends to `into` the messages that fit `budget`, each counted as sent once and dropped for good after
    /// `transmit_limit` times (at least once). Returns the bytes of the budget used.
    pub fn take(&mut self, budget: Budget, transmit_limit: u32, into: &mut Vec<Bytes>) -> usize {
        let mut used = 0;
        let mut again = Vec::new();
        let mut from: Place = (0, Reverse(usize::MAX), Reverse(u64::MAX));
        while let Some(longest) = budget.longest(budget.limit.saturating_sub(used)) {
            from = from.max((from.0, Reverse(longest), Reverse(u64::MAX)));
            let Some(&place) = self.order.range(from..).next() else { break };
            if place.1.0 > longest {
                from = (place.0, Reverse(longest), Reverse(u64::MAX));
                continue;
            }
            from = place;
            self.order.remove(&place);
            let Some(entry) = self.entries.get_mut(&place.2.0) else { continue };
            used += budget.cost(entry.bytes.len());
            into.push(entry.bytes.clone());
            entry.transmits += 1;
            if entry.transmits < transmit_limit {
                again.push((entry.transmits, place.1, place.2));
            } else {
                self.forget(place.2.0);
            }
        }
        self.order.extend(again);
        used
    }

    /// Drops from the end of the order until at most `keep` are left; returns how many went.
    pub fn prune(&mut self, keep: usize) -> usize {
        let excess = self.order.len().saturating_sub(keep);
        for _ in 0..excess {
            let Some(place) = self.order.pop_last() else { break };
            self.forget(place.2.0);
        }
        excess
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.prune(0);
    }

    /// Broadcasts waiting.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Bytes of all messages waiting.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The messages waiting, in the order they would be taken.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.order.iter().filter_map(|place| self.entries.get(&place.2.0)).map(|entry| &entry.bytes)
    }

    fn remove(&mut self, id: u64) {
        if let Some(entry) = self.entries.remove(&id) {
            self.bytes -= entry.bytes.len();
            self.order.remove(&(entry.transmits, Reverse(entry.bytes.len()), Reverse(id)));
        }
    }

    fn forget(&mut self, id: u64) {
        let Some(entry) = self.entries.remove(&id) else { return };
        self.bytes -= entry.bytes.len();
        let Some(key) = entry.key else { return };
        if let Some(ids) = self.by_key.get_mut(&key) {
            ids.retain(|&other| other != id);
            if ids.is_empty() {
                self.by_key.remove(&key);
            }
        }
    }
}

/// How often a broadcast is sent in a cluster of `nodes`: `mult` times the decimal digits of their number.
pub fn transmit_limit(mult: u32, nodes: usize) -> u32 {
    let digits = libm::ceil(libm::log10(nodes as f64 + 1.0));
    mult.saturating_mul(digits as u32)
}
