//! The same schedules done by clusters of Go nodes and of ours, in virtual time.
//!
//! `NETWORKDB_SEED` is the first seed, `NETWORKDB_SCHEDULES` their number.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{collections::BTreeSet, env};

use networkdb_tests::differential::{Op, draw, judge, run, run_all};

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn the_same_calls_lead_to_the_same_tables_as_in_go() {
    let (first, count) = (setting("NETWORKDB_SEED", 1), setting("NETWORKDB_SCHEDULES", 200));
    let schedules: Vec<_> = (first..first + count).map(draw).collect();
    let theirs = run_all(&schedules);
    let judged = schedules.iter().map(|schedule| {
        let theirs = theirs.get(&schedule.seed).expect("every schedule has an outcome");
        judge(schedule, theirs, &run(schedule)).err().map(|story| (schedule.seed, story))
    });
    let failed: Vec<(u64, String)> = judged.flatten().collect();
    if let Some((seed, story)) = failed.first() {
        let seeds: Vec<u64> = failed.iter().map(|(seed, _)| *seed).collect();
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
