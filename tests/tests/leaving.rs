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

/// Some go, one after the other; ours never take that for a failure, and the others go on.
///
/// Go nodes may: goodbyes of NetworkDB and of memberlist both travel by gossip, the second soon after the first, and a
/// Go node that hears the second one first counts the node as failed.
fn some_go(case: &Case, leavers: &[usize], go: impl Fn(&mut Cluster, usize)) {
    let mut cluster = four_with_rows(case);
    for leaver in leavers {
        go(&mut cluster, *leaver);
        cluster.assembled();
        cluster.agrees();
        let saw_fail = cluster.saw_fail(*leaver);
        assert!(
            saw_fail.iter().all(|at| cluster.peers[*at].kind() != Kind::Ours),
            "{saw_fail:?} saw it fail"
        );
    }
    cluster.write_on_all("after", 5);
    cluster.agrees();
    cluster.check();
}

#[test]
fn a_node_that_leaves_a_network_takes_its_rows_along_and_stays_in_the_cluster() {
    each(matrix(), |case| some_go(&case, &[2, 3], Cluster::leave_network));
}

#[test]
fn a_node_that_leaves_the_cluster_takes_its_rows_along_at_once() {
    each(matrix(), |case| some_go(&case, &[2, 3], Cluster::send_away));
}

#[test]
fn an_agent_ended_by_sigterm_says_goodbye() {
    each(matrix(), |case| some_go(&case, &[2], Cluster::terminate));
}
