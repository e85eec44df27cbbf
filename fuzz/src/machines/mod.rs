//! The machines under a schedule: ticks, packets, streams, commands and keys, as the bytes say.

pub mod membership;
pub mod networkdb;
pub mod sync_client;
pub mod sync_server;

use networkdb_core::{
    machine::{Endpoint, Instant},
    memberlist::{Config, Dialect, Keyring},
};

use crate::{formats::KEYS, script::Script};

/// Bytes one run may hold: a stream that expands to 40 MiB, while its buffer grows, among them.
const MEMORY: usize = 256 << 20;

/// When the machines start.
const START: Instant = Instant::from_nanos(1_000_000_000);

/// The node the recorded ones speak to.
const NAME: &str = "node-c";
const HERE: ([u8; 4], u16) = ([127, 0, 0, 1], 7948);

/// The settings that one byte of a schedule picks.
fn settings(script: &mut Script<'_>) -> Config {
    let flags = script.byte();
    let on = |bit: u8| flags >> bit & 1 == 1;
    let mut config = Config::lan(NAME, HERE.into());
    if on(0) {
        config.keyring = Keyring::new(&KEYS[..1]).expect("the key is good");
    }
    if on(1) {
        config.label = b"label".as_slice().into();
    }
    config.verify_incoming = !on(2);
    config.compression = !on(3);
    config.dialect = if on(4) { Dialect::New } else { Dialect::Old };
    config.protocol_version = if on(5) { 5 } else { 2 };
    config.packet_size = if on(6) { 300 } else { 1400 };
    config
}

/// Some addresses to join.
fn seeds(script: &mut Script<'_>) -> Vec<Endpoint> {
    let mut seeds = vec![Endpoint::from(std::net::SocketAddr::from(([127, 0, 0, 1], 7946)))];
    seeds.push(Endpoint::Name { host: "seed".into(), port: 7946 });
    seeds.truncate(script.below(3));
    seeds
}

/// One of the keys, or one that is none.
fn key(script: &mut Script<'_>) -> &'static [u8] {
    script.one_of(&[KEYS[0], KEYS[1], KEYS[2], &[4; 5]])
}
