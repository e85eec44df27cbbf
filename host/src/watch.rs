//! A watch as a stream.

use std::sync::Arc;

use futures::{Stream, stream};
use networkdb_core::networkdb::{Change, Filter, NetworkDb, WatchId};

use crate::shared::Shared;

struct Watch {
    id: WatchId,
    shared: Arc<Shared<NetworkDb>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.with(|db, _| db.unwatch(self.id));
    }
}

/// Changes from now on, the rows already there first. Ends when the node stops; dropping it ends the watch.
pub(crate) fn watch(
    shared: &Arc<Shared<NetworkDb>>,
    filter: Filter,
) -> impl Stream<Item = Change> + Send + Unpin + use<> {
    let id = shared.with(|db, _| db.watch(filter));
    let watch = Watch { id, shared: Arc::clone(shared) };
    Box::pin(stream::unfold(watch, |watch| async {
        let change = watch.shared.pull(|db| db.next_change(watch.id)).await?;
        Some((change, watch))
    }))
}
