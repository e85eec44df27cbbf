//! What was recorded, in the form the replay compares.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::text;

/// The recorded state in the form of [`crate::ours::Node::state`].
pub(crate) fn state(state: &Value) -> Value {
    let mut state = state.clone();
    for list in ["active_nodes", "failed_nodes", "left_nodes"] {
        for node in state[list].as_array_mut().into_iter().flatten() {
            node["reap_s"] = node["reap_s"].as_f64().unwrap().into();
        }
    }
    let keyed = |list: &Value, key: &dyn Fn(&Value) -> String| -> Value {
        let fix = |item: &Value| {
            let mut item = item.clone();
            item["reap_s"] = item["reap_s"].as_f64().unwrap().into();
            if let Some(value) = item.as_object_mut().unwrap().remove("value_b64") {
                item["value"] = hex::encode(base64(value.as_str().unwrap())).into();
            }
            (key(&item), item)
        };
        list.as_array()
            .into_iter()
            .flatten()
            .map(fix)
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect::<Map<_, _>>()
            .into()
    };
    state["attachments"] =
        keyed(&state["attachments"], &|item| format!("{}/{}", text(item, "node"), text(item, "nid")));
    state["entries"] = keyed(&state["entries"], &|item| {
        format!("{}/{}/{}", text(item, "table"), text(item, "nid"), text(item, "key"))
    });
    state["network_nodes"]
        .as_object_mut()
        .unwrap()
        .retain(|_, peers| peers.as_array().is_some_and(|peers| !peers.is_empty()));
    state
}

pub(crate) fn base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| {
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".iter().position(|&d| d == c)
    };
    let mut out = Vec::new();
    for chunk in text.as_bytes().chunks(4) {
        let digits: Vec<usize> = chunk.iter().filter_map(|&c| digit(c)).collect();
        let bits =
            digits.iter().fold(0u32, |bits, &digit| bits << 6 | digit as u32) << (6 * (4 - digits.len()));
        out.extend_from_slice(&bits.to_be_bytes()[1..digits.len()]);
    }
    out
}

/// What was recorded of a step, in the form of [`crate::ours::Node::step`].
pub(crate) fn answer(step: &Value) -> Map<String, Value> {
    let mut answer: Map<String, Value> = step.as_object().unwrap().clone();
    let shown = [
        "error",
        "value_hex",
        "result_hex",
        "own_hex",
        "relay_hex",
        "result_l_time",
        "result_node_name",
        "result_type",
        "result_networks_unordered",
    ];
    answer.retain(|field, _| shown.contains(&field.as_str()));
    if text(step, "op") == "local_state" {
        answer.remove("result_hex");
        let mut networks: Vec<Value> =
            step["result_networks_unordered"].as_array().cloned().unwrap_or_default();
        for network in &mut networks {
            for (field, default) in [("leaving", json!(false)), ("l_time", json!(0))] {
                if network.get(field).is_none() {
                    network[field] = default;
                }
            }
        }
        networks.sort_by_key(Value::to_string);
        answer.insert("result_networks_unordered".into(), networks.into());
    }
    for list in ["own_hex", "relay_hex"] {
        if answer.get(list).is_some_and(Value::is_null) {
            answer.insert(list.into(), json!([]));
        }
    }
    answer
}
