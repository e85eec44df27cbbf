//! Keys and values as lines of JSON: what is served is read, and what is watched printed, in one form.

use base64::{Engine, engine::general_purpose::STANDARD};
use networkdb_host::sync::{Revision, SerializedUpdate, SyncStatus, UpdateType};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

/// Nanoseconds of a second.
const SECOND: f64 = 1e9;
const STATUSES: [SyncStatus; 3] =
    [SyncStatus::WAIT_FOR_DATASTORE, SyncStatus::RESYNC_IN_PROGRESS, SyncStatus::IN_SYNC];

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    Put(Update),
    Status(SyncStatus),
}

/// A key and what becomes of it; without a value it is deleted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Update {
    pub(super) key: String,
    pub(super) value: Option<Vec<u8>>,
    pub(super) revision: String,
    /// Nanoseconds, 0 for none.
    pub(super) ttl: i64,
}

impl Update {
    pub(super) fn serialized(&self, update_type: UpdateType) -> SerializedUpdate<'_> {
        SerializedUpdate {
            key: self.key.as_bytes(),
            value: self.value.as_deref(),
            revision: Revision::Text(self.revision.as_bytes()),
            v3_resource_version: &[],
            ttl: self.ttl,
            update_type,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    key: Option<String>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    revision: String,
    #[serde(default)]
    ttl: f64,
    #[serde(default)]
    delete: bool,
    /// What a watch prints; it follows from what was served before.
    #[serde(rename = "type")]
    _update_type: Option<String>,
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded {
    base64: String,
}

/// Reads a line.
pub(super) fn parse(line: &[u8]) -> Result<Line, String> {
    let fields: Fields<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    match (fields.key, fields.status) {
        (None, Some(status)) => self::status(&status).map(Line::Status),
        (Some(key), None) => {
            let value = match (fields.value, fields.delete) {
                (Some(value), false) => Some(value_bytes(value)?),
                (None, true) => None,
                (Some(_), true) => return Err("it has a value and `delete`: leave one out".to_owned()),
                (None, false) => return Err("it has no `value`; a deletion has \"delete\":true".to_owned()),
            };
            let ttl = (fields.ttl * SECOND) as i64;
            Ok(Line::Put(Update { key, value, revision: fields.revision, ttl }))
        }
        _ => Err("it has to have a `key` or a `status`, and not both".to_owned()),
    }
}

fn status(text: &str) -> Result<SyncStatus, String> {
    let known = STATUSES.into_iter().find(|status| status.to_string() == text);
    known.ok_or_else(|| format!("`{text}` is no status: take wait-for-ready, resync or in-sync"))
}

/// A text is its bytes, `{"base64":…}` any bytes, and all else the JSON as it is written.
fn value_bytes(value: &RawValue) -> Result<Vec<u8>, String> {
    let written = value.get();
    if let Ok(text) = serde_json::from_str::<String>(written) {
        return Ok(text.into_bytes());
    }
    match serde_json::from_str::<Encoded>(written) {
        Ok(Encoded { base64 }) => {
            STANDARD.decode(base64).map_err(|error| format!("its value is not base64: {error}"))
        }
        Err(_) => Ok(written.as_bytes().to_vec()),
    }
}

/// What is printed of an update.
pub(super) fn update(update: &SerializedUpdate<'_>) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("key", text(update.key).into());
    put("type", update_type(update).into());
    match update.value {
        Some(value) => put("value", value_json(value)),
        None => put("delete", true.into()),
    };
    if let Revision::Text(revision) = update.revision
        && !revision.is_empty()
    {
        put("revision", text(revision).into());
    }
    if update.ttl != 0 {
        put("ttl", (update.ttl as f64 / SECOND).into());
    }
    fields.into()
}

/// What is printed of a status.
pub(super) fn status_line(status: SyncStatus) -> Value {
    json!({ "status": status.to_string() })
}

fn update_type(update: &SerializedUpdate<'_>) -> &'static str {
    match update.update_type {
        _ if update.value.is_none() => "deleted",
        UpdateType::NEW => "new",
        UpdateType::UPDATED => "updated",
        _ => "put",
    }
}

fn value_json(value: &[u8]) -> Value {
    match std::str::from_utf8(value) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": STANDARD.encode(value) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> String {
        match parse(line.as_bytes()) {
            Ok(Line::Put(update)) => String::from_utf8(update.value.expect("a value")).expect("text"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_are_text_bytes_or_json_as_written() {
        assert_eq!(value(r#"{"key":"/k","value":"a\nb"}"#), "a\nb");
        assert_eq!(value(r#"{"key":"/k","value":{"base64":"YWI="}}"#), "ab");
        assert_eq!(value(r#"{"key":"/k","value":{"z": 1.0, "base64":"x"}}"#), r#"{"z": 1.0, "base64":"x"}"#);
        assert_eq!(value(r#"{"key":"/k","value":[true]}"#), "[true]");
    }

    #[test]
    fn what_is_printed_is_read_again() {
        let long = Update { revision: "7".to_owned(), ttl: 1_500_000_000, ..Update::default() };
        for (value, update_type) in [
            (Some(b"text".to_vec()), UpdateType::NEW),
            (Some(vec![0, 255]), UpdateType::UPDATED),
            (None, UpdateType::DELETED),
        ] {
            let put = Update { key: "/k".to_owned(), value, ..long.clone() };
            let printed = update(&put.serialized(update_type)).to_string();
            assert_eq!(parse(printed.as_bytes()), Ok(Line::Put(put)), "{printed}");
        }
        for status in STATUSES {
            assert_eq!(parse(status_line(status).to_string().as_bytes()), Ok(Line::Status(status)));
        }
    }

    #[test]
    fn wrong_lines_say_what_is_wrong() {
        for (line, wrong) in [
            ("{}", "a `key` or a `status`"),
            (r#"{"key":"/k"}"#, "\"delete\":true"),
            (r#"{"key":"/k","value":"v","delete":true}"#, "leave one out"),
            (r#"{"key":"/k","value":{"base64":"%"}}"#, "not base64"),
            (r#"{"status":"done"}"#, "in-sync"),
            (r#"{"key":"/k","vlaue":"v"}"#, "unknown field `vlaue`"),
        ] {
            let error = parse(line.as_bytes()).expect_err("wrong");
            assert!(error.contains(wrong), "{error}");
        }
    }
}
