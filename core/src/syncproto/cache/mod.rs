//! The publisher's side: all keys and values of one syncer type, encoded once, and what has changed since.
//!
//! Source: `projectcalico/calico` `typha/pkg/snapcache`. A cache is a plain structure that the publisher owns; servers
//! on any thread share what it publishes.

mod body;
mod crumb;
mod layout;
mod leaf;
mod run;
mod tree;

#[cfg(test)]
mod tests;

use std::{fmt, ops::Range, sync::Arc};

use serde::Serialize;

pub(crate) use body::Body;
pub use crumb::Crumb;
pub(crate) use layout::{Form, Layout, Place};
pub(crate) use leaf::framed;
use tree::Change;
pub use tree::Snapshot;

use super::{SerializedUpdate, SyncStatus, UpdateType, encode};
use crate::machine::Instant;

/// Updates of one crumb, unless set otherwise: Typha's `SnapshotCacheMaxBatchSize`.
pub const MAX_BATCH_SIZE: usize = 100;
/// The longest update as encoded: a message of 1,000 of them is still below what Go's decoder takes.
pub const MAX_UPDATE: usize = 8 << 20;

/// What a cache has published last: for [`Server::follow`](super::server::Server::follow), on any thread.
#[derive(Clone, Debug)]
pub struct Published {
    /// The newest crumb.
    pub crumb: Arc<Crumb>,
    /// All keys and values after it.
    pub snapshot: Snapshot,
}

/// An update longer than [`MAX_UPDATE`]. It was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an update longer than {MAX_UPDATE} bytes")
    }
}

impl std::error::Error for TooLong {}

/// What a cache has counted. Names are those of Typha's metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CacheStats {
    /// `typha_updates_total`: updates taken.
    pub updates_total: u64,
    /// `typha_updates_skipped`: those that would have changed nothing.
    pub updates_skipped: u64,
    /// `typha_breadcrumb_seq_number`: the newest crumb.
    pub breadcrumb_seq_number: u64,
    /// `typha_cache_size`: keys in the snapshot.
    pub cache_size: usize,
    /// Bytes of the snapshot as encoded.
    pub cache_bytes: usize,
    /// Sum of `typha_breadcrumb_size`: updates in all crumbs; their number is `breadcrumb_seq_number`.
    pub breadcrumb_updates: u64,
}

/// Gathers updates and publishes them as crumbs.
#[derive(Debug)]
pub struct Cache {
    newest: Published,
    /// The crumb where the next joined message begins.
    base: Arc<Crumb>,
    status: SyncStatus,
    gathered: Gathered,
    max_batch_size: usize,
    stats: CacheStats,
}

/// Updates not yet published, as encoded.
#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    updates: Vec<Update>,
}

#[derive(Clone, Debug)]
struct Update {
    /// What clients are told.
    delta: Range<usize>,
    /// What the snapshot keeps; none for a deletion.
    kept: Option<Range<usize>>,
}

impl Default for Cache {
    fn default() -> Self {
        Self::new(MAX_BATCH_SIZE)
    }
}

impl Cache {
    /// An empty cache that waits for its datastore. A crumb has at most `max_batch_size` updates, at least 1.
    pub fn new(max_batch_size: usize) -> Self {
        let first = Arc::new(Crumb::first());
        Self {
            base: Arc::clone(&first),
            newest: Published { crumb: first, snapshot: Snapshot::default() },
            status: SyncStatus::default(),
            gathered: Gathered::default(),
            max_batch_size: max_batch_size.max(1),
            stats: CacheStats::default(),
        }
    }

    /// Takes an update, to be published. One without a value deletes its key.
    pub fn update(&mut self, update: &SerializedUpdate<'_>) -> Result<(), TooLong> {
        let Gathered { bytes, updates } = &mut self.gathered;
        let start = bytes.len();
        encode::element(bytes, update);
        if bytes.len() - start > MAX_UPDATE {
            bytes.truncate(start);
            return Err(TooLong);
        }
        let delta = start..bytes.len();
        let kept = update.value.is_some().then(|| {
            if update.update_type == UpdateType::NEW {
                return delta.clone();
            }
            encode::element(bytes, &SerializedUpdate { update_type: UpdateType::NEW, ..update.clone() });
            delta.end..bytes.len()
        });
        updates.push(Update { delta, kept });
        self.stats.updates_total += 1;
        Ok(())
    }

    /// Takes a status, to be published after all updates taken so far.
    pub fn status(&mut self, status: SyncStatus) {
        self.status = status;
    }

    /// Publishes what was taken, in as many crumbs as it needs; `None` if it changes nothing.
    pub fn publish(&mut self, now: Instant) -> Option<Published> {
        let before = self.newest.crumb.sequence();
        let gathered = std::mem::take(&mut self.gathered);
        let (told, changes) = self.sift(&gathered);
        let mut rest = &told[..];
        loop {
            let (batch, after) = rest.split_at(rest.len().min(self.max_batch_size));
            let deltas: Vec<&[u8]> = batch.iter().copied().flatten().collect();
            let status = if after.is_empty() { self.status } else { self.newest.crumb.status() };
            if !deltas.is_empty() || status != self.newest.crumb.status() {
                self.drop_crumb(now, status, &deltas);
            }
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        self.newest.snapshot.apply(&changes);
        (self.newest.crumb.sequence() > before).then(|| self.published())
    }

    /// What clients are to be told of each update, if anything, and what all of them together change, in the order of
    /// the keys.
    fn sift<'a>(&mut self, gathered: &'a Gathered) -> (Vec<Option<&'a [u8]>>, Vec<Change<'a>>) {
        let bytes = |range: &Range<usize>| gathered.bytes.get(range.clone());
        let mut told: Vec<_> = gathered.updates.iter().map(|update| bytes(&update.delta)).collect();
        let mut order: Vec<_> = told.iter().map(|delta| delta.map_or(&[][..], body::key)).zip(0..).collect();
        order.sort_unstable();
        let mut changes: Vec<Change<'a>> = Vec::new();
        for (key, number) in order {
            let (Some(update), Some(told)) = (gathered.updates.get(number), told.get_mut(number)) else {
                continue;
            };
            let kept = update.kept.as_ref().and_then(bytes);
            let noted = changes.last_mut().filter(|(changed, _)| *changed == key);
            if kept.is_some() {
                let known = noted.as_ref().map_or_else(|| self.newest.snapshot.get(key), |(_, known)| *known);
                *told = told.filter(|delta| !known.is_some_and(|known| is_no_op(delta, known)));
            }
            match noted {
                _ if told.is_none() => self.stats.updates_skipped += 1,
                Some((_, noted)) => *noted = kept,
                None => changes.push((key, kept)),
            }
        }
        (told, changes)
    }

    fn drop_crumb(&mut self, now: Instant, status: SyncStatus, deltas: &[&[u8]]) {
        let newest = &mut self.newest.crumb;
        let crumb = Arc::new(newest.after(now, status, deltas));
        newest.link(Arc::clone(&crumb));
        *newest = crumb;
        self.stats.breadcrumb_updates += deltas.len() as u64;
        if newest.sequence() - self.base.sequence() == crumb::EXPRESS_CRUMBS {
            self.base.join(newest);
            self.base = Arc::clone(newest);
        }
    }

    /// What was published last; an empty snapshot if nothing was.
    pub fn published(&self) -> Published {
        self.newest.clone()
    }

    /// What has been counted.
    pub fn stats(&self) -> CacheStats {
        CacheStats {
            breadcrumb_seq_number: self.newest.crumb.sequence(),
            cache_size: self.newest.snapshot.len(),
            cache_bytes: self.newest.snapshot.bytes(),
            ..self.stats
        }
    }
}

/// Whether a client that has the body `known` learns nothing from `delta`.
fn is_no_op(delta: &[u8], known: &[u8]) -> bool {
    Body::read(delta).would_be_no_op(&Body::read(known))
}
