//! The command `networkdb`: an agent in a NetworkDB cluster, the commands that speak to it, and a demo.

mod agent;
mod args;
mod client;
mod commands;
mod config;
mod control;
mod demo;
mod digest;
mod failure;
mod http;
mod input;
mod keylog;
mod metrics;
mod output;
mod protocol;
mod report;
mod row;
mod socket;
mod sync;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use failure::Failure;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("networkdb: {failure}");
            failure.code()
        }
    }
}

fn run(args: Args) -> Result<(), Failure> {
    let socket = args.socket.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::agent(format!("cannot start: {error}")))?;
    let result = match args.command {
        Command::Agent(agent) => runtime.block_on(agent::run(agent, socket)),
        Command::Demo(demo) => runtime.block_on(demo::run(demo)),
        Command::Sync(command) => {
            let socket = socket.unwrap_or_else(socket::default_path);
            runtime.block_on(sync::run(*command, &socket, args.output))
        }
        Command::Client(command) => {
            let socket = socket.unwrap_or_else(socket::default_path);
            runtime.block_on(commands::run(command, &socket, args.output))
        }
    };
    // A task blocked on a name lookup must not hold the exit up.
    runtime.shutdown_background();
    result
}
