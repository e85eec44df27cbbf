//! Scenario files.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Args;
use networkdb_sim::{Cluster, Scenario};

#[derive(Args)]
pub(crate) struct Files {
    /// Text files; the grammar is in `sim/src/scenario/mod.rs`.
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<PathBuf>,
    /// Writes the answers into the files.
    #[arg(long)]
    rewrite: bool,
    /// Prints what happened.
    #[arg(long)]
    trace: bool,
}

impl Files {
    pub(crate) fn execute(&self) -> ExitCode {
        let mut ok = true;
        for file in &self.paths {
            match self.run(file) {
                Ok(told) => println!("{}: {told}", file.display()),
                Err(reason) => {
                    println!("{}: {reason}", file.display());
                    ok = false;
                }
            }
        }
        if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn run(&self, file: &PathBuf) -> Result<&'static str, String> {
        let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
        let scenario: Scenario = text.parse().map_err(|error| format!("{error}"))?;
        let mut cluster = Cluster::new(scenario.settings.clone());
        if self.trace {
            cluster.world.trace.keep_lines();
        }
        let result = scenario.run_in(&mut cluster);
        cluster.world.trace.lines().for_each(|line| println!("{line}"));
        let answers = result.map_or_else(|violation| format!("{violation}\n"), |report| report.answers);
        if answers == scenario.expected {
            return Ok("as expected");
        }
        if self.rewrite {
            let script = text.split("----\n").next().unwrap_or_default();
            fs::write(file, format!("{script}----\n{answers}")).map_err(|error| error.to_string())?;
            return Ok("rewritten");
        }
        Err(format!("expected\n{}but it was\n{answers}", scenario.expected))
    }
}
