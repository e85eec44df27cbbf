//! Recorded clients of Typha get from this server what they got from Typha: the same messages in the same order.

use std::{fs, path::PathBuf};

use networkdb_core::syncproto::{SerializedUpdate, SyncStatus, UpdateType};

use crate::world::{Client, Kind, Told, World};

fn file(name: &str) -> PathBuf {
    let root = std::env::var_os("NETWORKDB_VECTORS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors"), PathBuf::from);
    root.join("typha").join(name)
}

/// What the client was told, without pings.
fn recorded(name: &str) -> Vec<Told> {
    let mut client = Client::default();
    client.take(&fs::read(file(&format!("{name}.s2c.bin"))).unwrap(), usize::MAX);
    client.told.into_iter().filter(|told| *told != Told::Ping).collect()
}

/// What the client said, message by message.
fn said(name: &str) -> Vec<Vec<u8>> {
    let bytes = fs::read(file(&format!("{name}.c2s.bin"))).unwrap();
    let listed = fs::read(file(&format!("{name}.c2s.json"))).unwrap();
    let listed: serde_json::Value = serde_json::from_slice(&listed).unwrap();
    let ends = listed["messages"].as_array().unwrap().iter().map(|message| message["end"].as_u64().unwrap());
    let mut start = 0;
    let message = |end| bytes[std::mem::replace(&mut start, end as usize)..end as usize].to_vec();
    ends.map(message).collect()
}

fn publish(world: &mut World, told: &Told) {
    match told {
        Told::Updates(updates) => {
            for (key, value, of) in updates {
                let update = SerializedUpdate {
                    key: key.as_bytes(),
                    value: value.as_ref().map(String::as_bytes),
                    update_type: UpdateType(*of),
                    ..SerializedUpdate::default()
                };
                world.cache.update(&update).unwrap();
            }
        }
        Told::Status(status) => world.cache.status(SyncStatus(*status)),
        _ => {}
    }
}

fn replay(name: &str, kind: Kind) {
    let (recorded, mut said) = (recorded(name), said(name).into_iter());
    let mut world = World::new(|_| ());
    let status = recorded.iter().position(|told| matches!(told, Told::Status(_))).unwrap();
    let (snapshot, deltas) = recorded.split_at(status + 1);
    for told in snapshot {
        publish(&mut world, told);
    }
    world.publish();
    let id = world.accept();
    world.client(id).acknowledges = false;
    for _ in 0..if kind == Kind::Today { 3 } else { 1 } {
        world.raw(id, &said.next().unwrap());
        world.deliver();
    }
    for told in deltas {
        publish(&mut world, told);
        world.publish();
        world.deliver();
    }
    for pong in said {
        world.raw(id, &pong);
    }
    assert_eq!(world.reason(id), None, "{name}");
    let told = std::mem::take(&mut world.client(id).told);
    assert_eq!(told.len(), recorded.len(), "{name}");
    for (ours, theirs) in told.iter().zip(&recorded) {
        match (ours, theirs) {
            (Told::Hello(_), Told::Hello(_)) => {}
            // Old servers tell a snapshot in the order of their hashes.
            (Told::Updates(ours), Told::Updates(theirs)) if kind == Kind::Old && theirs.len() > 40 => {
                assert_eq!(ours.len(), theirs.len(), "{name}");
            }
            _ => assert_eq!(ours, theirs, "{name}"),
        }
    }
}

#[test]
fn recorded_clients_are_told_what_typha_told_them() {
    replay("cap-v3.2.5", Kind::Old);
    replay("cap-head-plain", Kind::Plain);
    replay("cap-head-snappy", Kind::Today);
    replay("cap-head-bulk-snappy", Kind::Today);
}
