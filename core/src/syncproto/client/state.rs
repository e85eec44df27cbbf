//! What a client keeps from one connection to the next.

use super::{
    super::{Message, encode},
    Config, Event, Stats, Timer,
    known::Known,
    queue::Queue,
    updates::Builder,
};
use crate::machine::{Instant, Lane, Outbox, Timers};

/// Settings, what the user was told and is to be told, and the way out.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) config: Config,
    pub(super) now: Instant,
    pub(super) out: Outbox,
    pub(super) timers: Timers<Timer>,
    pub(super) queue: Queue,
    pub(super) known: Known,
    pub(super) stats: Stats,
}

impl Core {
    pub(super) fn tell(&mut self, event: Event) {
        self.queue.push(self.now, event);
    }

    /// Tells what was gathered, if anything was.
    pub(super) fn tell_updates(&mut self, batch: Builder) {
        if let Some(updates) = batch.finish() {
            self.tell(Event::Updates(updates));
        }
    }

    pub(super) fn write(&mut self, lane: &mut Lane, message: &Message<'_>) {
        let mut bytes = Vec::new();
        encode::message(&mut bytes, message);
        self.write_bytes(lane, bytes.into());
    }

    pub(super) fn write_bytes(&mut self, lane: &mut Lane, bytes: bytes::Bytes) {
        self.stats.bytes_out += bytes.len() as u64;
        lane.write(&mut self.out, bytes);
        self.timers.hasten(Timer::Write, self.now + self.config.write_timeout);
    }

    /// It is `now`, or later.
    pub(super) fn pass(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }
}
