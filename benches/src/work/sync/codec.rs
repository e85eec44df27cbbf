//! Updates to bytes and back, with warm buffers: each side's program measures itself in the same way.

use std::{path::PathBuf, process::Command};

use serde_json::Value;

use super::KVS;
use crate::{
    Failure,
    programs::{Kind, finish},
    runs::Runs,
    table::Row,
};

/// The works, in the order and by the names of both programs; and what is aimed at, of big updates and of small ones.
const WORKS: [(&str, [&str; 2]); 4] = [
    ("encode", ["6", "20"]),
    ("encode+snappy", ["", ""]),
    ("decode", ["8", "15"]),
    ("decode+snappy", ["3", ""]),
];

/// Of one work.
#[derive(Clone, Copy)]
struct Codec {
    /// Updates for each second of processor time.
    rate: f64,
    /// Bytes allocated for each update.
    allocated: f64,
}

pub(super) fn measure(runs: &Runs<'_>) -> Result<Vec<Row>, Failure> {
    let measured = runs.each("sync: codec", |programs, kind| match kind {
        Kind::Ours => codecs(&mut Command::new(programs.sync_codec())),
        Kind::Older => codecs(go(programs.gob()).arg("3.2.5")),
        Kind::Newer => codecs(go(programs.gob()).arg("today")),
    })?;
    let mut rows = Vec::new();
    for (size, name) in ["", " small"].into_iter().enumerate() {
        for (work, (title, aims)) in WORKS.into_iter().enumerate() {
            let of = measured.each_ref().map(|runs| figures(runs, size * WORKS.len() + work));
            let aim = aims.get(size).copied().unwrap_or_default();
            let row =
                Row::new(format!("{title},{name} KVs"), "M a CPU second", &of, |codec| codec.rate / 1e6);
            rows.push(row.more_is_better().aim(aim));
            if title == "decode" {
                let what = format!("{title},{name} KVs: allocated for each");
                rows.push(Row::new(what, "bytes", &of, |codec| codec.allocated).aim("0"));
            }
        }
    }
    Ok(rows)
}

/// What the runs found of one work; nothing of a generation that lacks it.
fn figures(runs: &[Vec<Option<Codec>>], work: usize) -> Vec<Codec> {
    runs.iter().filter_map(|run| run.get(work).copied().flatten()).collect()
}

fn go(peer: PathBuf) -> Command {
    let mut bench = Command::new(peer);
    bench.args(["bench", "--rounds", "1", "--kvs", &KVS.to_string(), "--generation"]);
    bench
}

/// What a program prints of each work: first of big updates, then of small ones.
fn codecs(program: &mut Command) -> Result<Vec<Option<Codec>>, Failure> {
    let lines: Vec<Value> = finish(program)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let names = WORKS.iter().cycle().take(2 * WORKS.len()).map(|(name, _)| *name);
    let mut lines = lines.iter().peekable();
    let of = names.map(|name| {
        let line = lines.next_if(|line| line.get("bench").and_then(Value::as_str) == Some(name))?;
        let figure = |name: &str| line.get(name).and_then(Value::as_f64);
        Some(Codec { rate: figure("kvs_per_cpu_second")?, allocated: figure("allocated_bytes_per_kv")? })
    });
    Ok(of.collect())
}
