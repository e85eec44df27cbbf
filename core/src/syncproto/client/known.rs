//! What the user was told: which keys there are, and a fingerprint of what they hold.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher},
};

use super::{
    super::{SerializedUpdate, UpdateType},
    Reason, Tracking,
};
use crate::machine::Rng;

/// The keys the user has.
#[derive(Debug)]
pub(super) struct Known {
    tracking: Tracking,
    /// Nothing goes through them in the map's order but the search for those not seen, which sorts what it finds.
    keys: HashMap<Box<[u8]>, Held>,
    bytes: usize,
    max_keys: usize,
    max_bytes: usize,
    /// Counts connections.
    epoch: u32,
    /// Keys that this connection has told of.
    seen: usize,
    /// The fingerprints' key, so that nobody can make values that look equal.
    secret: u64,
}

/// What is known of one key.
#[derive(Clone, Copy, Debug)]
struct Held {
    print: u64,
    /// The last connection that told of the key.
    epoch: u32,
}

impl Known {
    pub(super) fn new(tracking: Tracking, max_keys: usize, max_bytes: usize, rng: &mut Rng) -> Self {
        let mut secret = [0; 8];
        rng.fill(&mut secret);
        Self {
            tracking,
            keys: HashMap::new(),
            bytes: 0,
            max_keys,
            max_bytes,
            epoch: 0,
            seen: 0,
            secret: u64::from_le_bytes(secret),
        }
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Bytes of the keys.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A new connection begins, which will tell of all keys again.
    pub(super) fn begin(&mut self) {
        self.epoch += 1;
        self.seen = 0;
    }

    /// Takes an update; the type it has for the user, `None` if it tells them nothing new.
    pub(super) fn take(&mut self, update: &SerializedUpdate<'_>) -> Result<Option<UpdateType>, Reason> {
        if self.tracking == Tracking::None {
            return Ok(Some(update.update_type));
        }
        match update.value {
            Some(value) => self.put(update, value),
            None => Ok(self.remove(update)),
        }
    }

    fn remove(&mut self, update: &SerializedUpdate<'_>) -> Option<UpdateType> {
        let Some((key, held)) = self.keys.remove_entry(update.key) else {
            return (self.tracking == Tracking::Keys).then_some(update.update_type);
        };
        self.bytes -= key.len();
        self.seen -= usize::from(held.epoch == self.epoch);
        Some(update.update_type)
    }

    fn put(&mut self, update: &SerializedUpdate<'_>, value: &[u8]) -> Result<Option<UpdateType>, Reason> {
        let print = self.fingerprint(update.ttl, value);
        let now = Held { print, epoch: self.epoch };
        let Some(held) = self.keys.get_mut(update.key) else { return self.insert(update, now).map(Some) };
        let before = std::mem::replace(held, now);
        self.seen += usize::from(before.epoch != now.epoch);
        let equal = self.tracking == Tracking::Values && before.print == now.print;
        let update_type =
            if update.update_type == UpdateType::NEW { UpdateType::UPDATED } else { update.update_type };
        Ok((!equal).then_some(update_type))
    }

    fn insert(&mut self, update: &SerializedUpdate<'_>, held: Held) -> Result<UpdateType, Reason> {
        if self.keys.len() >= self.max_keys {
            return Err(Reason::TooManyKeys);
        }
        if self.bytes + update.key.len() > self.max_bytes {
            return Err(Reason::TooManyKeyBytes);
        }
        self.bytes += update.key.len();
        self.seen += 1;
        self.keys.insert(update.key.into(), held);
        let is_update = update.update_type == UpdateType::UPDATED;
        Ok(if is_update { UpdateType::NEW } else { update.update_type })
    }

    /// Takes out the keys that this connection has not told of, in their order.
    pub(super) fn sweep(&mut self) -> Vec<Box<[u8]>> {
        if self.seen == self.keys.len() {
            return Vec::new();
        }
        let epoch = self.epoch;
        let unseen = self.keys.extract_if(|_, held| held.epoch != epoch);
        let mut unseen: Vec<Box<[u8]>> = unseen.map(|(key, _)| key).collect();
        unseen.sort_unstable();
        self.bytes -= unseen.iter().map(|key| key.len()).sum::<usize>();
        unseen
    }

    fn fingerprint(&self, ttl: i64, value: &[u8]) -> u64 {
        if self.tracking != Tracking::Values {
            return 0;
        }
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.secret);
        hasher.write_i64(ttl);
        hasher.write(value);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(tracking: Tracking) -> Known {
        let mut known = Known::new(tracking, 3, 20, &mut Rng::new([1; 32]));
        known.begin();
        known
    }

    fn update<'a>(key: &'a str, value: &'a str, update_type: UpdateType) -> SerializedUpdate<'a> {
        let value = Some(value.as_bytes()).filter(|value| !value.is_empty());
        SerializedUpdate { key: key.as_bytes(), value, update_type, ..SerializedUpdate::default() }
    }

    const NEW: UpdateType = UpdateType::NEW;
    const UPDATED: UpdateType = UpdateType::UPDATED;
    const DELETED: UpdateType = UpdateType::DELETED;

    #[test]
    fn types_say_what_an_update_means_to_this_user() {
        let mut known = known(Tracking::Values);
        for (key, value, said, means) in [
            ("a", "1", UPDATED, Some(NEW)),
            ("a", "2", NEW, Some(UPDATED)),
            ("a", "2", UPDATED, None),
            ("a", "2", NEW, None),
            ("b", "1", UpdateType::UNKNOWN, Some(UpdateType::UNKNOWN)),
            ("a", "", DELETED, Some(DELETED)),
            ("a", "", DELETED, None),
            ("a", "2", NEW, Some(NEW)),
        ] {
            assert_eq!(known.take(&update(key, value, said)), Ok(means), "{key} {value} {said:?}");
        }
        let longer = SerializedUpdate { ttl: 5, ..update("a", "2", UPDATED) };
        assert_eq!(known.take(&longer), Ok(Some(UPDATED)), "another TTL is another update");
    }

    #[test]
    fn without_fingerprints_equal_values_pass_and_without_keys_everything_does() {
        let mut keys = known(Tracking::Keys);
        assert_eq!(keys.take(&update("a", "1", NEW)), Ok(Some(NEW)));
        assert_eq!(keys.take(&update("a", "1", NEW)), Ok(Some(UPDATED)));
        assert_eq!(keys.take(&update("b", "", DELETED)), Ok(Some(DELETED)));
        let mut none = known(Tracking::None);
        for key in ["a", "a", "b", "c", "d"] {
            assert_eq!(none.take(&update(key, "1", NEW)), Ok(Some(NEW)));
        }
        assert_eq!(none.len(), 0);
    }

    #[test]
    fn what_a_connection_has_not_told_of_is_swept_in_order_and_once() {
        let mut known = known(Tracking::Values);
        for key in ["c", "a", "b"] {
            known.take(&update(key, "1", NEW)).unwrap();
        }
        assert!(known.sweep().is_empty());
        known.begin();
        assert_eq!(known.take(&update("b", "1", NEW)), Ok(None));
        assert_eq!(known.sweep(), [Box::from(*b"a"), Box::from(*b"c")]);
        assert!(known.sweep().is_empty());
        assert_eq!((known.len(), known.bytes()), (1, 1));
    }

    #[test]
    fn a_key_too_many_is_refused_and_a_known_one_never() {
        let mut full = known(Tracking::Values);
        for key in ["a", "b", "c"] {
            full.take(&update(key, "1", NEW)).unwrap();
        }
        assert_eq!(full.take(&update("d", "1", NEW)), Err(Reason::TooManyKeys));
        assert_eq!(full.take(&update("c", "2", NEW)), Ok(Some(UPDATED)));
        let mut long = known(Tracking::Keys);
        assert_eq!(long.take(&update("123456789012345678901", "1", NEW)), Err(Reason::TooManyKeyBytes));
        assert_eq!(long.take(&update("12345678901234567890", "1", NEW)), Ok(Some(NEW)));
    }
}
