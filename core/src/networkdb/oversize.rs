//! Events that fit no packet: they go by stream to a few nodes, and from there on by the streams of those they reach.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    rows::RowName,
    tables::{Purpose, Tables, Todo},
};
use crate::Name;

/// Events of one network that wait for streams; a newer one about a row takes the place of an older one.
#[derive(Debug, Default)]
pub(super) struct Oversize {
    events: BTreeMap<RowName, Bytes>,
    bytes: usize,
}

impl Oversize {
    pub(super) fn insert(&mut self, row: RowName, event: Bytes) {
        self.remove(&row);
        self.bytes += event.len();
        self.events.insert(row, event);
    }

    pub(super) fn remove(&mut self, row: &RowName) {
        self.bytes -= self.events.remove(row).map_or(0, |event| event.len());
    }

    fn pop(&mut self) -> Option<Bytes> {
        let (_, event) = self.events.pop_first()?;
        self.bytes -= event.len();
        Some(event)
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Bytes of all events waiting.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Tables {
    /// Sends what waits, as long as not too much is on its way already. Returns whether anything was sent.
    pub(super) fn send_oversize(&mut self, network: &Name) -> bool {
        let mut sent = false;
        while self.oversize_sent < self.config.limits.oversize_bytes {
            let Some(event) = self.networks.own_mut(network).and_then(|own| own.oversize.pop()) else {
                break;
            };
            self.counters.oversize += 1;
            let to = self.draw_peers(network, self.copies(network));
            let addrs = to.iter().filter_map(|node| self.nodes.get(node)).map(|node| node.addr);
            let purpose = || Purpose::Oversize(network.clone(), event.len());
            let to: Vec<_> = addrs.map(|addr| (addr, purpose())).collect();
            self.oversize_sent += to.len() * event.len();
            self.todo.push_back(Todo::Reliable(to, event));
            sent = true;
        }
        sent
    }

    /// One of them has arrived, or will not.
    pub(super) fn oversize_done(&mut self, network: &Name, len: usize) {
        self.oversize_sent = self.oversize_sent.saturating_sub(len);
        if self.networks.own(network).is_some_and(|own| !own.oversize.is_empty()) {
            self.hurry(network);
        }
    }
}
