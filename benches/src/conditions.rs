//! What the figures were measured under.

use std::{fs, path::Path, process::Command, thread};

use crate::{
    Failure,
    programs::{Family, Kind, Programs, finish},
    work::{CREATES, ROUNDS, SIZE, sync},
};

/// Prints the conditions of a family below its table.
pub(crate) fn print(programs: &Programs, family: Family, runs: u32) -> Result<(), Failure> {
    println!();
    println!("Medians (min–max), runs of each: {runs}, the three taking turns.");
    match family {
        Family::NetworkDb => networkdb(programs),
        Family::Sync => sync(programs),
    }
}

/// Prints what all of it was measured on.
pub(crate) fn print_machine() -> Result<(), Failure> {
    println!("{} processors, {}", thread::available_parallelism()?, processor()?);
    println!("{}", fs::read_to_string("/proc/version")?.split(" (").next().unwrap_or_default());
    println!("{}", finish(Command::new("rustc").arg("--version"))?.trim());
    println!("{}", finish(Command::new("go").arg("version"))?.trim());
    println!("load average at the end: {}", fs::read_to_string("/proc/loadavg")?.trim());
    Ok(())
}

fn networkdb(programs: &Programs) -> Result<(), Failure> {
    println!("Ratio: the better Go median over ours.");
    println!("Values of {SIZE} bytes; nodes in processes of their own over loopback, not encrypted.");
    println!(
        "Until all hold a table: found by asking for its digest, again and again; that asking is in the CPU."
    );
    println!("Memory: resident growth over the rows, garbage included; the writer's with its queue.");
    println!("Create: {CREATES} in each run, a pause between them; until the last watch has told it.");
    println!("Idle: one run, 60 s; what went over loopback, headers and streams included.");
    println!("Event: envelope included, {ROUNDS} times in each run. Program: Go's is the test peer.");
    for kind in [Kind::Older, Kind::Newer] {
        let told = modules(
            &programs.path(kind),
            &["github.com/docker/docker", "github.com/moby/moby/v2", "github.com/hashicorp/memberlist"],
        )?;
        println!("{}: {told}", kind.title(Family::NetworkDb));
    }
    println!("ours: {}", finish(Command::new(programs.path(Kind::Ours)).arg("--version"))?.trim());
    println!();
    Ok(())
}

fn sync(programs: &Programs) -> Result<(), Failure> {
    println!("Ratio: how many times better ours is than the better Go median.");
    println!("{}", sync::CONDITIONS);
    let told = modules(&programs.gob(), &["github.com/golang/snappy"])?;
    println!("Go 3.2.5 and today: Typha's messages of both generations over encoding/gob, {told}");
    println!("ours: networkdb {}", env!("CARGO_PKG_VERSION"));
    println!();
    Ok(())
}

fn processor() -> Result<String, Failure> {
    let told = fs::read_to_string("/proc/cpuinfo")?;
    let model = told.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Ok(model.map_or("of an untold model", |(_, model)| model).to_owned())
}

/// Which of these modules are in a Go program.
fn modules(program: &Path, wanted: &[&str]) -> Result<String, Failure> {
    let told = finish(Command::new("go").args(["version", "-m"]).arg(program))?;
    let modules = told.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (path, version) = (words.next()?, words.next()?);
        wanted.contains(&path).then(|| format!("{path} {version}"))
    });
    Ok(modules.collect::<Vec<_>>().join(", "))
}
