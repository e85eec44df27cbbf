//! What is said on the agent's socket: one JSON object a line.
//!
//! A request is `{"id":1,"op":"get",…}`; its reply carries the same id and `"ok":true` with the result, or
//! `"ok":false` with an `"error"`. Lines without an id are events. Bytes are hex.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The longest line taken. A value of half its size fits.
pub(crate) const LINE: usize = 64 << 20;

/// The fields that name a table.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Table {
    pub(crate) network: String,
    pub(crate) table: String,
}

/// The fields that name a row.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[expect(clippy::struct_field_names, reason = "the field's standard word")]
pub(crate) struct Key {
    pub(crate) network: String,
    pub(crate) table: String,
    pub(crate) key: String,
}

/// A row and its value.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Write {
    #[serde(flatten)]
    pub(crate) key: Key,
    pub(crate) value_hex: String,
}

/// Many rows: row `i` is called `prefix` and `i` in six digits, byte `j` of its value is `i*31+j`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Load {
    #[serde(flatten)]
    pub(crate) of: Table,
    #[serde(default)]
    pub(crate) prefix: String,
    pub(crate) count: u32,
    pub(crate) size: u32,
}

/// Which changes to tell; what is absent or empty matches all.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Watch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) table: Option<String>,
    /// Also tell when all rows have been told that were there at the start: `{"event":"caught_up"}`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) mark: bool,
    /// Also tell what the agent writes itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) own: bool,
}

/// What may be asked.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Op {
    Join {
        members: Vec<String>,
    },
    Leave,
    NetworkJoin {
        network: String,
    },
    NetworkLeave {
        network: String,
    },
    Networks,
    Members,
    Peers {
        network: String,
    },
    Create(Write),
    Update(Write),
    Put(Write),
    Delete(Key),
    Get(Key),
    List {
        #[serde(flatten)]
        of: Table,
        #[serde(default)]
        all: bool,
    },
    Load(Load),
    Digest(Table),
    Watch(Watch),
    KeyAdd {
        key_hex: String,
    },
    KeyUse {
        key_hex: String,
    },
    KeyRemove {
        key_hex: String,
    },
    Stats,
}

/// A request, apart from its operation read so that a reply can name it even if the rest is wrong.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: Value,
    pub(crate) op: Result<Op, String>,
}

impl Request {
    /// Reads a line; without an id there is nothing to reply to but the connection.
    pub(crate) fn read(line: &[u8]) -> Self {
        match serde_json::from_slice::<Map<String, Value>>(line) {
            Ok(mut fields) => {
                let id = fields.remove("id").unwrap_or(Value::Null);
                // Errors of serde may repeat a field's text; a key must not come back.
                let secret = fields.contains_key("key_hex");
                let op = serde_json::from_value(Value::Object(fields)).map_err(|error| wrong(&error, secret));
                Self { id, op }
            }
            Err(error) => {
                Self { id: Value::Null, op: Err(format!("not a JSON object on one line: {error}")) }
            }
        }
    }

    /// The line of a request.
    pub(crate) fn write(id: u64, op: &Op) -> Result<String, serde_json::Error> {
        let mut line = serde_json::to_value(op)?;
        if let Value::Object(fields) = &mut line {
            fields.insert("id".to_owned(), id.into());
        }
        Ok(line.to_string())
    }
}

fn wrong(error: &serde_json::Error, secret: bool) -> String {
    if secret {
        "wrong request: key_hex is a text of hex digits".to_owned()
    } else {
        format!("wrong request: {error}")
    }
}

/// The line of a reply.
pub(crate) fn reply(id: Value, result: Result<Value, String>) -> String {
    let mut fields = Map::new();
    fields.insert("id".to_owned(), id);
    fields.insert("ok".to_owned(), result.is_ok().into());
    match result {
        Ok(Value::Object(more)) => fields.extend(more),
        Ok(_) => {}
        Err(error) => {
            fields.insert("error".to_owned(), error.into());
        }
    }
    Value::Object(fields).to_string()
}

/// An empty result.
pub(crate) fn nothing() -> Value {
    json!({})
}
