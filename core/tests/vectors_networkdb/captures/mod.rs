//! Traffic of real nodes: `capture*`.

mod frames;
mod layers;
mod standin;
mod tables;

use std::collections::BTreeMap;

use networkdb_core::memberlist::{Dialect, stream::Decoder};
use serde_json::Value;

use self::layers::{Counts, check_packet, check_stream, security};
use crate::{files, rules::Keeper, shape, text};

/// The dialects of the nodes whose port is, or is not, `port`.
fn dialects(file: &Value, port: &str, there: bool) -> Vec<Dialect> {
    let nodes = file["nodes"].as_object().unwrap().values().map(|lines| &lines[0]);
    let speaking = nodes.filter(|ready| (ready["port"].as_u64() == port.parse().ok()) == there);
    let dialect = |ready: &Value| match Keeper::of_module(text(ready, "module")) {
        Keeper::First => Dialect::Old,
        _ => Dialect::New,
    };
    speaking.map(dialect).collect()
}

#[test]
fn every_layer_comes_off_and_goes_on_again() {
    let mut all = BTreeMap::new();
    for (name, file) in files(&["capture"]) {
        shape(&file, "keys_hex note tcp udp nodes");
        let (security, mut counts) = (security(&file), Counts::default());
        for packet in file["udp"].as_array().unwrap() {
            shape(packet, "dst_port encrypted? layers proto raw_hex src_port t_us");
            check_packet(&security, packet, &mut counts);
        }
        for stream in file["tcp"].as_array().unwrap() {
            shape(stream, "client_port client_to_server? server_port server_to_client? t_us");
            let port = text(stream, "server_port");
            if let Some(asked) = stream.get("client_to_server") {
                check_stream(
                    &security,
                    asked,
                    Decoder::accepting(),
                    &dialects(&file, port, false),
                    &mut counts,
                );
            }
            if let Some(reply) = stream.get("server_to_client") {
                check_stream(&security, reply, Decoder::dialled(), &dialects(&file, port, true), &mut counts);
            }
        }
        assert!(counts.messages > 0, "{name}");
        all.insert(name, counts);
    }
    for (name, counts) in &all {
        println!("{name}: {counts:?}");
    }
    assert!(!all.is_empty());
}

#[test]
fn in_place_of_a_recorded_node_ours_ends_with_its_tables() {
    let mut all = BTreeMap::new();
    for (name, file) in files(&["capture"]) {
        let compared = standin::replay(&file);
        assert!(compared.states > 0 && compared.rows > 0, "{name}: nothing compared");
        all.insert(name, compared);
    }
    for (name, compared) in &all {
        println!("{name}: {compared:?}");
    }
}
