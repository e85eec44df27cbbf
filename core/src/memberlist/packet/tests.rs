use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::machine::Rng;

fn opened(security: &Security, packet: &[u8]) -> Vec<Result<Vec<u8>, PacketError>> {
    let mut found = Vec::new();
    open(security, packet, &mut |leaf| found.push(leaf.map(|(_, body)| body.to_vec())));
    found
}

pub(in crate::memberlist) fn plain() -> Security {
    Security {
        label: Bytes::new(),
        skip_inbound_label_check: false,
        keyring: Keyring::default(),
        verify_incoming: true,
        verify_outgoing: true,
        compression: true,
        compress_up_to: usize::MAX,
        protocol_version: 2,
    }
}

/// All ways to protect a packet or a stream: label, key of each length or none, either seal, compression.
pub(in crate::memberlist) fn securities() -> impl Strategy<Value = Security> {
    let label = prop_oneof![Just(Vec::new()), vec(any::<u8>(), 1..=255)];
    let key = prop::sample::select(vec![0, 16, 24, 32]);
    (label, key, any::<bool>(), 1..=2_u8).prop_map(|(label, key, compression, protocol_version)| {
        let keys = if key == 0 { vec![] } else { vec![vec![5; key]] };
        let keyring = Keyring::new(&keys).unwrap();
        Security { label: label.into(), keyring, compression, protocol_version, ..plain() }
    })
}

/// Bytes that compression makes shorter, and bytes that it does not.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..2000), vec(0..2_u8, 200..2000)]
}

fn sealed(security: &Security, message: &[u8], crc: bool) -> Vec<u8> {
    seal(security, message, crc, &mut Rng::new([1; 32])).to_vec()
}

fn user(body: &[u8]) -> Vec<u8> {
    [&[MessageType::User as u8], body].concat()
}

#[test]
fn layers_and_bytes_are_bounded() {
    let nest = |times| (0..times).fold(vec![8, 1], |inner, _| compress(&inner));
    assert_eq!(opened(&plain(), &nest(MAX_DEPTH)), [Ok(vec![1])]);
    assert_eq!(opened(&plain(), &nest(MAX_DEPTH + 1)), [Err(PacketError::TooDeep)]);
    let bomb = Bytes::from(compress(&vec![8; MAX_EXPANDED * 3 / 4]));
    let found = opened(&plain(), &compound(&[bomb.clone(), bomb.clone(), bomb]).concat());
    assert!(matches!(found[..], [Ok(_), Err(PacketError::TooLong), Err(PacketError::TooLong)]));
}

proptest! {
    #[test]
    fn what_is_sealed_opens(security in securities(), body in bodies(), crc: bool) {
        let packet = sealed(&security, &user(&body), crc);
        let uncompressed = Security { compression: false, ..security.clone() };
        let longest = sealed(&uncompressed, &user(&body), crc).len();
        prop_assert!(packet.len() <= longest, "compression makes no packet longer");
        prop_assert_eq!(opened(&security, &packet), vec![Ok(body)]);
    }

    #[test]
    fn a_compound_comes_back_part_by_part_and_in_order(
        security in securities(), parts in vec(bodies(), 1..8), times in 1..100_usize, crc: bool
    ) {
        let parts: Vec<_> = parts.iter().cycle().take(parts.len() * times).cloned().collect();
        let messages: Vec<Bytes> = parts.iter().map(|part| user(part).into()).collect();
        let compounds = compound(&messages);
        prop_assert_eq!(compounds.len(), parts.len().div_ceil(MAX_PARTS));
        let packets = compounds.iter().map(|compound| sealed(&security, compound, crc));
        let found: Vec<_> = packets.flat_map(|packet| opened(&security, &packet)).collect();
        prop_assert_eq!(found, parts.into_iter().map(Ok).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_changed_on_the_way_is_refused(
        security in securities(), body in bodies(), crc: bool, place: Index, bit in 0..8_u8
    ) {
        let keyed = !security.keyring.is_empty();
        if !keyed && !crc {
            return Ok(());
        }
        let mut packet = sealed(&security, &user(&body), crc);
        // What is not protected: the version of the seal, and that there is a checksum at all.
        let bare = security.label_header().len();
        let place = place.index(packet.len());
        if place == bare {
            return Ok(());
        }
        packet[place] ^= 1 << bit;
        let found = opened(&security, &packet);
        prop_assert!(matches!(found[..], [Err(_)]), "{found:?}");
    }

    #[test]
    fn what_is_cut_off_is_refused(security in securities(), body in bodies(), crc: bool, end: Index) {
        let packet = sealed(&security, &user(&body), crc);
        let compressed = packet.get(security.label_header().len()) == Some(&(MessageType::Compress as u8));
        let keyed = !security.keyring.is_empty();
        // A plain user message has no length of its own: its datagram is all there is.
        if !keyed && !crc && !compressed {
            return Ok(());
        }
        let found = opened(&security, &packet[..end.index(packet.len())]);
        prop_assert!(matches!(found[..], [Err(_)]), "{found:?}");
    }

    #[test]
    fn another_key_or_label_is_refused(security in securities(), body in bodies(), crc: bool) {
        let packet = sealed(&security, &user(&body), crc);
        let label = [&security.label, &b"x"[..]].concat().into();
        let labelled = Security { label, ..security.clone() };
        prop_assert_eq!(opened(&labelled, &packet), vec![Err(PacketError::Label)]);
        let keyring = Keyring::new(&[[9; 16]]).unwrap();
        let keyed = Security { keyring, ..security };
        let found = opened(&keyed, &packet);
        prop_assert!(matches!(found[..], [Err(PacketError::Seal(_))]), "{found:?}");
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200), head in 0..14_u8) {
        opened(&plain(), &bytes);
        opened(&plain(), &[&[head], bytes.as_slice()].concat());
        let _ = lzw::expand(&bytes, &mut 10_000);
    }

    #[test]
    fn lzw_round_trip(plain in vec(0..4_u8, 0..20_000)) {
        prop_assert_eq!(lzw::expand(&lzw::compress(&plain), &mut plain.len()), Ok(plain.clone()));
    }
}
