//! Nodes that know each other.

use serde_json::{Value, json};

use crate::{
    Failure,
    node::{Node, wait_for},
    programs::{Kind, Programs},
};

/// The table all work is done in.
pub(super) fn table() -> Value {
    json!({ "network": "bench", "table": "rows" })
}

/// The table, and more.
pub(super) fn table_with(more: Value) -> Value {
    let mut fields = table();
    if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
        fields.extend(more);
    }
    fields
}

/// The node with this number, alone.
pub(super) fn node(programs: &Programs, kind: Kind, number: usize) -> Result<Node, Failure> {
    Node::start(programs, kind, &format!("node-{number}"))
}

/// All join the first; returns once they see each other.
pub(super) fn meet(nodes: &mut [Node]) -> Result<(), Failure> {
    let count = nodes.len();
    if let [first, others @ ..] = nodes {
        for other in others {
            other.ask("join", json!({ "members": [first.addr.to_string()] }))?;
        }
    }
    nodes.iter_mut().try_for_each(|node| node.until_count("members", &json!({}), "members", count))
}

/// Nodes that see each other and have joined the network.
pub(super) fn assembled(programs: &Programs, kinds: &[Kind]) -> Result<Vec<Node>, Failure> {
    let nodes = kinds.iter().enumerate().map(|(number, kind)| node(programs, *kind, number));
    let mut nodes = nodes.collect::<Result<Vec<Node>, Failure>>()?;
    meet(&mut nodes)?;
    for node in &mut nodes {
        node.ask("network_join", table())?;
    }
    let count = nodes.len();
    nodes.iter_mut().try_for_each(|node| node.until_count("peers", &table(), "peers", count))?;
    Ok(nodes)
}

/// Writes rows; returns how long that took.
pub(super) fn load(writer: &mut Node, rows: u32) -> Result<std::time::Duration, Failure> {
    let start = std::time::Instant::now();
    writer.ask("load", table_with(json!({ "prefix": "row-", "count": rows, "size": super::SIZE })))?;
    Ok(start.elapsed())
}

/// What tells two tables apart.
pub(super) fn digest(node: &mut Node) -> Result<Value, Failure> {
    let reply = node.ask("digest", table())?;
    Ok(json!([reply.get("count"), reply.get("sha256")]))
}

/// Waits until a node holds the table of this digest. Rows come in any order, so only the digest tells; the time it
/// takes counts for all alike.
pub(super) fn until_equal(node: &mut Node, rows: u32, wanted: &Value) -> Result<(), Failure> {
    let last = table_with(json!({ "key": format!("row-{:06}", rows - 1) }));
    let first = table_with(json!({ "key": format!("row-{:06}", 0) }));
    wait_for("equal tables", || {
        let seen = node.has("get", last.clone())? && node.has("get", first.clone())?;
        Ok((seen && digest(node)? == *wanted).then_some(()))
    })
}
