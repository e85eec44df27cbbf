//! The only source of chance in a machine: seeded, the same on every platform.

use std::time::Duration;

use rand_chacha::{
    ChaCha12Rng,
    rand_core::{RngCore, SeedableRng},
};

/// A random number generator seeded by the host. It draws `u32` and `u64` only, so that a trace replays on 32-bit
/// targets too.
#[derive(Clone, Debug)]
pub struct Rng(ChaCha12Rng);

impl Rng {
    /// A generator from a seed; hosts fill it from the operating system, tests fix it.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// A generator for another part of the machine, independent of what this one draws later.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        let mut seed = [0; 32];
        self.fill(&mut seed);
        Self::new(seed)
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        // The multiply-shift map of a 64-bit draw: its bias for bounds that fit in memory is below 2^-20.
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as usize
    }

    /// A duration in `[0, limit)`.
    pub fn duration(&mut self, limit: Duration) -> Duration {
        let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(((u128::from(self.0.next_u64()) * u128::from(nanos)) >> 64) as u64)
    }

    /// Puts `items` in random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// Moves up to `count` random items to the front and returns them.
    pub fn choose<'a, T>(&mut self, items: &'a mut [T], count: usize) -> &'a mut [T] {
        let count = count.min(items.len());
        for i in 0..count {
            let j = i + self.below(items.len() - i);
            items.swap(i, j);
        }
        items.split_at_mut(count).0
    }
}
