//! Rows, changes and members as JSON.

use bytes::Bytes;
use networkdb_core::{
    memberlist::Member,
    networkdb::{Change, ChangeKind, NetworkInfo, Row, RowState},
};
use serde_json::{Value, json};

/// `value_hex`, and `value` too if the bytes are text.
pub(crate) fn row(row: &Row) -> Value {
    let mut fields = json!({
        "network": row.network.to_string(),
        "table": row.table.to_string(),
        "key": row.key.to_string(),
        "value_hex": hex::encode(&row.value),
        "owner": row.owner.to_string(),
        "time": row.time,
        "state": state(row.state),
    });
    put_text(&mut fields, "value", Some(&row.value));
    fields
}

/// The event that tells of a change.
pub(crate) fn change(change: &Change) -> Value {
    let mut fields = json!({
        "event": "watch",
        "network": change.network.to_string(),
        "table": change.table.to_string(),
        "key": change.key.to_string(),
        "kind": kind(change.kind()),
    });
    for (name, text, bytes) in [("value_hex", "value", &change.value), ("prev_hex", "prev", &change.previous)]
    {
        if let (Some(bytes), Value::Object(fields)) = (bytes, &mut fields) {
            fields.insert(name.to_owned(), hex::encode(bytes).into());
        }
        put_text(&mut fields, text, bytes.as_ref());
    }
    fields
}

pub(crate) fn member(member: &Member) -> Value {
    json!({
        "name": member.name.to_string(),
        "addr": member.addr.to_string(),
        "state": member.state.to_string(),
        "incarnation": member.incarnation,
        "meta_hex": hex::encode(&member.meta),
    })
}

pub(crate) fn network(network: &NetworkInfo) -> Value {
    json!({
        "network": network.name.to_string(),
        "state": if network.leaving { "leaving" } else { "joined" },
        "peers": network.peers,
        "entries": network.entries,
        "queue": network.own_queue,
        "relay_queue": network.relay_queue,
        "in_sync": network.in_sync,
    })
}

fn put_text(fields: &mut Value, name: &str, bytes: Option<&Bytes>) {
    let text = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    if let (Some(text), Value::Object(fields)) = (text, fields) {
        fields.insert(name.to_owned(), text.into());
    }
}

fn state(state: RowState) -> &'static str {
    match state {
        RowState::Live => "live",
        RowState::Hidden => "hidden",
        RowState::Deleted => "deleted",
    }
}

fn kind(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Create => "create",
        ChangeKind::Update => "update",
        ChangeKind::Delete => "delete",
        ChangeKind::Resync => "resync",
    }
}
