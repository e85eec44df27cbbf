//! An ordered map that costs little code for each kind of value.
//!
//! The compiler writes the code of a B-tree, some 6 KB, anew for each pair of key and value. Here the tree only leads to
//! places in a vector, so there is one for each kind of key.

use std::{borrow::Borrow, collections::BTreeMap, mem, ops::RangeBounds};

/// An ordered map of any size; used as `std`'s.
#[derive(Clone, Debug)]
pub(crate) struct Map<K, V> {
    /// Where in `slots` each key lies.
    places: BTreeMap<K, usize>,
    slots: Vec<(K, V)>,
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self { places: BTreeMap::new(), slots: Vec::new() }
    }
}

impl<K: Ord + Clone, V> Map<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn get_key_value<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        self.slots.get(*self.places.get(key)?).map(|(key, value)| (key, value))
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.get_key_value(key).map(|(_, value)| value)
    }

    pub(crate) fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.places.contains_key(key)
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.slots.get_mut(*self.places.get(key)?).map(|(_, value)| value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(old) = self.get_mut(&key) {
            return Some(mem::replace(old, value));
        }
        self.places.insert(key.clone(), self.slots.len());
        self.slots.push((key, value));
        None
    }

    /// The value of a key, made if there is none.
    #[expect(clippy::indexing_slicing, reason = "each place is one in the slots")]
    pub(crate) fn get_or_insert_with(&mut self, key: &K, make: impl FnOnce() -> V) -> &mut V {
        let place = self.places.get(key).copied().unwrap_or(self.slots.len());
        if place == self.slots.len() {
            self.places.insert(key.clone(), place);
            self.slots.push((key.clone(), make()));
        }
        &mut self.slots[place].1
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.places.remove(key)?;
        let (_, value) = self.slots.swap_remove(place);
        if let Some((moved, _)) = self.slots.get(place)
            && let Some(at) = self.places.get_mut(moved.borrow())
        {
            *at = place;
        }
        if self.slots.len() < self.slots.capacity() / 4 {
            self.slots.shrink_to(self.slots.capacity() / 2);
        }
        Some(value)
    }

    /// Drops what is not to be kept; asked in order.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        let Self { places, slots } = self;
        let mut over =
            |key: &K, place: usize| slots.get_mut(place).is_some_and(|(_, value)| !keep(key, value));
        let over: Vec<K> =
            places.iter().filter(|&(key, &place)| over(key, place)).map(|(key, _)| key.clone()).collect();
        for key in over {
            self.remove(&key);
        }
    }

    /// The keys of what fits, in order.
    pub(crate) fn keys_of(&self, fits: &dyn Fn(&K, &V) -> bool) -> Vec<K> {
        let mut keys = Vec::new();
        for (key, value) in self.iter() {
            if fits(key, value) {
                keys.push(key.clone());
            }
        }
        keys
    }

    /// In order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.places.values().filter_map(|&place| self.at(place))
    }

    /// In order, those within bounds.
    pub(crate) fn range<Q: Ord + ?Sized>(&self, bounds: impl RangeBounds<Q>) -> impl Iterator<Item = (&K, &V)>
    where
        K: Borrow<Q>,
    {
        self.places.range(bounds).filter_map(|(_, &place)| self.at(place))
    }

    fn at(&self, place: usize) -> Option<(&K, &V)> {
        self.slots.get(place).map(|(key, value)| (key, value))
    }

    /// In no order that means anything.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.slots.iter().map(|(_, value)| value)
    }

    /// In no order that means anything.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.slots.iter_mut().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    #[derive(Clone, Copy, Debug)]
    enum Call {
        Insert(u8, u16),
        GetOrInsert(u8, u16),
        Remove(u8),
        Retain(u16),
    }

    fn call() -> impl Strategy<Value = Call> {
        let key = 0..24_u8;
        prop_oneof![
            4 => (key.clone(), any::<u16>()).prop_map(|(key, value)| Call::Insert(key, value)),
            2 => (key.clone(), any::<u16>()).prop_map(|(key, value)| Call::GetOrInsert(key, value)),
            4 => key.prop_map(Call::Remove),
            1 => any::<u16>().prop_map(Call::Retain),
        ]
    }

    proptest! {
        #[test]
        fn it_holds_what_the_map_of_std_holds(calls in vec(call(), 0..200)) {
            let (mut map, mut model) = (Map::default(), BTreeMap::new());
            for call in calls {
                match call {
                    Call::Insert(key, value) => assert_eq!(map.insert(key, value), model.insert(key, value)),
                    Call::GetOrInsert(key, value) => {
                        assert_eq!(map.get_or_insert_with(&key, || value), model.entry(key).or_insert(value));
                    }
                    Call::Remove(key) => assert_eq!(map.remove(&key), model.remove(&key)),
                    Call::Retain(least) => {
                        let (mut asked, mut expected) = (Vec::new(), Vec::new());
                        map.retain(|key, value| { asked.push(*key); *value >= least });
                        model.retain(|key, value| { expected.push(*key); *value >= least });
                        assert_eq!(asked, expected);
                    }
                }
                assert!(map.iter().eq(&model));
                assert!(map.range(5..9).eq(model.range(5..9)));
                assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
                for key in 0..24 {
                    assert_eq!(map.get_mut(&key), model.get_mut(&key));
                    assert_eq!(map.get_key_value(&key), model.get_key_value(&key));
                }
                let sum = |values: &mut dyn Iterator<Item = &u16>| values.map(|&value| u64::from(value)).sum::<u64>();
                assert_eq!(sum(&mut map.values()), sum(&mut model.values()));
            }
        }
    }

    #[test]
    fn memory_comes_back() {
        let mut map: Map<u32, [u64; 8]> = Map::default();
        for key in 0..10_000 {
            map.insert(key, [0; 8]);
        }
        for key in 0..9_990 {
            map.remove(&key);
        }
        assert!(map.slots.capacity() <= 64, "{}", map.slots.capacity());
    }
}
