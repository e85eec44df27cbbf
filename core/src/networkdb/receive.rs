//! What arrives: events of nodes, networks and rows. Source: `delegate.go`, with the rules of the third
//! generation.

use bytes::Bytes;

use super::{
    Event, Warning,
    entry::{Draft, Entry},
    message::{
        BulkSync, DELETE, Encode, Gossip, JOIN, Kind, LEAVE, NetworkEvent, NodeEvent, PushPull, TableEvent,
        parts, wrap,
    },
    network::Attachment,
    node::Standing,
    rows::{Place, RowName, RowState, SECOND, nanos},
    tables::{After, Context, Tables, Todo},
};
use crate::{Name, machine::Instant, wire::protobuf::Malformed};

/// Bytes of the name of a network: what fits into no packet is not spread by any peer.
const MAX_NETWORK: usize = 1400;

impl Tables {
    /// Takes one message; what cannot be read is counted.
    pub(super) fn receive(&mut self, now: Instant, bytes: &[u8], context: Context) {
        if self.try_receive(now, bytes, context).is_err() {
            self.counters.malformed += 1;
        }
    }

    fn try_receive(&mut self, now: Instant, bytes: &[u8], context: Context) -> Result<(), Malformed> {
        let Gossip { kind, data } = Gossip::decode(bytes)?;
        match Kind::from_wire(kind) {
            Some(Kind::NodeEvent) => self.node_event(now, &NodeEvent::decode(data)?, Some(data)),
            Some(Kind::NetworkEvent) => self.network_event(&NetworkEvent::decode(data)?, Some(data)),
            Some(Kind::TableEvent) => self.table_event(&TableEvent::decode(data)?, data, context),
            Some(Kind::BulkSync) if !context.bulk => self.bulk_sync(now, &BulkSync::decode(data)?, context),
            Some(Kind::Compound) if context.depth >= self.config.limits.depth => self.counters.too_deep += 1,
            Some(Kind::Compound) => {
                let inside = Context { depth: context.depth + 1, ..context };
                parts(data)?.for_each(|part| self.receive(now, part, inside));
            }
            _ => self.counters.unknown_kind += 1,
        }
        Ok(())
    }

    /// Takes the state of a peer: who is in which network.
    pub(super) fn merge(&mut self, now: Instant, bytes: &[u8]) {
        let Ok(message) = Gossip::decode(bytes) else {
            self.counters.malformed += 1;
            return;
        };
        if message.kind != Kind::PushPull as i32 {
            self.counters.unknown_kind += 1;
            return;
        }
        let Ok(state) = PushPull::decode(message.data) else {
            self.counters.malformed += 1;
            return;
        };
        self.node_event(now, &NodeEvent { kind: JOIN, time: state.time, node: state.node }, None);
        for entry in state.entries() {
            let kind = if entry.leaving { LEAVE } else { JOIN };
            let event = NetworkEvent { kind, time: entry.time, node: entry.node, network: entry.network };
            self.network_event(&event, None);
        }
    }

    fn witness_network(&mut self, time: u64) -> bool {
        let ok = self.network_clock.witness(time, self.config.limits.clock_jump);
        self.note_jump(ok)
    }

    pub(super) fn witness_table(&mut self, time: u64) -> bool {
        let ok = self.table_clock.witness(time, self.config.limits.clock_jump);
        self.note_jump(ok)
    }

    fn note_jump(&mut self, ok: bool) -> bool {
        if !ok {
            self.counters.clock_jumps += 1;
            self.tell(Event::Warning(Warning::ClockJump));
        }
        ok
    }

    /// A node joins or leaves the cluster. `relay` holds the bytes to pass on.
    fn node_event(&mut self, now: Instant, event: &NodeEvent<'_>, relay: Option<&[u8]>) {
        if !self.witness_network(event.time) {
            return;
        }
        if event.node == self.name.as_bytes() {
            // Somebody says we left, and it is no echo of our own words.
            if event.kind == LEAVE && event.time > self.own_node_time && !self.leaving {
                self.announce(now, JOIN, After::Nothing);
            }
            return;
        }
        let Some(node) = self.nodes.get_mut(event.node) else {
            self.counters.unknown_node += 1;
            return;
        };
        if node.time >= event.time {
            return;
        }
        node.time = event.time;
        if node.standing != Standing::Active || event.kind != LEAVE {
            return;
        }
        let Some(name) = self.nodes.entry(event.node).map(|(name, _)| name.clone()) else { return };
        self.node_left(&name);
        if let Some(data) = relay.filter(|data| self.can_be_relayed(data)) {
            self.node_queue.push(name, event.time, wrap(Kind::NodeEvent, data).into());
            self.todo.push_back(Todo::Hurry);
            self.counters.cluster_dropped += self.node_queue.prune(self.config.limits.cluster_queue);
        }
    }

    /// What fits no packet would wait in its queue for ever; push/pulls tell of it.
    fn can_be_relayed(&mut self, data: &[u8]) -> bool {
        let fits = data.len() <= self.packet_room;
        self.counters.cluster_dropped += u64::from(!fits);
        fits
    }

    /// A node joins or leaves a network. `relay` holds the bytes to pass on.
    fn network_event(&mut self, event: &NetworkEvent<'_>, relay: Option<&[u8]>) {
        if !self.witness_network(event.time) {
            return;
        }
        if event.node == self.name.as_bytes() {
            return self.contradict(event);
        }
        if event.network.len() > MAX_NETWORK {
            self.counters.attachments_dropped += 1;
            return;
        }
        if event.kind != JOIN && event.kind != LEAVE {
            self.counters.unknown_kind += 1;
            return;
        }
        let network = self.networks.name(event.network);
        let Some(node) = self.nodes.entry(event.node).map(|(name, _)| name.clone()) else {
            self.counters.unknown_node += 1;
            return;
        };
        if !self.take_network_event(event, &node, &network) {
            return;
        }
        let joined = event.kind == JOIN;
        self.tell(Event::Network { network: network.clone(), node: node.clone(), joined });
        if let Some(data) = relay.filter(|data| self.can_be_relayed(data)) {
            let bytes = wrap(Kind::NetworkEvent, data).into();
            self.network_queue.push((network, node), event.time, bytes);
            self.todo.push_back(Todo::Hurry);
            self.counters.cluster_dropped += self.network_queue.prune(self.config.limits.cluster_queue);
        }
    }

    /// Others say that this node has left a network in which it takes part, by a later event than it told in this life:
    /// it was restarted under its name. They believe only a later one. What they say it takes part in stays: it may
    /// be about to join, and it may be another node that bears the name.
    fn contradict(&mut self, event: &NetworkEvent<'_>) {
        let told = self.networks.own(event.network).map_or(0, |own| own.attachment.time);
        let joined = self.networks.joined(event.network);
        if event.kind != LEAVE || event.time < told || !joined || self.leaving {
            return;
        }
        let network = self.networks.name(event.network);
        let time = self.network_clock.increment();
        if let Some(own) = self.networks.own_mut(&network) {
            own.attachment.time = time;
        }
        self.announce_network(JOIN, time, &network);
    }

    /// Notes an attachment; `false` if it was known or does not count.
    fn take_network_event(&mut self, event: &NetworkEvent<'_>, node: &Name, network: &Name) -> bool {
        let active = self.nodes.is_active(node);
        let leaving = event.kind == LEAVE;
        let full = self.networks.count() >= self.config.limits.attachments;
        match self.networks.attachment_mut(node, network) {
            Some(known) if known.time >= event.time => return false,
            Some(known) => {
                known.time = event.time;
                known.leaving = leaving;
                if leaving {
                    known.reap = self.config.reap_network;
                }
            }
            None if leaving || !active => return false,
            None if full => {
                self.counters.attachments_dropped += 1;
                return false;
            }
            None => {
                let attachment = Attachment { time: event.time, ..Attachment::default() };
                self.networks.attach(node, network.clone(), attachment);
            }
        }
        if leaving {
            self.networks.remove_peer(network, node);
            self.drop_rows(Some(network), node);
        } else if active {
            self.networks.add_peer(network, node);
            self.show_rows(network, node);
        }
        true
    }

    /// A row changed. `data` holds the bytes to pass on.
    fn table_event(&mut self, event: &TableEvent<'_>, data: &[u8], context: Context) {
        if event.node == self.name.as_bytes() {
            if context.bulk {
                self.inherit(event);
            }
            return;
        }
        if !self.witness_table(event.time) {
            return;
        }
        if !(1..=DELETE).contains(&event.kind) {
            self.counters.unknown_kind += 1;
            return;
        }
        let at = place(event);
        let known = self.rows.get(at);
        // What took the place of a row held here counts, though its owner has left or failed before this node came:
        // that row would outlive its tombstone.
        let takes_part = self.takes_part(event);
        let counts = takes_part || (context.bulk && known.is_some());
        if !counts || !self.networks.joined(event.network) {
            return;
        }
        if let Some(known) = known.filter(|known| known.time() >= event.time && !self.takes_old_news) {
            let ours = known.time() == event.time && *known.owner() == self.name;
            let larger = (known.owner().as_bytes(), known.value()) > (event.node, event.value);
            self.counters.stale += 1;
            if context.bulk && ours && larger {
                self.write_anew(at);
            }
            return;
        }
        if known.is_none() && self.is_ending(event) {
            self.counters.stale += 1;
            return;
        }
        if self.rows_full(event, known) {
            self.counters.rows_dropped += 1;
            return;
        }
        let draft = self.draft(event, takes_part);
        self.store_event(&draft, event, data, context);
    }

    /// Whether the owner of a row takes part in its network.
    fn takes_part(&self, event: &TableEvent<'_>) -> bool {
        self.networks.attachment(event.node, event.network).is_some_and(|known| !known.leaving)
    }

    /// Whether a row that is not known here is soon to be forgotten. Nodes would teach it each other again for ever,
    /// each just before the other forgets it.
    fn is_ending(&self, event: &TableEvent<'_>) -> bool {
        let left = i64::from(event.residual) * SECOND;
        let soon = left > 0 && left <= nanos(self.config.reap_entry) / 6;
        soon && (event.kind == DELETE || self.nodes.standing(event.node) == Some(Standing::Failed))
    }

    /// Whether an event makes more of the rows than there may be. One that makes a row no longer is always taken.
    fn rows_full(&self, event: &TableEvent<'_>, known: Option<&Entry>) -> bool {
        let names = event.network.len() + event.table.len() + event.key.len();
        let more = match known {
            Some(known) => event.value.len().saturating_sub(known.value().len()),
            None => names + event.value.len(),
        };
        let limits = &self.config.limits;
        let too_many = known.is_none() && self.rows.len() >= limits.rows;
        too_many || (more > 0 && self.rows.bytes() + more > limits.row_bytes)
    }

    /// A row as it is stored: hidden while its owner does not take part.
    fn draft<'a>(&self, event: &TableEvent<'a>, takes_part: bool) -> Draft<'a> {
        let known = self.nodes.entry(event.node).map(|(name, node)| (name.clone(), node.standing));
        let (owner, standing) = known.unwrap_or_else(|| (event.node.into(), Standing::Failed));
        let state = match event.kind {
            DELETE => RowState::Deleted,
            _ if takes_part && standing != Standing::Failed => RowState::Live,
            _ => RowState::Hidden,
        };
        let mut reap = i64::from(event.residual) * SECOND;
        if reap == 0 && state != RowState::Live {
            reap = nanos(self.config.reap_entry);
        }
        Draft { owner, value: event.value, time: event.time, state, reap, inherited: false }
    }

    fn store_event(&mut self, draft: &Draft<'_>, event: &TableEvent<'_>, data: &[u8], context: Context) {
        self.counters.table_events += 1;
        let step = self.put_and_tell(place(event), draft);
        let unknown_delete = step.before.is_none() && draft.state == RowState::Deleted;
        let worth = context.bulk && draft.reap > nanos(self.config.reap_entry) / 6;
        if let Some(row) = step.name().filter(|_| !unknown_delete || worth) {
            self.relay(row, event, data, context);
        }
    }

    fn relay(&mut self, row: RowName, event: &TableEvent<'_>, data: &[u8], context: Context) {
        let (limits, room) = (&self.config.limits, self.packet_room);
        let own = self.networks.own_mut(event.network);
        let Some(own) = own.filter(|own| own.in_sync && !context.known) else { return };
        if context.bulk && own.relay.len() > limits.bulk_relay {
            self.counters.relays_dropped += 1;
            return;
        }
        let bytes: Bytes = wrap(Kind::TableEvent, data).into();
        if super::gossip::fits(bytes.len(), room) {
            own.relay.push(row, event.time, bytes);
            self.counters.relays_dropped += own.relay.prune(limits.relay_queue);
        } else if self.oversize_sent + own.oversize.bytes() + bytes.len() <= limits.oversize_bytes {
            own.oversize.insert(row, bytes);
        } else {
            self.counters.relays_dropped += 1;
        }
        self.hurry(event.network);
    }

    /// Two nodes wrote a row at one time, and nobody would ever give way: the larger one is written again.
    fn write_anew(&mut self, at: Place<'_>) {
        let Some(old) = self.rows.get(at).cloned() else { return };
        self.counters.conflicts += 1;
        let time = self.table_clock.increment();
        let kind = if old.is_tombstone() { DELETE } else { super::message::UPDATE };
        self.store_own(at, old.value(), time, kind);
    }

    /// A bulk sync brings a newer version of an own row than there is here: this node wrote it in an earlier life, and
    /// is its owner still. What it has written anew since is truer than that.
    fn inherit(&mut self, event: &TableEvent<'_>) {
        let at = place(event);
        let known = self.rows.get(at);
        let newer = known.is_none_or(|known| known.time() < event.time);
        let gone = known.is_none() && event.kind == DELETE;
        let rewritten = known.is_some_and(|known| *known.owner() == self.name && !known.is_inherited());
        let taken = (1..=DELETE).contains(&event.kind) && self.networks.joined(event.network);
        if !newer || gone || !taken || !self.witness_table(event.time) {
            return;
        }
        if rewritten {
            return self.write_anew(at);
        }
        // Unless this life is long enough to have forgotten a tombstone: then it may be a row deleted in it.
        let doubtful = self.rows.lifetime() >= nanos(self.config.reap_entry);
        let state = if event.kind == DELETE { RowState::Deleted } else { RowState::Live };
        let reap = if state == RowState::Live { 0 } else { nanos(self.config.reap_entry) };
        let owner = self.name.clone();
        self.counters.inherited += 1;
        if doubtful && state == RowState::Live {
            self.remove_and_tell(at);
            let time = self.table_clock.increment();
            return self.store_own(at, event.value, time, DELETE);
        }
        self.put_and_tell(
            at,
            &Draft { owner, value: event.value, time: event.time, state, reap, inherited: true },
        );
    }

    /// Queues an own network event.
    pub(super) fn announce_network(&mut self, kind: i32, time: u64, network: &Name) {
        let event = NetworkEvent { kind, time, node: &self.name, network }.to_bytes();
        let key = (network.clone(), self.name.clone());
        self.network_queue.push(key, time, wrap(Kind::NetworkEvent, &event).into());
        self.todo.push_back(Todo::Hurry);
    }
}

fn place<'a>(event: &TableEvent<'a>) -> Place<'a> {
    Place { network: event.network, table: event.table, key: event.key }
}
