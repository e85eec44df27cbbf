//! Requests under way: each is answered by the event that carries its id.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use networkdb_core::{
    memberlist::RequestId,
    networkdb::{Event, NetworkDb},
};
use tokio::sync::{broadcast, oneshot};

use crate::shared::Shared;

/// Events a slow listener may be behind before it misses some.
const BACKLOG: usize = 1024;

/// Who waits for which answer, and who listens to all other events.
#[derive(Debug)]
pub(crate) struct Requests {
    /// `None` once no answer can come.
    waiting: Mutex<Option<HashMap<RequestId, oneshot::Sender<Event>>>>,
    events: broadcast::Sender<Event>,
}

impl Requests {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::new(Some(HashMap::new())), events: broadcast::Sender::new(BACKLOG) }
    }

    /// Waits for the answer to `id`. To be called under the lock under which the request was made, so that the
    /// answer cannot come first. After the stop the receiver is closed at once.
    pub(crate) fn expect(&self, id: RequestId) -> oneshot::Receiver<Event> {
        let (sender, receiver) = oneshot::channel();
        if let Some(waiting) = self.waiting().as_mut() {
            waiting.insert(id, sender);
        }
        receiver
    }

    /// All events from now on, answers included.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Hands events out until the node stops.
    pub(crate) async fn dispatch(self: Arc<Self>, shared: Arc<Shared<NetworkDb>>) {
        while let Some(event) = shared.event().await {
            let waiter = answered(&event).and_then(|id| self.waiting().as_mut()?.remove(&id));
            if let Some(waiter) = waiter {
                // Whoever asked may have stopped waiting.
                let _ = waiter.send(event.clone());
            }
            // Nobody may be listening.
            let _ = self.events.send(event);
        }
        *self.waiting() = None;
    }

    fn waiting(&self) -> MutexGuard<'_, Option<HashMap<RequestId, oneshot::Sender<Event>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answered(event: &Event) -> Option<RequestId> {
    match event {
        Event::Joined { request, .. } | Event::Left { request } | Event::NetworkJoined { request, .. } => {
            Some(*request)
        }
        _ => None,
    }
}
