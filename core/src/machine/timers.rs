//! Named deadlines, of which only the earliest is shown to the host.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    hash::Hash,
};

use super::Instant;

/// Deadlines by key. Setting a key again moves its deadline.
#[derive(Debug)]
pub struct Timers<K> {
    by_key: HashMap<K, Instant>,
    /// The same by time, and some that have been moved or cancelled; never is one of those the first.
    by_time: BinaryHeap<Reverse<(Instant, K)>>,
}

impl<K: Ord> Default for Timers<K> {
    fn default() -> Self {
        Self { by_key: HashMap::new(), by_time: BinaryHeap::new() }
    }
}

impl<K: Ord + Hash + Clone> Timers<K> {
    /// Sets or moves the deadline of `key`.
    pub fn set(&mut self, key: K, at: Instant) {
        if self.by_key.insert(key.clone(), at) != Some(at) {
            self.by_time.push(Reverse((at, key)));
            self.tidy();
        }
    }

    /// Sets the deadline of `key` unless it has an earlier one.
    pub fn hasten(&mut self, key: K, at: Instant) {
        if self.get(&key).is_none_or(|known| known > at) {
            self.set(key, at);
        }
    }

    /// Drops the deadline of `key`, if any.
    pub fn cancel(&mut self, key: &K) {
        if self.by_key.remove(key).is_some() {
            self.tidy();
        }
    }

    /// The deadline of `key`.
    pub fn get(&self, key: &K) -> Option<Instant> {
        self.by_key.get(key).copied()
    }

    /// Takes the earliest key that is due at `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        let Reverse((_, key)) = self.by_time.pop()?;
        self.by_key.remove(&key);
        self.tidy();
        Some(key)
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.by_time.peek().map(|Reverse((at, _))| *at)
    }

    /// Drops those that no longer hold: from the front, and all once they are the most.
    fn tidy(&mut self) {
        let Self { by_key, by_time } = self;
        let holds = |Reverse((at, key)): &Reverse<(Instant, K)>| by_key.get(key) == Some(at);
        while by_time.peek().is_some_and(|first| !holds(first)) {
            by_time.pop();
        }
        if by_time.len() > 2 * by_key.len() + SLACK {
            by_time.retain(holds);
        }
    }
}

/// So few that no longer hold are not worth a pass over all.
const SLACK: usize = 64;

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

    #[test]
    fn deadlines_moved_again_and_again_take_no_more_room() {
        let mut timers = Timers::default();
        timers.set("first", Instant::from_nanos(1));
        for at in 2..10_000 {
            timers.set("moved", Instant::from_nanos(at));
            assert!(timers.by_time.len() <= 2 * 2 + SLACK);
        }
        assert_eq!(timers.pop_due(Instant::from_nanos(9_998)), Some("first"));
        assert_eq!(timers.next(), Some(Instant::from_nanos(9_999)));
    }

    #[test]
    fn keys_due_at_one_time_come_in_their_order() {
        let mut timers = Timers::default();
        for key in ["c", "a", "b", "a"] {
            timers.set(key, Instant::from_nanos(7));
        }
        let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(Instant::from_nanos(7))).collect();
        assert_eq!(due, ["a", "b", "c"]);
    }
}
