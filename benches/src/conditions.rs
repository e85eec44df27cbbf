//! What the figures were measured under.

use std::{fs, process::Command, thread};

use crate::{
    Failure,
    programs::{Kind, Programs, finish},
    work::{CREATES, ROUNDS, SIZE},
};

/// Prints the conditions below the table.
pub(crate) fn print(programs: &Programs, runs: u32) -> Result<(), Failure> {
    println!();
    println!(
        "Medians (min–max), runs of each: {runs}, the three taking turns. Ratio: the better Go median over ours."
    );
    println!("Values of {SIZE} bytes; nodes in processes of their own over loopback, not encrypted.");
    println!(
        "Until all hold a table: found by asking for its digest, again and again; that asking is in the CPU."
    );
    println!("Memory: resident growth over the rows, garbage included; the writer's with its queue.");
    println!("Create: {CREATES} in each run, a pause between them; until the last watch has told it.");
    println!("Idle: one run, 60 s; what went over loopback, headers and streams included.");
    println!("Event: envelope included, {ROUNDS} times in each run. Program: Go's is the test peer.");
    println!("{} processors, {}", thread::available_parallelism()?, processor()?);
    println!("{}", fs::read_to_string("/proc/version")?.split(" (").next().unwrap_or_default());
    println!("{}", finish(Command::new("rustc").arg("--version"))?.trim());
    println!("{}", finish(Command::new("go").arg("version"))?.trim());
    for kind in [Kind::Go28, Kind::Go2] {
        println!("{}: {}", kind.title(), modules(programs, kind)?);
    }
    println!("ours: {}", finish(Command::new(programs.path(Kind::Ours)).arg("--version"))?.trim());
    Ok(())
}

fn processor() -> Result<String, Failure> {
    let told = fs::read_to_string("/proc/cpuinfo")?;
    let model = told.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Ok(model.map_or("of an untold model", |(_, model)| model).to_owned())
}

/// The modules in a Go program which implement NetworkDB.
fn modules(programs: &Programs, kind: Kind) -> Result<String, Failure> {
    let told = finish(Command::new("go").args(["version", "-m"]).arg(programs.path(kind)))?;
    let wanted = ["github.com/docker/docker", "github.com/moby/moby/v2", "github.com/hashicorp/memberlist"];
    let modules = told.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (path, version) = (words.next()?, words.next()?);
        wanted.contains(&path).then(|| format!("{path} {version}"))
    });
    Ok(modules.collect::<Vec<_>>().join(", "))
}
