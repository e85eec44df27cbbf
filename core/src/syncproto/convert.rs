//! From keys and values to what travels, and back: `SerializeUpdate`, `ToUpdate` and `WouldBeNoOp` of
//! `typha/pkg/syncproto/sync_proto.go`.
//!
//! Values stay the bytes they are; only the resource version and the tier of a policy move.

use std::{borrow::Cow, fmt, net::IpAddr};

use super::{
    Revision, SerializedUpdate, UpdateType,
    json::{self, Edits, Span},
    key::{BadKey, Encoding, Generation, Key, Kind},
};

/// An update with its key read.
#[derive(Clone, Debug, PartialEq)]
pub struct Update<'a> {
    /// What it is about.
    pub key: Key<'a>,
    /// The value in its datastore encoding; `None` deletes the key.
    pub value: Option<Cow<'a, [u8]>>,
    /// The datastore's revision.
    pub revision: Revision<'a>,
    /// Nanoseconds until the key expires, 0 for never.
    pub ttl: i64,
    /// What the update does to its key.
    pub update_type: UpdateType,
}

/// A [`SerializedUpdate`] that owns what had to be made for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Serialized<'a> {
    /// The path of the key.
    pub key: Cow<'a, [u8]>,
    /// The value without its resource version.
    pub value: Option<Cow<'a, [u8]>>,
    /// The datastore's revision.
    pub revision: Revision<'a>,
    /// `metadata.resourceVersion` of a v3 resource.
    pub v3_resource_version: Cow<'a, [u8]>,
    /// Nanoseconds until the key expires, 0 for never.
    pub ttl: i64,
    /// What the update does to its key.
    pub update_type: UpdateType,
}

impl Serialized<'_> {
    /// The update as it travels.
    pub fn as_update(&self) -> SerializedUpdate<'_> {
        SerializedUpdate {
            key: &self.key,
            value: self.value.as_deref(),
            revision: self.revision.clone(),
            v3_resource_version: &self.v3_resource_version,
            ttl: self.ttl,
            update_type: self.update_type,
        }
    }
}

/// Why a value cannot be what its key says. The update goes on without it, which deletes the key, as in the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadValue {
    /// Not JSON from there on; line and column count from 1.
    Json {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// JSON, but neither `null` nor of the form the key's values have.
    Form(Encoding),
    /// The metadata of a resource is no object, or its version no text.
    Metadata,
    /// Not an IP address.
    Ip,
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json { line, column } => write!(f, "no JSON at line {line}, column {column}"),
            Self::Form(Encoding::List) => f.write_str("no JSON list"),
            Self::Form(_) => f.write_str("no JSON object"),
            Self::Metadata => f.write_str("metadata that cannot be read"),
            Self::Ip => f.write_str("no IP address"),
        }
    }
}

impl std::error::Error for BadValue {}

/// What was made of an update, and why its value was left out if it was.
pub type Converted<T> = (T, Option<BadValue>);

/// What a server sends for an update: the path of its key, and the resource version of a v3 resource beside the value
/// instead of in it, so that a version alone is no news. All other bytes of the value stay.
///
/// # Errors
/// The key has no path; the update is to be dropped.
pub fn serialize_update<'a>(update: &Update<'a>) -> Result<Converted<Serialized<'a>>, BadKey> {
    let key = Cow::Owned(update.key.to_path()?);
    let (value, version, bad) = split_value(update.value.clone(), Some(update.key.kind()));
    let serialized = Serialized {
        key,
        value,
        revision: update.revision.clone(),
        v3_resource_version: version,
        ttl: update.ttl,
        update_type: update.update_type,
    };
    Ok((serialized, bad))
}

/// The same for an update whose key is a path. A path that is no key for today's peers nor for 3.2.5 is passed on with
/// its value unread.
pub fn serialize_raw<'a>(update: &SerializedUpdate<'a>) -> Converted<Serialized<'a>> {
    let key =
        Key::parse(update.key, Generation::Today).or_else(|_| Key::parse(update.key, Generation::V3_2_5));
    let (value, version, bad) = split_value(update.value.map(Cow::Borrowed), key.ok().map(|key| key.kind()));
    let serialized = Serialized {
        key: update.key.into(),
        value,
        revision: update.revision.clone(),
        v3_resource_version: version,
        ttl: update.ttl,
        update_type: update.update_type,
    };
    (serialized, bad)
}

/// The value as it is sent, the resource version beside it, and why the value is left out.
type Split<'a> = (Option<Cow<'a, [u8]>>, Cow<'a, [u8]>, Option<BadValue>);

fn split_value(value: Option<Cow<'_, [u8]>>, kind: Option<Kind>) -> Split<'_> {
    let kind = match kind {
        Some(kind) if value.is_some() => kind,
        _ => return (value, Cow::default(), None),
    };
    match blank_version(value.unwrap_or_default(), kind) {
        Ok((value, version)) => (Some(value), Cow::Owned(version.into_bytes()), None),
        Err(bad) => (None, Cow::default(), Some(bad)),
    }
}

/// What a client makes of an update: its key read; the resource version back in a v3 resource, even when it is empty;
/// for today's clients the tier of a legacy policy in its value and its key upgraded.
///
/// # Errors
/// The path is no key for that generation; the update is to be skipped.
pub fn to_update<'a>(
    update: &SerializedUpdate<'a>,
    parser: Generation,
) -> Result<Converted<Update<'a>>, BadKey> {
    let key = Key::parse(update.key, parser)?;
    let read = update.value.map(|value| read_value(&key, value, update.v3_resource_version, parser));
    let (value, bad) = match read {
        Some(Ok(value)) => (Some(value), None),
        Some(Err(bad)) => (None, Some(bad)),
        None => (None, None),
    };
    let key = if parser == Generation::Today { key.upgrade().0 } else { key };
    let update = Update {
        key,
        value,
        revision: update.revision.clone(),
        ttl: update.ttl,
        update_type: update.update_type,
    };
    Ok((update, bad))
}

/// Whether `next` tells a client that has `previous` nothing: all but revisions is equal. A key that was new is one
/// that may be updated with what it is.
pub fn would_be_no_op(next: &SerializedUpdate<'_>, previous: &SerializedUpdate<'_>) -> bool {
    let had = match previous.update_type {
        UpdateType::NEW => UpdateType::UPDATED,
        other => other,
    };
    next.update_type == had
        && next.key == previous.key
        && next.value == previous.value
        && next.ttl == previous.ttl
}

/// An affinity of Calico before 3.0.7, which had no value; it counts as `{}`.
fn is_bare(value: &[u8], kind: Kind) -> bool {
    kind == Kind::BlockAffinity && value.is_empty()
}

/// Checks a value, and says where it stands in its text.
fn check(value: &[u8], encoding: Encoding) -> Result<Span, BadValue> {
    match encoding {
        Encoding::Text | Encoding::Bool => Ok(0..value.len()),
        Encoding::Ip => match std::str::from_utf8(value).ok().and_then(|text| text.parse::<IpAddr>().ok()) {
            Some(_) => Ok(0..value.len()),
            None => Err(BadValue::Ip),
        },
        Encoding::Object | Encoding::List => {
            let root = json::check(value).map_err(|(line, column)| BadValue::Json { line, column })?;
            let wanted: &[u8] = if encoding == Encoding::List { b"[" } else { b"{" };
            let found = json::part(value, &root);
            if found.starts_with(wanted) || found == b"null" {
                Ok(root)
            } else {
                Err(BadValue::Form(encoding))
            }
        }
    }
}

/// The objects in the place of a resource's metadata, each a `null` if it is one: usually one, and the last counts.
fn metadata(value: &[u8], root: &Span) -> Result<Vec<Span>, BadValue> {
    let named = json::members(value, root).into_iter().filter(|member| member.name(value) == "metadata");
    let found: Vec<_> = named.map(|member| member.value).collect();
    let fits = |span: &Span| matches!(json::part(value, span), [b'{', ..] | b"null");
    if found.iter().all(fits) { Ok(found) } else { Err(BadValue::Metadata) }
}

const VERSION: &str = "resourceVersion";

fn is_version(value: &[u8], member: &json::Member) -> bool {
    member.name(value).eq_ignore_ascii_case(VERSION)
}

/// A v3 resource without its version, and the version. Go leaves an empty one out, so the member goes.
fn blank_version(value: Cow<'_, [u8]>, kind: Kind) -> Result<(Cow<'_, [u8]>, String), BadValue> {
    let value = if is_bare(&value, kind) { Cow::Borrowed(&b"{}"[..]) } else { value };
    let root = check(&value, kind.encoding())?;
    let (mut edits, mut version) = (Edits::default(), String::new());
    if !matches!(kind, Kind::Resource(_)) {
        return Ok((value, version));
    }
    for object in metadata(&value, &root)? {
        let members = json::members(&value, &object);
        for member in members.iter().filter(|member| is_version(&value, member)) {
            match json::part(&value, &member.value) {
                b"null" => {}
                text => version = json::string(text).ok_or(BadValue::Metadata)?,
            }
        }
        edits.remove(&members, |member| is_version(&value, member));
    }
    Ok((edited(value, edits), version))
}

/// The value as the key's readers have it.
fn read_value<'a>(
    key: &Key<'_>,
    value: &'a [u8],
    version: &[u8],
    parser: Generation,
) -> Result<Cow<'a, [u8]>, BadValue> {
    let value = if is_bare(value, key.kind()) { b"{}" } else { value };
    let root = check(value, key.kind().encoding())?;
    let mut edits = Edits::default();
    match key {
        Key::Resource { .. } => put_version(value, &root, version, &mut edits)?,
        Key::LegacyPolicy { tier, .. } if parser == Generation::Today => {
            edits.set(value, &root, "tier", &json::quoted(tier), &["namespace"]);
        }
        _ => {}
    }
    Ok(edited(Cow::Borrowed(value), edits))
}

/// Puts the version where Go writes it.
fn put_version(value: &[u8], root: &Span, version: &[u8], edits: &mut Edits) -> Result<(), BadValue> {
    let objects = metadata(value, root)?;
    if version.is_empty() {
        for object in &objects {
            edits.remove(&json::members(value, object), |member| is_version(value, member));
        }
        return Ok(());
    }
    let version = json::quoted(version);
    let before = ["name", "generateName", "namespace", "selfLink", "uid"];
    if let Some(object) = objects.last() {
        edits.set(value, object, VERSION, &version, &before);
    } else {
        let metadata = format!("{{\"{VERSION}\":{version}}}");
        edits.set(value, root, "metadata", &metadata, &["kind", "apiVersion"]);
    }
    Ok(())
}

fn edited(value: Cow<'_, [u8]>, edits: Edits) -> Cow<'_, [u8]> {
    match edits.apply(&value) {
        Some(edited) => Cow::Owned(edited),
        None => value,
    }
}
