//! The Typha vectors: streams of two generations of the real programs, and what the real decoders made of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs, unreachable_pub)]

mod captures;
mod go;
mod keys;
mod mutations;
mod no_op;
mod reactions;
mod replay;
mod shown;
mod single;
mod streams;
// Vectors of this folder are run through another way.
#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;

use std::fs;

use serde_json::Value;

/// What came of one file: how many cases were checked, and what failed.
#[derive(Default)]
pub struct Report {
    checked: usize,
    failures: Vec<String>,
}

impl Report {
    pub fn check(&mut self, name: &str, result: support::Checked) {
        self.checked += 1;
        if let Err(error) = result {
            self.failures.push(format!("{name}: {error}"));
        }
    }
}

#[test]
fn vectors() {
    let folder = support::folder("typha");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let (mut checked, mut failures) = (0, Vec::new());
    println!("{:44} checked failed", "file");
    for name in names {
        let Some(report) = file(&name) else { continue };
        println!("{name:44} {:7} {:6}", report.checked, report.failures.len());
        assert!(report.checked > 0, "{name}: nothing checked");
        checked += report.checked;
        failures.extend(report.failures.iter().map(|failure| format!("{name}: {failure}")));
    }
    println!("{checked} cases of typha checked");
    assert!(checked > 0, "no vectors in {}", folder.display());
    let shown = failures.len().min(20);
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures[..shown].join("\n"));
}

/// Checks a file, one module a kind; `None` for those that another one names or that only [`replay`] reads.
fn file(name: &str) -> Option<Report> {
    let extension = name.rsplit('.').next();
    let about_keys = matches!(name, "keys.json" | "would-be-noop.json");
    let about_timing = name.ends_with(".timeline.json") || name.ends_with(".client-view.txt");
    if about_keys || about_timing || matches!(extension, Some("bin" | "md")) {
        return None;
    }
    Some(match name {
        "evolved.json" | "malformed.json" => reactions::check(&json(name)),
        _ if name.starts_with("single-") => single::check(&json(name)),
        _ if name.starts_with("mutations-") => mutations::check(&json(name)),
        _ if name.starts_with("cap-") => captures::check(name.trim_end_matches(".json"), &json(name)),
        _ => panic!("unknown kind of file {name}"),
    })
}

/// The bytes of a file of the vectors.
pub fn read(name: &str) -> Vec<u8> {
    fs::read(support::folder("typha").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&read(name)).unwrap()
}
