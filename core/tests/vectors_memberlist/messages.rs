//! Messages: the fields in JSON, and the bytes.

use std::{borrow::Cow, fmt::Debug};

use networkdb_core::{
    memberlist::{
        Dialect,
        message::{
            Accusation, Ack, Alive, Compress, ErrorReply, IndirectPing, Nack, Ping, PushPullHeader, Row,
            UserHeader,
        },
    },
    wire::{
        Reader,
        msgpack::{Struct, read_struct},
    },
};
use serde_json::Value;

use crate::support::{bytes, same, text};

/// A message as the vectors show it.
pub trait Shown: Struct<'static> + PartialEq + Debug {
    fn from_json(fields: &Value) -> Self;
    /// With nil in place of no bytes.
    fn loose(self) -> Self;
}

macro_rules! shown {
    ($($type:ty { $($field:ident: $how:ident $key:literal),* })*) => {$(
        impl Shown for $type {
            fn from_json(fields: &Value) -> Self {
                Self { $($field: shown!(@read $how fields $key)),* }
            }

            fn loose(self) -> Self {
                Self { $($field: shown!(@loose $how self.$field)),* }
            }
        }
    )*};
    (@read int $fields:ident $key:literal) => {
        $fields[$key].as_i64().unwrap_or_default().try_into().unwrap()
    };
    (@read flag $fields:ident $key:literal) => { $fields[$key].as_bool().unwrap_or_default() };
    (@read text $fields:ident $key:literal) => {
        Cow::Owned(bytes($fields, concat!($key, "_hex")).unwrap_or_else(|| text($fields, $key).into()))
    };
    (@read raw $fields:ident $key:literal) => { bytes($fields, concat!($key, "_hex")).map(Cow::Owned) };
    (@loose raw $self:ident.$field:ident) => { $self.$field.filter(|bytes| !bytes.is_empty()) };
    (@loose $how:ident $self:ident.$field:ident) => { $self.$field };
}

shown! {
    Ping<'static> {
        seq: int "SeqNo", node: text "Node", source_addr: raw "SourceAddr", source_port: int "SourcePort",
        source_node: text "SourceNode"
    }
    IndirectPing<'static> {
        seq: int "SeqNo", target: raw "Target", port: int "Port", node: text "Node", nack: flag "Nack",
        source_addr: raw "SourceAddr", source_port: int "SourcePort", source_node: text "SourceNode"
    }
    Ack<'static> { seq: int "SeqNo", payload: raw "Payload" }
    Nack { seq: int "SeqNo" }
    Accusation<'static> { incarnation: int "Incarnation", node: text "Node", from: text "From" }
    Alive<'static> {
        incarnation: int "Incarnation", node: text "Node", addr: raw "Addr", port: int "Port", meta: raw "Meta",
        vsn: raw "Vsn"
    }
    PushPullHeader { nodes: int "Nodes", user_state_len: int "UserStateLen", join: flag "Join" }
    Row<'static> {
        name: text "Name", addr: raw "Addr", port: int "Port", meta: raw "Meta", incarnation: int "Incarnation",
        state: int "State", vsn: raw "Vsn"
    }
    UserHeader { len: int "UserMsgLen" }
    ErrorReply<'static> { error: text "Error" }
    Compress<'static> { algo: int "Algo", buf: raw "Buf" }
}

/// `Err`: does not decode; `Ok(Err)`: decodes to something else.
type Decoded = Result<Result<(), String>, String>;

/// What can be done with the vectors of one type of message.
pub struct Codec {
    /// Fields to bytes, type byte included.
    encode: fn(&Value, Dialect) -> Vec<u8>,
    /// Bytes decoded and encoded again.
    reencode: fn(&[u8], Dialect) -> Result<Vec<u8>, String>,
    /// Whether bytes decode to the fields, nil told from no bytes or not; `Err` says that they do not decode.
    decodes_to: fn(&[u8], &Value, bool) -> Decoded,
}

fn decode<T: Shown>(body: &[u8]) -> Result<T, String> {
    // Messages borrow from their bytes; these live as long as the test.
    let body: &'static [u8] = body.to_vec().leak();
    read_struct(&mut Reader::new(body)).map_err(|error| error.to_string())
}

fn decodes_to<T: Shown>(body: &[u8], fields: &Value, exact: bool) -> Decoded {
    let (found, wanted) = (decode::<T>(body)?, T::from_json(fields));
    Ok(if exact {
        same("decoded", &found, &wanted)
    } else {
        same("decoded", &found.loose(), &wanted.loose())
    })
}

macro_rules! codec {
    ($type:ty, |$message:ident, $dialect:ident, $out:ident| $encode:expr) => {{
        fn encode($message: &$type, $dialect: Dialect) -> Vec<u8> {
            let mut bytes = Vec::new();
            let $out = &mut bytes;
            $encode;
            bytes
        }
        Codec {
            encode: |fields, dialect| encode(&<$type>::from_json(fields), dialect),
            reencode: |body, dialect| Ok(encode(&decode::<$type>(body)?, dialect)),
            decodes_to: decodes_to::<$type>,
        }
    }};
}

/// By the name the vectors have for a message.
pub fn codec(name: &str) -> Result<Codec, String> {
    Ok(match name {
        "ping" => codec!(Ping<'static>, |message, _dialect, out| message.encode(out)),
        "indirect_ping" => codec!(IndirectPing<'static>, |message, _dialect, out| message.encode(out)),
        "ack" => codec!(Ack<'static>, |message, _dialect, out| message.encode(out)),
        "nack" => codec!(Nack, |message, _dialect, out| message.encode(out)),
        "suspect" => codec!(Accusation<'static>, |message, _dialect, out| message.encode_suspect(out)),
        "dead" => codec!(Accusation<'static>, |message, _dialect, out| message.encode_dead(out)),
        "alive" => codec!(Alive<'static>, |message, _dialect, out| message.encode(out)),
        "push_pull_header" => codec!(PushPullHeader, |message, dialect, out| message.encode(dialect, out)),
        "push_node_state" => codec!(Row<'static>, |message, _dialect, out| message.encode(out)),
        "user_header" => codec!(UserHeader, |message, dialect, out| message.encode(dialect, out)),
        "err" => codec!(ErrorReply<'static>, |message, _dialect, out| message.encode(out)),
        "compress" => codec!(Compress<'static>, |message, _dialect, out| message.encode(out)),
        _ => return Err(format!("unknown message {name}")),
    })
}

pub fn message(kind: &str, vector: &Value) -> Result<(), String> {
    let codec = codec(kind)?;
    let wire = bytes(vector, "bytes_hex").unwrap();
    same("encoded", &(codec.encode)(&vector["decoded"], crate::dialect(vector)), &wire)?;
    let body = &wire[usize::from(!vector["extra"]["type_id"].is_null())..];
    // A source that is empty, not nil, is not on the wire.
    let exact = !text(vector, "name").contains("empty_nonnil_source");
    (codec.decodes_to)(body, &vector["decoded"], exact)?
}

/// What one of the two libraries refuses and the other takes; so does this one.
const TAKEN_BY_ONE: &[&str] = &["arr_for_str", "bin8_key", "bin8_name", "unknown_ext_neg1_1"];

/// What at least one library takes and this one refuses.
const REFUSED_HERE: &[&str] = &["top_nil", "nil_key", "u64_huge"];

pub fn msgpack_decode(kind: &str, vector: &Value) -> Result<(), String> {
    let body = bytes(vector, "bytes_hex").unwrap();
    let shape = text(vector, "name").split('/').nth(2).unwrap_or_default();
    let accepted = vector["extra"]["accepted"].as_bool().unwrap();
    let result = (codec(kind)?.decodes_to)(&body, &vector["decoded"], false);
    match result {
        Err(_) if !accepted || REFUSED_HERE.contains(&shape) => Ok(()),
        Err(error) => Err(error),
        Ok(_) if REFUSED_HERE.contains(&shape) => Err("taken".to_owned()),
        Ok(equal) if accepted => equal,
        Ok(_) if TAKEN_BY_ONE.contains(&shape) => Ok(()),
        Ok(_) => Err("taken, but no library takes it".to_owned()),
    }
}

/// Checks the fields of a message inside a packet or stream, and returns the bytes they become again.
pub fn again(name: &str, fields: &Value, body: &[u8], dialect: Dialect) -> Result<Vec<u8>, String> {
    let codec = codec(name)?;
    // The old library shows no bytes as nil.
    (codec.decodes_to)(body, fields, false)??;
    (codec.reencode)(body, dialect)
}
