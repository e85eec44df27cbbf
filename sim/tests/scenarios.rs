//! The scenarios in `tests/scenarios`, and what scenarios promise of themselves.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::{env, fs, path::PathBuf};

use networkdb_sim::{Scenario, random};

fn files() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// With `NETWORKDB_SIM_REWRITE` set the answers are written into the files, to be read as a diff.
#[test]
fn every_scenario_ends_as_its_file_says() {
    let (files, rewrite) = (files(), env::var_os("NETWORKDB_SIM_REWRITE").is_some());
    assert!(files.len() >= 12, "the scenarios are found");
    let mut wrong = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let scenario: Scenario = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let answers = match scenario.run() {
            Ok(report) => report.answers,
            Err(violation) => format!("{violation}\n"),
        };
        if rewrite {
            let script = text.split("----\n").next().unwrap();
            fs::write(&path, format!("{script}----\n{answers}")).unwrap();
        } else if answers != scenario.expected {
            let name = path.file_name().unwrap().display();
            wrong.push(format!("{name}: expected\n{}but it was\n{answers}", scenario.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_random_scenario_is_the_same_when_printed_and_read_again() {
    for seed in 0..200 {
        let scenario = random::scenario(seed, 3..=25);
        let again: Scenario = scenario.to_string().parse().unwrap();
        assert_eq!(again, scenario);
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    for (text, line, word) in [
        ("nodes 3\nat 5s crahs n1\n", 2, "crahs"),
        ("at 5s crash n1\nat 4s crash n2\n", 2, "before"),
        ("at 5 heal\n", 1, "no time"),
        ("at 5s heal now\n", 1, "too much"),
        ("link loss 120%\n", 1, "no share"),
        ("at 5s write n0 net0 k5 3\n", 1, "k0..k9"),
    ] {
        let error = text.parse::<Scenario>().unwrap_err();
        assert_eq!(error.line, line);
        assert!(error.reason.contains(word), "{error}");
    }
}
