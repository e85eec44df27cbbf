//! The agent's numbers: Prometheus text, and the same as JSON.

use std::fmt::Write;

use networkdb_core::networkdb::NetworkInfo;
use networkdb_host::Node;
use serde_json::Value;

/// Reads one number of a network.
type Read = fn(&NetworkInfo) -> usize;

/// One number.
struct Metric {
    name: &'static str,
    help: &'static str,
    /// Whether it only grows.
    counter: bool,
    value: u64,
}

/// The text of `/metrics`.
pub(crate) fn prometheus(node: &Node) -> String {
    let mut text = String::new();
    for Metric { name, help, counter, value } in metrics(node) {
        let (kind, suffix) = if counter { ("counter", "_total") } else { ("gauge", "") };
        let name = format!("networkdb_{name}{suffix}");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
    for_each_network(node, &mut text);
    text
}

/// The same numbers by name.
pub(crate) fn values(node: &Node) -> Vec<(String, Value)> {
    metrics(node).into_iter().map(|metric| (metric.name.to_owned(), metric.value.into())).collect()
}

fn metrics(node: &Node) -> Vec<Metric> {
    let stats = node.stats();
    let gauge = |name, help, value| Metric { name, help, counter: false, value };
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let counter = |name, help, value| Metric { name, help, counter: true, value };
    vec![
        gauge("members", "Members known, this node included.", count(node.members().len())),
        gauge(
            "health_score",
            "0 is healthy; higher means that this node misses answers.",
            stats.health.into(),
        ),
        gauge("rows", "Rows held, hidden and deleted ones included.", count(stats.rows)),
        counter("datagrams_dropped", "Datagrams the system did not take.", node.dropped_datagrams()),
    ]
}

fn for_each_network(node: &Node, text: &mut String) {
    let networks = node.networks();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let families: [(&str, &str, Read); 4] = [
        ("network_peers", "Nodes in the network, this one included.", |network| network.peers),
        ("network_entries", "Rows of the network, deleted ones included.", |network| network.entries),
        ("network_queue", "Own changes waiting to be told.", |network| network.own_queue),
        ("network_relay_queue", "Changes of others waiting to be passed on.", |network| network.relay_queue),
    ];
    for (name, help, read) in families {
        let _ = writeln!(text, "# HELP networkdb_{name} {help}\n# TYPE networkdb_{name} gauge");
        for network in &networks {
            let label = escape(&network.name.to_string());
            let _ = writeln!(text, "networkdb_{name}{{network=\"{label}\"}} {}", count(read(network)));
        }
    }
}

fn escape(label: &str) -> String {
    label.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}
