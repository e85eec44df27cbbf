//! Neighbouring leaves in one chunk of snappy: each chunk is compressed by itself, so the fuller it is, the better.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;

use super::leaf::{Leaf, framed};

/// What was made of a leaf and those after it, for whoever needs it next: another server, or a later snapshot in which
/// they are as they were.
#[derive(Debug, Default)]
pub(super) struct Memo(Mutex<Option<Made>>);

#[derive(Debug)]
struct Made {
    /// The leaves after it.
    rest: Box<[Weak<Leaf>]>,
    chunks: Bytes,
}

impl Memo {
    /// A leaf that no longer begins a run: what it keeps would lie beside the chunks of the run it is in.
    fn forget(&self) {
        *self.made() = None;
    }

    /// Whether it holds any chunks.
    #[cfg(test)]
    pub(super) fn is_kept(&self) -> bool {
        self.made().is_some()
    }

    fn made(&self) -> MutexGuard<'_, Option<Made>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Made {
    fn is_of(&self, rest: &[&Arc<Leaf>]) -> bool {
        // A weak one keeps the place, so no other leaf has come to lie there.
        self.rest.len() == rest.len()
            && self.rest.iter().zip(rest).all(|(old, new)| old.as_ptr() == Arc::as_ptr(new))
    }
}

/// Snappy chunks of `first` and the leaves after it, made once for as long as these follow each other.
pub(super) fn chunks(first: &Leaf, rest: &[&Arc<Leaf>]) -> Bytes {
    for leaf in rest {
        leaf.run().forget();
    }
    let mut made = first.run().made();
    if let Some(made) = made.as_ref().filter(|made| made.is_of(rest)) {
        return made.chunks.clone();
    }
    let plain: Vec<_> =
        std::iter::once(first).chain(rest.iter().map(|leaf| &***leaf)).map(Leaf::all).collect();
    let chunks = framed(&plain.concat());
    let rest = rest.iter().map(|leaf| Arc::downgrade(leaf)).collect();
    *made = Some(Made { rest, chunks: chunks.clone() });
    chunks
}
