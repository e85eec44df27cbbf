//! Rows, changes and members as JSON.

use bytes::Bytes;
use networkdb_core::{
    Name,
    memberlist::Member,
    networkdb::{Change, ChangeKind, NetworkInfo, Row, RowState},
};
use serde_json::{Value, json};

/// `value_hex`, and `value` too if the bytes are text; names as text as far as possible, and in hex too if they are not.
pub(crate) fn row(row: &Row) -> Value {
    let mut fields = json!({
        "value_hex": hex::encode(&row.value),
        "time": row.time,
        "state": state(row.state),
    });
    put_text(&mut fields, "value", Some(&row.value));
    put_names(
        &mut fields,
        &[("network", &row.network), ("table", &row.table), ("key", &row.key), ("owner", &row.owner)],
    );
    fields
}

/// The event that tells of a change.
pub(crate) fn change(change: &Change) -> Value {
    let mut fields = json!({
        "event": "watch",
        "kind": kind(change.kind()),
    });
    let names = [("network", &change.network), ("table", &change.table), ("key", &change.key)];
    put_names(&mut fields, &names);
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
    let mut fields = json!({
        "addr": member.addr.to_string(),
        "state": member.state.to_string(),
        "incarnation": member.incarnation,
        "meta_hex": hex::encode(&member.meta),
    });
    put_names(&mut fields, &[("name", &member.name)]);
    fields
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

fn put_names(fields: &mut Value, names: &[(&str, &Name)]) {
    let Value::Object(fields) = fields else { return };
    for (field, name) in names {
        fields.insert((*field).to_owned(), name.to_string().into());
        if std::str::from_utf8(name).is_err() {
            fields.insert(format!("{field}_hex"), hex::encode(name).into());
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_text_come_in_hex_beside() {
        let name = |bytes: &[u8]| Name::from(bytes);
        let found = row(&Row {
            network: name(b"net\xff"),
            table: name("\u{e4}".as_bytes()),
            key: name(b"\xc3"),
            value: Bytes::from_static(b"v"),
            owner: name(b"\0"),
            time: 1,
            state: RowState::Live,
            reap: None,
        });
        let expected = json!({
            "network": "net\u{fffd}", "network_hex": "6e6574ff", "table": "\u{e4}", "key": "\u{fffd}", "key_hex": "c3",
            "owner": "\0", "value": "v", "value_hex": "76", "time": 1, "state": "live",
        });
        assert_eq!(found, expected);
        let value = Some(Bytes::new());
        let change = change(&Change { table: name(b"\xfe"), value, ..Change::default() });
        assert_eq!((&change["table_hex"], change.get("key_hex")), (&json!("fe"), None));
    }
}
