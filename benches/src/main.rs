//! Measures networkdb beside Docker's NetworkDB: the same work, in one run on one machine, in one table.

mod conditions;
mod figures;
mod node;
mod programs;
mod runs;
mod table;
mod usage;
mod work;

use std::{error::Error, process::ExitCode};

use clap::Parser;

use programs::{Kind, Programs};
use runs::Runs;
use work::Work;

/// What stops a measurement.
type Failure = Box<dyn Error>;

/// Measure networkdb beside Docker's NetworkDB.
///
/// The Go peers are taken from the folder in `NETWORKDB_PEERS`, else built; `networkdb` is built as it stands.
#[derive(Debug, Parser)]
struct Args {
    /// Measure this alone; may be given several times
    #[arg(long, value_enum, value_name = "NAME")]
    only: Vec<Work>,
    /// Measure networkdb alone
    #[arg(long)]
    without_go: bool,
    /// How often each measurement is repeated
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    let programs = Programs::prepare()?;
    let works = if args.only.is_empty() { Work::all() } else { args.only.clone() };
    let kinds = if args.without_go { &Kind::ALL[2..] } else { &Kind::ALL[..] };
    let runs = Runs { programs: &programs, kinds, count: args.runs };
    let mut rows = Vec::new();
    for work in works {
        rows.extend(work.measure(&runs)?);
    }
    table::print(&rows);
    conditions::print(&programs, args.runs)
}
