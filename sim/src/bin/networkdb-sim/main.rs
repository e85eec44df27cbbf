//! The simulator: random runs, scenarios from files, and figures of clusters in virtual time.

mod ladder;
mod plot;
mod run;
mod sample;
mod scenario;
mod yardstick;

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
    /// Runs scenarios from files and compares the answers.
    Scenario(scenario::Files),
    /// How clusters of growing size form and converge, with and without loss: a table and a plot.
    Ladder(ladder::Ladder),
    /// How long one change takes to reach all nodes, without loss.
    Yardstick(yardstick::Yardstick),
}

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Run(run) => run.execute(),
        Command::Scenario(files) => files.execute(),
        Command::Ladder(ladder) => ladder.execute(),
        Command::Yardstick(yardstick) => yardstick.execute(),
    }
}
