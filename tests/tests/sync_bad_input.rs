//! What no peer of Typha's sync protocol says, over real sockets: the reason is told, and nobody else is disturbed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    slice,
    time::{Duration, Instant},
};

use networkdb_core::{
    syncproto::{ClientHello, DecoderRestart, Message, Pong, ServerHello, SyncStatus, encode},
    wire::{gob, gob::Fault, snappy},
};
use networkdb_host::sync::{ServedEnd, SyncEnd, follow, serve};
use networkdb_tests::{
    each,
    sync::{
        Client, GoClient, LAST, OurClient, OurServer, Script, Server, Update, Wire, client_config, contents,
    },
};

/// A stream of ours that begins with these messages.
fn stream(messages: &[Message<'_>]) -> Vec<u8> {
    let mut bytes = encode::definitions().to_vec();
    for message in messages {
        encode::message(&mut bytes, message);
    }
    bytes
}

/// A stream whose first gob message is this; its length is told truly.
fn gob_message(content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[0xfe, len[0], len[1]], content].concat()
}

fn client_hello() -> Message<'static> {
    Message::ClientHello(ClientHello { hostname: b"bad", syncer_type: b"felix", ..ClientHello::default() })
}

fn server_hello() -> Message<'static> {
    let hello =
        ServerHello { syncer_type: b"felix", supports_node_resource_updates: true, ..ServerHello::default() };
    Message::ServerHello(hello)
}

/// The first bytes of a gob message of more than `len` bytes, and as much of it as a reader may want.
fn oversized(len: usize) -> Vec<u8> {
    let claimed = u32::try_from(len).unwrap().to_be_bytes();
    [&[0xfc], &claimed[..], &vec![1; len]].concat()
}

/// Definitions that claim more than there is, that contradict what there is, or that define nothing.
fn lying() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        // Type 65 is a struct of four thousand million fields.
        (
            "fields",
            gob_message(
                b"\x81\x03\x01\x01\x01T\x01\xff\x82\x00\x01\xfc\xff\xff\xff\xff\x01\x01A\x01\x04\x00",
            ),
        ),
        // Its name has four thousand million bytes.
        ("a name", gob_message(b"\x81\x03\x01\x01\xfc\xff\xff\xff\xffT")),
        // It is type 20, which is given.
        ("an id", gob_message(b"\x27\x03\x01\x01\x01T\x01\xff\x82\x00\x00\x00")),
        // A value of a type that nobody has defined.
        ("a type", gob_message(b"\xff\xfe\x01\x01\x01\x00")),
        // 2^64-1 bytes follow.
        ("a length", vec![0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        // The length of the length has nine bytes.
        ("a number", vec![0xf7, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
    ]
}

/// What a bad client does, and what is told of it.
type Bad = (&'static str, Vec<u8>, fn(&ServedEnd) -> bool);

fn malformed(end: &ServedEnd) -> bool {
    matches!(end, ServedEnd::Malformed(_))
}

fn bad_clients() -> Vec<Bad> {
    let ping = Message::Ping(gob::Time::default());
    let pongs = vec![Message::Pong(Pong::default()); 10_000];
    let flood = [vec![client_hello()], pongs].concat();
    let mut all: Vec<Bad> = vec![
        ("a ping first", stream(slice::from_ref(&ping)), |end| *end == ServedEnd::Unexpected("MsgPing")),
        ("the server's hello", stream(&[server_hello()]), |end| {
            *end == ServedEnd::Unexpected("MsgServerHello")
        }),
        ("nothing in an envelope", stream(&[Message::Nil]), |end| {
            *end == ServedEnd::Unexpected("envelope without a message")
        }),
        ("a second hello", stream(&[client_hello(), client_hello()]), |end| {
            *end == ServedEnd::Unexpected("MsgClientHello")
        }),
        ("a ping later", stream(&[client_hello(), ping]), |end| *end == ServedEnd::Unexpected("MsgPing")),
        ("an acknowledgement of nothing", stream(&[client_hello(), Message::Ack]), |end| {
            *end == ServedEnd::Unexpected("MsgACK")
        }),
        ("a flood of pongs", stream(&flood), |end| *end == ServedEnd::TooManyPongs),
        (
            "a message too long",
            oversized((1 << 20) + 1),
            |end| matches!(end, ServedEnd::Malformed(error) if error.fault == Fault::TooLong),
        ),
        ("a page of the web", b"GET / HTTP/1.1\r\n".repeat(9), malformed),
        ("TLS", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[7; 60][..]].concat(), malformed),
        (
            "a stream that ends in a message",
            cut(stream(&[client_hello()])),
            |end| matches!(end, ServedEnd::Malformed(error) if error.fault == Fault::Ended),
        ),
        ("silence", Vec::new(), |end| *end == ServedEnd::HandshakeTimeout),
        ("a hello that goes on for ever", cut(stream(&[client_hello()])), |end| {
            *end == ServedEnd::HandshakeTimeout
        }),
    ];
    all.extend(lying().into_iter().map(|(what, bytes)| (what, bytes, malformed as fn(&ServedEnd) -> bool)));
    all
}

fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 3);
    bytes
}

#[test]
fn bad_clients_are_dropped_for_a_reason_that_is_told_and_good_ones_hear_everything() {
    let config = serve::Config { handshake_timeout: Duration::from_secs(3), ..serve::Config::default() };
    let server = OurServer::with(&contents(100, "some"), config);
    let good = GoClient::start(server.addr(), &["--once"]);
    good.in_sync();
    each(bad_clients(), |(what, bytes, wanted)| {
        let mut wire = Wire::connect(server.addr());
        let from = wire.addr();
        // It may be dropped before it has said all.
        wire.send(&bytes);
        if what.contains("ends") {
            wire.finish();
        }
        wire.is_ended();
        server.ends_one(what, |whose, reason| whose == from && wanted(reason));
        let key = format!("/calico/v1/config/after {what}");
        server.publish("felix", &[Update::new(&key, "v")]);
        good.sees(&key);
    });
    let (bad, stats) = (bad_clients().len(), server.stats().server);
    assert_eq!((stats.closed.values().sum::<u64>(), stats.connections_active), (bad as u64, 1));
    assert_eq!(good.state().0, 102 + bad);
}

#[test]
fn a_thousand_hasty_connections_leave_nothing_behind() {
    let server = OurServer::with(&contents(10, "some"), serve::Config::default());
    let good = GoClient::start(server.addr(), &["--once"]);
    good.in_sync();
    let hello = stream(&[client_hello()]);
    for number in 0..1_000 {
        let mut wire = Wire::connect(server.addr());
        wire.send(&hello[..number % hello.len()]);
    }
    server.has(1);
    server.publish("felix", &[Update::new(LAST, "v")]);
    good.sees(LAST);
}

/// What a bad server says, and what its client tells its user.
type BadServer = (&'static str, Vec<Vec<u8>>, fn(&SyncEnd) -> bool);

fn bad_servers() -> Vec<BadServer> {
    fn malformed(end: &SyncEnd) -> bool {
        matches!(end, SyncEnd::Malformed(_))
    }
    let snappy = Message::DecoderRestart(DecoderRestart { message: b"", compression_algorithm: b"snappy" });
    let restart = || stream(&[server_hello(), snappy.clone()]);
    let mut framed = snappy::STREAM_IDENTIFIER.to_vec();
    snappy::frame(&stream(&[Message::SyncStatus(SyncStatus(1))]), &mut framed);
    let mut damaged = framed.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let mut all: Vec<BadServer> = vec![
        ("a status first", vec![stream(&[Message::SyncStatus(SyncStatus(2))])], |end| {
            *end == SyncEnd::NotHello("MsgSyncStatus")
        }),
        ("nothing in an envelope", vec![stream(&[server_hello(), Message::Nil])], |end| {
            *end == SyncEnd::Unexpected("message without content")
        }),
        ("two hellos", vec![stream(&[server_hello(), server_hello()])], |end| *end == SyncEnd::SecondHello),
        ("a client's hello", vec![stream(&[server_hello(), client_hello()])], |end| {
            *end == SyncEnd::Unexpected("MsgClientHello")
        }),
        ("silence", vec![Vec::new()], |end| *end == SyncEnd::HandshakeTimeout),
        ("silence after the hello", vec![stream(&[server_hello()])], |end| *end == SyncEnd::ReadTimeout),
        (
            "a message too long",
            vec![[stream(&[server_hello()]), oversized(70_000)].concat()],
            |end| matches!(end, SyncEnd::Malformed(error) if error.fault == Fault::TooLong),
        ),
        ("it ends", vec![stream(&[server_hello()])], |end| *end == SyncEnd::Closed),
        (
            "it ends in a message",
            vec![cut(stream(&[server_hello(), Message::SyncStatus(SyncStatus(2))]))],
            |end| matches!(end, SyncEnd::Malformed(error) if error.fault == Fault::Ended),
        ),
        ("snappy that is not", vec![restart(), stream(&[Message::SyncStatus(SyncStatus(1))])], |end| {
            matches!(end, SyncEnd::Compression(_))
        }),
        ("it ends in a chunk", vec![restart(), cut(framed)], |end| {
            *end == SyncEnd::Compression(snappy::FrameError::Ended)
        }),
        ("snappy that is damaged", vec![restart(), damaged], |end| matches!(end, SyncEnd::Compression(_))),
    ];
    all.extend(
        lying().into_iter().map(|(what, bytes)| (what, vec![bytes], malformed as fn(&SyncEnd) -> bool)),
    );
    all
}

#[test]
fn bad_servers_are_left_by_our_client_for_a_reason_that_is_told() {
    each(bad_servers(), |(what, parts, wanted)| {
        let script = Script::start(parts, what.starts_with("it ends"));
        let mut config = client_config(script.addr());
        config.handshake_timeout = Duration::from_millis(1_500);
        config.read_timeout = Duration::from_millis(1_500);
        config.limits =
            follow::Limits { gob: gob::Limits { message: 64 << 10, ..config.limits.gob }, ..config.limits };
        let begun = Instant::now();
        let end = OurClient::start(config).ends(0);
        assert!(wanted(&end), "{what}: {end:?} after {:?}", begun.elapsed());
    });
}
