//! What the clients of one syncer type are sent.

use std::sync::Arc;

use super::{Config, stats::SyncerStats};
use crate::{
    machine::Instant,
    syncproto::cache::{Form, Layout, Published},
};

/// One syncer type: what was published last, as far as this server has been told.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) syncer_type: Box<str>,
    pub(super) published: Published,
    pub(super) conflate: bool,
    pub(super) stats: SyncerStats,
    plain: Option<Shared>,
    snappy: Option<Shared>,
}

/// A snapshot that several clients are sent.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) published: Published,
    pub(super) layout: Arc<Layout>,
    made: Instant,
}

impl Feed {
    pub(super) fn new(syncer_type: &str, published: Published, config: &Config) -> Self {
        Self {
            syncer_type: syncer_type.into(),
            published,
            conflate: config.conflate.iter().any(|name| **name == *syncer_type),
            stats: SyncerStats::default(),
            plain: None,
            snappy: None,
        }
    }

    /// Takes what has been published, unless it is older.
    pub(super) fn follow(&mut self, published: Published) {
        if published.crumb.sequence() >= self.published.crumb.sequence() {
            self.published = published;
        }
        let newest = self.published.crumb.sequence();
        self.stats.breadcrumb_seq_number = newest;
        // Nobody is given it any more; those who were hold it.
        self.plain.take_if(|shared| shared.published.crumb.sequence() < newest);
    }

    /// The snapshot for a new client. In snappy it may be a little old: making one costs more than what clients are
    /// then sent behind it.
    pub(super) fn snapshot(&mut self, now: Instant, form: Form, config: &Config) -> Shared {
        let newest = self.published.crumb.sequence();
        let (slot, size, reuse) = match form {
            Form::Plain => (&mut self.plain, config.max_message_size, false),
            Form::Snappy => (&mut self.snappy, config.max_binary_message_size, true),
        };
        let fresh = |shared: &Shared| {
            shared.published.crumb.sequence() == newest
                || reuse && now.since(shared.made) < config.snapshot_reuse
        };
        if let Some(shared) = slot.as_ref().filter(|shared| fresh(shared)) {
            self.stats.snapshots_reused += 1;
            return shared.clone();
        }
        self.stats.snapshots_generated += 1;
        let layout = Arc::new(Layout::new(self.published.snapshot.clone(), form, size));
        slot.insert(Shared { published: self.published.clone(), layout, made: now }).clone()
    }

    /// Lets go of a snapshot that the next client would not be given.
    pub(super) fn expire(&mut self, now: Instant, config: &Config) {
        let newest = self.published.crumb.sequence();
        self.snappy.take_if(|shared| {
            shared.published.crumb.sequence() < newest && now.since(shared.made) >= config.snapshot_reuse
        });
    }
}
