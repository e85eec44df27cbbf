use std::borrow::Cow;

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::{
    machine::Rng,
    memberlist::{
        Keyring,
        packet::tests::{plain as any_plain, securities},
    },
};

fn plain() -> Security {
    Security { compression: false, ..any_plain() }
}

fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    out
}

/// What a stream can carry, as bytes, and whether it is a request.
fn messages() -> impl Strategy<Value = (StreamMessage, Vec<u8>, bool)> {
    let dialect = || prop_oneof![Just(Dialect::Old), Just(Dialect::New)];
    let names = vec(vec(any::<u8>(), 1..20), 0..40);
    let state = (vec(any::<u8>(), 0..3000), names, any::<bool>(), any::<bool>(), dialect());
    let state = state.prop_map(|(state, names, join, request, dialect)| {
        let row = |name| Row { name: Cow::Owned(name), state: 1, ..Row::default() };
        let rows: Vec<_> = names.into_iter().map(row).collect();
        let bytes = push_pull(join, &rows, &state, dialect);
        (StreamMessage::PushPull(PushPull { join, rows, user_state: state.into() }), bytes, request)
    });
    let user = (vec(0..3_u8, 0..3000), dialect()).prop_map(|(payload, dialect)| {
        let bytes = user_message(&payload, dialect);
        (StreamMessage::User(payload.into()), bytes, true)
    });
    let ping = (any::<u32>(), vec(any::<u8>(), 0..40)).prop_map(|(seq, node)| {
        let ping = Ping { seq, node: Cow::Owned(node), ..Ping::default() };
        let bytes = encoded(|out| ping.encode(out));
        (StreamMessage::Ping(ping), bytes, true)
    });
    let ack = any::<u32>().prop_map(|seq| {
        let ack = Ack { seq, payload: None };
        let bytes = encoded(|out| ack.encode(out));
        (StreamMessage::Ack(ack), bytes, false)
    });
    let error = "[a-z ]{0,60}".prop_map(|text| {
        let reply = ErrorReply { error: Cow::Borrowed(text.as_bytes()) };
        let bytes = encoded(|out| reply.encode(out));
        (StreamMessage::Error(text), bytes, false)
    });
    prop_oneof![state, user, ping, ack, error]
}

fn sealed(security: &Security, message: &[u8], request: bool) -> Vec<u8> {
    seal_stream(security, message, request, &mut Rng::new([3; 32])).to_vec()
}

type Read = Result<Option<StreamMessage>, StreamError>;

/// What comes out when `wire` is cut at every length of `cuts` in turn.
fn read(security: &Security, wire: &[u8], request: bool, cuts: &[usize]) -> Read {
    let mut decoder = if request { Decoder::accepting() } else { Decoder::dialled() };
    let (mut rest, mut cuts) = (wire, cuts.iter().cycle());
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
        security in securities(), (message, bytes, request) in messages(), cuts in vec(1..200_usize, 1..8)
    ) {
        let wire = sealed(&security, &bytes, request);
        prop_assert_eq!(read(&security, &wire, request, &cuts), Ok(Some(message)));
    }

    #[test]
    fn what_is_cut_off_is_refused(
        security in securities(), (_, bytes, request) in messages(), end: Index
    ) {
        let wire = sealed(&security, &bytes, request);
        let found = read(&security, &wire[..end.index(wire.len())], request, &[]);
        prop_assert!(found.is_err(), "{found:?}");
    }

    #[test]
    fn what_is_cut_off_inside_its_layers_is_refused_at_once(
        security in securities(), (_, bytes, request) in messages(), end: Index
    ) {
        if security.keyring.is_empty() && !security.compression {
            return Ok(());
        }
        let wire = sealed(&security, &bytes[..end.index(bytes.len())], request);
        let mut decoder = if request { Decoder::accepting() } else { Decoder::dialled() };
        let found = decoder.receive(&security, &wire);
        prop_assert!(found.is_err(), "{found:?}");
    }

    #[test]
    fn what_is_changed_on_the_way_is_refused(
        security in securities(), (_, bytes, request) in messages(), place: Index, bit in 0..8_u8
    ) {
        if security.keyring.is_empty() {
            return Ok(());
        }
        let mut wire = sealed(&security, &bytes, request);
        let label = if request { security.label_header().len() } else { 0 };
        let place = place.index(wire.len());
        // The version of the seal is not protected.
        if place == label + SEAL_HEADER {
            return Ok(());
        }
        wire[place] ^= 1 << bit;
        let found = read(&security, &wire, request, &[]);
        prop_assert!(found.is_err(), "{found:?}");
    }

    #[test]
    fn another_key_or_label_is_refused(security in securities(), (_, bytes, _) in messages()) {
        let wire = sealed(&security, &bytes, true);
        let label = [&security.label, &b"x"[..]].concat().into();
        let labelled = Security { label, ..security.clone() };
        prop_assert_eq!(read(&labelled, &wire, true, &[]), Err(StreamError::Label));
        if !security.keyring.is_empty() {
            // A reply has no label, but what seals it is bound to one.
            let reply = sealed(&security, &bytes, false);
            prop_assert_eq!(read(&labelled, &reply, false, &[]), Err(StreamError::Seal(SealError::NoKey)));
        }
        let refused = if security.keyring.is_empty() { StreamError::Unsealed } else { StreamError::Seal(SealError::NoKey) };
        let keyed = Security { keyring: Keyring::new(&[[1; 16]]).unwrap(), ..security };
        prop_assert_eq!(read(&keyed, &wire, true, &[]), Err(refused));
    }

    #[test]
    fn cuts_change_nothing(
        security in securities(),
        bytes in vec(any::<u8>(), 0..300),
        head in prop::sample::select(vec![&b"\x06\x83"[..], b"\x09\x82", b"\x0a\0\0", b"\x08\x81", b""]),
        cuts in vec(1..9_usize, 1..8),
    ) {
        let wire = [&security.label_header(), head, &bytes].concat();
        let whole = read(&security, &wire, true, &[]);
        prop_assert_eq!(read(&security, &wire, true, &cuts), whole);
    }
}

#[test]
fn lengths_and_counts_are_bounded() {
    let keyed = Security { keyring: Keyring::new(&[[9; 16]]).unwrap(), ..plain() };
    let frame = |len: usize| seal_header(len as u32);
    let mut decoder = Decoder::accepting();
    assert_eq!(decoder.receive(&keyed, &frame(MAX_SEALED)), Ok(None));
    let beyond = Err(StreamError::SealedTooLong(MAX_SEALED as u32 + 1));
    assert_eq!(read(&keyed, &frame(MAX_SEALED + 1), true, &[]), beyond);

    let state = |nodes, user_state_len| {
        encoded(|out| PushPullHeader { nodes, user_state_len, join: false }.encode(Dialect::Old, out))
    };
    let user = |len| encoded(|out| UserHeader { len }.encode(Dialect::Old, out));
    let (rows, bytes, message) = (MAX_ROWS as i64, MAX_USER_STATE as i64, MAX_USER_MESSAGE as i64);
    for allowed in [state(rows, bytes), user(message)] {
        assert_eq!(Decoder::accepting().receive(&plain(), &allowed), Ok(None));
    }
    let refused =
        [(state(rows + 1, 0), rows + 1), (state(0, bytes + 1), bytes + 1), (user(message + 1), message + 1)];
    let negative = [(state(-1, 0), -1), (state(0, -1), -1), (user(-1), -1)];
    for (header, count) in refused.into_iter().chain(negative) {
        assert_eq!(read(&plain(), &header, true, &[]), Err(StreamError::Count(count)));
    }
}

#[test]
fn the_bytes_of_a_stream_are_bounded() {
    // A row whose name claims to go on and on.
    let header =
        encoded(|out| PushPullHeader { nodes: 1, user_state_len: 0, join: false }.encode(Dialect::Old, out));
    let mut decoder = Decoder::accepting();
    let begin = [&header, &b"\x81\xa4Name\xdb\xff\xff\xff\xff"[..]].concat();
    assert_eq!(decoder.receive(&plain(), &begin), Ok(None));
    let mut left = MAX_STREAM - begin.len();
    while left > 0 {
        let piece = vec![0; left.min(1 << 20)];
        assert_eq!(decoder.receive(&plain(), &piece), Ok(None));
        left -= piece.len();
    }
    assert_eq!(decoder.received(), MAX_STREAM);
    assert_eq!(decoder.receive(&plain(), &[0]), Err(StreamError::TooLong));
    assert_eq!(decoder.receive(&plain(), &[0]), Ok(None), "what follows is ignored");
}

#[test]
fn the_bytes_out_of_decompression_are_bounded() {
    let message = |len: usize| compress(&[&user_message(&[0; 10], Dialect::Old), &vec![0; len][..]].concat());
    assert!(matches!(read(&plain(), &message(1000), true, &[]), Ok(Some(StreamMessage::User(_)))));
    let bomb = message(MAX_EXPANDED);
    assert!(bomb.len() < MAX_EXPANDED / 100, "{}", bomb.len());
    assert_eq!(read(&plain(), &bomb, true, &[]), Err(StreamError::Lzw(LzwError::TooLong)));
}
