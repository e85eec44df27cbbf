//! What each target begins with: the golden data of the real peers, in the form the target reads.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::script::put_block;

/// Longer ones teach a fuzzer nothing.
const LONGEST: usize = 4096;
/// Messages in one schedule.
const EPISODE: usize = 24;

/// Every byte string of the vectors that is not longer than [`LONGEST`], in their order and each once.
pub fn vectors() -> io::Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    for folder in ["memberlist", "networkdb", "typha"] {
        for file in files(&root().join(folder))? {
            let value = serde_json::from_slice(&fs::read(&file)?)?;
            collect(&value, &mut found);
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|bytes| bytes.len() > 1 && bytes.len() <= LONGEST && seen.insert(bytes.clone()));
    Ok(found)
}

/// The folder of the vectors: `NETWORKDB_VECTORS`, else that of this repository.
fn root() -> PathBuf {
    std::env::var_os("NETWORKDB_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors"), PathBuf::from)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

fn collect(value: &Value, into: &mut Vec<Vec<u8>>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match value.as_str() {
            Some(text) if name.ends_with("hex") => into.extend(hex::decode(text)),
            _ => collect(value, into),
        }),
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        _ => {}
    }
}

/// The first inputs of a target.
pub fn seeds(target: &str, vectors: &[Vec<u8>]) -> Vec<Vec<u8>> {
    match target {
        "membership" | "networkdb" => vectors.chunks(EPISODE).enumerate().flat_map(schedules).collect(),
        "nesting" => vectors.iter().enumerate().map(|(number, bytes)| nested(number, bytes)).collect(),
        "sync_server" => (0..=255).map(sync_schedule).chain(recorded_clients()).collect(),
        "sync_client" => vectors.iter().flat_map(|bytes| connections(bytes)).collect(),
        _ => vectors.to_vec(),
    }
}

/// Schedules that give these messages to a machine as packets, behind a seal, as user messages, and as streams.
fn schedules((number, messages): (usize, &[Vec<u8>])) -> Vec<Vec<u8>> {
    const JOIN_NETWORK: [u8; 3] = [15, 2, 0];
    const WAKE: [u8; 3] = [1, 6, 14];
    let play = |kind: u8, sealed: &[u8]| {
        let mut out = vec![number as u8];
        out.extend(JOIN_NETWORK);
        for (turn, message) in messages.iter().enumerate() {
            out.extend([kind, turn as u8]);
            out.extend(sealed);
            put_block(&mut out, message);
            out.extend(WAKE);
        }
        out
    };
    vec![play(3, &[]), play(4, &[]), play(5, &[]), play(7, &[0]), play(7, &[1])]
}

/// Clients of all kinds that join, read, and are sent updates. The settings are those that `flags` pick.
fn sync_schedule(flags: u8) -> Vec<u8> {
    let mut out = vec![flags];
    let update = |out: &mut Vec<u8>, key: u8, update_type: u8| {
        out.extend([10, key, update_type]);
        put_block(out, &[key ^ flags; 300]);
        out.push(3);
    };
    (0..6).for_each(|key| update(&mut out, key, 1));
    for round in 0..8 {
        out.extend([14, 3, round, 9, 15, 4, round % 3]);
        update(&mut out, round % 6, 2 + round % 2);
        out.extend([14, 0, 22 + round, 1, 8, 0, 2]);
    }
    for key in 0..60 {
        update(&mut out, key % 6, 2);
        out.push(14);
    }
    out.push(9);
    out
}

/// What recorded clients of Typha said, given to the server in one piece.
fn recorded_clients() -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(root().join("typha")) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.to_string_lossy().ends_with(".c2s.bin"));
    files.sort();
    let schedule = |file: &PathBuf| {
        let mut out = vec![0, 2, 4, 0, 4];
        put_block(&mut out, &fs::read(file).ok()?);
        out.extend([9, 14, 9]);
        Some(out)
    };
    files.iter().filter_map(schedule).collect()
}

/// Connections on which a server of either time sends these bytes, from the beginning or after its hello, and is then
/// lost and replaced.
fn connections(bytes: &[u8]) -> [Vec<u8>; 3] {
    const TAKE_AND_LOSE: [u8; 8] = [9, 63, 10, 1, 1, 6, 4, 2];
    [(1, 2), (0, 2), (0, 6)].map(|(settings, begin)| {
        let mut out = vec![settings, begin, 3];
        put_block(&mut out, bytes);
        out.extend(TAKE_AND_LOSE);
        out
    })
}

/// A message and the layers that `number` spells.
fn nested(number: usize, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_block(&mut out, bytes);
    out.extend([4, 2, 3, (number % 7) as u8, 3, (number / 7 % 7) as u8, 2]);
    out
}

/// Writes the first inputs of every target into a folder of its own under `into`.
pub fn write(into: &Path) -> io::Result<()> {
    let vectors = vectors()?;
    for (target, _) in crate::TARGETS {
        let folder = into.join(target);
        fs::create_dir_all(&folder)?;
        for (number, seed) in seeds(target, &vectors).iter().enumerate() {
            fs::write(folder.join(format!("{number:05}")), seed)?;
        }
    }
    Ok(())
}
