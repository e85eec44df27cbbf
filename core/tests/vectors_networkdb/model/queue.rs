//! memberlist's queue of broadcasts, as its source has it (section 10).

/// One message waiting.
#[derive(Clone, Debug)]
struct Item {
    topic: Option<String>,
    time: u64,
    bytes: Vec<u8>,
    transmits: u32,
    id: u64,
}

impl Item {
    /// What the order and, in the peers, the identity of an item comes from.
    fn place(&self) -> (u32, std::cmp::Reverse<usize>, std::cmp::Reverse<u64>) {
        (self.transmits, std::cmp::Reverse(self.bytes.len()), std::cmp::Reverse(self.id))
    }
}

/// A queue in which numbers restart when it becomes empty, unless told otherwise.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    items: Vec<Item>,
    last: u64,
    pub numbers_grow: bool,
}

impl Queue {
    pub(super) fn new(numbers_grow: bool) -> Self {
        Self { numbers_grow, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Queues a message, in place of those about the same topic; `later_stays`: unless they are later.
    pub(super) fn push(&mut self, topic: Option<String>, time: u64, bytes: Vec<u8>, later_stays: bool) {
        self.last += 1;
        let id = self.last;
        let replaces =
            |item: &Item| topic.is_some() && item.topic == topic && !(later_stays && item.time > time);
        while let Some(at) = self.items.iter().position(replaces) {
            self.remove(at);
        }
        self.insert(Item { topic: topic.clone(), time, bytes, transmits: 0, id });
    }

    /// An item with the place of another displaces it.
    fn insert(&mut self, item: Item) {
        self.items.retain(|other| other.place() != item.place());
        self.items.push(item);
        self.items.sort_by_key(Item::place);
    }

    fn remove(&mut self, at: usize) -> Item {
        let item = self.items.remove(at);
        if self.items.is_empty() && !self.numbers_grow {
            self.last = 0;
        }
        item
    }

    /// Takes what fits, tier by tier; returns the bytes used.
    pub(super) fn take(
        &mut self,
        overhead: usize,
        limit: usize,
        times: u32,
        into: &mut Vec<String>,
    ) -> usize {
        let (mut used, mut again) = (0, Vec::new());
        while let Some(free) = limit.checked_sub(used + overhead).filter(|&free| free > 0) {
            let Some(at) = self.items.iter().position(|item| item.bytes.len() <= free) else { break };
            let mut item = self.remove(at);
            used += overhead + item.bytes.len();
            into.push(hex::encode(&item.bytes));
            item.transmits += 1;
            if item.transmits < times {
                again.push(item);
            }
        }
        for item in again {
            self.insert(item);
        }
        used
    }
}

/// How often the peers send an event among so many nodes.
pub(super) fn transmit_limit(nodes: usize) -> u32 {
    if nodes == 0 { 0 } else { 4 * (nodes.ilog10() + 1) }
}

/// How often a cluster event is sent so that one in a thousand misses anybody.
pub(super) fn enough_copies(nodes: usize) -> u32 {
    let least = if nodes > 4 { (1000.0 * nodes as f64).ln().ceil() as u32 } else { 0 };
    transmit_limit(nodes).max(least)
}
