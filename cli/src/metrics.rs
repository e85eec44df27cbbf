//! The agent's numbers: Prometheus text, and the same as JSON.

use std::fmt::{Display, Write};

use networkdb_core::{
    Name,
    memberlist::stream::MAX_SEALED,
    networkdb::{NetworkInfo, Stats, TableDigest},
};
use networkdb_host::Node;
use serde_json::Value;

use crate::digest;

/// Name, help and value.
type Number = (&'static str, &'static str, u64);
/// Reads one number of a network.
type Read = fn(&NetworkInfo) -> i64;
/// Reads one number of a table.
type ReadTable = fn(&TableDigest) -> u64;

/// What is counted by reason.
const DROPPED: &str = "input_dropped_total";
/// What is counted by the address it came from.
const UNDECRYPTABLE: &str = "undecryptable_total";
/// Tables that are told of one by one: others name them, and each one is a series of its own for a collector.
const TABLES: usize = 1000;
/// Bits of a digest that a collector, which keeps numbers as floating point, does not round.
const EXACT_BITS: u32 = 53;

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
    head(&mut text, DROPPED, "Input dropped, by reason.", "counter");
    for (reason, count) in &stats.membership.dropped {
        sample(&mut text, DROPPED, &format!("{{reason=\"{}\"}}", escape(reason)), count);
    }
    head(
        &mut text,
        UNDECRYPTABLE,
        "Packets and streams that no key opens, by where they came from.",
        "counter",
    );
    for (peer, count) in undecryptable(&stats) {
        sample(&mut text, UNDECRYPTABLE, &format!("{{peer=\"{peer}\"}}"), count);
    }
    put_networks(&mut text, &node.networks());
    put_tables(&mut text, &node.digests());
    text
}

fn put_networks(text: &mut String, networks: &[NetworkInfo]) {
    for (name, help, read) in of_networks() {
        head(text, name, help, "gauge");
        for network in networks {
            sample(text, name, &format!("{{network=\"{}\"}}", label(&network.name)), read(network));
        }
    }
}

fn put_tables(text: &mut String, tables: &[TableDigest]) {
    head(text, "tables", "Tables with live rows.", "gauge");
    sample(text, "tables", "", tables.len());
    let families: [(_, _, ReadTable); 2] = [
        ("table_rows", "Live rows of the table.", |table| table.rows as u64),
        ("table_digest", "Equal on nodes that agree on all live rows of the table.", |table| {
            table.digest >> (u64::BITS - EXACT_BITS)
        }),
    ];
    for (name, help, read) in families {
        head(text, name, help, "gauge");
        for table in tables.iter().take(TABLES) {
            let labels =
                format!("{{network=\"{}\",table=\"{}\"}}", label(&table.network), label(&table.table));
            sample(text, name, &labels, read(table));
        }
    }
}

/// The addresses that send what no key opens, and all others together.
fn undecryptable(stats: &Stats) -> impl Iterator<Item = (String, u64)> + use<'_> {
    let found = &stats.membership.undecryptable;
    let by_peer = found.by_peer.iter().map(|(peer, count)| (peer.to_string(), *count));
    by_peer.chain((found.others > 0).then(|| ("others".to_owned(), found.others)))
}

/// The numbers of the node by name.
pub(crate) fn values(node: &Node) -> Vec<(String, Value)> {
    let stats = node.stats();
    let all = gauges(&stats).into_iter().chain(counters(&stats, node.dropped_datagrams()));
    let dropped = stats.membership.dropped.iter();
    let dropped = dropped.map(|(reason, count)| (format!("dropped: {reason}"), (*count).into()));
    let unopened =
        undecryptable(&stats).map(|(peer, count)| (format!("undecryptable: {peer}"), count.into()));
    let digests =
        node.digests().into_iter().take(TABLES).map(|TableDigest { network, table, digest, .. }| {
            (format!("digest: {network}/{table}"), digest::hex(digest).into())
        });
    all.map(|(name, _, value)| (name.to_owned(), value.into()))
        .chain(dropped)
        .chain(unopened)
        .chain(digests)
        .collect()
}

fn gauges(stats: &Stats) -> Vec<Number> {
    let gauge = |name, help, value: usize| (name, help, value as u64);
    let list = stats.membership_gauges;
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
        gauge("unanswered_syncs", "Nodes whose question for rows waits for news of them.", stats.unanswered),
        gauge("events", "News the user has not taken.", stats.events),
        gauge("members", "Members known, those gone included.", list.members),
        gauge("member_queue", "Member events waiting to be told.", list.broadcasts),
        gauge("streams", "Streams that others opened.", list.streams),
        gauge("streams_received_bytes", "Bytes held of streams not yet over.", list.stream_bytes_in),
        gauge("streams_unsent_bytes", "Bytes waiting to be sent on streams.", list.stream_bytes_out),
        gauge("relayed_pings", "Pings sent for others and not yet answered.", list.relays),
        gauge("push_pull_bytes", "Bytes of the state last sent in a push/pull.", list.state_bytes),
        gauge(
            "push_pull_margin_bytes",
            "Bytes that state may still grow by before peers refuse it.",
            MAX_SEALED.saturating_sub(list.state_bytes),
        ),
        gauge(
            "undecryptable_peers",
            "Addresses that send what no key opens.",
            stats.membership.undecryptable.by_peer.len(),
        ),
        gauge("watchers", "Watchers.", stats.watchers),
        gauge("watch_queue", "Changes waiting for watchers.", stats.watch_queue),
        gauge("keys", "Encryption keys installed.", stats.keys),
    ]
}

fn counters(stats: &Stats, datagrams_dropped: u64) -> Vec<Number> {
    let (count, list) = (&stats.counters, &stats.membership);
    vec![
        ("datagrams_dropped", "Datagrams the system did not take.", datagrams_dropped),
        ("malformed_messages", "Messages that could not be read.", count.malformed),
        ("unknown_messages", "Messages of a kind no peer sends.", count.unknown_kind),
        ("clock_jumps", "Messages with a time too far ahead.", count.clock_jumps),
        ("deep_messages", "Compounds nested too deep.", count.too_deep),
        ("cluster_events_dropped", "Events about nodes and networks not passed on.", count.cluster_dropped),
        ("push_pull_dropped", "Attachments not told in a push/pull that was full.", count.push_pull_dropped),
        ("bulk_syncs_dropped", "Bulk syncs not sent because too many were under way.", count.syncs_dropped),
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
        ("packets_received", "Packets received.", list.packets_in),
        ("packets_received_bytes", "Bytes of packets received.", list.bytes_in),
        ("packets_sent", "Packets sent.", list.packets_out),
        ("packets_sent_bytes", "Bytes of packets sent.", list.bytes_out),
        ("streams_accepted", "Streams accepted.", list.streams_in),
        ("streams_opened", "Streams opened.", list.streams_out),
        ("probes_answered", "Probes answered.", list.probes_answered),
        ("probes_failed", "Probes that ended in a suspicion.", list.probes_failed),
        ("refutations", "Accusations of this node that it refuted.", list.refutations),
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

/// A name as a label. What is no text, or could be taken for what stands for it, is written with escapes: two names
/// never become one label, at which a collector would refuse everything.
fn label(name: &Name) -> String {
    match std::str::from_utf8(name) {
        Ok(text) if !text.contains('\\') => escape(text),
        _ => escape(&name.escape_ascii().to_string()),
    }
}

fn escape(label: &str) -> String {
    label.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_are_labels_that_differ() {
        let names: [&[u8]; 6] = [b"\xff", b"\\xff", b"\\\\xff", b"\xef\xbf\xbd", b"a\nb", b"a\\nb"];
        let labels: std::collections::BTreeSet<_> =
            names.iter().map(|name| label(&Name::from(*name))).collect();
        assert_eq!(labels.len(), names.len(), "{labels:?}");
        assert!(labels.iter().all(|label| !label.contains('\n')));
    }

    #[test]
    fn no_more_tables_are_told_of_than_a_collector_can_take() {
        let table = |number: usize| TableDigest {
            network: "net".into(),
            table: format!("t{number}").into(),
            rows: 1,
            digest: u64::MAX,
        };
        let mut text = String::new();
        put_tables(&mut text, &(0..TABLES + 5).map(table).collect::<Vec<_>>());
        assert_eq!(text.matches("networkdb_table_rows{").count(), TABLES);
        assert!(text.contains(&format!("networkdb_tables {}\n", TABLES + 5)));
        let exact = (1_u64 << EXACT_BITS) - 1;
        assert!(text.contains(&format!("networkdb_table_digest{{network=\"net\",table=\"t0\"}} {exact}\n")));
    }
}
