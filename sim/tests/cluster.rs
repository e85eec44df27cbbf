//! Whole clusters in virtual time.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use networkdb_sim::{
    Cluster, Settings,
    faults::{Action, Write},
    network::Link,
};

const SECOND: Duration = Duration::from_secs(1);

fn cluster(settings: Settings) -> Cluster {
    let mut cluster = Cluster::new(settings);
    cluster.start().unwrap();
    cluster
}

fn write(cluster: &mut Cluster, nodes: usize) {
    for node in 0..nodes {
        cluster.apply(&Action::Write(node, 0, node as u8, Write::Create(64))).unwrap();
    }
}

#[test]
fn nodes_come_together_and_hold_the_same_rows() {
    let mut cluster = cluster(Settings::default());
    write(&mut cluster, 5);
    assert!(cluster.difference().is_some());
    cluster.run_until(10 * SECOND).unwrap();
    assert_eq!(cluster.difference(), None);
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_one_another() {
    let run = |seed| {
        let link = Link { duplication: 50_000, reordering: 100_000, ..Link::default().losing(20) };
        let mut cluster =
            cluster(Settings { seed, nodes: 9, keys: seed % 2 == 0, link, ..Settings::default() });
        write(&mut cluster, 9);
        cluster.apply(&Action::Partition(vec![vec![0, 1, 2], (3..9).collect()])).unwrap();
        cluster.run_until(20 * SECOND).unwrap();
        cluster.apply(&Action::Heal).unwrap();
        cluster.apply(&Action::Crash { node: 4, vanish: true }).unwrap();
        cluster.run_until(60 * SECOND).unwrap();
        (cluster.world.trace.hash(), cluster.steps())
    };
    for seed in [6, 7] {
        assert_eq!(run(seed), run(seed));
    }
    assert_ne!(run(6), run(7));
}

#[test]
fn what_becomes_of_a_node_reaches_all_others_within_a_second() {
    for seed in 1..=60 {
        let mut cluster = cluster(Settings { seed, nodes: 8, ..Settings::default() });
        cluster.run_until(10 * SECOND).unwrap();
        cluster.apply(&Action::Leave(0, 0)).unwrap();
        cluster.run_until(11 * SECOND).unwrap();
        let participants = |node| cluster.world.machine(node).map(|db| db.peers(b"net0").len());
        assert!((1..8).all(|node| participants(node) == Some(7)), "seed {seed}");
    }
}
