//! The agent's numbers: Prometheus text, and the same as JSON.

use std::fmt::{Display, Write};

use networkdb_core::networkdb::{NetworkInfo, Stats};
use networkdb_host::Node;
use serde_json::Value;

/// Name, help and value.
type Number = (&'static str, &'static str, u64);
/// Reads one number of a network.
type Read = fn(&NetworkInfo) -> i64;

/// The text of `/metrics`.
pub(crate) fn prometheus(node: &Node) -> String {
    let mut text = String::new();
    let stats = node.stats();
    for (name, help, value) in gauges(&stats) {
        head(&mut text, name, help, "gauge");
        sample(&mut text, name, "", value);
    }
    for (name, help, value) in counters(&stats, node.dropped_datagrams()) {
        let name = format!("{name}_total");
        head(&mut text, &name, help, "counter");
        sample(&mut text, &name, "", value);
    }
    let networks = node.networks();
    for (name, help, read) in of_networks() {
        head(&mut text, name, help, "gauge");
        for network in &networks {
            let label = format!("{{network=\"{}\"}}", escape(&network.name.to_string()));
            sample(&mut text, name, &label, read(network));
        }
    }
    text
}

/// The numbers of the node by name.
pub(crate) fn values(node: &Node) -> Vec<(String, Value)> {
    let stats = node.stats();
    let all = gauges(&stats).into_iter().chain(counters(&stats, node.dropped_datagrams()));
    all.map(|(name, _, value)| (name.to_owned(), value.into())).collect()
}

fn gauges(stats: &Stats) -> Vec<Number> {
    let gauge = |name, help, value: usize| (name, help, value as u64);
    vec![
        gauge("nodes_active", "Active nodes, this one included.", stats.active_nodes),
        gauge("nodes_failed", "Failed nodes.", stats.failed_nodes),
        gauge("nodes_left", "Nodes that left and are remembered.", stats.left_nodes),
        ("health_score", "0 is well; higher means that this node misses answers.", stats.health.into()),
        gauge("networks", "Networks this node takes part in or is leaving.", stats.networks),
        gauge("attachments", "Attachments of other nodes to networks.", stats.attachments),
        gauge("rows", "Rows held, deleted ones included.", stats.rows),
        gauge("tombstones", "Deleted rows not yet forgotten.", stats.tombstones),
        gauge("row_bytes", "Bytes of names and values of all rows.", stats.row_bytes),
        ("network_clock", "Lamport time of network events.", stats.network_clock),
        ("table_clock", "Lamport time of table events.", stats.table_clock),
        gauge("network_queue", "Network events waiting to be told.", stats.network_queue),
        gauge("node_queue", "Node events waiting to be told.", stats.node_queue),
        gauge("own_queue", "Own table events waiting to be told.", stats.own_queue),
        gauge("relay_queue", "Table events of others waiting to be passed on.", stats.relay_queue),
        gauge("bulk_syncs", "Bulk syncs being sent or waited for.", stats.syncs),
        gauge("watchers", "Watchers.", stats.watchers),
        gauge("watch_queue", "Changes waiting for watchers.", stats.watch_queue),
        gauge("keys", "Encryption keys installed.", stats.keys),
        gauge(
            "push_pull_permille",
            "Last push/pull state sent, in thousandths of its limit.",
            stats.push_pull_permille,
        ),
    ]
}

fn counters(stats: &Stats, datagrams_dropped: u64) -> Vec<Number> {
    let count = &stats.counters;
    vec![
        ("datagrams_dropped", "Datagrams the system did not take.", datagrams_dropped),
        ("table_events", "Table events taken.", count.table_events),
        ("stale_events", "Table events not newer than what is known.", count.stale),
        ("unknown_node_events", "Events about nodes this node does not know.", count.unknown_node),
        ("conflicts", "Two rows of one time, settled by writing the larger anew.", count.conflicts),
        ("nodes_dropped", "Node records refused for their number.", count.nodes_dropped),
        ("attachments_dropped", "Attachments refused for their number.", count.attachments_dropped),
        ("rows_dropped", "Rows refused for their number or size.", count.rows_dropped),
        ("relays_dropped", "Events not passed on because a queue was full.", count.relays_dropped),
        ("bulk_syncs_sent", "Bulk syncs sent, answers included.", count.syncs_sent),
        ("bulk_syncs_received", "Bulk syncs received.", count.syncs_received),
        ("bulk_syncs_timed_out", "Bulk syncs not answered in time.", count.syncs_timed_out),
        ("bulk_syncs_failed", "Bulk syncs that could not be sent.", count.syncs_failed),
        ("gossip_packets", "Packets of table gossip.", count.gossip_packets),
        ("oversize_events", "Events too long for a packet, sent by stream.", count.oversize),
        ("reaped_rows", "Deleted and hidden rows forgotten.", count.reaped),
        ("events_dropped", "News the user did not take.", count.events_dropped),
        ("watchers_lagged", "Times a watcher lagged behind and started over.", stats.watchers_lagged),
    ]
}

fn of_networks() -> [(&'static str, &'static str, Read); 4] {
    [
        ("network_peers", "Nodes in the network, this one included.", |network| network.peers as i64),
        ("network_rows", "Rows of the network, deleted ones included.", |network| network.rows as i64),
        ("network_own_queue", "Own changes waiting to be told.", |network| network.own_queue as i64),
        ("network_relay_queue", "Changes of others waiting to be passed on.", |network| {
            network.relay_queue as i64
        }),
    ]
}

/// Writing to a String cannot fail.
fn head(text: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(text, "# HELP networkdb_{name} {help}\n# TYPE networkdb_{name} {kind}");
}

fn sample(text: &mut String, name: &str, label: &str, value: impl Display) {
    let _ = writeln!(text, "networkdb_{name}{label} {value}");
}

fn escape(label: &str) -> String {
    label.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}
