//! Membership alone.

use std::time::Duration;

use networkdb_core::{
    machine::{Instant, Machine},
    memberlist::{
        MAX_ACCEPTED, MAX_INBOUND, MAX_MEMBERS, MAX_RELAYS, MAX_UNDECRYPTABLE, Memberlist, Membership,
    },
};

use super::{MEMORY, NAME, START, key, seeds, settings};
use crate::{
    host::{Host, Subject},
    memory::within,
    script::Script,
};

/// Plays a schedule against a node.
pub fn run(data: &[u8]) {
    within(MEMORY, || {
        let mut script = Script::new(data);
        let node = Membership::new(settings(&mut script), [1; 32], START, ()).expect("the settings are good");
        Host::new(node, START).play(&mut script);
    });
}

impl Subject for Membership {
    fn command(&mut self, now: Instant, script: &mut Script<'_>) {
        let timeout = |script: &mut Script<'_>| Duration::from_millis(1 << script.below(16));
        match script.below(10) {
            0 => drop(self.join(now, seeds(script))),
            1 => drop(self.leave(now, timeout(script))),
            2 => drop(self.update(now, timeout(script))),
            3 => drop(self.list_mut().add_key(key(script))),
            4 => drop(self.list_mut().use_key(key(script))),
            5 => drop(self.list_mut().remove_key(key(script))),
            6 => drop(self.list_mut().send_best_effort(&["node-a".into(), NAME.into()], script.block())),
            7 => drop(self.list_mut().send_reliable(now, ([127, 0, 0, 1], 7946).into(), script.block())),
            8 => self.list_mut().hurry_gossip(),
            _ => while self.poll_event().is_some() {},
        }
    }

    fn check(&mut self) {
        check(self.list());
    }

    fn list(&self) -> &Memberlist {
        Membership::list(self)
    }
}

/// The limits of the membership, alone or under the tables.
pub(super) fn check(list: &Memberlist) {
    let gauges = list.gauges();
    assert!(gauges.members <= MAX_MEMBERS && gauges.broadcasts <= MAX_MEMBERS + 1, "{gauges:?}");
    assert!(gauges.streams <= MAX_ACCEPTED && gauges.relays <= MAX_RELAYS, "{gauges:?}");
    assert!(gauges.stream_bytes_in <= MAX_INBOUND, "{gauges:?}");
    assert!(list.counters().undecryptable.by_peer.len() <= MAX_UNDECRYPTABLE);
}
