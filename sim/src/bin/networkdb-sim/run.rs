//! Many seeds, a few at a time.

use std::{
    ops::RangeInclusive,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use networkdb_sim::{
    random,
    run::{Failure, run_seed},
    scenario::Report,
};

/// Lines of the trace shown.
const TAIL: usize = 60;

#[derive(Args)]
pub(crate) struct Run {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// Nodes of a cluster, as in 3..25, both included.
    #[arg(long, default_value = "3..25", value_parser = range)]
    nodes: RangeInclusive<usize>,
    /// Worlds at one time; all cores if left out.
    #[arg(long)]
    threads: Option<usize>,
    /// Prints what happened, and the scenario as text.
    #[arg(long)]
    trace: bool,
}

/// `3..25`, both included.
fn range(text: &str) -> Result<RangeInclusive<usize>, String> {
    let wrong = || format!("`{text}` is no range such as 3..25");
    let (first, last) = text.split_once("..").ok_or_else(wrong)?;
    let (first, last) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
    if (2..=last).contains(&first) && last <= 1_000 { Ok(first..=last) } else { Err(wrong()) }
}

/// What the threads share.
struct Shared {
    next: AtomicU64,
    stop: AtomicBool,
    results: Mutex<Vec<Result<Report, Box<Failure>>>>,
}

impl Run {
    pub(crate) fn execute(&self) -> ExitCode {
        let start = Instant::now();
        let shared = Shared {
            next: AtomicU64::new(self.first_seed),
            stop: AtomicBool::new(false),
            results: Mutex::new(Vec::new()),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..self.threads.unwrap_or(cores).max(1) {
                scope.spawn(|| self.work(&shared));
            }
        });
        let results = shared.results.into_inner().unwrap_or_default();
        report(&results, start.elapsed())
    }

    fn work(&self, shared: &Shared) {
        while !shared.stop.load(Ordering::Relaxed) {
            let seed = shared.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.first_seed.saturating_add(self.seeds) {
                return;
            }
            if self.trace {
                println!("{}", random::scenario(seed, self.nodes.clone()));
            }
            let result = run_seed(seed, self.nodes.clone(), self.trace);
            if let Err(failure) = &result {
                shared.stop.store(true, Ordering::Relaxed);
                self.explain(failure);
            }
            if let Ok(mut results) = shared.results.lock() {
                results.push(result);
            }
        }
    }

    /// The violation, what led to it, and how to see it again.
    fn explain(&self, failure: &Failure) {
        let again;
        let trace = if self.trace {
            &failure.trace
        } else {
            again = run_seed(failure.seed, self.nodes.clone(), true).err();
            again.as_ref().map_or(&failure.trace, |failure| &failure.trace)
        };
        for line in trace.iter().skip(trace.len().saturating_sub(TAIL)) {
            println!("{line}");
        }
        let Failure { seed, step, at, violation, .. } = failure;
        println!("{violation}\nseed {seed}, step {step}, {:.3} s; replay it with:", at.as_secs_f64());
        let (first, last) = (self.nodes.start(), self.nodes.end());
        println!("networkdb-sim run --first-seed {seed} --seeds 1 --nodes {first}..{last} --trace");
    }
}

/// What all seeds came to.
fn report(results: &[Result<Report, Box<Failure>>], time: Duration) -> ExitCode {
    let mut agreed: Vec<Duration> =
        results.iter().flatten().filter_map(|report| *report.agreed.first()?).collect();
    agreed.sort();
    let at =
        |share: usize| agreed.get(agreed.len().saturating_sub(1) * share / 100).copied().unwrap_or_default();
    let steps: u64 = results.iter().flatten().map(|report| report.steps).sum();
    let hash = results.iter().flatten().fold(0u64, |sum, report| sum.wrapping_add(report.hash));
    let seconds = time.as_secs_f64();
    let failed = results.iter().filter(|result| result.is_err()).count();
    println!(
        "{} seeds in {seconds:.1} s, {:.0} a minute; {:.2} million steps a second; {failed} failed",
        results.len(),
        results.len() as f64 * 60.0 / seconds,
        steps as f64 / seconds / 1e6,
    );
    println!(
        "agreed after the last fault: median {:.2} s, 99 % {:.2} s, longest {:.2} s; traces {hash:016x}",
        at(50).as_secs_f64(),
        at(99).as_secs_f64(),
        at(100).as_secs_f64(),
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
