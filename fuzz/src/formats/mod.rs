//! Bytes in, no state: every decoder that bytes from the network reach.

pub mod gob;
pub mod lzw;
pub mod messages;
pub mod nesting;
pub mod packets;
pub mod protobuf;
pub mod streams;

use networkdb_core::memberlist::{Config, Keyring, Security};

/// Keys of 16, 24 and 32 bytes; the first seals.
pub const KEYS: [&[u8]; 3] = [&[1; 16], &[2; 24], &[3; 32]];

/// Settings of a node at 127.0.0.1:7946, changed by `change`, as its packets and streams see them.
fn security(change: impl FnOnce(&mut Config)) -> Security {
    let mut config = Config::lan("node-c", ([127, 0, 0, 1], 7946).into());
    config.compression = false;
    change(&mut config);
    Security::from(&config)
}

/// Keys and a label.
fn sealing(protocol_version: u8) -> Security {
    security(|config| {
        config.keyring = Keyring::new(&KEYS).expect("the keys are good");
        config.label = b"label".as_slice().into();
        config.protocol_version = protocol_version;
    })
}
