//! Updates, and the keys and values they come to.

use std::collections::BTreeMap;

use networkdb_host::sync::{Revision, SerializedUpdate, UpdateType};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A key and value as it is published or received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// The path.
    pub key: String,
    /// None deletes the key.
    pub value: Option<String>,
    /// As text.
    pub revision: String,
    /// The version of a v3 resource.
    pub v3_version: String,
    /// Nanoseconds.
    pub ttl: i64,
    /// 1 new, 2 changed, 3 deleted.
    pub update_type: u8,
}

impl Update {
    /// A key that is new.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        let update_type = UpdateType::NEW.0;
        Self { key: key.into(), value: Some(value.into()), update_type, ..Self::default() }
    }

    /// A key that has another value.
    pub fn changed(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { update_type: UpdateType::UPDATED.0, ..Self::new(key, value) }
    }

    /// A key that is gone.
    pub fn deletion(key: impl Into<String>) -> Self {
        Self { key: key.into(), update_type: UpdateType::DELETED.0, ..Self::default() }
    }

    /// The same at this revision.
    #[must_use]
    pub fn revision(self, revision: impl Into<String>) -> Self {
        Self { revision: revision.into(), ..self }
    }

    pub(super) fn of(update: &SerializedUpdate<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("tests publish text");
        Self {
            key: text(update.key),
            value: update.value.map(text),
            revision: text(&update.revision.text()),
            v3_version: text(update.v3_resource_version),
            ttl: update.ttl,
            update_type: update.update_type.0,
        }
    }

    pub(super) fn serialized(&self) -> SerializedUpdate<'_> {
        SerializedUpdate {
            key: self.key.as_bytes(),
            value: self.value.as_deref().map(str::as_bytes),
            revision: Revision::Text(self.revision.as_bytes()),
            v3_resource_version: self.v3_version.as_bytes(),
            ttl: self.ttl,
            update_type: UpdateType(self.update_type),
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "key": self.key, "text": self.value, "revision": self.revision, "v3_version": self.v3_version,
            "ttl": self.ttl, "type": self.update_type,
        })
    }
}

/// Keys and values.
#[derive(Clone, Debug, Default)]
pub struct Kvs(BTreeMap<String, Update>);

impl Kvs {
    /// What these updates come to.
    pub fn of<'a>(updates: impl IntoIterator<Item = &'a Update>) -> Self {
        let mut kvs = Self::default();
        for update in updates {
            kvs.apply(update);
        }
        kvs
    }

    /// Takes an update. One that changes nothing but the revision is left out by the cache of a server.
    pub fn apply(&mut self, update: &Update) {
        let same = |held: &Update| (&held.value, held.ttl) == (&update.value, update.ttl);
        match &update.value {
            None => drop(self.0.remove(&update.key)),
            Some(_)
                if self.0.get(&update.key).is_some_and(same)
                    && update.update_type == UpdateType::UPDATED.0 => {}
            Some(_) => drop(self.0.insert(update.key.clone(), update.clone())),
        }
    }

    /// The same for peers of 3.2.5, who do not know of a v3 resource's version.
    #[must_use]
    pub fn without_v3_versions(mut self) -> Self {
        self.0.values_mut().for_each(|held| held.v3_version.clear());
        self
    }

    /// The number of keys, and the Go peer's digest: SHA-256 over key, value, revision and v3 version of each, by key,
    /// each after its length as be32.
    pub fn state(&self) -> (usize, String) {
        let mut hash = Sha256::new();
        for (key, held) in &self.0 {
            for part in [key, held.value.as_deref().unwrap_or_default(), &held.revision, &held.v3_version] {
                hash.update(u32::try_from(part.len()).expect("small").to_be_bytes());
                hash.update(part);
            }
        }
        (self.0.len(), hex::encode(hash.finalize()))
    }
}
