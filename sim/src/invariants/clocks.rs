//! Lamport times and incarnations never go back.

use std::collections::BTreeMap;

use networkdb_core::{
    Name,
    memberlist::State,
    networkdb::{NetworkDb, Stats},
};

use super::Violation;
use crate::faults::NodeId;

pub(super) fn check(id: NodeId, before: &Stats, after: &Stats) -> Result<(), Violation> {
    for (what, before, after) in [
        ("network clock", before.network_clock, after.network_clock),
        ("table clock", before.table_clock, after.table_clock),
    ] {
        if after < before {
            return Err(Violation::new(
                "Lamport times never go back",
                id,
                format!("{what}: {before}, then {after}"),
            ));
        }
    }
    Ok(())
}

/// The incarnations a node has seen of others.
#[derive(Debug, Default)]
pub(super) struct Incarnations(BTreeMap<Name, (u32, State)>);

impl Incarnations {
    pub(super) fn check(&mut self, id: NodeId, db: &NetworkDb) -> Result<(), Violation> {
        for member in db.memberlist().members() {
            let now = (member.incarnation, member.state);
            let Some(seen) = self.0.get_mut(&member.name) else {
                self.0.insert(member.name.clone(), now);
                continue;
            };
            let before = std::mem::replace(seen, now);
            // One that was gone may have been forgotten meanwhile.
            let known = matches!(before.1, State::Alive | State::Suspect);
            if known && now.0 < before.0 {
                let found = format!("{}: {}, then {}", member.name, before.0, now.0);
                return Err(Violation::new("incarnations never go back", id, found));
            }
        }
        Ok(())
    }
}
