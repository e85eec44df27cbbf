//! What the replay of recorded runs needs beyond the public calls.

use super::{
    EntryKey,
    tables::{Purpose, Tables, Todo},
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
                Todo::Reliable(_, _, purpose @ Purpose::Sync(_)) => {
                    self.finished(now, purpose, Outcome::Sent(refused));
                }
                Todo::Join(_, purpose) => self.finished(now, purpose, Outcome::Joined(JoinReport::default())),
                _ => {}
            }
        }
    }

    /// Nanoseconds a row has left as stored, which peers may set for live ones and below zero.
    #[doc(hidden)]
    pub fn stored_reap(&self, key: &EntryKey) -> Option<i64> {
        self.rows.get(&key.network, &key.table, &key.key).map(|entry| entry.reap)
    }

    /// Sets whether what arrives in a network is relayed.
    #[doc(hidden)]
    pub fn set_in_sync(&mut self, network: &[u8], in_sync: bool) {
        if let Some(own) = self.networks.own_mut(network) {
            own.in_sync = in_sync;
        }
    }
}
