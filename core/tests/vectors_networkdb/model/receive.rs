//! What arrives (sections 5 to 9). Bytes are read by our own decoder, which `decode*` checks.

use networkdb_core::{
    networkdb::message::{
        BulkSync, Encode, Gossip, Kind, NetworkEvent, NodeEvent, PushPull, TableEvent, parts, wrap,
    },
    wire::protobuf::Malformed,
};

use super::{Attachment, Key, LEFT, List, Peer, Row, TOMBSTONE};
use crate::rules::Rule;

fn name(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `false`: not to be followed. The peers' clocks wrap.
fn witness(clock: &mut u64, seen: u64, guarded: bool) -> bool {
    if guarded && seen == u64::MAX {
        return false;
    }
    if seen >= *clock {
        *clock = seen.wrapping_add(1);
    }
    true
}

impl Peer {
    /// What cannot be read is dropped.
    pub(super) fn message(&mut self, bytes: &[u8], bulk: bool) {
        let _ = self.try_message(bytes, bulk);
    }

    fn try_message(&mut self, bytes: &[u8], bulk: bool) -> Result<(), Malformed> {
        let Gossip { kind, data } = Gossip::decode(bytes)?;
        match Kind::from_wire(kind) {
            Some(Kind::NodeEvent) => self.node_event(&NodeEvent::decode(data)?, Some(data)),
            Some(Kind::NetworkEvent) => self.network_event(&NetworkEvent::decode(data)?, Some(data)),
            Some(Kind::TableEvent) => self.table_event(&TableEvent::decode(data)?, data, bulk),
            Some(Kind::BulkSync) if !bulk || !self.does(Rule::NestedSyncDropped) => {
                self.bulk_sync(&BulkSync::decode(data)?);
            }
            Some(Kind::Compound) => parts(data)?.for_each(|part| self.message(part, bulk)),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, bytes: &[u8]) {
        let Ok(Gossip { kind, data }) = Gossip::decode(bytes) else { return };
        let Ok(state) = PushPull::decode(data) else { return };
        if bytes.is_empty() || (kind != Kind::PushPull as i32 && self.does(Rule::EnvelopeChecked)) {
            return;
        }
        self.node_event(&NodeEvent { kind: 1, time: state.time, node: state.node }, None);
        for entry in state.entries() {
            let kind = if entry.leaving { 2 } else { 1 };
            let event = NetworkEvent { kind, time: entry.time, node: entry.node, network: entry.network };
            self.network_event(&event, None);
        }
    }

    /// `relay` holds the bytes to pass on.
    fn node_event(&mut self, event: &NodeEvent<'_>, relay: Option<&[u8]>) {
        let guarded = self.does(Rule::ClockGuarded);
        if !witness(&mut self.network_clock, event.time, guarded) {
            return;
        }
        let node = name(event.node);
        if node == self.name && self.does(Rule::SelfIgnored) {
            if event.kind == 2 && event.time > self.announced {
                self.refute();
            }
            return;
        }
        let Some(known) = self.nodes.get_mut(&node).filter(|known| known.time < event.time) else { return };
        known.time = event.time;
        if known.list != List::Active || event.kind != 2 {
            return;
        }
        self.gone(&node, List::Left);
        if let Some(data) = relay {
            let collapse = self.does(Rule::QueuedGivesWay);
            self.node_queue.push(collapse.then_some(node), event.time, wrap(Kind::NodeEvent, data), collapse);
        }
    }

    fn refute(&mut self) {
        self.network_clock += 1;
        self.announced = self.network_clock;
        let event = NodeEvent { kind: 1, time: self.announced, node: self.name.as_bytes() };
        self.node_queue.push(None, event.time, wrap(Kind::NodeEvent, &event.to_bytes()), true);
    }

    fn network_event(&mut self, event: &NetworkEvent<'_>, relay: Option<&[u8]>) {
        let guarded = self.does(Rule::ClockGuarded);
        if !witness(&mut self.network_clock, event.time, guarded) {
            return;
        }
        let (node, network) = (name(event.node), name(event.network));
        if node == self.name && self.does(Rule::AttachmentsContradicted) {
            return self.contradict(event, &network);
        }
        if node == self.name || (!(1..=2).contains(&event.kind) && self.does(Rule::UnknownTypesDropped)) {
            return;
        }
        let (leaving, active) = (event.kind == 2, self.stands(&node, List::Active));
        let rows = self.rows_of(Some(&network), &node).into_iter();
        let rows: Vec<_> = rows.map(|(key, row)| (self.hidden(&key, &row), key, row)).collect();
        match self.attached.get_mut(&node).and_then(|networks| networks.get_mut(&network)) {
            Some(known) if known.time >= event.time => return,
            Some(known) => {
                let reap = if leaving { LEFT } else { known.reap };
                *known = Attachment { time: event.time, leaving, reap };
            }
            None if leaving || !active => return,
            None => {
                let at = Attachment { time: event.time, ..Attachment::default() };
                self.attached.entry(node.clone()).or_default().insert(network.clone(), at);
            }
        }
        if leaving {
            self.remove_member(&network, &node);
            self.leaver_rows(rows);
        } else if active || !self.does(Rule::FailedHidden) {
            self.add_member(&network, &node);
            self.joiner_rows(rows);
        }
        if let Some(data) = relay {
            let later_stays = self.does(Rule::QueuedGivesWay);
            let topic = Some(format!("{network}/{node}"));
            self.network_queue.push(topic, event.time, wrap(Kind::NetworkEvent, data), later_stays);
        }
    }

    /// Others believe only a later event than the one that is wrong.
    fn contradict(&mut self, event: &NetworkEvent<'_>, network: &str) {
        let own = self.attached.get(&self.name).and_then(|networks| networks.get(network));
        let (joined, told) = (own.is_some_and(|at| !at.leaving), own.map_or(0, |at| at.time));
        if event.kind != 2 || !joined || event.time < told {
            return;
        }
        self.network_clock += 1;
        let time = self.network_clock;
        if let Some(own) = self.attached.get_mut(&self.name).and_then(|networks| networks.get_mut(network)) {
            own.time = time;
        }
        self.announce_network(1, network);
    }

    fn leaver_rows(&mut self, rows: Vec<(bool, Key, Row)>) {
        for (hidden, key, row) in rows {
            if !row.deleting && !hidden {
                self.tell(&key, "delete", &row.value, &row.value);
            }
            if self.does(Rule::LeaverRowsRemoved) {
                self.drop_row(&key, &row);
            } else if !row.deleting {
                self.rows.insert(key, Row { reap: TOMBSTONE, deleting: true, ..row });
            }
        }
    }

    /// Rows that came before their owner took part.
    fn joiner_rows(&mut self, rows: Vec<(bool, Key, Row)>) {
        for (_, key, row) in rows.into_iter().filter(|(hidden, ..)| *hidden) {
            self.tell(&key, "create", &row.value, "");
            self.rows.insert(key, Row { reap: 0, ..row });
        }
    }

    // ---- Table events (section 8), by the numbers of its list ------------------------------------------------

    fn table_event(&mut self, event: &TableEvent<'_>, data: &[u8], bulk: bool) {
        let owner = name(event.node);
        let key = (name(event.network), name(event.table), name(event.key));
        if owner == self.name {
            if bulk && self.does(Rule::RowsInherited) {
                self.inherit(event, &key);
            }
            return; // 1
        }
        let guarded = self.does(Rule::ClockGuarded);
        if !witness(&mut self.table_clock, event.time, guarded) {
            return; // 2
        }
        if !(1..=3).contains(&event.kind) && self.does(Rule::UnknownTypesDropped) {
            return;
        }
        let old = self.rows.get(&key).cloned();
        let apart = !self.takes_part(&owner, &key.0);
        let successor = bulk && old.is_some() && self.does(Rule::SuccessorsTaken);
        if !self.joined(&key.0) || (apart && !successor) {
            return; // 3, 4
        }
        if let Some(old) = old.as_ref().filter(|old| old.time >= event.time) {
            self.settle_tie(&key, old, event, bulk);
            return; // 5
        }
        let ending = (1..=TOMBSTONE / 6).contains(&i64::from(event.residual));
        let failed = self.stands(&owner, List::Failed);
        if old.is_none() && ending && (failed || event.kind == 3) && self.does(Rule::EndingNotLearnt) {
            return;
        }
        if old.is_none() && event.kind == 3 && !bulk && !self.does(Rule::UnknownDeleteStored) {
            return; // 6
        }
        let (deleting, failed) = (event.kind == 3, self.does(Rule::FailedHidden) && (failed || apart));
        let reap = match i64::from(event.residual) {
            0 if deleting || failed => TOMBSTONE,
            residual => residual,
        };
        let row = Row {
            owner,
            time: event.time,
            value: hex::encode(event.value),
            reap,
            deleting,
            inherited: false,
        };
        let unknown_delete = old.is_none() && deleting;
        if !unknown_delete {
            self.tell_row(&key, event.kind, old.as_ref(), &row, failed); // 9, 10
        }
        self.put_row(&key, row); // 7
        if !unknown_delete || (bulk && reap > TOMBSTONE / 6) {
            self.relay(&key, event.time, data, bulk); // 8
        }
    }

    /// An own row in a version this node does not know: it was written in an earlier life.
    fn inherit(&mut self, event: &TableEvent<'_>, key: &Key) {
        let old = self.rows.get(key).cloned();
        let known = old.as_ref().map_or(event.kind == 3, |old| old.time >= event.time);
        let guarded = self.does(Rule::ClockGuarded);
        if known
            || !(1..=3).contains(&event.kind)
            || !self.joined(&key.0)
            || !witness(&mut self.table_clock, event.time, guarded)
        {
            return;
        }
        if let Some(own) = old.as_ref().filter(|old| old.owner == self.name && !old.inherited) {
            let kind = if own.deleting { 3 } else { 2 };
            self.table_clock += 1;
            return self.write_own(kind, key, Row { time: self.table_clock, ..own.clone() });
        }
        let (owner, value, deleting) = (self.name.clone(), hex::encode(event.value), event.kind == 3);
        let reap = if deleting { TOMBSTONE } else { 0 };
        if !deleting && self.lifetime >= TOMBSTONE {
            if let Some(old) = old.filter(|old| !old.deleting && !self.hidden(key, old)) {
                self.tell(key, "delete", &old.value, &old.value);
            }
            self.remove_row(key);
            self.table_clock += 1;
            let time = self.table_clock;
            let row = Row { owner, time, value, reap: TOMBSTONE, deleting: true, inherited: false };
            return self.write_own(3, key, row);
        }
        let row = Row { owner, time: event.time, value, reap, deleting, inherited: true };
        self.tell_row(key, event.kind, old.as_ref(), &row, false);
        self.put_row(key, row);
    }

    pub(super) fn takes_part(&self, node: &str, network: &str) -> bool {
        if self.does(Rule::FailedHidden) {
            let attached = self.attached.get(node).and_then(|networks| networks.get(network));
            return attached.is_some_and(|at| !at.leaving);
        }
        self.members.get(network).is_some_and(|members| members.iter().any(|member| member == node))
    }

    /// What watchers get of a row stored over `old`.
    fn tell_row(&mut self, key: &Key, kind: i32, old: Option<&Row>, row: &Row, failed: bool) {
        if !self.does(Rule::EventsByState) {
            let op = ["create", "update", "delete"].get((kind - 1) as usize);
            if let Some(op) = op {
                self.tell(key, op, &row.value, "");
            }
            return;
        }
        let absent = self.does(Rule::HiddenAbsent);
        let prev = old
            .filter(|old| !(old.deleting || absent && self.hidden(key, old)))
            .map(|old| old.value.as_str());
        let op = match (kind, prev) {
            // To a reader the row is gone: it is hidden from now on.
            (_, Some(_)) if failed && absent => "delete",
            (_, _) if failed => return,
            (3, None) => return,
            (3, Some(_)) => "delete",
            (1 | 2, Some(_)) => "update",
            (1 | 2, None) => "create",
            _ => return self.tell(key, "unknown", "", ""),
        };
        self.tell(key, op, &row.value, prev.unwrap_or_default());
    }

    fn settle_tie(&mut self, key: &Key, old: &Row, event: &TableEvent<'_>, bulk: bool) {
        let tie = bulk && old.time == event.time && old.owner == self.name;
        let (ours, theirs) = ((&old.owner, &old.value), (name(event.node), hex::encode(event.value)));
        if tie && ours > (&theirs.0, &theirs.1) && self.does(Rule::TiesSettled) {
            self.table_clock += 1;
            let kind = if old.deleting { 3 } else { 2 };
            self.write_own(kind, key, Row { time: self.table_clock, ..old.clone() });
        }
    }

    fn relay(&mut self, key: &Key, time: u64, data: &[u8], bulk: bool) {
        let (two, later_stays) = (self.does(Rule::TwoTableQueues), self.does(Rule::QueuedGivesWay));
        let Some(own) = self.owns.get_mut(&key.0).filter(|own| own.in_sync) else { return };
        let queue = if two { &mut own.relay } else { &mut own.queue };
        if bulk && queue.len() > 500 {
            return;
        }
        queue.push(Some(format!("{}/{}", key.1, key.2)), time, wrap(Kind::TableEvent, data), later_stays);
    }

    // ---- Bulk syncs (section 9) ------------------------------------------------------------------------------

    fn bulk_sync(&mut self, sync: &BulkSync<'_>) {
        let from = name(sync.node);
        if from == self.name && self.does(Rule::SelfIgnored) {
            return;
        }
        let guarded = self.does(Rule::ClockGuarded);
        if sync.time > 0 && !witness(&mut self.table_clock, sync.time, guarded) {
            return;
        }
        self.message(sync.payload, true);
        if !sync.unsolicited {
            return;
        }
        match self.nodes.get(&from).map(|node| node.list) {
            Some(List::Active | List::Failed) if self.does(Rule::SyncTicks) => self.table_clock += 1,
            None if self.does(Rule::AnswerWaits) => drop(self.unanswered.insert(from)),
            _ => {}
        }
    }
}
