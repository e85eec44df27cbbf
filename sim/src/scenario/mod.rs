//! Scenarios: how a cluster is set up, what is done to it when, what is asked of it, and the answers expected.
//!
//! ```text
//! # A comment. Settings first, each on its own line, those left out being as in `Settings::default`:
//! seed 7
//! nodes 5
//! networks 1                       all nodes join net0 … at their start
//! keys on                          key 0 seals
//! compression off
//! stagger 100ms                    from one start to the next
//! tombstone 120s                   how long a tombstone lives
//! bulk-sync 5s                     time between bulk syncs
//! watch-queue 8                    changes kept for a watcher that takes none
//! link latency 200us..2ms loss 10% duplicate 1% reorder 5% bandwidth 1000000 mtu 1500
//!                                  latency 5ms: fixed; 1ms..5ms: uniform; ~5ms: long-tailed around this median
//!
//! # Then what is done, by time since the beginning. Nodes are n0 …, lists have commas, `all` is everybody.
//! at 10s crash n3                  also `crash n3 vanish`: its host is gone too
//! at 20s restart n3 moved renamed  at a new address, under a new name; either may be left out
//! at 10s pause n1                  and `resume n1`
//! at 10s jump n1 -3s               its clock
//! at 10s drift n1 200ppm
//! at 10s partition n0,n1 | n2,n3   nodes in no group reach everybody
//! at 10s cut n0 > n1,n2            one way
//! at 10s heal                      ends partitions and cuts
//! at 10s link n0 > all loss 50%    as above; `restore` ends it
//! at 10s reads n1 1000             bytes of streams a second; 0: without bound
//! at 10s watches n1 off            its user takes no changes; `on`: again
//! at 10s key all add 1             and `use`, `remove`
//! at 10s join n1 net1              and `leave n1 net1`; `leave n1`: the cluster
//! at 10s create n0 net0 k1 64      a value of 64 bytes; also `update`; `delete n0 net0 k1`
//! at 10s write n0 net0 k0..k99 64  many rows at once
//!
//! # And what is asked. The answers are the lines behind `----`.
//! at 20s show members              the nodes each node holds active, nodes that hold the same together
//! at 20s show rows net0            the rows each node shows, likewise
//! at 20s show alone                nodes that said that they are alone since this was last asked
//! at 20s show deaths               who was declared dead while up, since this was last asked
//! at 20s show warnings             the kinds of warnings since this was last asked
//! at 20s agree within 30s          runs until all nodes agree on members, networks and rows, at most so long
//! ----
//! ```

mod answers;
mod parse;
mod print;

use std::time::Duration;

use crate::{Cluster, Settings, Violation, faults::Action};

pub use parse::ParseError;

/// How often it is looked whether nodes agree.
const LOOK: Duration = Duration::from_millis(250);

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whom each node holds active.
    Members,
    /// The rows of a network each node shows.
    Rows(u8),
    /// Who said that it is alone.
    Alone,
    /// Who was declared dead while up.
    Deaths,
    /// Kinds of warnings.
    Warnings,
    /// Whether all agree within some time.
    Agree(Duration),
}

/// Something done or asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Done.
    Do(Action),
    /// Asked.
    Ask(Question),
}

/// A scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scenario {
    /// Comments before the first setting.
    pub title: String,
    /// How the cluster is set up.
    pub settings: Settings,
    /// What is done and asked, in this order; times never go back.
    pub acts: Vec<(Duration, Act)>,
    /// The answers expected.
    pub expected: String,
}

/// How a scenario went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The answers.
    pub answers: String,
    /// How long it took until all agreed, for each time that was asked.
    pub agreed: Vec<Option<Duration>>,
    /// Steps of the world.
    pub steps: u64,
    /// Hash over all that went on.
    pub hash: u64,
}

impl Scenario {
    /// Adds something behind all that is done until then.
    pub fn add(&mut self, at: Duration, act: impl Into<Act>) {
        let place = self.acts.partition_point(|(time, _)| *time <= at);
        self.acts.insert(place, (at, act.into()));
    }

    /// Runs it.
    ///
    /// # Errors
    /// The first invariant that was violated.
    pub fn run(&self) -> Result<Report, Violation> {
        self.run_in(&mut Cluster::new(self.settings.clone()))
    }

    /// Runs it in a cluster made for it, which the caller may look into afterwards.
    ///
    /// # Errors
    /// The first invariant that was violated.
    pub fn run_in(&self, cluster: &mut Cluster) -> Result<Report, Violation> {
        let mut report = Report::default();
        cluster.start()?;
        for (at, act) in &self.acts {
            cluster.run_until(*at)?;
            match act {
                Act::Do(action) => cluster.apply(action)?,
                Act::Ask(Question::Agree(bound)) => agree(cluster, *bound, &mut report)?,
                Act::Ask(question) => answers::answer(cluster, *question, &mut report.answers),
            }
        }
        report.steps = cluster.steps();
        report.hash = cluster.world.trace.hash();
        Ok(report)
    }
}

impl From<Action> for Act {
    fn from(action: Action) -> Self {
        Self::Do(action)
    }
}

impl From<Question> for Act {
    fn from(question: Question) -> Self {
        Self::Ask(question)
    }
}

fn agree(cluster: &mut Cluster, bound: Duration, report: &mut Report) -> Result<(), Violation> {
    let start = cluster.time();
    loop {
        let Some(difference) = cluster.difference() else {
            report.agreed.push(Some(cluster.time().saturating_sub(start)));
            report.answers.push_str("all agree\n");
            return Ok(());
        };
        if cluster.time() >= start + bound {
            report.agreed.push(None);
            report.answers.push_str("they differ: ");
            report.answers.push_str(&difference);
            report.answers.push('\n');
            return Ok(());
        }
        cluster.run_until(cluster.time() + LOOK)?;
    }
}
