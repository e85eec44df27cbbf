//! Rows: written on either side, equal on all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use networkdb_tests::{Case, Cluster, Kind, each, matrix};

/// Rows a late joiner is to get.
const MANY: u32 = 10_000;

#[test]
fn rows_created_updated_and_deleted_on_either_side_are_equal_on_all() {
    each(matrix(), |case| {
        let mut cluster = Cluster::start(&[Kind::Ours, case.go, Kind::Ours, case.go], &case.keys);
        cluster.write_on_all("row", 10);
        cluster.agrees();
        for at in 0..4 {
            // Each node changes rows of the next one, which is of the other kind.
            let other = (at + 1) % 4;
            for row in 0..5 {
                cluster.write(at, "update", &format!("row-{other}-{row}"), &format!("taken by {at}"));
            }
            for row in 5..8 {
                cluster.delete(at, &format!("row-{other}-{row}"));
            }
        }
        cluster.agrees();
        for at in 0..4 {
            let again = cluster.peers[at].kind().write_again();
            cluster.write(at, again, &format!("row-{at}-5"), "written again");
        }
        cluster.agrees();
        cluster.check();
    });
}

fn gets_10_000_rows(writer: Kind, joiner: Kind, keys: &[String]) {
    let mut cluster = Cluster::start(&[writer], keys);
    cluster.load(0, MANY, 100);
    cluster.add(joiner);
    cluster.agrees();
    cluster.check();
}

#[test]
fn a_late_joiner_of_ours_gets_10_000_rows_from_a_go_node() {
    each(matrix(), |Case { go, keys }| gets_10_000_rows(go, Kind::Ours, &keys));
}

#[test]
fn a_late_joiner_of_gos_gets_10_000_rows_from_one_of_ours() {
    each(matrix(), |Case { go, keys }| gets_10_000_rows(Kind::Ours, go, &keys));
}
