//! Servers that do what no server does, and hosts at the end of their patience.

use std::time::Duration;

use super::typha::{Host, Typha, config, hello};
use crate::{
    machine::{Fault, Input, Machine, Output, StreamId, StreamInput},
    syncproto::{
        ClientHello, Message, Pong,
        client::{Config, Event, Generation, Limits, Reason},
    },
    wire::{
        gob::{self, Time},
        snappy::FrameError,
    },
};

fn ended(typha: &Typha) -> Option<Reason> {
    Host::with(config(), typha).reason().cloned()
}

#[test]
fn anything_but_a_hello_first_ends_the_connection() {
    for message in [Message::Nil, Message::Ack, Message::Ping(Time::default())] {
        let reason = ended(&Typha::new().say(&message)).unwrap();
        assert!(matches!(reason, Reason::NotHello(_)), "{message:?}: {reason}");
    }
}

#[test]
fn a_second_hello_ends_the_connection() {
    let typha = Typha::greeted().say(&Message::ServerHello(hello()));
    assert_eq!(ended(&typha), Some(Reason::SecondHello));
}

#[test]
fn messages_that_no_server_sends_end_the_connection() {
    for message in [
        Message::Nil,
        Message::Ack,
        Message::Pong(Pong::default()),
        Message::ClientHello(ClientHello::default()),
    ] {
        let reason = ended(&Typha::greeted().say(&message)).unwrap();
        assert!(matches!(reason, Reason::Unexpected(_)), "{message:?}: {reason}");
    }
}

#[test]
fn a_restart_that_was_not_offered_ends_the_connection() {
    for config in
        [Config { decoder_restart: false, ..config() }, Config { generation: Generation::V3_2_5, ..config() }]
    {
        let host = Host::with(config, &Typha::greeted().announce("snappy"));
        assert_eq!(host.reason(), Some(&Reason::Unexpected("MsgDecoderRestart")));
    }
}

#[test]
fn what_is_no_message_ends_the_connection() {
    let reason = ended(&Typha::greeted().raw(&[0xf6, 1, 2, 3])).unwrap();
    assert!(matches!(reason, Reason::Malformed(_)), "{reason}");
    let reason = ended(&Typha::greeted().announce("snappy").raw(b"not snappy")).unwrap();
    assert_eq!(reason, Reason::Compression(FrameError::NoIdentifier));
}

#[test]
fn a_message_above_the_limit_ends_the_connection_before_it_has_come() {
    let mut small = config();
    small.limits.gob.message = 1000;
    let host = Host::with(small, &Typha::greeted().raw(&[0xfe, 4, 0]));
    let error = gob::Error { fault: gob::Fault::TooLong, offset: Typha::greeted().bytes.len() as u64 };
    assert_eq!(host.reason(), Some(&Reason::Malformed(error)));
}

#[test]
fn what_follows_the_end_of_a_compressed_stream_inside_its_chunk_ends_the_connection() {
    let plain = Typha::default().announce("snappy").kvs(&[("/a", "1")]).bytes;
    let mut chunk = Vec::new();
    crate::wire::snappy::frame(&plain, &mut chunk);
    assert_eq!(ended(&Typha::compressed().raw(&chunk)), Some(Reason::Surplus));
}

#[test]
fn a_dial_has_its_time() {
    let mut host = Host::new(config());
    host.wait(Duration::from_millis(9_999));
    assert!(host.events.is_empty());
    host.wait(Duration::from_millis(1));
    assert_eq!(host.story(), ["unreached 10.0.0.1:5473: cannot connect: no answer in time"]);
    assert!(!host.open);
}

#[test]
fn a_silent_server_has_its_time_for_the_hello_and_for_each_message() {
    let mut changed = config();
    changed.handshake_timeout = Duration::from_secs(5);
    let mut host = Host::up(changed.clone());
    host.wait(Duration::from_millis(4_999));
    assert_eq!(host.reason(), None);
    host.wait(Duration::from_millis(1));
    assert_eq!(host.reason(), Some(&Reason::HandshakeTimeout));

    let mut host = Host::with(changed, &Typha::greeted());
    for _ in 0..5 {
        host.wait(Duration::from_secs(29));
        host.receive(&Typha::default().say(&Message::Ping(Time::default())).bytes);
    }
    host.receive(&[1]);
    host.wait(Duration::from_millis(29_999));
    assert_eq!(host.reason(), None);
    host.wait(Duration::from_millis(1));
    assert_eq!(host.reason(), Some(&Reason::ReadTimeout), "the beginning of a message is no message");
}

#[test]
fn a_server_that_takes_nothing_has_its_time() {
    let mut host = Host::new(config());
    host.sends = false;
    host.opened();
    host.receive(&Typha::greeted().bytes);
    host.wait(Duration::from_millis(9_999));
    host.sent(1);
    host.wait(Duration::from_millis(9_999));
    assert_eq!(host.reason(), None, "a byte has left");
    host.wait(Duration::from_millis(1));
    assert_eq!(host.reason(), Some(&Reason::WriteTimeout));

    let mut host = Host::new(config());
    host.sends = false;
    host.opened();
    host.sent(host.unsent);
    host.receive(&Typha::greeted().bytes);
    host.wait(Duration::from_secs(29));
    assert_eq!(host.reason(), None, "nothing waits to be sent");
}

#[test]
fn a_flood_of_pings_that_takes_no_pongs_is_not_read_on() {
    let mut flood = Typha::greeted();
    for i in 0..20_000 {
        flood = flood.say(&Message::Ping(Time::from_unix(i, 0)));
    }
    let mut host = Host::new(config());
    host.sends = false;
    host.opened();
    host.receive(&flood.bytes);
    assert!(!host.reading);
    let stats = host.client.stats();
    assert!(stats.pings < 2_000 && stats.unread_bytes > 100_000, "{stats:?}");
    while host.unsent > 0 {
        host.sent(host.unsent.min(5_000));
    }
    assert!(host.reading);
    assert_eq!(host.client.stats().pings, 20_000);
    assert_eq!(host.said().len(), 20_001);
}

#[test]
fn more_keys_than_the_limit_end_the_client() {
    let limits = Limits { keys: 2, ..Limits::default() };
    let host =
        Host::with(Config { limits, ..config() }, &Typha::compressed().kvs(&[("/a", "1"), ("/b", "2")]));
    assert_eq!(host.reason(), None);
    let mut host = host;
    let more = Typha::default().kvs(&[("/c", "1")]).bytes;
    let mut chunk = Vec::new();
    crate::wire::snappy::frame(&more, &mut chunk);
    host.receive(&chunk);
    assert_eq!(host.story().last().unwrap(), "finished: the server sends more keys than the limit");
    assert!(host.client.is_finished() && !host.open);
    assert_eq!(host.client.next_deadline(), None);
    let limits = Limits { key_bytes: 5, ..Limits::default() };
    let host =
        Host::with(Config { limits, ..config() }, &Typha::greeted().kvs(&[("/a", "1"), ("/long", "2")]));
    assert_eq!(host.reason(), Some(&Reason::TooManyKeyBytes));
}

#[test]
fn an_endless_snapshot_is_ended_by_the_limit_of_keys() {
    let limits = Limits { keys: 10_000, ..Limits::default() };
    let mut host = Host::with(Config { limits, ..config() }, &Typha::greeted());
    let mut number = 0;
    while host.open {
        let keys: Vec<String> = (0..100).map(|i| format!("/key/{}", number + i)).collect();
        let pairs: Vec<(&str, &str)> = keys.iter().map(|key| (&key[..], "v")).collect();
        host.receive(&Typha::default().kvs(&pairs).bytes);
        number += 100;
        host.clear_updates();
        assert!(number <= 10_100);
    }
    assert_eq!(host.reason(), Some(&Reason::TooManyKeys));
}

#[test]
fn a_host_that_goes_on_reading_is_cut_off() {
    let limits = Limits { pending_bytes: 1000, unread_bytes: 10_000, ..Limits::default() };
    let mut host = Host::new(Config { limits, ..config() });
    host.takes = false;
    host.opened();
    host.receive(&Typha::greeted().kvs(&[("/a", &"v".repeat(2_000))]).bytes);
    assert!(!host.reading);
    host.receive(&[7; 10_000]);
    assert!(host.open);
    host.receive(&[7]);
    assert!(!host.open);
    host.take_all();
    assert_eq!(host.reason(), Some(&Reason::Unread));
}

#[test]
fn streams_of_others_and_words_about_streams_that_are_over_mean_nothing() {
    let mut host = Host::with(config(), &Typha::greeted());
    let accepted = StreamInput::Accepted { from: ([10, 0, 0, 9], 1).into() };
    host.client.handle(host.now, Input::Stream(StreamId(1), accepted));
    let refused = Output::Close(StreamId(1), crate::machine::How::Abort);
    assert_eq!(host.client.poll_output(), Some(refused));
    let old = host.id;
    host.fail(Fault::Reset);
    let events = host.events.len();
    host.client.handle(host.now, Input::Stream(old, StreamInput::Received(&[1, 2, 3])));
    host.client.handle(host.now, Input::Stream(StreamId(98), StreamInput::Failed(Fault::Reset)));
    host.client.handle(host.now, Input::Datagram { from: ([10, 0, 0, 9], 1).into(), bytes: &[1] });
    assert_eq!((host.client.poll_output(), host.client.poll_event()), (None, None));
    assert_eq!(host.events.len(), events);
}

#[test]
fn stop_ends_the_client_in_every_state() {
    for steps in 0..4 {
        let mut host = Host::new(config());
        match steps {
            0 => {}
            1 => host.opened(),
            2 => {
                host.opened();
                host.receive(&Typha::greeted().bytes);
            }
            _ => host.fail(Fault::Refused),
        }
        host.client.stop(host.now);
        host.client.stop(host.now);
        host.tick();
        assert!(!host.open && host.client.is_finished());
        assert_eq!(host.client.next_deadline(), None);
        assert_eq!(host.events.last(), Some(&Event::Finished { reason: Reason::Stopped }));
        assert_eq!(host.count(|event| matches!(event, Event::Finished { .. })), 1);
    }
}
