use proptest::{collection::vec, prelude::*};

use super::*;
use crate::memberlist::Keyring;

fn security(keyed: bool, compression: bool, protocol_version: u8) -> Security {
    let keys: &[[u8; 16]] = if keyed { &[[9; 16]] } else { &[] };
    Security {
        label: Bytes::from_static(b"edge"),
        skip_inbound_label_check: false,
        keyring: Keyring::new(keys).unwrap_or_default(),
        verify_incoming: true,
        verify_outgoing: true,
        compression,
        protocol_version,
    }
}

/// What comes out when `wire` is cut at every length of `cuts` in turn.
fn read(security: &Security, wire: &[u8], cuts: &[usize]) -> Result<Option<StreamMessage>, StreamError> {
    let (mut decoder, mut rest, mut cuts) = (Decoder::accepting(), wire, cuts.iter().cycle());
    while !rest.is_empty() {
        let at = cuts.next().map_or(rest.len(), |cut| rest.len().min(*cut));
        let (piece, later) = rest.split_at(at);
        if let Some(message) = decoder.receive(security, piece)? {
            return Ok(Some(message));
        }
        rest = later;
    }
    decoder.finish().map(|()| None)
}

proptest! {
    #[test]
    fn what_is_sent_is_read(
        state in vec(any::<u8>(), 0..3000),
        names in vec(vec(any::<u8>(), 1..20), 0..40),
        cuts in vec(1..200_usize, 1..8),
        (join, keyed, compression, version) in any::<(bool, bool, bool, bool)>(),
    ) {
        let security = security(keyed, compression, 1 + u8::from(version));
        let row = |name| Row { name: std::borrow::Cow::Owned(name), state: 1, ..Row::default() };
        let rows: Vec<_> = names.into_iter().map(row).collect();
        let message = push_pull(join, &rows, &state, Dialect::New);
        let wire = seal_stream(&security, &message, true, &mut crate::machine::Rng::new([3; 32]));
        let wanted = PushPull { join, rows, user_state: state.into() };
        prop_assert_eq!(read(&security, &wire, &cuts), Ok(Some(StreamMessage::PushPull(wanted))));
    }

    #[test]
    fn cuts_change_nothing(
        bytes in vec(any::<u8>(), 0..300),
        head in prop::sample::select(vec![&b"\xf4\x04edge"[..], b"\xf4\x04edge\x06\x83", b"\xf4\x04edge\x09\x82", b""]),
        cuts in vec(1..9_usize, 1..8),
        keyed: bool,
    ) {
        let (security, wire) = (security(keyed, false, 2), [head, &bytes].concat());
        prop_assert_eq!(read(&security, &wire, &cuts), read(&security, &wire, &[wire.len().max(1)]));
    }
}
