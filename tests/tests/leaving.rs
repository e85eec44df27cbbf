//! Leaving a network, and leaving the cluster.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use networkdb_tests::{Case, Cluster, Kind, each, matrix};

/// Two of ours and two Go nodes, each with five rows.
fn four_with_rows(case: &Case) -> Cluster {
    let mut cluster = Cluster::start(&[Kind::Ours, case.go, Kind::Ours, case.go], &case.keys);
    cluster.write_on_all("row", 5);
    cluster.agrees();
    cluster
}

/// Two nodes go, one of ours and a Go node; the others go on.
fn two_go(case: &Case, go: impl Fn(&mut Cluster, usize)) {
    let mut cluster = four_with_rows(case);
    for leaver in [2, 3] {
        go(&mut cluster, leaver);
        cluster.assembled();
        cluster.agrees();
    }
    cluster.write_on_all("after", 5);
    cluster.agrees();
    cluster.check();
}

#[test]
fn a_node_that_leaves_a_network_takes_its_rows_along_and_stays_in_the_cluster() {
    each(matrix(), |case| two_go(&case, Cluster::leave_network));
}

#[test]
fn a_node_that_leaves_the_cluster_takes_its_rows_along_at_once() {
    each(matrix(), |case| two_go(&case, Cluster::send_away));
}
