//! A run of bodies in the order of their keys, encoded once and never changed.

use std::sync::Arc;

use bytes::Bytes;

use super::{body, run::Memo};
use crate::wire::snappy;

/// Bytes of a leaf, unless a single body is longer.
const MAX_BYTES: usize = 32 << 10;
/// Bodies of a leaf.
const MAX_BODIES: usize = 100;

/// Neighbouring bodies of a snapshot. Keys are read from the bodies: there is no second copy of them.
#[derive(Debug, Default)]
pub(crate) struct Leaf {
    bytes: Bytes,
    /// Where each body ends.
    ends: Box<[u32]>,
    /// Snappy chunks of this leaf and those after it.
    run: Memo,
}

impl Leaf {
    /// Leaves of these bodies, about as full as each other.
    pub(super) fn cut(bodies: &[&[u8]]) -> Vec<Arc<Self>> {
        let mut bytes: usize = bodies.iter().map(|body| body.len()).sum();
        let mut wanted = bytes.div_ceil(MAX_BYTES).max(bodies.len().div_ceil(MAX_BODIES));
        let mut cut = Vec::with_capacity(wanted);
        let mut rest = bodies;
        while let Some(first) = rest.first() {
            let share = if wanted > 1 { bytes / wanted * uneven(body::key(first)) / 100 } else { bytes };
            let (leaf, after) = rest.split_at(fitting(rest, share));
            let leaf = Self::new(leaf);
            (bytes, wanted, rest) = (bytes - leaf.bytes(), wanted.saturating_sub(1), after);
            cut.push(Arc::new(leaf));
        }
        cut
    }

    fn new(bodies: &[&[u8]]) -> Self {
        let mut end = 0;
        let ends = bodies.iter().map(|body| {
            end += body.len() as u32;
            end
        });
        Self { ends: ends.collect(), bytes: bodies.concat().into(), run: Memo::default() }
    }

    /// How many bodies there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many bytes they have together.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether they fill less than a quarter of a leaf.
    pub(super) fn is_small(bodies: &[&[u8]]) -> bool {
        bodies.len() < MAX_BODIES / 4 && bodies.iter().map(|body| body.len()).sum::<usize>() < MAX_BYTES / 4
    }

    fn start(&self, index: usize) -> usize {
        index.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize)
    }

    pub(super) fn body(&self, index: usize) -> &[u8] {
        self.bytes.get(self.start(index)..self.start(index + 1)).unwrap_or_default()
    }

    pub(super) fn bodies(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.body(index))
    }

    pub(super) fn first_key(&self) -> &[u8] {
        body::key(&self.bytes)
    }

    /// The body of a key.
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match body::key(self.body(middle)).cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(self.body(middle)),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The bytes of some bodies, not copied.
    pub(super) fn slice(&self, from: usize, to: usize) -> Bytes {
        self.bytes.slice(self.start(from)..self.start(to))
    }

    /// The bytes of all bodies.
    pub(super) fn all(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn run(&self) -> &Memo {
        &self.run
    }
}

/// Snappy chunks of `plain` in memory of their size.
pub(crate) fn framed(plain: &[u8]) -> Bytes {
    let mut chunks = Vec::new();
    snappy::frame(plain, &mut chunks);
    Bytes::copy_from_slice(&chunks)
}

/// How much of an even share a leaf gets whose first key this is, in percent. Evenly cut leaves that grow alike have one
/// size at all times, so what one of them leaves behind is too small for the next: an eighth of all memory lay idle.
fn uneven(first: &[u8]) -> usize {
    70 + crc32c::crc32c(first) as usize % 61
}

/// How many of `bodies` go into one leaf: at least one.
fn fitting(bodies: &[&[u8]], share: usize) -> usize {
    let mut bytes = 0;
    let fits = bodies.iter().take(MAX_BODIES).take_while(|body| {
        let fits = bytes < share && bytes + body.len() <= MAX_BYTES;
        bytes += body.len();
        fits
    });
    fits.count().max(1)
}
