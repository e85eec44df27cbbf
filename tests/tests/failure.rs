//! kill -9, and return under the same name at the same address.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use networkdb_tests::{Cluster, Kind, NETWORK, TABLE, each, keys};
use serde_json::json;

/// The rows of our agent that are hidden.
fn hidden_rows(cluster: &Cluster, at: usize) -> usize {
    let rows = cluster.peers[at].ask("list", json!({ "network": NETWORK, "table": TABLE, "all": true }));
    rows["rows"].as_array().unwrap().iter().filter(|row| row["state"] == "hidden").count()
}

#[test]
fn rows_of_a_killed_node_are_hidden_and_come_back_with_it() {
    let lives = [1, 2].map(|victim| [0, 32].map(|key| (victim, key))).concat();
    let cases = [Kind::Go28, Kind::Go2].map(|go| lives.clone().into_iter().map(move |(v, k)| (go, v, k)));
    each(cases.into_iter().flatten().collect(), |(go, victim, key)| {
        let mut cluster = Cluster::start(&[Kind::Ours, go, Kind::Ours], &keys(key));
        for (i, peer) in cluster.peers.iter().enumerate() {
            for row in 0..5 {
                peer.write("create", &format!("{i}-{row}"), peer.name());
            }
        }
        cluster.agrees_on(15);
        cluster.kill(victim);
        cluster.assembled();
        cluster.agrees_on(10);
        assert_eq!(hidden_rows(&cluster, 0), 5, "rows of the failed node are kept, hidden");

        cluster.bring_back(victim);
        cluster.assembled();
        let others = [0, 3 - victim];
        // A node drops what others send it of its own rows: as with Docker, it knows none of its former life.
        cluster.agree_on(&others, 15);
        cluster.agree_on(&[victim], 10);
        assert_eq!(hidden_rows(&cluster, 0), 0, "nothing stays hidden");
        cluster.peers[victim].write("create", "after", "return");
        cluster.agree_on(&others, 16);
        cluster.agree_on(&[victim], 11);
        cluster.check();
    });
}
