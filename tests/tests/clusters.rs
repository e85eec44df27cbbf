//! Mixed clusters under writes: keys rotate, nodes are exchanged one by one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use networkdb_tests::{Case, Cluster, Kind, keys, matrix};
use serde_json::json;

/// Rows each step writes on each node.
const STEP: usize = 5;

/// Writes rows of this step on all running nodes; returns how many.
fn write_step(cluster: &Cluster, step: usize) -> u64 {
    for peer in cluster.running() {
        for row in 0..STEP {
            peer.write("create", &format!("{step}-{}-{row}", peer.name()), peer.name());
        }
    }
    (STEP * cluster.running().count()) as u64
}

#[test]
fn keys_rotate_under_writes_and_no_row_is_lost() {
    matrix(&[16, 24, 32], |Case { go, keys: old }| {
        let new = hex::encode([0xa5; 32]);
        let cluster = Cluster::start(&[Kind::Ours, go, Kind::Ours, go], &old);
        let mut rows = write_step(&cluster, 0);
        for (step, (op, key)) in
            [("key_add", &new), ("key_use", &new), ("key_remove", &old[0])].into_iter().enumerate()
        {
            for (turn, peer) in cluster.peers.iter().enumerate() {
                peer.ask(op, json!({ "key_hex": key }));
                rows += write_step(&cluster, 10 * (step + 1) + turn);
            }
            cluster.agrees_on(rows);
        }
        cluster.assembled();
        cluster.check();
    });
}

#[test]
fn one_of_ours_lives_with_four_go_nodes_and_four_of_ours_with_one() {
    matrix(&[32], |case| {
        for (mostly, single) in [(case.go, Kind::Ours), (Kind::Ours, case.go)] {
            let cluster = Cluster::start(&[mostly, mostly, single, mostly, mostly], &case.keys);
            let rows: u64 = (0..10).map(|step| write_step(&cluster, step)).sum();
            cluster.agrees_on(rows);
            cluster.check();
        }
    });
}

#[test]
fn both_go_generations_and_ours_agree() {
    let cluster = Cluster::start(&[Kind::Ours, Kind::Go28, Kind::Go2, Kind::Ours], &keys(32));
    let rows: u64 = (0..10).map(|step| write_step(&cluster, step)).sum();
    cluster.agrees_on(rows);
    cluster.check();
}

/// Exchanges each of the nodes for one of another kind: the new one comes first, then the old one leaves.
fn exchange(cluster: &mut Cluster, old: &[usize], kind: Kind, step: usize) -> Vec<usize> {
    let mut new = Vec::new();
    for (turn, leaving) in old.iter().enumerate() {
        new.push(cluster.add(kind));
        cluster.assembled();
        write_step(cluster, step + turn);
        cluster.send_away(*leaving);
        cluster.assembled();
    }
    new
}

#[test]
fn a_cluster_changes_from_go_to_rust_and_back_under_writes() {
    matrix(&[0, 32], |case| {
        let mut cluster = Cluster::start(&[case.go; 3], &case.keys);
        let rust = exchange(&mut cluster, &[0, 1, 2], Kind::Ours, 10);
        // Those that stay own rows of the steps in which they were there.
        let first = 3 * STEP + 2 * STEP + STEP;
        cluster.agrees_on(first as u64);
        let go = exchange(&mut cluster, &rust, case.go, 20);
        assert_eq!(go.len(), 3);
        cluster.agrees_on(first as u64);
        cluster.check();
    });
}
