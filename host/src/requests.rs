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

/// Who waits for which answer, and who listens to all events. `None` once the node has stopped: nobody waits longer.
#[derive(Debug)]
pub(crate) struct Requests(Mutex<Option<Listeners>>);

#[derive(Debug)]
struct Listeners {
    waiting: HashMap<RequestId, oneshot::Sender<Event>>,
    events: broadcast::Sender<Event>,
}

impl Requests {
    pub(crate) fn new() -> Self {
        let listeners = Listeners { waiting: HashMap::new(), events: broadcast::Sender::new(BACKLOG) };
        Self(Mutex::new(Some(listeners)))
    }

    /// Waits for the answer to `id`. To be called under the lock under which the request was made, so that the
    /// answer cannot come first. After the stop the receiver is closed.
    pub(crate) fn expect(&self, id: RequestId) -> oneshot::Receiver<Event> {
        let (sender, receiver) = oneshot::channel();
        if let Some(listeners) = self.listeners().as_mut() {
            listeners.waiting.insert(id, sender);
        }
        receiver
    }

    /// All events from now on, answers included. After the stop the receiver is closed.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        match self.listeners().as_ref() {
            Some(listeners) => listeners.events.subscribe(),
            None => broadcast::Sender::new(1).subscribe(),
        }
    }

    /// Hands events out until the node stops.
    pub(crate) async fn dispatch(self: Arc<Self>, shared: Arc<Shared<NetworkDb>>) {
        while let Some(event) = shared.event().await {
            if let Some(listeners) = self.listeners().as_mut() {
                listeners.tell(event);
            }
        }
        *self.listeners() = None;
    }

    fn listeners(&self) -> MutexGuard<'_, Option<Listeners>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listeners {
    fn tell(&mut self, event: Event) {
        if let Some(waiter) = answered(&event).and_then(|id| self.waiting.remove(&id)) {
            // Whoever asked may have stopped waiting.
            let _ = waiter.send(event.clone());
        }
        // Nobody may be listening.
        let _ = self.events.send(event);
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
