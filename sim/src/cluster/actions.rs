//! What is done to a cluster.

use bytes::Bytes;
use networkdb_core::networkdb::{EntryKey, Filter, NetworkDb, Row, RowState};

use super::Cluster;
use crate::{
    faults::{Action, KeyStep, NetworkId, NodeId, Whom, Write},
    invariants::{Cause, Violation},
    network::Link,
    settings::{addr_of, key, network_name},
};

/// The table all rows are in.
const TABLE: &str = "t";

impl Cluster {
    /// Does one thing. What cannot be done, since a node is down or a row is not there, is left.
    ///
    /// # Errors
    /// The first invariant that was violated.
    pub fn apply(&mut self, action: &Action) -> Result<(), Violation> {
        let now = self.world.now();
        self.world.trace.line(now, || format!("* {action:?}"));
        match action {
            Action::Crash { node, vanish } => self.world.crash(*node, *vanish),
            Action::Restart { node, moved, renamed } => return self.restart(*node, *moved, *renamed),
            Action::Pause(node) => self.world.pause(*node),
            Action::Resume(node) => self.world.resume(*node),
            Action::Jump(node, millis) => {
                self.world.clock(*node, |clock, now| clock.jump(now, millis.saturating_mul(1_000_000)));
            }
            Action::Drift(node, ppm) => {
                self.world.clock(*node, |clock, now| clock.drift(now, *ppm));
            }
            Action::Partition(groups) => self.partition(groups),
            Action::Cut(from, to) => self.cut(from, to),
            Action::Heal => self.world.network.heal(),
            Action::Link(from, to, link) => self.set_links(*from, *to, *link),
            Action::Restore => {
                self.world.network.set_default(self.settings.link);
                self.world.network.restore_links();
            }
            Action::Reads(node, rate) => self.world.read_rate(*node, *rate),
            Action::Watches(node, on) => return self.set_watching(*node, *on),
            Action::Key(whom, step, number) => self.rotate(*whom, *step, *number),
            Action::Join(node, network) => return self.join(*node, *network),
            Action::Leave(node, network) => return self.leave(*node, *network),
            Action::LeaveCluster(node) => return self.leave_cluster(*node),
            Action::Write(node, network, number, write) => {
                return self.write(*node, *network, *number, *write);
            }
        }
        Ok(())
    }

    fn restart(&mut self, id: NodeId, moved: bool, renamed: bool) -> Result<(), Violation> {
        let Some(node) = self.nodes.get_mut(id) else { return Ok(()) };
        if self.world.process(id).is_some_and(crate::Process::is_up) {
            return Ok(());
        }
        if moved {
            node.moves = node.moves.wrapping_add(1);
            node.addr = addr_of(id, node.moves);
        }
        if renamed {
            node.renames = node.renames.wrapping_add(1);
            node.name = format!("n{id}+{}", node.renames);
        }
        self.start_node(id)
    }

    fn partition(&mut self, groups: &[Vec<NodeId>]) {
        for (place, group) in groups.iter().enumerate() {
            for (_, other) in groups.iter().enumerate().filter(|(other, _)| *other != place) {
                self.cut(group, other);
            }
        }
    }

    fn cut(&mut self, from: &[NodeId], to: &[NodeId]) {
        for from in from {
            for to in to.iter().filter(|to| *to != from) {
                self.world.network.cut((*from, *to));
            }
        }
    }

    fn set_links(&mut self, from: Whom, to: Whom, link: Link) {
        if (from, to) == (Whom::All, Whom::All) {
            return self.world.network.set_default(link);
        }
        let ids = 0..self.nodes.len();
        for a in ids.clone().filter(|id| from.is(*id)) {
            for b in ids.clone().filter(|id| *id != a && to.is(*id)) {
                self.world.network.set((a, b), link);
            }
        }
    }

    fn set_watching(&mut self, id: NodeId, on: bool) -> Result<(), Violation> {
        if let Some(node) = self.nodes.get_mut(id) {
            node.watching = on;
        }
        self.take_changes(id);
        self.take_own(id);
        self.after(id, Cause::Command)
    }

    /// Own writes are newer than the changes taken just now: a user knows them without the watch.
    fn take_own(&mut self, id: NodeId) {
        let (Some(node), Some(db)) = (self.nodes.get_mut(id), self.world.machine(id)) else { return };
        let own = db.rows(&Filter::default()).into_iter().filter(|row| *row.owner == *node.name.as_bytes());
        for Row { network, table, key, value, state, .. } in own {
            let key = EntryKey { network, table, key };
            match state {
                RowState::Live => drop(node.replica.insert(key, value)),
                _ => drop(node.replica.remove(&key)),
            }
        }
    }

    fn rotate(&mut self, whom: Whom, step: KeyStep, number: u8) {
        let key = key(number);
        for id in (0..self.nodes.len()).filter(|id| whom.is(*id)) {
            // A node that is paused gets it all the same, and one that is down is started with it.
            let done = self.world.machine_mut(id).map(|db| match step {
                KeyStep::Add => db.add_key(&key),
                KeyStep::Use => db.use_key(&key),
                KeyStep::Remove => db.remove_key(&key),
            });
            let refused = matches!(done, Some(Err(_)));
            let Some(node) = self.nodes.get_mut(id).filter(|_| !refused) else { continue };
            let keys = &mut node.keys;
            match step {
                KeyStep::Add if keys.contains(&number) => {}
                KeyStep::Add => keys.push(number),
                KeyStep::Use => keys.sort_by_key(|key| *key != number),
                KeyStep::Remove => keys.retain(|key| *key != number),
            }
        }
        if step != KeyStep::Add {
            self.invariants.keys_differed();
        }
    }

    fn is_paused(&self, id: NodeId) -> bool {
        self.world.process(id).is_some_and(crate::Process::is_paused)
    }

    fn join(&mut self, id: NodeId, network: NetworkId) -> Result<(), Violation> {
        if self.is_paused(id) {
            return Ok(());
        }
        if let Some(node) = self.nodes.get_mut(id) {
            node.joined.insert(network);
        }
        let name = network_name(network);
        // Being in it already changes nothing.
        let _ = self.world.command(id, |db, now| db.join_network(now, name.as_bytes()));
        self.after(id, Cause::Command)
    }

    fn leave(&mut self, id: NodeId, network: NetworkId) -> Result<(), Violation> {
        if self.is_paused(id) {
            return Ok(());
        }
        let was_in = self.nodes.get_mut(id).is_some_and(|node| node.joined.remove(&network));
        if was_in {
            let name = network_name(network);
            let _ = self.world.command(id, |db, now| db.leave_network(now, name.as_bytes()));
        }
        self.after(id, Cause::Command)
    }

    fn leave_cluster(&mut self, id: NodeId) -> Result<(), Violation> {
        let asked = self.world.command(id, NetworkDb::leave);
        if let (Some(_), Some(node)) = (asked, self.nodes.get_mut(id)) {
            node.leaving = true;
        }
        self.after(id, Cause::Command)
    }

    fn write(&mut self, id: NodeId, network: NetworkId, number: u8, write: Write) -> Result<(), Violation> {
        let Some(node) = self.nodes.get_mut(id) else { return Ok(()) };
        if !node.joined.contains(&network) || node.leaving {
            return Ok(());
        }
        self.written += 1;
        let value = value(&node.name, self.written, write);
        let row = EntryKey::new(network_name(network), TABLE, format!("k{number}"));
        let done = self.world.command(id, |db, now| match write {
            Write::Create(_) => db.create_entry(now, &row, value.clone()),
            Write::Update(_) => db.update_entry(now, &row, value.clone()),
            Write::Delete => db.delete_entry(now, &row),
        });
        if matches!(done, Some(Ok(())))
            && let Some(node) = self.nodes.get_mut(id)
        {
            // Pending changes come first: the watch does not tell of own writes.
            match write {
                Write::Delete => drop(node.replica.remove(&row)),
                _ => drop(node.replica.insert(row, value)),
            }
        }
        self.after(id, Cause::Write)
    }
}

/// A value that nobody else has written.
fn value(node: &str, count: u64, write: Write) -> Bytes {
    let (Write::Create(len) | Write::Update(len)) = write else { return Bytes::new() };
    let mut value = format!("{node}:{count}").into_bytes();
    value.resize(len.max(value.len()), b'.');
    value.into()
}
