//! kill -9, and return under the same name at the same address.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use networkdb_tests::{Case, Cluster, Kind, NETWORK, TABLE, each, matrix};
use serde_json::json;

/// The rows of our agent that are hidden.
fn hidden_rows(cluster: &Cluster, at: usize) -> usize {
    let rows = cluster.peers[at].ask("list", json!({ "network": NETWORK, "table": TABLE, "all": true }));
    rows["rows"].as_array().unwrap().iter().filter(|row| row["state"] == "hidden").count()
}

/// Takes ours and another one into one more network.
///
/// 28.5.2 drops the rows of a failed node instead of hiding them, and only a bulk sync with a node that kept them brings
/// them back. It syncs every 30 s with a node drawn at random, so that takes half a minute or some; but joining a
/// network makes it sync at once, and a sync carries all networks the two have in common.
fn sync_by_joining(cluster: &Cluster, other: usize) {
    for at in [0, other] {
        cluster.peers[at].ask("network_join", json!({ "network": "green" }));
    }
}

fn killed_and_back(case: &Case, victim: usize) {
    let survivor = 3 - victim;
    let mut cluster = Cluster::start(&[Kind::Ours, case.go, Kind::Ours], &case.keys);
    cluster.write_on_all("before", 5);
    cluster.agrees();
    cluster.kill(victim);
    // Some 6 s: a probe that fails and the suspicion after it, both memberlist's for a LAN.
    cluster.assembled();
    cluster.agrees();
    assert_eq!(cluster.saw_fail(victim), [0, survivor]);
    assert_eq!(hidden_rows(&cluster, 0), 5, "rows of the failed node are kept, hidden");

    cluster.bring_back(victim);
    cluster.assembled();
    if cluster.peers[survivor].kind() == Kind::Go28 {
        sync_by_joining(&cluster, survivor);
    }
    cluster.agrees();
    assert_eq!(hidden_rows(&cluster, 0), 0, "nothing stays hidden");
    cluster.write_on_all("after", 5);
    cluster.agrees();
    cluster.check();
}

#[test]
fn rows_of_a_killed_go_node_are_hidden_and_come_back_with_it() {
    each(matrix(), |case| killed_and_back(&case, 1));
}

#[test]
fn rows_of_a_killed_node_of_ours_are_hidden_and_come_back_with_it() {
    each(matrix(), |case| killed_and_back(&case, 2));
}
