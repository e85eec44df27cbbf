//! What the vectors of the real peer set up and look at, and no user needs.

use super::{
    Delegate, Memberlist, MergeRefusal, Row, State, Timer,
    message::{Accusation, Alive},
};
use crate::{Name, machine::Instant};

/// One step of a vector.
#[derive(Debug)]
pub enum Step<'a> {
    /// Somebody says a node is alive.
    Alive(Alive<'a>),
    /// Somebody suspects a node.
    Suspect(Accusation<'a>),
    /// Somebody says a node is dead.
    Dead(Accusation<'a>),
    /// A row of a push/pull.
    Row(Row<'a>),
}

impl Memberlist {
    /// Applies one step as if it had come by the network.
    pub fn apply(&mut self, now: Instant, step: &Step<'_>, d: &mut dyn Delegate) {
        let now = self.advance(now);
        match step {
            Step::Alive(alive) => self.alive(now, alive, false, d),
            Step::Suspect(accusation) => self.suspect(now, accusation),
            Step::Dead(accusation) => self.dead(now, accusation, d),
            Step::Row(row) => self.merge_row(now, row, d),
        }
    }

    /// Sets the flag that leaving sets, and nothing else.
    pub fn set_leaving(&mut self) {
        self.leaving = true;
    }

    /// Drops all broadcasts.
    pub fn clear_broadcasts(&mut self) {
        self.broadcasts.clear();
    }

    /// The broadcasts waiting, in the order they would be taken.
    pub fn broadcasts(&self) -> Vec<bytes::Bytes> {
        self.broadcasts.iter().cloned().collect()
    }

    /// The members with a running suspicion.
    pub fn suspicions(&self) -> Vec<Name> {
        let mut names: Vec<Name> = self
            .members()
            .filter(|member| member.state == State::Suspect)
            .filter(|member| self.timers.get(&Timer::Suspicion(member.name.clone())).is_some())
            .map(|member| member.name.clone())
            .collect();
        names.sort();
        names
    }

    /// Whether the rows of a push/pull go together with the members here.
    ///
    /// # Errors
    /// Names the node that does not fit.
    pub fn verify(&self, rows: &[Row<'_>]) -> Result<(), MergeRefusal> {
        self.verify_versions(rows)
    }
}
