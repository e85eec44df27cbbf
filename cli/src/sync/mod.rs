//! Commands of Typha's sync protocol.

mod agent;
mod args;
mod bench;
mod drain;
mod file;
mod line;
mod serve;
mod watch;

use std::path::Path;

pub(crate) use args::SyncCommand;

use crate::{args::Form, failure::Failure};

/// Runs a command; `socket` is that of the agent, for those who want its rows.
pub(crate) async fn run(command: SyncCommand, socket: &Path, form: Form) -> Result<(), Failure> {
    match command {
        SyncCommand::Serve(args) => serve::run(args, socket).await,
        SyncCommand::Watch(args) => watch::run(args, form).await,
        SyncCommand::Bench(args) => bench::run(args).await,
    }
}
