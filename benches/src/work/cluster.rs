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

/// Nodes of one kind, all of which see each other.
pub(super) fn start<const N: usize>(programs: &Programs, kind: Kind) -> Result<[Node; N], Failure> {
    let nodes: Result<Vec<Node>, Failure> = (0..N)
        .map(|i| Node::start(programs, kind, &format!("{}-{i}", kind.title().replace(' ', "-"))))
        .collect();
    let mut nodes: [Node; N] = nodes?.try_into().map_err(|_| "too few nodes")?;
    if let [first, others @ ..] = nodes.as_mut_slice() {
        for other in others {
            other.ask("join", json!({ "members": [first.addr.to_string()] }))?;
        }
    }
    for node in &mut nodes {
        node.until_count("members", &json!({}), "members", N)?;
    }
    Ok(nodes)
}
