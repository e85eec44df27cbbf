//! What a client can notice of section 4 of the protocol, rule by rule.

use std::time::Duration;

use networkdb_core::{
    machine::{Fault, Input, Machine, StreamInput},
    syncproto::{
        ClientHello, Message, Pong, SyncStatus,
        server::{Event, Reason},
    },
};

use crate::world::{Kind, MILLI, SECOND, World};

const ALL: [Kind; 3] = [Kind::Old, Kind::Plain, Kind::Today];

#[test]
fn todays_client_gets_a_snapshot_in_snappy_and_acknowledges_before_and_after() {
    let mut world = World::new(|_| ());
    world.fill(1_517, 40);
    world.status(SyncStatus::IN_SYNC);
    let id = world.hello(Kind::Today);
    world.client(id).acknowledges = false;
    world.deliver();
    let restart = "snappy enable compression: snappy;send binary snapshot";
    assert_eq!(world.news(id), ["hello v0 felix", restart]);
    world.say(id, &Message::Ack);
    world.deliver();
    assert_eq!(world.news(id), ["kvs 1000", "kvs 517", "snappy End of compressed snapshot."]);
    world.change("k", "1");
    assert_eq!(world.client(id).unread_bytes(), 0, "nothing follows before the acknowledgement");
    world.say(id, &Message::Ack);
    world.deliver();
    assert_eq!(world.news(id), ["status 2", "kvs 1 k:1"]);
    assert_eq!(world.held(id), &world.model());
}

#[test]
fn a_client_without_restarts_gets_one_stream_of_messages_of_100() {
    for kind in [Kind::Old, Kind::Plain] {
        let mut world = World::new(|_| ());
        world.fill(250, 40);
        world.status(SyncStatus::RESYNC_IN_PROGRESS);
        let id = world.join(kind);
        assert_eq!(world.news(id), ["hello v0 felix", "kvs 100", "kvs 100", "kvs 50", "status 1"]);
        world.status(SyncStatus::IN_SYNC);
        world.deliver();
        assert_eq!(world.news(id), ["status 2"]);
        assert_eq!(world.held(id), &world.model());
    }
}

#[test]
fn the_snapshot_is_sorted_and_all_new() {
    let mut world = World::new(|_| ());
    for key in ["b", "c", "a", "b"] {
        world.change(key, "1");
    }
    world.change("b", "2");
    for kind in ALL {
        let id = world.join(kind);
        assert!(world.news(id).contains(&"kvs 3 a:1 b:1 c:1".into()), "{kind:?}");
    }
}

#[test]
fn on_an_empty_waiting_cache_there_are_only_pings() {
    let mut world = World::new(|_| ());
    let ids = ALL.map(|kind| world.join(kind));
    world.pass(25 * SECOND);
    for id in ids {
        let news = world.news(id);
        assert!(!news.iter().any(|text| text.starts_with("kvs") || text.starts_with("status")), "{news:?}");
        assert_eq!(news.iter().filter(|text| *text == "ping").count(), 2);
    }
}

#[test]
fn each_crumb_is_a_message_and_a_status_follows_its_updates() {
    let mut world = World::new(|_| ());
    let ids = ALL.map(|kind| world.join(kind));
    for id in ids {
        world.news(id);
    }
    world.change("a", "1");
    world.change("a", "1");
    world.set("a", "2");
    world.delete("none");
    world.status(SyncStatus::IN_SYNC);
    world.status(SyncStatus::RESYNC_IN_PROGRESS);
    world.deliver();
    for id in ids {
        // Setting the same value again is an update that changes nothing.
        assert_eq!(world.news(id), ["kvs 1 a:1", "kvs 2 a:2 none:3", "status 2", "status 1"]);
    }
}

#[test]
fn a_client_that_is_behind_gets_sixteen_crumbs_at_once() {
    let mut world = World::new(|_| ());
    let id = world.join(Kind::Old);
    world.news(id);
    for number in 0..16 {
        world.set(&format!("k{number}"), "1");
        world.cache.publish(world.now);
    }
    let published = world.cache.published();
    world.server.follow(world.now, "felix", published);
    world.settle();
    world.change("last", "1");
    world.deliver();
    assert_eq!(world.news(id), ["kvs 16", "kvs 1 last:1"]);
    assert_eq!(world.held(id), &world.model());
}

#[test]
fn pings_of_old_clients_come_between_messages_of_the_snapshot() {
    let mut world = World::new(|_| ());
    world.fill(1_000, 4_000);
    let (old, today) = (world.hello(Kind::Old), world.hello(Kind::Today));
    world.pass_unread(12 * SECOND);
    world.deliver();
    let pings = |news: &[String]| {
        let end = news.iter().rposition(|text| text.starts_with("kvs")).unwrap();
        news[..end].iter().filter(|text| *text == "ping").count()
    };
    let (old, today) = (world.news(old), world.news(today));
    assert_eq!((pings(&old), pings(&today)), (1, 0), "{old:?} {today:?}");
}

#[test]
fn pings_come_every_ten_seconds_and_up_to_a_tenth_later() {
    let mut world = World::new(|_| ());
    let id = world.join(Kind::Today);
    let mut gaps = Vec::new();
    let mut last = world.now;
    for _ in 0..55_100 {
        world.pass(10 * MILLI);
        if world.news(id).contains(&"ping".into()) {
            gaps.push(world.now.since(last).as_millis());
            last = world.now;
        }
    }
    gaps.truncate(50);
    assert_eq!(gaps.len(), 50, "in 551 seconds");
    let (least, most) = (gaps.iter().min().unwrap(), gaps.iter().max().unwrap());
    assert!(*least >= 9_990 && *least < 10_300 && *most > 10_700 && *most <= 11_020, "{gaps:?}");
    assert!(world.server.stats().syncers["felix"].ping_latency.count >= 50);
}

#[test]
fn clients_that_ask_for_what_is_not_served_are_refused_in_silence() {
    let mut world = World::new(|config| config.require_modern_policy_keys = true);
    let unknown = world.accept();
    let hello =
        ClientHello { syncer_type: b"bgp", supports_modern_policy_keys: true, ..ClientHello::default() };
    world.say(unknown, &Message::ClientHello(hello));
    let old = world.hello(Kind::Old);
    let today = world.join(Kind::Today);
    world.deliver();
    assert_eq!(world.reason(unknown), Some(Reason::UnknownSyncerType));
    assert_eq!(world.reason(old), Some(Reason::OldPolicyKeys));
    assert_eq!((world.client(unknown).read, world.client(old).read), (0, 0));
    assert_eq!(world.reason(today), None);
}

#[test]
fn each_syncer_type_has_its_own_feed() {
    let mut world = World::new(|_| ());
    let mut bgp = networkdb_core::syncproto::cache::Cache::default();
    world.server.follow(world.now, "bgp", bgp.published());
    let of_bgp = world.accept();
    let hello = ClientHello { syncer_type: b"bgp", ..ClientHello::default() };
    world.say(of_bgp, &Message::ClientHello(hello));
    let of_felix = world.join(Kind::Old);
    world.change("felix", "1");
    bgp.status(SyncStatus::IN_SYNC);
    let published = bgp.publish(world.now).unwrap();
    world.server.follow(world.now, "bgp", published);
    world.settle();
    world.deliver();
    assert_eq!(world.news(of_bgp), ["hello v0 bgp", "status 2"]);
    assert_eq!(world.news(of_felix), ["hello v0 felix", "kvs 1 felix:1"]);
}

#[test]
fn a_message_that_is_not_for_the_moment_ends_the_connection() {
    let hello = Message::ClientHello(ClientHello::default());
    let pong = Message::Pong(Pong::default());
    let mut world = World::new(|_| ());
    let first = world.accept();
    world.say(first, &pong);
    assert_eq!(world.reason(first), Some(Reason::Unexpected("MsgPong")));

    for (message, name) in [
        (Message::Ack, "MsgACK"),
        (hello.clone(), "MsgClientHello"),
        (Message::Nil, "envelope without a message"),
        (Message::SyncStatus(SyncStatus::IN_SYNC), "MsgSyncStatus"),
    ] {
        for kind in ALL {
            let id = world.join(kind);
            world.say(id, &message);
            assert_eq!(world.reason(id), Some(Reason::Unexpected(name)), "{kind:?}");
            assert!(world.client(id).closed.is_some());
        }
    }
    for message in [pong, hello] {
        let waits = world.hello(Kind::Today);
        world.say(waits, &message);
        assert!(matches!(world.reason(waits), Some(Reason::Unexpected(_))));
    }
    let id = world.join(Kind::Today);
    world.raw(id, b"\xf0");
    assert!(matches!(world.reason(id), Some(Reason::Malformed(_))));
    assert_eq!(world.server.stats().closed["malformed"], 1);
    assert_eq!(world.server.stats().connections_active, 0);
}

#[test]
fn an_acknowledgement_may_come_before_it_is_asked_for_and_no_other_after_it() {
    let mut world = World::new(|_| ());
    world.fill(5_000, 100);
    let today = ClientHello {
        supports_decoder_restart: true,
        compression_algorithms: vec![b"snappy"],
        ..ClientHello::default()
    };
    let [patient, hasty] = [2, 3].map(|times| {
        let id = world.accept();
        world.client(id).acknowledges = false;
        world.say(id, &Message::ClientHello(today.clone()));
        (0..times).for_each(|_| world.say(id, &Message::Ack));
        id
    });
    world.deliver();
    world.change("a", "1");
    world.deliver();
    assert_eq!(world.held(patient), &world.model());
    assert_eq!(world.reason(hasty), Some(Reason::Unexpected("MsgACK")));
}

#[test]
fn a_connection_ends_with_its_stream() {
    let mut world = World::new(|_| ());
    let (one, two, three) = (world.join(Kind::Old), world.join(Kind::Today), world.join(Kind::Today));
    world.input(one, StreamInput::Finished);
    world.input(two, StreamInput::Failed(Fault::Reset));
    world.server.disconnect(world.now, three);
    world.settle();
    assert_eq!(world.reason(one), Some(Reason::Finished));
    assert_eq!(world.reason(two), Some(Reason::Failed(Fault::Reset)));
    assert_eq!(world.reason(three), Some(Reason::Disconnected));
    for id in [one, two, three] {
        world.input(id, StreamInput::Sent(9));
    }
    assert_eq!(world.server.next_deadline(), None, "nothing is left of them");
}

#[test]
fn a_client_that_ends_inside_a_message_is_told_from_one_that_leaves() {
    let mut world = World::new(|_| ());
    let id = world.join(Kind::Today);
    world.raw(id, b"\x10\xff");
    world.input(id, StreamInput::Finished);
    let Some(Reason::Malformed(error)) = world.reason(id) else { panic!("{:?}", world.reason(id)) };
    assert_eq!(error.fault, networkdb_core::wire::gob::Fault::Ended);
}

#[test]
fn a_snapshot_in_snappy_is_made_once_for_all_who_come_within_a_second_or_while_nothing_changes() {
    let mut world = World::new(|_| ());
    world.fill(500, 100);
    let made = |world: &World| {
        let stats = &world.server.stats().syncers["felix"];
        (stats.snapshots_generated, stats.snapshots_reused)
    };
    world.join(Kind::Today);
    world.pass(30 * SECOND);
    world.join(Kind::Today);
    assert_eq!(made(&world), (1, 1));
    world.pass(SECOND);
    world.change("new", "1");
    world.join(Kind::Today);
    assert_eq!(made(&world), (2, 1));
    world.change("newer", "1");
    world.pass(900 * MILLI);
    let id = world.join(Kind::Today);
    assert_eq!(made(&world), (2, 2));
    let news = world.news(id);
    assert!(news.contains(&"kvs 501".into()) && news.contains(&"kvs 1 newer:1".into()), "{news:?}");
    world.pass(100 * MILLI);
    let id = world.join(Kind::Today);
    assert!(world.news(id).contains(&"kvs 502".into()));
    let stats = &world.server.stats().syncers["felix"];
    assert!(stats.snapshot_raw_bytes > 10 * stats.snapshot_compressed_bytes, "{stats:?}");
    assert_eq!(stats.connections_streaming, 0);
}

#[test]
fn a_server_goes_only_as_far_as_it_was_told() {
    let mut world = World::new(|_| ());
    // What is joined begins with every sixteenth crumb, so the next one is among the first that are.
    (0..15).for_each(|number| world.change("x", &number.to_string()));
    let id = world.join(Kind::Old);
    world.news(id);
    world.change("a", "1");
    let mut announced = world.cache.published();
    for number in 0..16 {
        world.set("b", &number.to_string());
        world.cache.publish(world.now);
        if number == 1 {
            announced = world.cache.published();
        }
    }
    world.pass(12 * SECOND);
    assert_eq!(world.news(id), ["kvs 1 a:1", "ping"]);
    world.server.follow(world.now, "felix", announced);
    world.settle();
    world.deliver();
    assert_eq!(world.news(id), ["kvs 1 b:1", "kvs 1 b:2"], "and no further, joined or not");
}

#[test]
fn too_many_connections_are_dropped_one_at_a_time_and_at_random() {
    let mut world = World::new(|config| config.max_connections = 30);
    let ids: Vec<_> = (0..40).map(|_| world.join(Kind::Today)).collect();
    world.pass(5 * SECOND);
    let dropped = world.server.stats().connections_dropped;
    assert!((4..=5).contains(&dropped), "{dropped}");
    world.pass(30 * SECOND);
    let gone: Vec<usize> = (0..40).filter(|at| world.reason(ids[*at]) == Some(Reason::Rebalanced)).collect();
    assert_eq!(gone.len(), 10);
    assert!(gone.iter().any(|at| *at < 20) && gone.iter().any(|at| *at >= 20), "{gone:?}");
    world.server.set_max_connections(world.now, 29);
    world.pass(10 * SECOND);
    assert_eq!(world.server.stats().connections_active, 29);
}

#[test]
fn a_drain_drops_all_connections_evenly_and_takes_no_more() {
    let mut world = World::new(|_| ());
    for _ in 0..20 {
        world.join(Kind::Today);
    }
    world.server.drain(world.now, 10 * SECOND);
    let late = world.join(Kind::Today);
    assert_eq!(world.reason(late), Some(Reason::Draining));
    world.pass(5 * SECOND);
    let left = world.server.stats().connections_active;
    assert!((8..=10).contains(&left), "{left}");
    assert!(!world.events.contains(&Event::Drained));
    world.pass(5 * SECOND);
    assert_eq!(world.events.last(), Some(&Event::Drained));
    assert_eq!((world.server.stats().connections_active, world.server.next_deadline()), (0, None));
}

#[test]
fn a_drain_without_time_ends_all_connections_in_one_turn() {
    let mut world = World::new(|_| ());
    for _ in 0..20 {
        world.join(Kind::Today);
    }
    world.server.drain(world.now, Duration::ZERO);
    world.server.handle(world.now, Input::Tick);
    assert_eq!((world.server.stats().connections_active, world.server.next_deadline()), (0, None));
    world.settle();
    assert_eq!(world.events.last(), Some(&Event::Drained));
}

#[test]
fn who_is_served_is_known() {
    let mut world = World::new(|_| ());
    let id = world.join(Kind::Today);
    let client = world.server.clients().next().unwrap();
    assert_eq!((client.stream, &*client.hostname, &*client.version), (id, "host", "v1"));
    assert!(client.snappy && client.server_conn_id & 0xffff_ffff == 1 && client.server_conn_id >> 32 != 0);
    assert!(matches!(&world.events[..], [Event::Joined(_)]));
}
