//! Named deadlines, of which only the earliest is shown to the host.

use std::collections::{BTreeMap, BTreeSet};

use super::Instant;

/// Deadlines by key. Setting a key again moves its deadline.
#[derive(Debug)]
pub struct Timers<K> {
    by_key: BTreeMap<K, Instant>,
    by_time: BTreeSet<(Instant, K)>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { by_key: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Timers<K> {
    /// Sets or moves the deadline of `key`.
    pub fn set(&mut self, key: K, at: Instant) {
        if let Some(old) = self.by_key.insert(key.clone(), at) {
            self.by_time.remove(&(old, key.clone()));
        }
        self.by_time.insert((at, key));
    }

    /// Sets the deadline of `key` unless it has an earlier one.
    pub fn hasten(&mut self, key: K, at: Instant) {
        if self.get(&key).is_none_or(|known| known > at) {
            self.set(key, at);
        }
    }

    /// Drops the deadline of `key`, if any.
    pub fn cancel(&mut self, key: &K) {
        if let Some(at) = self.by_key.remove(key) {
            self.by_time.remove(&(at, key.clone()));
        }
    }

    /// The deadline of `key`.
    pub fn get(&self, key: &K) -> Option<Instant> {
        self.by_key.get(key).copied()
    }

    /// Takes the earliest key that is due at `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.by_time.first()?.0 > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_deadline_and_the_earliest_comes_first() {
        let mut timers = Timers::default();
        timers.set("late", Instant::from_nanos(9));
        timers.set("early", Instant::from_nanos(3));
        timers.set("late", Instant::from_nanos(5));
        timers.cancel(&"absent");
        timers.hasten("early", Instant::from_nanos(4));
        assert_eq!(timers.next(), Some(Instant::from_nanos(3)));
        assert_eq!(timers.pop_due(Instant::from_nanos(5)), Some("early"));
        assert_eq!(timers.pop_due(Instant::from_nanos(4)), None);
        assert_eq!(timers.pop_due(Instant::from_nanos(5)), Some("late"));
        assert_eq!(timers.next(), None);
    }
}
