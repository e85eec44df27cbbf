//! Events on their way to the user.

use std::collections::VecDeque;

use super::Event;
use crate::machine::Instant;

/// Events in order, and whether they are too many to read on. They are from [`Queue::limit`] bytes on, until less
/// than half of that is left: so reading is not stopped and resumed for each event.
#[derive(Debug)]
pub(super) struct Queue {
    events: VecDeque<(Instant, Event)>,
    bytes: usize,
    limit: usize,
    full: bool,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self { events: VecDeque::new(), bytes: 0, limit, full: false }
    }

    pub(super) fn push(&mut self, now: Instant, event: Event) {
        self.bytes += size(&event);
        self.full |= self.bytes >= self.limit;
        self.events.push_back((now, event));
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        let (_, event) = self.events.pop_front()?;
        self.bytes -= size(&event);
        self.full &= self.bytes > self.limit / 2;
        Some(event)
    }

    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the first of them was put in.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.events.front().map(|(at, _)| *at)
    }
}

/// Bytes an event takes itself, the same on every platform.
const EVENT: usize = 128;

/// Bytes an event takes.
fn size(event: &Event) -> usize {
    let beyond = match event {
        Event::Updates(updates) => updates.size(),
        Event::Connected(hello) => hello.version.len() + hello.syncer_type.len(),
        _ => 0,
    };
    EVENT + beyond
}
