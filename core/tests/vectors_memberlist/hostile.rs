//! Malformed and hostile input: what a node named `victim` makes of it.

use std::net::SocketAddr;

use networkdb_core::{
    machine::Output,
    memberlist::{
        Config, Security,
        packet::open,
        stream::{Decoder, StreamMessage},
    },
};
use serde_json::Value;

use crate::{
    node::Node,
    security,
    support::{bytes, same, text},
};

/// Where the peer's own reaction is no model: the spec wants the input refused.
const REFUSED: &[&str] = &[
    "alive_addr5",
    "alive_noaddr",
    "alive_noname",
    "alive_bigmeta",
    "alive_vsn_3",
    "alive_vsn_5",
    "alive_vsn_short",
    "s_pp_neg_user",
];

/// Where a packet went, and the types and bodies of its messages.
type Reply = (SocketAddr, Vec<(u8, Vec<u8>)>);

fn victim(vector: &Value) -> Node {
    let settings = &vector["config"];
    let addr: SocketAddr = text(settings, "receiver_addr").parse().unwrap();
    let Security { label, keyring, verify_incoming, compression, protocol_version, .. } = security(vector);
    let config = Config {
        label,
        keyring,
        verify_incoming,
        compression,
        protocol_version,
        ..Config::lan(text(settings, "receiver"), addr)
    };
    Node::new(config, b"m", b"local-state")
}

fn shape(vector: &Value) -> &str {
    text(vector, "name").split('/').nth(1).unwrap_or_default()
}

fn source(vector: &Value) -> SocketAddr {
    text(&vector["config"], "packet_source").parse().unwrap()
}

pub fn packet(vector: &Value) -> Result<(), String> {
    let mut node = victim(vector);
    node.datagram(source(vector), &bytes(vector, "bytes_hex").unwrap());
    let reaction = &vector["extra"]["reaction"];
    if shape(vector) == "suspect_self_max" {
        let own = node.list.member(b"victim").unwrap();
        return same("own incarnation", &own.incarnation, &u32::MAX);
    }
    if shape(vector) == "ping_src_len5" {
        return same("replies", &replies(&mut node, vector), &Vec::new());
    }
    if reaction["undefined"] == true || REFUSED.contains(&shape(vector)) {
        return untouched(&node);
    }
    let wanted: Vec<Reply> = reaction["replies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reply| {
            (text(reply, "to").parse().unwrap(), messages(vector, &bytes(reply, "bytes_hex").unwrap()))
        })
        .collect();
    same("replies", &replies(&mut node, vector), &wanted)?;
    same_reaction(&node, reaction)
}

/// The packets sent, as messages.
fn replies(node: &mut Node, vector: &Value) -> Vec<Reply> {
    std::iter::from_fn(|| node.list.poll_output())
        .filter_map(|output| match output {
            Output::Datagram { to, bytes } => Some((to, messages(vector, &bytes))),
            _ => None,
        })
        .collect()
}

fn messages(vector: &Value, packet: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut messages = Vec::new();
    open(&security(vector), packet, &mut |leaf| {
        let (kind, body) = leaf.unwrap();
        messages.push((kind as u8, body.to_vec()));
    });
    messages
}

pub fn stream(vector: &Value) -> Result<(), String> {
    let mut node = victim(vector);
    let reply = node.stream(source(vector), &bytes(vector, "bytes_hex").unwrap());
    let reaction = &vector["extra"]["reaction"];
    let shape = shape(vector);
    if shape.starts_with("s_pp_vsn") && reaction["undefined"] == true {
        same("own state is sent", &reply.is_empty(), &false)?;
        return untouched(&node);
    }
    if reaction["undefined"] == true || REFUSED.contains(&shape) {
        return untouched(&node);
    }
    let wanted = bytes(reaction, "reply_hex").unwrap();
    same("reply", &answer(vector, &reply), &answer(vector, &wanted))?;
    same_reaction(&node, reaction)
}

/// The message of a reply; the text of an error is for people.
fn answer(vector: &Value, reply: &[u8]) -> Option<StreamMessage> {
    if reply.is_empty() {
        return None;
    }
    match Decoder::dialled().receive(&security(vector), reply).unwrap() {
        Some(StreamMessage::Error(_)) => Some(StreamMessage::Error(String::new())),
        message => message,
    }
}

fn untouched(node: &Node) -> Result<(), String> {
    same("members", &node.list.members().count(), &1)?;
    same("events", &node.seen.events, &Vec::new())?;
    same("broadcasts", &node.list.broadcasts().len(), &0)?;
    same("messages", &node.seen.messages, &Vec::new())?;
    same("counted", &node.list.counters().dropped.is_empty(), &false)
}

fn same_reaction(node: &Node, reaction: &Value) -> Result<(), String> {
    node.same_members(&reaction["members"])?;
    node.same_events(&reaction["events"])?;
    node.same_broadcasts(&reaction["broadcast_queue"])?;
    same("health", &u64::from(node.list.health()), &reaction["health_score"].as_u64().unwrap())?;
    same("messages", &node.seen.messages, &texts(&reaction["user_messages_hex"]))?;
    same("merged", &node.seen.merged, reaction["merged_user_state"].as_array().unwrap())
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}
