//! What becomes of data that one side knows and the other does not: `typha/pkg/syncproto/sync_proto.go`, "Upgrading the
//! datamodel".
//!
//! A peer reads each value into its own types and writes it again, so it drops keys and fields it does not know. We need
//! not: unknown keys are reported and dropped by [`to_update`], or passed on by a server as they are; unknown fields
//! pass, or are stripped by a list of those that are known.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    SerializedUpdate,
    convert::{Converted, Update, to_update},
    json::{self, Edits, Span},
    key::{BadKey, Generation, Kind},
};

/// What happens to members of JSON values that nobody has listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UnknownFields {
    /// They stay.
    #[default]
    Pass,
    /// They go.
    Strip(KnownFields),
}

/// The fields that are known, for each kind of key. Kinds that are not listed keep all of theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownFields(BTreeMap<Kind, Fields>);

/// The fields of an object, in small letters, since Go's reader does not care for their case.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fields {
    All,
    Only(BTreeMap<String, Fields>),
}

impl KnownFields {
    /// An empty list, which strips nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds fields of a kind of key: `spec` with everything below it, or `spec.cidr` with nothing else below `spec`. A
    /// path goes through a list to the objects in it; a list in a list is kept whole.
    #[must_use]
    pub fn with<'p>(mut self, kind: Kind, paths: impl IntoIterator<Item = &'p str>) -> Self {
        let root = self.0.entry(kind).or_insert_with(|| Fields::Only(BTreeMap::new()));
        for path in paths {
            root.insert(path);
        }
        self
    }
}

impl Fields {
    fn insert(&mut self, path: &str) {
        let Self::Only(fields) = self else { return };
        let (name, below) = path.split_once('.').map_or((path, None), |(name, below)| (name, Some(below)));
        let field = fields.entry(name.to_ascii_lowercase()).or_insert_with(|| Self::Only(BTreeMap::new()));
        match below {
            Some(below) => field.insert(below),
            None => *field = Self::All,
        }
    }

    /// Strips the value at `span`. It calls itself once for each name of a path, not for each level of the text.
    fn strip(&self, text: &[u8], span: &Span, edits: &mut Edits) {
        let Self::Only(fields) = self else { return };
        let mut objects = json::elements(text, span);
        objects.push(span.clone());
        for object in objects {
            let members = json::members(text, &object);
            edits.remove(&members, |member| !fields.contains_key(&member.name(text)));
            for member in &members {
                if let Some(below) = fields.get(&member.name(text)) {
                    below.strip(text, &member.value, edits);
                }
            }
        }
    }
}

impl UnknownFields {
    /// The value of a key of that kind without its unknown fields; all other bytes stay. What is no JSON stays too.
    pub fn apply<'a>(&self, kind: Kind, value: Cow<'a, [u8]>) -> Cow<'a, [u8]> {
        let Self::Strip(known) = self else { return value };
        let (Some(fields), Ok(root)) = (known.0.get(&kind), json::check(&value)) else { return value };
        let mut edits = Edits::default();
        fields.strip(&value, &root, &mut edits);
        match edits.apply(&value) {
            Some(stripped) => Cow::Owned(stripped),
            None => value,
        }
    }
}

/// What a client knows: which keys and which fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Datamodel {
    /// Whose keys.
    pub keys: Generation,
    /// What becomes of unknown fields.
    pub unknown_fields: UnknownFields,
}

impl Datamodel {
    /// [`to_update`], and then unknown fields as chosen; the kind is that of the upgraded key.
    ///
    /// # Errors
    /// The key is not known; the update is to be skipped.
    pub fn read<'a>(&self, update: &SerializedUpdate<'a>) -> Result<Converted<Update<'a>>, BadKey> {
        let (mut update, bad) = to_update(update, self.keys)?;
        let kind = update.key.kind();
        update.value = update.value.map(|value| self.unknown_fields.apply(kind, value));
        Ok((update, bad))
    }
}
