//! What the replay of recorded runs needs beyond the public calls.

use super::{
    EntryKey,
    tables::{Tables, Todo},
};
use crate::{
    machine::{Fault, Instant},
    memberlist::{JoinReport, Outcome, StreamFault},
};

impl Tables {
    /// Everything asked of the membership fails: nobody is there.
    #[doc(hidden)]
    pub fn refuse_all(&mut self, now: Instant) {
        while let Some(todo) = self.todo.pop_front() {
            let refused = Err(StreamFault::Io(Fault::Refused));
            match todo {
                Todo::Reliable(to, _) => {
                    for (_, purpose) in to {
                        self.finished(now, purpose, Outcome::Sent(refused.clone()));
                    }
                }
                Todo::Join(_, purpose) => self.finished(now, purpose, Outcome::Joined(JoinReport::default())),
                _ => {}
            }
        }
    }

    /// Nanoseconds a row has left as stored, which peers may set for live ones and below zero.
    #[doc(hidden)]
    pub fn stored_reap(&self, key: &EntryKey) -> Option<i64> {
        self.rows.get(key.place()).map(|entry| self.rows.reap(entry))
    }

    /// Sets whether what arrives in a network is relayed.
    #[doc(hidden)]
    pub fn set_in_sync(&mut self, network: &[u8], in_sync: bool) {
        if let Some(own) = self.networks.own_mut(network) {
            own.in_sync = in_sync;
        }
    }
}

impl super::NetworkDb {
    /// Removes the guard that keeps old news from undoing newer: what looks for bugs must find this one.
    #[doc(hidden)]
    pub fn plant_bug(&mut self) {
        self.tables.takes_old_news = true;
    }
}
