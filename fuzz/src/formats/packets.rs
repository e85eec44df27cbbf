//! Packets: label, seal, checksum, compression, compounds.

use networkdb_core::{
    machine::Rng,
    memberlist::{
        Security,
        message::MessageType,
        packet::{LABEL, MAX_EXPANDED, PacketError, open, seal, with_crc},
    },
};

use super::{sealing, security};
use crate::memory::within;

/// What one packet may hold: what it expands to, in a buffer that grows, and what this target keeps of it.
const MEMORY: usize = 16 * MAX_EXPANDED;

type Leaves = Vec<Result<(MessageType, Vec<u8>), PacketError>>;

/// Takes a packet apart as it is, under every kind of setting, and inside the layers a node puts around it: what is
/// inside is the same, and is never more than what came in and what was expanded.
pub fn run(data: &[u8]) {
    within(MEMORY, || {
        let plain = security(|_| ());
        let bare = leaves(&plain, data);
        let bytes: usize = bare.iter().flatten().map(|(_, body)| body.len()).sum();
        assert!(bytes <= data.len() + MAX_EXPANDED, "{bytes} bytes");
        assert!(bare.len() <= 1 + (data.len() + MAX_EXPANDED) / 2, "{} messages", bare.len());
        strangers(data);
        if data.first() != Some(&LABEL) {
            in_layers(&plain, data, &bare);
        }
    });
}

fn leaves(security: &Security, packet: &[u8]) -> Leaves {
    let mut found = Leaves::new();
    open(security, packet, &mut |leaf| found.push(leaf.map(|(kind, body)| (kind, body.to_vec()))));
    found
}

/// A node with keys takes nothing that they do not seal; without `verify_incoming` it takes all.
fn strangers(data: &[u8]) {
    let refused = leaves(&sealing(2), data);
    assert!(matches!(refused.as_slice(), [Err(PacketError::Seal(_) | PacketError::Label)]), "{refused:?}");
    let lenient = Security { verify_incoming: false, ..sealing(2) };
    leaves(&lenient, data);
}

fn in_layers(plain: &Security, data: &[u8], bare: &Leaves) {
    let mut rng = Rng::new([7; 32]);
    for security in [sealing(1), sealing(2)] {
        let sealed = seal(&security, data, false, &mut rng);
        assert_eq!(leaves(&security, &sealed), *bare);
    }
    let summed = with_crc(data);
    if data.first() != Some(&(MessageType::Crc as u8)) {
        assert_eq!(leaves(plain, &summed), *bare);
    }
    let mut broken = summed;
    broken[1] ^= 1;
    assert_eq!(leaves(plain, &broken), [Err(PacketError::Crc)]);
}
