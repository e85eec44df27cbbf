//! Measures networkdb beside the systems it stands in for: the same work, in one run on one machine, in a table for each.

mod conditions;
mod figures;
mod node;
mod programs;
mod runs;
mod server;
mod table;
mod work;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use networkdb_benches::Failure;

use programs::{Family, Kind, Programs};
use runs::Runs;
use work::Work;

/// Measure networkdb beside Docker's NetworkDB and beside Typha.
///
/// The Go peers are taken from the folder in `NETWORKDB_PEERS`, else built; `networkdb` is built as it stands.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    own: Option<Own>,
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

/// What this program starts itself for.
#[derive(Debug, Subcommand)]
enum Own {
    /// A server of the sync protocol
    #[command(hide = true)]
    SyncServer(server::Args),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match &args.own {
        Some(Own::SyncServer(args)) => server::run(args),
        None => run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    let works = if args.only.is_empty() { Work::all() } else { args.only.clone() };
    let mut families = Family::ALL.to_vec();
    families.retain(|family| works.iter().any(|work| work.family() == *family));
    let programs = Programs::prepare(&families)?;
    let kinds = if args.without_go { &Kind::ALL[2..] } else { &Kind::ALL[..] };
    for family in &families {
        let runs = Runs { programs: &programs, family: *family, kinds, count: args.runs };
        let mut rows = Vec::new();
        for work in works.iter().filter(|work| work.family() == *family) {
            rows.extend(work.measure(&runs)?);
        }
        table::print(*family, &rows);
        conditions::print(&programs, *family, args.runs)?;
    }
    conditions::print_machine()
}
