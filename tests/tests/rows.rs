//! Rows: written on either side, equal on all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use networkdb_tests::{Cluster, Kind, each, keys, matrix};

/// Rows a late joiner is to get.
const MANY: u32 = 10_000;

#[test]
fn rows_created_updated_and_deleted_on_either_side_are_equal_on_all() {
    matrix(&[0, 16, 24, 32], |case| {
        let cluster = Cluster::start(&[Kind::Ours, case.go, Kind::Ours, case.go], &case.keys);
        for (i, peer) in cluster.peers.iter().enumerate() {
            for row in 0..10 {
                peer.write("create", &format!("{i}-{row}"), &format!("first of {}", peer.name()));
            }
        }
        cluster.agrees_on(40);
        for (i, peer) in cluster.peers.iter().enumerate() {
            // Each node changes rows of the next one, which is of the other kind.
            let other = (i + 1) % cluster.peers.len();
            for row in 0..5 {
                peer.write("update", &format!("{other}-{row}"), &format!("taken by {}", peer.name()));
            }
            for row in 5..8 {
                peer.delete(&format!("{other}-{row}"));
            }
        }
        cluster.agrees_on(28);
        for (i, peer) in cluster.peers.iter().enumerate() {
            peer.write(peer.kind().write_again(), &format!("{i}-5"), "written again");
        }
        cluster.agrees_on(32);
        cluster.check();
    });
}

#[test]
fn a_late_joiner_of_either_kind_gets_10_000_rows() {
    let sides = [Kind::Go28, Kind::Go2].map(|go| [(go, Kind::Ours), (Kind::Ours, go)]).concat();
    each(sides, |(writer, joiner)| {
        let mut cluster = Cluster::start(&[writer], &keys(32));
        cluster.peers[0].load("row-", MANY, 100);
        cluster.add(joiner);
        cluster.agrees_on(u64::from(MANY));
        cluster.check();
    });
}
