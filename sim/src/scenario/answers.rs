//! Answers to what a scenario asks, as lines.

use std::{collections::BTreeMap, fmt::Write};

use networkdb_core::networkdb::NetworkDb;

use super::Question;
use crate::{cluster::Cluster, cluster::visible, settings::network_name};

pub(super) fn answer(cluster: &mut Cluster, question: Question, out: &mut String) {
    let lines = match question {
        Question::Members => grouped(cluster, |_, db| {
            let peers = db.cluster_peers();
            peers.iter().map(|peer| peer.name.to_string()).collect::<Vec<_>>().join(" ")
        }),
        Question::Rows(network) => rows(cluster, network),
        Question::Alone => {
            let alone = std::mem::take(&mut cluster.news.alone);
            one_line("alone", alone.iter().map(|node| format!("n{node}")))
        }
        Question::Deaths => {
            let wronged = std::mem::take(&mut cluster.news.wronged);
            one_line("declared dead while up", wronged.iter().map(|(of, by)| format!("n{of} by n{by}")))
        }
        Question::Warnings => {
            let warnings = std::mem::take(&mut cluster.news.warnings);
            one_line("warnings", warnings.into_keys())
        }
        Question::Agree(_) => Vec::new(),
    };
    for line in lines {
        out.push_str(&line);
        out.push('\n');
    }
}

fn one_line(what: &str, items: impl Iterator<Item = String>) -> Vec<String> {
    let items: Vec<String> = items.collect();
    let items = if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    vec![format!("{what}: {items}")]
}

/// One line for all nodes that see the same.
fn grouped(cluster: &Cluster, seen: impl Fn(usize, &NetworkDb) -> String) -> Vec<String> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for id in cluster.up() {
        let (Some(node), Some(db)) = (cluster.nodes.get(id), cluster.world.machine(id)) else { continue };
        groups.entry(seen(id, db)).or_default().push(node.name.clone());
    }
    let mut lines: Vec<(Vec<String>, String)> = groups.into_iter().map(|(seen, by)| (by, seen)).collect();
    lines.sort();
    lines.into_iter().map(|(by, seen)| format!("{}: {seen}", by.join(" "))).collect()
}

fn rows(cluster: &Cluster, network: u8) -> Vec<String> {
    const SHOWN: usize = 12;
    grouped(cluster, |_, db| {
        let rows = visible(db, &network_name(network));
        let mut text = format!("{} rows", rows.len());
        for row in rows.iter().take(SHOWN) {
            // Writing to a string does not fail.
            let _ = write!(text, " {} of {}", row.key, row.owner);
        }
        if rows.len() > SHOWN {
            text.push_str(" …");
        }
        text
    })
}
