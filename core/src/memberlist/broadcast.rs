//! The broadcast queue: updates waiting to ride on packets, each sent a bounded number of times.
//!
//! Order: fewest transmissions, then longest, then newest. Source: `hashicorp/memberlist` `queue.go`; unlike
//! there, ids never restart, so two entries are never taken for one.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    hash::{BuildHasher, Hash, RandomState},
};

use bytes::Bytes;
use hashbrown::HashTable;

/// Names one queued broadcast for the life of its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BroadcastId {
    len: u32,
    number: u64,
}

/// Where a broadcast stands. The greatest goes first: new ones come last in memory, where a tree takes them cheaply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    sent: Reverse<u32>,
    id: BroadcastId,
}

impl Place {
    fn new(sent: u32, id: BroadcastId) -> Self {
        Self { sent: Reverse(sent), id }
    }

    /// The first of those sent so often that are no longer than `len`.
    fn longest(sent: u32, len: usize) -> Self {
        Self::new(sent, BroadcastId { len: short(len), number: u64::MAX })
    }
}

fn short(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[derive(Debug)]
struct Waiting {
    bytes: Bytes,
    /// The hash of its key, under which it is filed.
    filed: Option<u64>,
}

/// What a message costs beyond its own bytes.
#[derive(Clone, Copy, Debug)]
pub enum Overhead {
    /// The same for each.
    Each(usize),
    /// By its length. Must not fall as that grows.
    Of(fn(usize) -> usize),
}

/// What one [`BroadcastQueue::take`] may fill, and how it counts.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Bytes that may be used.
    pub limit: usize,
    /// What a message costs beyond its own bytes.
    pub overhead: Overhead,
    /// A message is dropped once it has been sent so often, at least once.
    pub transmits: u32,
    /// Only messages sent fewer times than this are taken.
    pub below: u32,
    /// As how many times this one counts.
    pub weight: u32,
}

impl Budget {
    /// Room for any message, each counted as sent once.
    pub fn new(limit: usize, overhead: Overhead, transmits: u32) -> Self {
        Self { limit, overhead, transmits, below: u32::MAX, weight: 1 }
    }

    /// What a message of `len` bytes uses up.
    fn cost(&self, len: usize) -> usize {
        len + match self.overhead {
            Overhead::Each(bytes) => bytes,
            Overhead::Of(bytes) => bytes(len),
        }
    }

    /// The longest message that fits into `room` bytes.
    fn longest(&self, room: usize) -> Option<usize> {
        let mut len = room.checked_sub(self.cost(0))?;
        while self.cost(len) > room {
            len = len.checked_sub(1)?;
        }
        Some(len)
    }
}

/// Broadcasts waiting, by what they say (`K`): a new one replaces the older one with the same key.
#[derive(Debug)]
pub struct BroadcastQueue<K> {
    order: Order,
    /// Those with a key. More than one of the same key wait where the newer did not outdate the older.
    by_key: HashTable<Filed<K>>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Filed<K> {
    /// Of the key, which need not be looked at to find its place.
    hash: u64,
    key: K,
    id: BroadcastId,
}

impl<K> Default for BroadcastQueue<K> {
    fn default() -> Self {
        Self { order: Order::default(), by_key: HashTable::new(), hasher: RandomState::new() }
    }
}

impl<K: Eq + Hash> BroadcastQueue<K> {
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
        let id = self.order.next_id(bytes.len());
        let filed = key.map(|key| self.file(key, id, outdated));
        self.order.put(Place::new(0, id), Waiting { bytes, filed });
        id
    }

    /// Files a broadcast under its key, in the place of those it outdates.
    fn file(&mut self, key: K, id: BroadcastId, outdated: impl Fn(&Bytes) -> bool) -> u64 {
        let hash = self.hasher.hash_one(&key);
        let order = &mut self.order;
        let mut over = |earlier: &Filed<K>| earlier.key == key && order.remove_if(earlier.id, &outdated);
        while let Ok(earlier) = self.by_key.find_entry(hash, &mut over) {
            earlier.remove();
        }
        self.by_key.insert_unique(hash, Filed { hash, key, id }, |filed| filed.hash);
        hash
    }

    /// Whether this broadcast still waits: neither sent its full number of times nor replaced.
    pub fn contains(&self, id: BroadcastId) -> bool {
        self.order.place(id).is_some()
    }

    /// The broadcast last queued under `key`.
    pub fn id(&self, key: &K) -> Option<BroadcastId> {
        let filed = self.by_key.iter_hash(self.hasher.hash_one(key)).filter(|filed| filed.key == *key);
        filed.map(|filed| filed.id).max_by_key(|id| id.number)
    }

    /// Appends to `into` the messages that fit `budget`; none is taken twice. Returns the bytes of the budget used.
    pub fn take(&mut self, budget: &Budget, into: &mut Vec<Bytes>) -> usize {
        let mut sent = Vec::new();
        let used = self.order.take(budget, into, &mut sent);
        for (place, waiting) in sent {
            if place.sent.0 < budget.transmits {
                self.order.put(place, waiting);
            } else {
                self.forget(place.id, &waiting);
            }
        }
        used
    }

    /// Drops from the end of the order until at most `keep` are left; returns how many went.
    pub fn prune(&mut self, keep: usize) -> usize {
        let excess = self.len().saturating_sub(keep);
        for _ in 0..excess {
            let Some((place, waiting)) = self.order.pop_last() else { break };
            self.forget(place.id, &waiting);
        }
        excess
    }

    /// A broadcast is gone from the order.
    fn forget(&mut self, id: BroadcastId, waiting: &Waiting) {
        let Some(hash) = waiting.filed else { return };
        if let Ok(filed) = self.by_key.find_entry(hash, |filed| filed.id == id) {
            filed.remove();
        }
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.order.clear();
        self.by_key.clear();
    }

    /// Broadcasts waiting.
    pub fn len(&self) -> usize {
        self.order.waiting.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.order.waiting.is_empty()
    }

    /// Bytes of all messages waiting.
    pub fn bytes(&self) -> usize {
        self.order.bytes
    }

    /// Bytes of the messages never sent.
    pub fn unsent(&self) -> usize {
        self.order.unsent
    }

    /// How often the message that was sent least has been sent.
    pub fn least_sent(&self) -> Option<u32> {
        self.order.waiting.last_key_value().map(|(place, _)| place.sent.0)
    }

    /// The messages waiting, in the order they would be taken.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.order.waiting.values().rev().map(|waiting| &waiting.bytes)
    }
}

/// Broadcasts in the order in which they are sent, the last one first.
#[derive(Debug, Default)]
struct Order {
    waiting: BTreeMap<Place, Waiting>,
    /// The number given last.
    number: u64,
    bytes: usize,
    unsent: usize,
}

impl Order {
    fn next_id(&mut self, len: usize) -> BroadcastId {
        self.number += 1;
        BroadcastId { len: short(len), number: self.number }
    }

    fn put(&mut self, place: Place, waiting: Waiting) {
        self.bytes += waiting.bytes.len();
        self.unsent += unsent(place, &waiting);
        self.waiting.insert(place, waiting);
    }

    fn remove(&mut self, place: Place) -> Option<Waiting> {
        let waiting = self.waiting.remove(&place)?;
        self.bytes -= waiting.bytes.len();
        self.unsent -= unsent(place, &waiting);
        Some(waiting)
    }

    /// The one that would be sent last.
    fn pop_last(&mut self) -> Option<(Place, Waiting)> {
        let (&place, _) = self.waiting.first_key_value()?;
        Some((place, self.remove(place)?))
    }

    fn clear(&mut self) {
        *self = Self { number: self.number, ..Self::default() };
    }

    /// How often a broadcast was sent is not noted anywhere else; it is not often.
    fn place(&self, id: BroadcastId) -> Option<Place> {
        let most = self.waiting.first_key_value().map_or(0, |(place, _)| place.sent.0);
        (0..=most).map(|sent| Place::new(sent, id)).find(|place| self.waiting.contains_key(place))
    }

    /// Removes what is outdated; returns whether it is gone.
    fn remove_if(&mut self, id: BroadcastId, outdated: impl Fn(&Bytes) -> bool) -> bool {
        let Some(place) = self.place(id) else { return true };
        let over = self.waiting.get(&place).is_none_or(|waiting| outdated(&waiting.bytes));
        if over {
            self.remove(place);
        }
        over
    }

    /// Takes the messages that fit; `sent` gets them with their next places.
    fn take(&mut self, budget: &Budget, into: &mut Vec<Bytes>, sent: &mut Vec<(Place, Waiting)>) -> usize {
        let mut used = 0;
        let mut from = Place::longest(0, usize::MAX);
        while let Some(longest) = budget.longest(budget.limit.saturating_sub(used)) {
            from = from.min(Place::longest(from.sent.0, longest));
            let Some((&place, _)) = self.waiting.range(..=from).next_back() else { break };
            if place.sent.0 >= budget.below {
                break;
            }
            from = place;
            if place.id.len > short(longest) {
                continue;
            }
            let Some(waiting) = self.remove(place) else { continue };
            used += budget.cost(waiting.bytes.len());
            into.push(waiting.bytes.clone());
            sent.push((Place::new(place.sent.0.saturating_add(budget.weight), place.id), waiting));
        }
        used
    }
}

/// Bytes of a message never sent.
fn unsent(place: Place, waiting: &Waiting) -> usize {
    if place.sent.0 == 0 { waiting.bytes.len() } else { 0 }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, option, prelude::*};

    #[derive(Clone, Copy, Debug)]
    enum Call {
        Push(Option<u8>, u8),
        Take { limit: usize, below: u32, weight: u32 },
        Prune(usize),
    }

    fn call() -> impl Strategy<Value = Call> {
        let below = prop_oneof![Just(1), Just(u32::MAX)];
        prop_oneof![
            4 => (option::of(0..6_u8), 0..20_u8).prop_map(|(key, len)| Call::Push(key, len)),
            2 => (0..80_usize, below, 1..3_u32)
                .prop_map(|(limit, below, weight)| Call::Take { limit, below, weight }),
            1 => (0..12_usize).prop_map(Call::Prune),
        ]
    }

    /// One that waits, as the real queue describes it.
    #[derive(Clone, Debug)]
    struct Told {
        sent: u32,
        id: BroadcastId,
        key: Option<u8>,
        bytes: Bytes,
    }

    const OVERHEAD: usize = 2;
    const TRANSMITS: u32 = 3;

    /// The first that fits, again and again, each at most once.
    fn take(waiting: &mut Vec<Told>, limit: usize, below: u32, weight: u32) -> Vec<Bytes> {
        let (mut used, mut taken, mut again) = (0, Vec::new(), Vec::new());
        let fits = |told: &Told, used| told.sent < below && used + OVERHEAD + told.bytes.len() <= limit;
        while let Some(place) = waiting.iter().position(|told| fits(told, used)) {
            let told = waiting.remove(place);
            used += OVERHEAD + told.bytes.len();
            taken.push(told.bytes.clone());
            again.push(Told { sent: told.sent + weight, ..told });
        }
        waiting.extend(again.into_iter().filter(|told| told.sent < TRANSMITS));
        taken
    }

    /// Those about an even key of fewer bytes outdate none.
    fn outdates(key: u8, new: usize, old: usize) -> bool {
        key % 2 == 1 || new >= old
    }

    proptest! {
        #[test]
        fn it_does_what_a_sorted_list_does(calls in vec(call(), 0..120)) {
            let (mut queue, mut waiting) = (BroadcastQueue::default(), Vec::<Told>::new());
            for (call, fill) in calls.into_iter().zip(0_u8..) {
                match call {
                    Call::Push(key, len) => {
                        let bytes = Bytes::from(vec![fill; len.into()]);
                        let over = |old: &Bytes| key.is_none_or(|key| outdates(key, len.into(), old.len()));
                        let id = queue.push_over(key, bytes.clone(), over);
                        waiting.retain(|told| key.is_none() || told.key != key || !over(&told.bytes));
                        waiting.push(Told { sent: 0, id, key, bytes });
                    }
                    Call::Take { limit, below, weight } => {
                        let room = Budget::new(limit, Overhead::Each(OVERHEAD), TRANSMITS);
                        let mut taken = Vec::new();
                        queue.take(&Budget { below, weight, ..room }, &mut taken);
                        prop_assert_eq!(taken, take(&mut waiting, limit, below, weight));
                    }
                    Call::Prune(keep) => {
                        queue.prune(keep);
                        waiting.truncate(keep);
                    }
                }
                waiting.sort_by_key(|told| (told.sent, Reverse(told.bytes.len()), Reverse(told.id.number)));
                prop_assert!(queue.iter().eq(waiting.iter().map(|told| &told.bytes)));
                prop_assert!(waiting.iter().all(|told| queue.contains(told.id)));
                let bytes = |least: u32| waiting.iter().filter(move |told| told.sent <= least).map(|told| told.bytes.len());
                prop_assert_eq!((queue.unsent(), queue.bytes()), (bytes(0).sum(), bytes(u32::MAX).sum()));
                prop_assert_eq!(queue.least_sent(), waiting.first().map(|told| told.sent));
                prop_assert_eq!(queue.by_key.len(), waiting.iter().filter(|told| told.key.is_some()).count());
                for key in 0..6 {
                    let last = waiting.iter().filter(|told| told.key == Some(key)).map(|told| told.id);
                    prop_assert_eq!(queue.id(&key), last.max_by_key(|id| id.number));
                }
            }
        }
    }
}
