//! Mixed clusters under writes: keys rotate, nodes are exchanged one by one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use networkdb_tests::{Case, Cluster, Kind, each, keys, matrix};
use serde_json::json;

/// Rows each node writes at each step.
const STEP: usize = 5;

/// Changes the key of a running cluster, node by node: each change on all nodes before the next one, writes between all.
fn rotate(cluster: &mut Cluster, old: &str, new: &str) {
    for (op, key) in [("key_add", new), ("key_use", new), ("key_remove", old)] {
        for at in 0..cluster.peers.len() {
            cluster.peers[at].ask(op, json!({ "key_hex": key }));
            cluster.write_on_all(format_args!("{op}-{}-{at}", new.len()), STEP);
        }
        cluster.agrees();
    }
}

#[test]
fn keys_rotate_from_16_to_24_to_32_bytes_under_writes_and_no_row_is_lost() {
    each(vec![Kind::Go28, Kind::Go2], |go| {
        let [first, second, third] = [16, 24, 32].map(|len| keys(len).remove(0));
        let mut cluster = Cluster::start(&[Kind::Ours, go, Kind::Ours, go], std::slice::from_ref(&first));
        rotate(&mut cluster, &first, &second);
        rotate(&mut cluster, &second, &third);
        cluster.assembled();
        cluster.check();
    });
}

fn writes_are_equal_on_all(kinds: &[Kind], keys: &[String]) {
    let mut cluster = Cluster::start(kinds, keys);
    for step in 0..10 {
        cluster.write_on_all(step, STEP);
    }
    cluster.agrees();
    cluster.assembled();
    cluster.check();
}

#[test]
fn one_of_ours_agrees_with_four_go_nodes() {
    each(matrix(), |Case { go, keys }| writes_are_equal_on_all(&[go, go, Kind::Ours, go, go], &keys));
}

#[test]
fn four_of_ours_agree_with_one_go_node() {
    let ours = Kind::Ours;
    each(matrix(), |Case { go, keys }| writes_are_equal_on_all(&[ours, ours, go, ours, ours], &keys));
}

#[test]
fn both_go_generations_and_ours_agree() {
    let kinds = [Kind::Ours, Kind::Go28, Kind::Go2, Kind::Ours];
    each(vec![0, 16, 24, 32], |len| writes_are_equal_on_all(&kinds, &keys(len)));
}

/// Exchanges nodes for those of another kind under writes: a new one comes, then an old one leaves.
fn exchange(cluster: &mut Cluster, old: [usize; 3], kind: Kind) -> [usize; 3] {
    old.map(|leaving| {
        let new = cluster.add(kind);
        cluster.assembled();
        cluster.write_on_all(format_args!("{new}-came"), STEP);
        cluster.send_away(leaving);
        cluster.write_on_all(format_args!("{leaving}-left"), STEP);
        cluster.assembled();
        new
    })
}

#[test]
fn a_cluster_changes_from_go_to_rust_and_back_under_writes() {
    each(matrix(), |case| {
        let mut cluster = Cluster::start(&[case.go; 3], &case.keys);
        let rust = exchange(&mut cluster, [0, 1, 2], Kind::Ours);
        cluster.agrees();
        exchange(&mut cluster, rust, case.go);
        cluster.agrees();
        cluster.check();
    });
}
