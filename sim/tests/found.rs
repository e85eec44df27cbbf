//! A run finds what is wrong.
#![allow(clippy::unwrap_used, missing_docs)]

use networkdb_sim::{
    random,
    run::{run_scenario, run_seed},
};

#[test]
fn a_guard_that_is_missing_is_found_and_the_seed_shows_it_again() {
    let planted = |seed, trace| {
        let mut scenario = random::scenario(seed, 3..=6);
        scenario.settings.planted_bug = true;
        run_scenario(&scenario, trace).err()
    };
    let found = (1..=10).find_map(|seed| planted(seed, false)).unwrap();
    assert_eq!(found.violation.invariant, "Lamport times never go back");
    let again = planted(found.seed, true).unwrap();
    assert_eq!((again.step, &again.violation), (found.step, &found.violation));
    assert!(!again.trace.is_empty());
}

#[test]
fn the_same_seed_gives_the_same_report() {
    assert_eq!(run_seed(4, 3..=8, false).unwrap(), run_seed(4, 3..=8, true).unwrap());
}
