//! The simulator: `run` random scenarios, replay a `scenario` from a file.

mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A whole cluster in one process, in virtual time.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs random scenarios, one a seed, and checks every step.
    Run(run::Run),
}

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Run(run) => run.execute(),
    }
}
