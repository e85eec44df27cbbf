//! What changed at one moment, and the way to what changed next.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{body::Body, leaf::framed};
use crate::{
    machine::Instant,
    syncproto::{SyncStatus, encode},
};

/// Crumbs whose updates are joined into one message for sessions that are behind.
pub(super) const EXPRESS_CRUMBS: u64 = 16;
/// Bytes of a joined message.
const EXPRESS_BYTES: usize = 64 << 10;
/// Updates of a joined message, as many as upstream puts into one of its binary snapshot.
const EXPRESS_KVS: usize = 1_000;

/// A breadcrumb: the updates of a moment, encoded once for all sessions.
///
/// It holds no snapshot, lest the one place of a slow session keep every leaf alive that has changed since.
#[derive(Debug)]
pub struct Crumb {
    sequence: u64,
    time: Instant,
    status: SyncStatus,
    /// Bytes of the messages of all crumbs so far.
    offset: u64,
    frame: Frame,
    express: OnceLock<Express>,
    next: OnceLock<Arc<Crumb>>,
}

/// One `MsgKVs`, plain and as snappy chunks. Empty if there are no updates.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    kvs: usize,
    /// Where the bodies begin.
    bodies: usize,
    plain: Bytes,
    snappy: OnceLock<Bytes>,
}

/// The updates of the next [`EXPRESS_CRUMBS`] crumbs in one message.
#[derive(Debug)]
pub(crate) struct Express {
    pub(crate) frame: Frame,
    /// The last of them.
    pub(crate) last: Arc<Crumb>,
}

impl Frame {
    /// The message with `kvs` updates that `bodies` are.
    fn new<'a>(kvs: usize, bodies: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        if kvs == 0 {
            return Self::default();
        }
        let bytes = bodies.clone().map(<[u8]>::len).sum();
        let mut plain = Vec::with_capacity(bytes + 96);
        encode::kvs_start(&mut plain, kvs, bytes);
        let start = plain.len();
        bodies.for_each(|body| plain.extend_from_slice(body));
        plain.extend_from_slice(encode::kvs_end());
        plain.shrink_to_fit();
        Self { kvs, bodies: start, plain: plain.into(), snappy: OnceLock::new() }
    }

    /// How many updates there are.
    pub(crate) fn kvs(&self) -> usize {
        self.kvs
    }

    /// The message.
    pub(crate) fn bytes(&self, snappy: bool) -> Bytes {
        if snappy {
            return self.snappy.get_or_init(|| framed(&self.plain)).clone();
        }
        self.plain.clone()
    }

    /// The updates as encoded.
    fn bodies(&self) -> &[u8] {
        let end = self.plain.len().saturating_sub(encode::kvs_end().len());
        self.plain.get(self.bodies..end).unwrap_or_default()
    }

    /// The updates.
    pub(crate) fn updates(&self) -> impl Iterator<Item = Body<'_>> {
        let mut rest = self.bodies();
        std::iter::from_fn(move || Body::take(&mut rest))
    }
}

impl Crumb {
    /// The crumb every cache begins with.
    pub(super) fn first() -> Self {
        Self {
            sequence: 0,
            time: Instant::ORIGIN,
            status: SyncStatus::default(),
            offset: 0,
            frame: Frame::default(),
            express: OnceLock::new(),
            next: OnceLock::new(),
        }
    }

    /// The crumb after this one. It is not linked yet.
    pub(super) fn after(&self, time: Instant, status: SyncStatus, bodies: &[&[u8]]) -> Self {
        let mut crumb = Self::first();
        crumb.frame = Frame::new(bodies.len(), bodies.iter().copied());
        crumb.sequence = self.sequence + 1;
        crumb.time = time.max(self.time);
        crumb.status = status;
        crumb.offset = self.offset + crumb.frame.plain.len() as u64;
        crumb
    }

    pub(super) fn link(&self, next: Arc<Self>) {
        drop(self.next.set(next));
    }

    /// Joins the updates of all crumbs after this one up to `last`, unless they are too many or the status changes
    /// on the way.
    pub(super) fn join(&self, last: &Arc<Self>) {
        let crumbs: Vec<&Self> =
            std::iter::successors(self.next(), |crumb| crumb.next()).map(|crumb| &**crumb).collect();
        let (kvs, bytes) = crumbs
            .iter()
            .fold((0, 0), |(kvs, bytes), crumb| (kvs + crumb.frame.kvs, bytes + crumb.frame.bodies().len()));
        let on_the_way = crumbs.split_last().map_or(&[][..], |(_, before)| before);
        if bytes > EXPRESS_BYTES || kvs > EXPRESS_KVS || on_the_way.iter().any(|c| c.status != self.status) {
            return;
        }
        let frame = Frame::new(kvs, crumbs.iter().map(|crumb| crumb.frame.bodies()));
        drop(self.express.set(Express { frame, last: Arc::clone(last) }));
    }

    /// Its number, counted from 0.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When it was published.
    pub fn time(&self) -> Instant {
        self.time
    }

    /// How far the datastore was read.
    pub fn status(&self) -> SyncStatus {
        self.status
    }

    /// How many updates it holds.
    pub fn updates(&self) -> usize {
        self.frame.kvs
    }

    /// Bytes of the messages of all crumbs so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn frame(&self) -> &Frame {
        &self.frame
    }

    /// What came after it, if anything has.
    pub(crate) fn next(&self) -> Option<&Arc<Self>> {
        self.next.get()
    }

    pub(crate) fn express(&self) -> Option<&Express> {
        self.express.get()
    }
}

impl Drop for Crumb {
    /// A chain let go of at its beginning ends link by link: by recursion a long one would overflow the stack.
    fn drop(&mut self) {
        // The link beside keeps what the express leads to, so this never ends a chain.
        drop(self.express.take());
        let mut next = self.next.take();
        while let Some(mut crumb) = next.and_then(Arc::into_inner) {
            drop(crumb.express.take());
            next = crumb.next.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_a_million_crumbs_is_dropped_without_recursion() {
        let first = Arc::new(Crumb::first());
        let (mut base, mut last) = (Arc::clone(&first), Arc::clone(&first));
        for number in 1..=1_000_000 {
            let crumb = Arc::new(last.after(Instant::from_nanos(number), SyncStatus::IN_SYNC, &[]));
            last.link(Arc::clone(&crumb));
            last = crumb;
            if number % EXPRESS_CRUMBS == 0 {
                base.join(&last);
                base = Arc::clone(&last);
            }
        }
        assert_eq!(last.sequence(), 1_000_000);
        drop(base);
        drop(last);
        drop(first);
    }
}
