//! The broadcast queue: updates waiting to ride on packets, each sent a bounded number of times.
//!
//! Order: fewest transmissions, then longest, then newest. Source: `hashicorp/memberlist` `queue.go`; unlike
//! there, ids never restart, so two entries are never taken for one.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

use bytes::Bytes;

/// Names one queued broadcast for the life of its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BroadcastId {
    len: usize,
    number: u64,
}

/// Where a broadcast stands: transmissions, length, number.
type Place = (u32, Reverse<usize>, Reverse<u64>);

#[derive(Debug)]
struct Entry<K> {
    key: Option<K>,
    bytes: Bytes,
}

/// What one [`BroadcastQueue::take`] may fill, and how it counts.
#[derive(Clone, Copy, Debug)]
pub struct Budget<F> {
    /// Bytes that may be used.
    pub limit: usize,
    /// What a message of a given length costs beyond its own bytes. Must not fall as the length grows.
    pub overhead: F,
    /// A message is dropped once it has been sent so often, at least once.
    pub transmits: u32,
    /// Only messages sent fewer times than this are taken.
    pub below: u32,
    /// As how many times this one counts.
    pub weight: u32,
}

impl<F: Fn(usize) -> usize> Budget<F> {
    /// Room for any message, each counted as sent once.
    pub fn new(limit: usize, overhead: F, transmits: u32) -> Self {
        Self { limit, overhead, transmits, below: u32::MAX, weight: 1 }
    }

    /// What a message of `len` bytes uses up.
    fn cost(&self, len: usize) -> usize {
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
    order: BTreeMap<Place, Entry<K>>,
    /// The last one queued under each key.
    by_key: HashMap<K, Place>,
    /// Earlier ones that were not outdated by it; seldom any.
    beside: HashMap<K, Vec<Place>>,
    last: u64,
    bytes: usize,
    unsent: usize,
}

impl<K> Default for BroadcastQueue<K> {
    fn default() -> Self {
        Self {
            order: BTreeMap::new(),
            by_key: HashMap::new(),
            beside: HashMap::new(),
            last: 0,
            bytes: 0,
            unsent: 0,
        }
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
        self.last += 1;
        let (len, number) = (bytes.len(), self.last);
        let place = (0, Reverse(len), Reverse(number));
        if let Some(key) = &key {
            // Hardly ever is there any; the key need not be hashed to know that.
            let beside = if self.beside.is_empty() { None } else { self.beside.remove(key) };
            let mut earlier = beside.unwrap_or_default();
            earlier.extend(self.by_key.insert(key.clone(), place));
            earlier.retain(|&old| !self.remove_if(old, &outdated));
            if !earlier.is_empty() {
                self.beside.insert(key.clone(), earlier);
            }
        }
        self.put(place, Entry { key, bytes });
        BroadcastId { len, number }
    }

    /// Whether it is gone.
    fn remove_if(&mut self, place: Place, outdated: impl Fn(&Bytes) -> bool) -> bool {
        let over = self.order.get(&place).is_none_or(|entry| outdated(&entry.bytes));
        if over {
            self.remove(place);
        }
        over
    }

    /// Whether this broadcast still waits: neither sent its full number of times nor replaced.
    pub fn contains(&self, id: BroadcastId) -> bool {
        let most = self.order.last_key_value().map_or(0, |(place, _)| place.0);
        (0..=most).any(|times| self.order.contains_key(&(times, Reverse(id.len), Reverse(id.number))))
    }

    /// The broadcast last queued under `key`.
    pub fn id(&self, key: &K) -> Option<BroadcastId> {
        self.by_key.get(key).map(|place| BroadcastId { len: place.1.0, number: place.2.0 })
    }

    /// Appends to `into` the messages that fit `budget`; none is taken twice. Returns the bytes of the budget used.
    pub fn take<F: Fn(usize) -> usize>(&mut self, budget: &Budget<F>, into: &mut Vec<Bytes>) -> usize {
        let mut used = 0;
        let mut again = Vec::new();
        let mut from: Place = (0, Reverse(usize::MAX), Reverse(u64::MAX));
        while let Some(longest) = budget.longest(budget.limit.saturating_sub(used)) {
            from = from.max((from.0, Reverse(longest), Reverse(u64::MAX)));
            let Some((&place, _)) = self.order.range(from..).next() else { break };
            if place.0 >= budget.below {
                break;
            }
            if place.1.0 > longest {
                from = (place.0, Reverse(longest), Reverse(u64::MAX));
                continue;
            }
            from = place;
            let Some(entry) = self.remove(place) else { continue };
            used += budget.cost(entry.bytes.len());
            let sent = place.0.saturating_add(budget.weight);
            if sent < budget.transmits {
                into.push(entry.bytes.clone());
                again.push(((sent, place.1, place.2), entry));
            } else {
                self.forget(place, &entry);
                into.push(entry.bytes);
            }
        }
        for (place, entry) in again {
            self.refile(place, entry);
        }
        used
    }

    /// Drops from the end of the order until at most `keep` are left; returns how many went.
    pub fn prune(&mut self, keep: usize) -> usize {
        let excess = self.order.len().saturating_sub(keep);
        for _ in 0..excess {
            let Some((&place, _)) = self.order.last_key_value() else { break };
            if let Some(entry) = self.remove(place) {
                self.forget(place, &entry);
            }
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

    /// Bytes of the messages never sent.
    pub fn unsent(&self) -> usize {
        self.unsent
    }

    /// How often the message that was sent least has been sent.
    pub fn least_sent(&self) -> Option<u32> {
        if self.unsent > 0 {
            return Some(0);
        }
        self.order.first_key_value().map(|(place, _)| place.0)
    }

    /// The messages waiting, in the order they would be taken.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.order.values().map(|entry| &entry.bytes)
    }

    fn put(&mut self, place: Place, entry: Entry<K>) {
        self.bytes += place.1.0;
        self.unsent += if place.0 == 0 { place.1.0 } else { 0 };
        self.order.insert(place, entry);
    }

    fn remove(&mut self, place: Place) -> Option<Entry<K>> {
        let entry = self.order.remove(&place)?;
        self.bytes -= place.1.0;
        self.unsent -= if place.0 == 0 { place.1.0 } else { 0 };
        Some(entry)
    }

    /// Puts a broadcast back behind those sent less often.
    fn refile(&mut self, place: Place, entry: Entry<K>) {
        if let Some(at) = entry.key.as_ref().and_then(|key| self.filed(key, place.2)) {
            *at = place;
        }
        self.put(place, entry);
    }

    /// Where the broadcast of this number is filed under its key.
    fn filed(&mut self, key: &K, number: Reverse<u64>) -> Option<&mut Place> {
        let beside = self.beside.get_mut(key).into_iter().flatten();
        self.by_key.get_mut(key).into_iter().chain(beside).find(|place| place.2 == number)
    }

    /// A broadcast is gone: nothing is filed under its key any more, unless it is another one.
    fn forget(&mut self, place: Place, entry: &Entry<K>) {
        let Some(key) = &entry.key else { return };
        if !self.beside.is_empty()
            && let Some(earlier) = self.beside.get_mut(key)
        {
            earlier.retain(|at| at.2 != place.2);
            if earlier.is_empty() {
                self.beside.remove(key);
            }
        }
        if self.by_key.get(key).is_some_and(|at| at.2 == place.2) {
            self.by_key.remove(key);
        }
    }
}

/// How often a broadcast is sent in a cluster of `nodes`: `mult` times the decimal digits of their number.
pub fn transmit_limit(mult: u32, nodes: usize) -> u32 {
    let digits = libm::ceil(libm::log10(nodes as f64 + 1.0));
    mult.saturating_mul(digits as u32)
}

/// How many copies of a broadcast a node sends, each to one other. The peers' [`transmit_limit`] misses a node of
/// eight by chance once in twenty broadcasts, and nobody tells it until the next push/pull; so many that one in a
/// thousand misses anybody are sent where more than one round of `fanout` is needed.
pub fn copies(mult: u32, nodes: usize, fanout: usize) -> u32 {
    let limit = transmit_limit(mult, nodes);
    if mult == 0 || nodes <= fanout.saturating_add(1) {
        return limit;
    }
    limit.max(libm::ceil(libm::log(nodes as f64 * 1000.0)) as u32)
}
