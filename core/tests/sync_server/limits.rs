//! Every limit on what a client may make the server keep or wait for, met.

use std::time::Duration;

use networkdb_core::{
    machine::{Input, Machine, StreamId, StreamInput},
    syncproto::{ClientHello, Message, Pong, SyncStatus, server::Reason},
};

use crate::world::{Kind, SECOND, World};

/// Bytes a stream may have handed over: its window and one piece.
const WINDOW: usize = (256 + 64) << 10;

#[test]
fn time_for_the_hello() {
    let mut world = World::new(|_| ());
    let id = world.accept();
    world.pass(9 * SECOND);
    assert_eq!(world.reason(id), None);
    world.pass(SECOND);
    assert_eq!(world.reason(id), Some(Reason::HandshakeTimeout));
}

#[test]
fn time_for_an_acknowledgement() {
    for restart in 0..2 {
        let mut world = World::new(|_| ());
        let id = world.hello(Kind::Today);
        world.client(id).acknowledges = false;
        world.deliver();
        for _ in 0..restart {
            world.say(id, &Message::Ack);
            world.deliver();
        }
        world.pass(59 * SECOND);
        assert_eq!(world.reason(id), None);
        world.pass(SECOND);
        assert_eq!(world.reason(id), Some(Reason::AckTimeout));
    }
}

#[test]
fn time_for_pongs_is_six_pings_if_it_is_set_too_short() {
    for (timeout, holds) in [(60, 60), (21, 21), (20, 60), (1, 60)] {
        let mut world = World::new(|config| config.pong_timeout = Duration::from_secs(timeout));
        let id = world.join(Kind::Old);
        world.client(id).answers_pings = false;
        world.pass(Duration::from_millis(holds * 1_000 - 1));
        assert_eq!(world.reason(id), None, "{timeout}");
        world.pass(SECOND);
        assert_eq!(world.reason(id), Some(Reason::PongTimeout), "{timeout}");
    }
    let mut world = World::new(|_| ());
    let id = world.join(Kind::Today);
    world.pass(1_000 * SECOND);
    assert_eq!(world.reason(id), None, "who answers stays");
}

#[test]
fn pongs_that_nobody_asked_for() {
    let mut world = World::new(|_| ());
    let id = world.join(Kind::Today);
    for _ in 0..64 {
        world.say(id, &Message::Pong(Pong::default()));
    }
    assert_eq!(world.reason(id), None);
    world.pass(12 * SECOND);
    world.say(id, &Message::Pong(Pong::default()));
    assert_eq!(world.reason(id), Some(Reason::TooManyPongs));
}

#[test]
fn time_without_a_byte_taken() {
    let mut world = World::new(|_| ());
    let mut noise = networkdb_core::machine::Rng::new([1; 32]);
    for number in 0..1_000 {
        let value: String = (0..1_000).map(|_| char::from(b' ' + noise.below(95) as u8)).collect();
        world.set(&format!("k{number}"), &value);
    }
    world.publish();
    let id = world.hello(Kind::Today);
    while !world.news(id).iter().any(|text| text.starts_with("snappy")) {
        assert!(world.deliver_one(id), "the restart comes");
    }
    assert!(world.client(id).unread_bytes() > 0);
    for _ in 0..3 {
        world.pass_unread(119 * SECOND);
        assert_eq!(world.reason(id), None, "it takes a little now and then");
        world.deliver_one(id);
    }
    world.pass_unread(119 * SECOND);
    assert_eq!(world.reason(id), None);
    world.pass_unread(SECOND);
    assert_eq!(world.reason(id), Some(Reason::WriteTimeout));
}

/// A client with a full window, and more to come.
fn slow(world: &mut World) -> StreamId {
    let id = world.join(Kind::Old);
    for number in 0..10 {
        world.change(&format!("full{number}"), &"x".repeat(60_000));
    }
    assert!(world.client(id).unread_bytes() > 256 << 10);
    id
}

/// Lets time pass while `id` reads just enough to stay connected.
fn crawl(world: &mut World, id: StreamId, seconds: u64) {
    for second in 0..seconds {
        world.pass_unread(SECOND);
        if second % 12 == 0 {
            world.say(id, &Message::Pong(Pong::default()));
        }
        world.input(id, StreamInput::Sent(1));
    }
}

#[test]
fn time_behind_after_the_grace_period() {
    let mut world = World::new(|config| config.new_client_grace_period = 30 * SECOND);
    let id = slow(&mut world);
    crawl(&mut world, id, 40);
    world.change("a", "1");
    assert_eq!(world.reason(id), None, "it is behind, but not for long");
    for _ in 0..7 {
        crawl(&mut world, id, 40);
        assert_eq!(world.reason(id), None, "not before it is five minutes behind");
        world.change("a", &format!("{:?}", world.now));
    }
    assert_eq!(world.reason(id), Some(Reason::FellBehind));
}

#[test]
fn a_client_in_its_grace_period_may_be_behind() {
    let mut world = World::new(|config| {
        config.max_fall_behind = 20 * SECOND;
        config.new_client_grace_period = 50 * SECOND;
    });
    let id = slow(&mut world);
    crawl(&mut world, id, 40);
    world.change("a", "1");
    assert_eq!(world.reason(id), None);
    assert_eq!(world.server.stats().syncers["felix"].connections_grace_used, 1);
    crawl(&mut world, id, 20);
    world.change("a", "2");
    assert_eq!(world.reason(id), Some(Reason::FellBehind));
}

#[test]
fn bytes_behind() {
    for stage in ["snapshot", "ack", "follow"] {
        let mut world = World::new(|config| config.max_behind_bytes = 1 << 20);
        world.fill(100, if stage == "snapshot" { 20_000 } else { 1 });
        let kind = if stage == "ack" { Kind::Today } else { Kind::Old };
        let id = world.hello(kind);
        if stage == "ack" {
            world.client(id).acknowledges = false;
            world.deliver();
            world.say(id, &Message::Ack);
        }
        if stage == "follow" {
            world.deliver();
        }
        let mut changes = 0;
        while world.reason(id).is_none() && changes < 100 {
            world.change("a", &format!("{changes}{}", "x".repeat(60_000)));
            changes += 1;
        }
        // The window holds a quarter of it for the one that follows.
        assert_eq!(changes, if stage == "follow" { 23 } else { 18 }, "{stage}");
        assert_eq!(world.reason(id), Some(Reason::TooMuchBehind), "{stage}");
    }
}

#[test]
fn a_slow_reader_costs_its_window_and_delays_nobody() {
    for kind in [Kind::Old, Kind::Today] {
        let mut world = World::new(|_| ());
        world.fill(3_000, 1_000);
        let slow = world.hello(kind);
        let fast = world.join(kind);
        let joined = world.hello(kind);
        for id in [slow, joined] {
            assert!(world.client(id).unread_bytes() <= WINDOW);
        }
        world.deliver_to(fast);
        for number in 0..300 {
            world.change("a", &format!("{number}{}", "y".repeat(5_000)));
            world.deliver_to(fast);
            assert_eq!(world.client(fast).model["a"].len(), format!("{number}").len() + 5_000);
            assert!(world.client(slow).unread_bytes() <= WINDOW);
        }
        world.deliver();
        let model = world.model();
        assert!([slow, fast, joined].iter().all(|id| world.client(*id).model == model));
    }
}

#[test]
fn bytes_of_a_message() {
    let mut world = World::new(|_| ());
    let id = world.accept();
    let info = vec![b'x'; 1 << 20];
    world.say(id, &Message::ClientHello(ClientHello { info: &info, ..ClientHello::default() }));
    assert!(matches!(world.reason(id), Some(Reason::Malformed(_))), "{:?}", world.reason(id));
    let id = world.accept();
    world.say(id, &Message::ClientHello(ClientHello { info: &info[..1_000_000], ..ClientHello::default() }));
    assert_eq!(world.reason(id), None);
    assert_eq!(world.server.clients().next().unwrap().info.len(), 256);
}

#[test]
fn connections_accepted_at_one_time() {
    let mut world = World::new(|config| config.max_accepted = 3);
    let ids: Vec<_> = (0..4).map(|_| world.accept()).collect();
    assert_eq!(world.reason(ids[3]), Some(Reason::TooManyConnections));
    world.input(ids[0], StreamInput::Finished);
    let id = world.join(Kind::Today);
    assert_eq!(world.reason(id), None);
}

#[test]
fn events_that_nobody_takes() {
    let mut world = World::new(|config| config.max_accepted = 0);
    for number in 0..5_000 {
        let input = StreamInput::Accepted { from: ([10, 0, 0, 1], 1).into() };
        let id = StreamId(2 * number + 1);
        world.server.handle(world.now, Input::Stream(id, input));
    }
    let stats = world.server.stats();
    assert_eq!((stats.connections_accepted, stats.events_dropped), (5_000, 904));
}

#[test]
fn a_conflated_client_gets_the_newest_value_and_the_type_that_fits_what_it_holds() {
    let mut world = World::new(|config| config.conflate = vec!["felix".into()]);
    for key in ["held", "goes", "changes", "returns"] {
        world.change(key, "1");
    }
    let id = slow(&mut world);
    for round in 0..50 {
        world.change("held", &format!("round {round}"));
    }
    world.change("new", "1");
    world.change("new", "2");
    world.delete("goes");
    world.delete("never");
    world.delete("returns");
    world.publish();
    world.change("returns", "2");
    world.set("short", "1");
    world.publish();
    world.delete("short");
    world.publish();
    world.status(SyncStatus::IN_SYNC);
    world.client(id).heard.clear();
    world.deliver();
    let heard = std::mem::take(&mut world.client(id).heard);
    let news: Vec<&str> = heard.iter().flat_map(|text| text.split(' ').skip(2)).collect();
    assert_eq!(
        news.iter().filter(|text| !text.starts_with("full")).copied().collect::<Vec<_>>(),
        ["goes:3", "held:2", "never:3", "new:1", "returns:2", "short:3"]
    );
    assert_eq!(heard.last().unwrap(), "status 2");
    assert_eq!(world.held(id), &world.model());
    assert!(world.server.stats().syncers["felix"].conflated >= 50);
    world.change("held", "after");
    world.deliver();
    assert_eq!(world.news(id), ["kvs 1 held:2"]);
}

#[test]
fn a_key_that_never_rests_holds_up_no_status_and_costs_no_more_each_time() {
    let mut world = World::new(|config| {
        config.conflate = vec!["felix".into()];
        config.max_behind_bytes = 600;
    });
    let id = slow(&mut world);
    world.status(SyncStatus::IN_SYNC);
    for number in 0..30 {
        world.change("hot", &format!("{number}{}", "x".repeat(60_000)));
        world.deliver_one(id);
    }
    assert_eq!((world.reason(id), world.client(id).status), (None, 2));
}

#[test]
fn keys_kept_for_a_conflated_client() {
    let mut world = World::new(|config| {
        config.conflate = vec!["felix".into()];
        config.max_behind_bytes = 4_096;
    });
    let id = slow(&mut world);
    for number in 0..200 {
        world.change("one", &format!("{number}{}", "x".repeat(50_000)));
    }
    assert_eq!(world.reason(id), None, "one key however often it changes");
    let mut many = 0;
    while world.reason(id).is_none() && many < 100 {
        world.change(&format!("many{many:02}"), "1");
        many += 1;
    }
    // Each key counts 64 bytes more than it has. Of the ten long ones five wait.
    assert_eq!((many - 1) * (64 + "many00".len()) + (64 + "one".len()) + 5 * (64 + "full0".len()), 4_052);
    assert_eq!(world.reason(id), Some(Reason::TooMuchBehind));
}
