use proptest::{collection::vec, prelude::*};

use super::*;

fn opened(security: &Security, packet: &[u8]) -> Vec<Result<Vec<u8>, PacketError>> {
    let mut found = Vec::new();
    open(security, packet, &mut |leaf| found.push(leaf.map(|(_, body)| body.to_vec())));
    found
}

fn plain() -> Security {
    Security {
        label: Bytes::new(),
        skip_inbound_label_check: false,
        keyring: Keyring::default(),
        verify_incoming: true,
        verify_outgoing: true,
        compression: true,
        protocol_version: 2,
    }
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
    fn what_is_sealed_opens(
        body in vec(any::<u8>(), 0..2000), crc: bool, keyed: bool, compression: bool, version in 1..3_u8, label in vec(any::<u8>(), 0..20)
    ) {
        let keyring = if keyed { Keyring::new(&[[5; 32]]).unwrap_or_default() } else { Keyring::default() };
        let security = Security { label: label.into(), keyring, compression, protocol_version: version, ..plain() };
        let packet = seal(&security, &[&[8], body.as_slice()].concat(), crc, &mut crate::machine::Rng::new([1; 32]));
        prop_assert_eq!(opened(&security, &packet), vec![Ok(body)]);
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
