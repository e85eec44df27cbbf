//! Answers of commands as JSON: names as text as far as possible, and in hex beside it if they are not.

use networkdb_core::{
    Name,
    memberlist::{JoinReport, Member},
    networkdb::{NetworkInfo, Peer, Row, RowState},
};
use serde_json::{Map, Value, json};

/// Puts `name` into `fields`, and in hex too if it is no text.
pub(crate) fn put_bytes(fields: &mut Value, field: &str, bytes: &[u8]) {
    let Value::Object(fields) = fields else { return };
    fields.insert(field.to_owned(), String::from_utf8_lossy(bytes).into_owned().into());
    if std::str::from_utf8(bytes).is_err() {
        fields.insert(format!("{field}_hex"), hex::encode(bytes).into());
    }
}

/// A list of names.
pub(crate) fn named<'a>(names: impl IntoIterator<Item = &'a Name>) -> Value {
    let one = |name: &Name| {
        let mut fields = Value::Object(Map::new());
        put_bytes(&mut fields, "name", name);
        fields
    };
    names.into_iter().map(one).collect()
}

pub(crate) fn row(row: &Row) -> Value {
    let state = match row.state {
        RowState::Live => "live",
        RowState::Hidden => "hidden",
        RowState::Deleted => "deleted",
    };
    let mut fields = json!({ "value_hex": hex::encode(&row.value), "time": row.time, "state": state });
    for (field, name) in
        [("network", &row.network), ("table", &row.table), ("key", &row.key), ("owner", &row.owner)]
    {
        put_bytes(&mut fields, field, name);
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
    put_bytes(&mut fields, "name", &member.name);
    fields
}

pub(crate) fn peer(peer: &Peer) -> Value {
    let mut fields = json!({ "addr": peer.addr.map(|addr| addr.to_string()) });
    put_bytes(&mut fields, "name", &peer.name);
    fields
}

pub(crate) fn network(network: &NetworkInfo) -> Value {
    let mut fields = json!({
        "leaving": network.leaving,
        "peers": network.peers,
        "entries": network.entries,
        "rows": network.rows,
        "own_queue": network.own_queue,
        "relay_queue": network.relay_queue,
        "in_sync": network.in_sync,
        "sent": network.sent,
    });
    put_bytes(&mut fields, "name", &network.name);
    fields
}

/// Why seeds were not reached, in words; empty if all were.
pub(crate) fn failures(report: &JoinReport) -> String {
    let all: Vec<_> = report.failed.iter().map(|(endpoint, fault)| format!("{endpoint}: {fault}")).collect();
    all.join("; ")
}
