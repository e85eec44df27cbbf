//! Whether a cluster agrees: the same rows, nobody missing, nobody dead who lives.

use std::collections::BTreeSet;

use networkdb_core::{
    memberlist::State,
    networkdb::{Filter, NetworkDb, Row, RowState},
};

use super::{Cluster, Node};
use crate::{faults::NodeId, settings::network_name};

impl Cluster {
    /// The nodes that are up and are to stay.
    pub(crate) fn up(&self) -> Vec<NodeId> {
        let up = |id: &NodeId| self.is_up(*id) && self.nodes.get(*id).is_some_and(|node| !node.leaving);
        (0..self.nodes.len()).filter(up).collect()
    }

    fn is_up(&self, id: NodeId) -> bool {
        self.world.process(id).is_some_and(|process| process.is_up() && !process.is_paused())
    }

    fn each_up(&self) -> impl Iterator<Item = (&Node, &NetworkDb)> {
        self.up().into_iter().filter_map(|id| Some((self.nodes.get(id)?, self.world.machine(id)?)))
    }

    /// The first thing in which nodes differ from each other or from what is; `None` if all agree.
    pub fn difference(&self) -> Option<String> {
        self.members_differ().or_else(|| self.rows_differ())
    }

    fn members_differ(&self) -> Option<String> {
        let names: BTreeSet<&[u8]> = self.each_up().map(|(node, _)| node.name.as_bytes()).collect();
        for (node, db) in self.each_up() {
            let peers = db.cluster_peers();
            let seen: BTreeSet<&[u8]> = peers.iter().map(|peer| peer.name.as_bytes()).collect();
            if let Some(odd) = seen.symmetric_difference(&names).next() {
                let (odd, what) =
                    (String::from_utf8_lossy(odd), if seen.contains(odd) { "holds" } else { "lacks" });
                return Some(format!("{} {what} {odd} among its nodes", node.name));
            }
            let list = db.memberlist();
            let dead =
                names.iter().find(|name| list.member(name).is_none_or(|member| member.state != State::Alive));
            if let Some(dead) = dead {
                return Some(format!("{} does not hold {} alive", node.name, String::from_utf8_lossy(dead)));
            }
        }
        None
    }

    fn rows_differ(&self) -> Option<String> {
        (0..=u8::MAX)
            .take_while(|network| *network < self.networks())
            .find_map(|network| self.network_differs(network))
    }

    /// One more than the highest network anybody is in.
    pub(crate) fn networks(&self) -> u8 {
        self.nodes.iter().filter_map(|node| node.joined.last()).max().map_or(0, |last| last.saturating_add(1))
    }

    fn network_differs(&self, network: u8) -> Option<String> {
        let name = network_name(network);
        let joined = || self.each_up().filter(|(node, _)| node.joined.contains(&network));
        let names: BTreeSet<&[u8]> = joined().map(|(node, _)| node.name.as_bytes()).collect();
        let mut first: Option<(&str, Vec<Row>)> = None;
        for (node, db) in joined() {
            let peers = db.peers(name.as_bytes());
            let seen: BTreeSet<&[u8]> = peers.iter().map(|peer| peer.name.as_bytes()).collect();
            if let Some(odd) = seen.symmetric_difference(&names).next() {
                let (odd, what) =
                    (String::from_utf8_lossy(odd), if seen.contains(odd) { "holds" } else { "lacks" });
                return Some(format!("{} {what} {odd} in {name}", node.name));
            }
            let rows = visible(db, &name);
            match &first {
                None => first = Some((&node.name, rows)),
                Some((other, wanted)) => {
                    if let Some(text) = difference(wanted, &rows) {
                        return Some(format!("{other} and {}: {text}", node.name));
                    }
                }
            }
        }
        None
    }
}

/// The rows a reader sees.
pub(crate) fn visible(db: &NetworkDb, network: &str) -> Vec<Row> {
    let rows = db.rows(&Filter::network(network));
    rows.into_iter().filter(|row| row.state == RowState::Live).collect()
}

fn difference(a: &[Row], b: &[Row]) -> Option<String> {
    let same =
        |a: &Row, b: &Row| (&a.key, &a.value, &a.owner, a.time) == (&b.key, &b.value, &b.owner, b.time);
    let of = |rows: &[Row], like: &Row| {
        let row = rows.iter().find(|row| row.key == like.key);
        row.map_or("nothing".to_owned(), |row| {
            format!("{} of {} at {}", short(&row.value), row.owner, row.time)
        })
    };
    let odd = a.iter().find(|row| !b.iter().any(|other| same(row, other)));
    let odd = odd.or_else(|| b.iter().find(|row| !a.iter().any(|other| same(row, other))))?;
    Some(format!("{} is {} here and {} there", odd.key, of(a, odd), of(b, odd)))
}

fn short(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.trim_end_matches('.').to_owned()
}
