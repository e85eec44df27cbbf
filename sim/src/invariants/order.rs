//! Own changes leave before relayed ones: what fits beside or instead of a relayed row has left, or is in its packet.

use std::collections::BTreeMap;

use networkdb_core::{
    memberlist::{
        message::MessageType,
        packet::{self, Security},
    },
    networkdb::{
        EntryKey, NetworkDb, Row, RowState,
        message::{CREATE, DELETE, Encode, Gossip, Kind, TableEvent, parts, wrap},
    },
};

use super::Violation;
use crate::{cluster::Node, faults::NodeId, world::Sent};

/// Longer events go by stream.
const PACKET: usize = 1_200;

/// Own changes that have not left yet: their time and length.
#[derive(Debug, Default)]
pub(super) struct Order(BTreeMap<NodeId, BTreeMap<EntryKey, (u64, usize)>>);

impl Order {
    pub(super) fn started(&mut self, id: NodeId) {
        self.0.remove(&id);
    }

    /// A node has written rows that are to be gossiped.
    pub(super) fn wrote(&mut self, id: NodeId, rows: Vec<Row>) {
        for row in rows {
            let len = length(&row);
            let key = EntryKey { network: row.network, table: row.table, key: row.key };
            let waiting = self.0.entry(id).or_default();
            if len < PACKET {
                waiting.insert(key, (row.time, len));
            } else {
                waiting.remove(&key);
            }
        }
    }

    /// Datagrams have left a node.
    pub(super) fn sent(
        &mut self,
        id: NodeId,
        sent: &[Sent],
        db: &NetworkDb,
        node: &Node,
        queued: usize,
    ) -> Result<(), Violation> {
        let Some(waiting) = self.0.get_mut(&id) else { return Ok(()) };
        let list = db.memberlist();
        let mut security = Security::from(list.config());
        security.keyring = list.keyring().clone();
        for datagram in sent.iter().filter(|sent| sent.from == id) {
            let mut packet = Packet { own: node.name.as_bytes(), waiting, relayed: None };
            packet::open(&security, &datagram.bytes, &mut |leaf| {
                if let Ok((MessageType::User, body)) = leaf {
                    packet.message(body);
                }
            });
            packet.check(id)?;
        }
        if queued == 0 || waiting.is_empty() {
            self.0.remove(&id);
        }
        Ok(())
    }
}

/// What one packet holds.
struct Packet<'a> {
    own: &'a [u8],
    waiting: &'a mut BTreeMap<EntryKey, (u64, usize)>,
    /// The network of relayed rows, and the longest.
    relayed: Option<(Vec<u8>, usize)>,
}

impl Packet<'_> {
    fn message(&mut self, bytes: &[u8]) {
        let Ok(Gossip { kind, data }) = Gossip::decode(bytes) else { return };
        match Kind::from_wire(kind) {
            Some(Kind::Compound) => {
                if let Ok(parts) = parts(data) {
                    parts.for_each(|part| self.message(part));
                }
            }
            Some(Kind::TableEvent) => {
                if let Ok(event) = TableEvent::decode(data) {
                    self.event(&event, bytes.len());
                }
            }
            _ => {}
        }
    }

    fn event(&mut self, event: &TableEvent<'_>, len: usize) {
        if event.node == self.own {
            let key = EntryKey::new(event.network, event.table, event.key);
            if self.waiting.get(&key).is_some_and(|(time, _)| *time <= event.time) {
                self.waiting.remove(&key);
            }
        } else {
            let longest = self.relayed.as_ref().map_or(0, |(_, longest)| *longest);
            self.relayed = Some((event.network.to_vec(), longest.max(len)));
        }
    }

    fn check(&self, id: NodeId) -> Result<(), Violation> {
        let Some((network, longest)) = &self.relayed else { return Ok(()) };
        let late = self.waiting.iter().find(|(key, (_, len))| *key.network == **network && len <= longest);
        match late {
            Some((key, _)) => {
                let found = format!("{}/{} waits while relayed rows leave", key.network, key.key);
                Err(Violation::new("own changes leave before relayed ones", id, found))
            }
            None => Ok(()),
        }
    }
}

fn length(row: &Row) -> usize {
    let kind = if row.state == RowState::Deleted { DELETE } else { CREATE };
    let event = TableEvent {
        kind,
        time: row.time,
        node: &row.owner,
        network: &row.network,
        table: &row.table,
        key: &row.key,
        value: &row.value,
        residual: row.reap.map_or(0, |left| i32::try_from(left.as_secs()).unwrap_or(i32::MAX)),
    };
    wrap(Kind::TableEvent, &event.to_bytes()).len()
}
