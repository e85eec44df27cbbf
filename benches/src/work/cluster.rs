//! Nodes that know each other.

use serde_json::{Value, json};

use crate::{
    Failure,
    node::Node,
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
