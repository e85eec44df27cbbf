//! The same schedules done by clusters of Go nodes and of ours, in virtual time.
//!
//! `NETWORKDB_SEED` is the first seed, `NETWORKDB_SCHEDULES` their number.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{collections::BTreeSet, env};

use networkdb_tests::differential::{Op, Schedule, draw, judge, run, run_all};

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// How often a schedule that differs is done.
const TRIES: usize = 3;

/// The schedules whose outcomes differ, with what there is to tell.
fn differing(schedules: Vec<Schedule>) -> Vec<(Schedule, String)> {
    let theirs = run_all(&schedules);
    let judged = schedules.into_iter().filter_map(|schedule| {
        let theirs = theirs.get(&schedule.seed).expect("every schedule has an outcome");
        let story = judge(&schedule, theirs, &run(&schedule)).err()?;
        Some((schedule, story))
    });
    judged.collect()
}

/// Gossip may fail to tell somebody, and Go's chance is not seeded. Ours is: where we are wrong, we always are.
#[test]
fn the_same_calls_lead_to_the_same_tables_as_in_go() {
    let (first, count) = (setting("NETWORKDB_SEED", 1), setting("NETWORKDB_SCHEDULES", 200));
    let mut failed = differing((first..first + count).map(draw).collect());
    for _ in 1..TRIES {
        for (_, story) in &failed {
            eprintln!("{story}is done again\n");
        }
        failed = differing(failed.into_iter().map(|(schedule, _)| schedule).collect());
    }
    let seeds: Vec<u64> = failed.iter().map(|(schedule, _)| schedule.seed).collect();
    if let Some((Schedule { seed, .. }, story)) = failed.first() {
        panic!(
            "{story}{} of {count} schedules differ: {seeds:?}. Again: NETWORKDB_SEED={seed} \
             NETWORKDB_SCHEDULES=1 cargo test -p networkdb-tests --test differential",
            failed.len()
        );
    }
}

#[test]
fn schedules_hold_every_call_contended_rows_and_every_error() {
    let schedules: Vec<_> = (1..=50).map(draw).collect();
    let ops: BTreeSet<Op> =
        schedules.iter().flat_map(|s| s.rounds.iter().flatten()).map(|step| step.op).collect();
    assert_eq!(ops.len(), 10, "{ops:?}");
    assert!(schedules.iter().filter(|s| s.contended.iter().any(|rows| !rows.is_empty())).count() > 10);
    let outcomes: Vec<_> = schedules.iter().map(run).collect();
    let results: BTreeSet<&String> =
        outcomes.iter().flat_map(|o| &o.rounds).flat_map(|r| &r.results).collect();
    let texts = [
        "= v",
        "already exists",
        "does not exist",
        "already being deleted",
        "could not get entry",
        "pending garbage collection",
        "hidden until it returns",
        "already joined",
        "could not find network",
    ];
    for text in texts {
        assert!(results.iter().any(|result| result.contains(text)), "no result has {text:?}");
    }
}
