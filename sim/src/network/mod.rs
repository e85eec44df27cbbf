//! The network between processes: links by direction, and what is cut.

mod link;
mod stream;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub use link::{Latency, Link, happens};
pub(crate) use stream::{End, Segment, Side, Stream};

use networkdb_core::machine::{Instant, Rng};

/// Numbers a process for the life of its world.
pub type ProcessId = usize;

/// From one process to another.
pub type Direction = (ProcessId, ProcessId);

/// Queued bytes a link with a bandwidth holds, in time.
const QUEUE: Duration = Duration::from_secs(1);

/// All links.
#[derive(Debug, Default)]
pub struct Network {
    default: Link,
    special: BTreeMap<Direction, Link>,
    cut: BTreeSet<Direction>,
    /// When a link with a bandwidth has sent what it has.
    busy: BTreeMap<Direction, Instant>,
}

impl Network {
    /// Sets what holds where nothing else is said.
    pub fn set_default(&mut self, link: Link) {
        self.default = link;
    }

    /// Sets one direction.
    pub fn set(&mut self, direction: Direction, link: Link) {
        self.special.insert(direction, link);
    }

    /// What holds for a direction.
    pub fn link(&self, direction: Direction) -> Link {
        if self.special.is_empty() {
            return self.default;
        }
        self.special.get(&direction).copied().unwrap_or(self.default)
    }

    /// Cuts one direction.
    pub fn cut(&mut self, direction: Direction) {
        self.cut.insert(direction);
    }

    /// Mends all that was cut.
    pub fn heal(&mut self) {
        self.cut.clear();
    }

    /// Gives all directions the default again.
    pub fn restore_links(&mut self) {
        self.special.clear();
        self.busy.clear();
    }

    /// Whether nothing passes.
    pub fn is_cut(&self, direction: Direction) -> bool {
        !self.cut.is_empty() && self.cut.contains(&direction)
    }

    /// When the arrivals of a datagram of `len` bytes are: none, one, or two.
    pub(crate) fn datagram(
        &mut self,
        now: Instant,
        direction: Direction,
        len: usize,
        rng: &mut Rng,
    ) -> [Option<Instant>; 2] {
        let link = self.link(direction);
        if len > link.mtu || self.is_cut(direction) || happens(rng, link.loss) {
            return [None, None];
        }
        let Some(left) = self.departs(now, direction, &link, len) else { return [None, None] };
        let arrives = |rng: &mut Rng| {
            let latency = link.latency.draw(rng);
            let held = if happens(rng, link.reordering) { rng.duration(latency * 8) } else { Duration::ZERO };
            left + latency + held
        };
        let first = arrives(rng);
        let second = happens(rng, link.duplication).then(|| arrives(rng));
        [Some(first), second]
    }

    /// When the last of `len` bytes has left; `None` if the queue is full.
    fn departs(&mut self, now: Instant, direction: Direction, link: &Link, len: usize) -> Option<Instant> {
        if link.bandwidth == 0 {
            return Some(now);
        }
        let busy = self.busy.entry(direction).or_default();
        if busy.since(now) > QUEUE {
            return None;
        }
        *busy = (*busy).max(now)
            + Duration::from_nanos((len as u64).saturating_mul(1_000_000_000) / link.bandwidth);
        Some(*busy)
    }

    /// When a segment of a stream has left and when it arrives; `None` if it has to be sent again.
    pub(crate) fn segment(
        &mut self,
        now: Instant,
        direction: Direction,
        len: usize,
        rng: &mut Rng,
    ) -> Option<(Instant, Instant)> {
        let link = self.link(direction);
        if self.is_cut(direction) || happens(rng, link.loss) {
            return None;
        }
        let left = self.departs(now, direction, &link, len)?;
        Some((left, left + link.latency.draw(rng)))
    }
}
