//! Runs of random scenarios, one a seed.

use std::{ops::RangeInclusive, time::Duration};

use crate::{Cluster, Scenario, Violation, random, scenario::Report};

/// A seed whose scenario violates an invariant.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// Steps of the world until then.
    pub step: u64,
    /// Time since the beginning.
    pub at: Duration,
    /// What is violated.
    pub violation: Violation,
    /// The last lines of the trace, if lines were kept.
    pub trace: Vec<String>,
}

/// Runs the scenario of a seed; `trace`: keeps lines to read.
///
/// # Errors
/// The first invariant that was violated.
pub fn run_seed(seed: u64, nodes: RangeInclusive<usize>, trace: bool) -> Result<Report, Box<Failure>> {
    run_scenario(&random::scenario(seed, nodes), trace)
}

/// Runs a scenario in which all nodes must agree whenever that is asked; `trace`: keeps lines to read.
///
/// # Errors
/// The first invariant that was violated.
pub fn run_scenario(scenario: &Scenario, trace: bool) -> Result<Report, Box<Failure>> {
    let mut cluster = Cluster::new(scenario.settings.clone());
    if trace {
        cluster.world.trace.keep_lines();
    }
    let result = scenario.run_in(&mut cluster).and_then(|report| agreed(&cluster, report));
    result.map_err(|violation| {
        let trace = cluster.world.trace.lines().map(str::to_owned).collect();
        let seed = scenario.settings.seed;
        Box::new(Failure { seed, step: cluster.steps(), at: cluster.time(), violation, trace })
    })
}

/// All nodes agreed in time whenever that was asked.
fn agreed(cluster: &Cluster, report: Report) -> Result<Report, Violation> {
    if report.agreed.iter().all(Option::is_some) {
        return Ok(report);
    }
    let difference = cluster.difference().unwrap_or_else(|| report.answers.clone());
    Err(Violation::new("after the last fault all nodes agree in time", 0, difference))
}
