//! Counts by what was counted.

use std::{borrow::Borrow, fmt, iter::Map, ops::Index, slice::Iter};

use serde::{Serialize, Serializer};

/// Counts of a few things, in their order. What was never counted counts 0.
#[derive(Clone, PartialEq, Eq)]
pub struct Tally<K>(Vec<(K, u64)>);

impl<K> Tally<K> {
    /// How many things were counted.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was counted, and how often.
    pub fn iter(&self) -> Counts<'_, K> {
        self.0.iter().map(|(key, count)| (key, count))
    }

    /// What was counted.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(known, _)| known.borrow().cmp(key))
    }
}

impl<K: Ord> Tally<K> {
    /// Whether this was counted.
    pub(super) fn has(&self, key: &K) -> bool {
        self.place(key).is_ok()
    }

    pub(super) fn count(&mut self, key: K) {
        match self.place(&key) {
            Err(place) => self.0.insert(place, (key, 1)),
            Ok(place) => {
                if let Some((_, count)) = self.0.get_mut(place) {
                    *count += 1;
                }
            }
        }
    }

    /// Forgets what was counted least; returns how often that was.
    pub(super) fn drop_least(&mut self) -> u64 {
        let least = self.0.iter().enumerate().min_by_key(|(_, (_, count))| *count);
        let place = least.map(|(place, _)| place);
        place.map_or(0, |place| self.0.remove(place).1)
    }
}

/// What [`Tally::iter`] returns.
pub type Counts<'a, K> = Map<Iter<'a, (K, u64)>, fn(&'a (K, u64)) -> (&'a K, &'a u64)>;

impl<'a, K> IntoIterator for &'a Tally<K> {
    type Item = (&'a K, &'a u64);
    type IntoIter = Counts<'a, K>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Borrow<Q>, Q: Ord + ?Sized> Index<&Q> for Tally<K> {
    type Output = u64;

    fn index(&self, key: &Q) -> &u64 {
        self.place(key).ok().and_then(|place| self.0.get(place)).map_or(&0, |(_, count)| count)
    }
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: fmt::Debug> fmt::Debug for Tally<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: Serialize> Serialize for Tally<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_in_order_and_what_was_counted_least_goes_first() {
        let mut tally = Tally::default();
        for key in ["b", "a", "c", "b", "c"] {
            tally.count(key);
        }
        assert!(tally.iter().eq([(&"a", &1), (&"b", &2), (&"c", &2)]));
        assert_eq!((tally["b"], tally["d"], tally.has(&"c"), tally.has(&"d")), (2, 0, true, false));
        assert_eq!(serde_json::to_string(&tally).unwrap(), r#"{"a":1,"b":2,"c":2}"#);
        assert_eq!([tally.drop_least(), tally.drop_least()], [1, 2]);
        assert!(tally.keys().eq(["c"].iter()), "of two the first");
    }
}
