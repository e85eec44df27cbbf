//! When and by what way news leaves.

use super::*;

const MILLI: Duration = Duration::from_millis(1);

/// What the tables want sent since they were asked last: packets and streams.
fn sent(tables: &mut Tables) -> (Vec<Vec<u8>>, Vec<(usize, Bytes)>) {
    let (mut packets, mut streams) = (Vec::new(), Vec::new());
    for todo in tables.todo.drain(..) {
        match todo {
            Todo::BestEffort(to, bytes) => packets.extend(to.iter().map(|_| bytes.clone())),
            Todo::Reliable(to, bytes) => streams.push((to.len(), bytes)),
            _ => {}
        }
    }
    (packets, streams)
}

fn keys(compound: &[u8]) -> Vec<String> {
    let parts = message::parts(Gossip::decode(compound).unwrap().data).unwrap();
    let event = |part| TableEvent::decode(Gossip::decode(part).unwrap().data).unwrap();
    parts.map(|part| String::from_utf8_lossy(event(part).key).into_owned()).collect()
}

fn write(tables: &mut Tables, keys: std::ops::Range<usize>) {
    for key in keys {
        tables.create_entry(&EntryKey::new("net", "t", format!("k{key}")), vec![7; 64].into()).unwrap();
    }
}

/// Lets time pass up to `until`, and returns when packets left.
fn departures(tables: &mut Tables, until: Instant) -> Vec<u128> {
    let mut times = Vec::new();
    while let Some(at) = tables.next_deadline().filter(|at| *at <= until) {
        tables.handle_due(at);
        if !sent(tables).0.is_empty() {
            times.push(at.since(NOW).as_millis());
        }
    }
    times
}

#[test]
fn a_change_leaves_at_once_and_again_after_growing_pauses() {
    let mut tables = tables(|_| {});
    sent(&mut tables);
    write(&mut tables, 0..1);
    assert_eq!(departures(&mut tables, NOW + Duration::from_secs(2)), [0, 10, 50, 210]);
}

#[test]
fn a_change_of_another_node_is_passed_on_at_once_and_own_ones_go_first() {
    let mut tables = tables(|_| {});
    tables.set_in_sync(b"net", true);
    sent(&mut tables);
    receive(&mut tables, &event(7, "b", "theirs", "v"));
    write(&mut tables, 0..1);
    tables.handle_due(NOW);
    let (packets, _) = sent(&mut tables);
    assert_eq!(packets.len(), 2, "one packet for two nodes");
    assert_eq!(keys(&packets[0]), ["k0", "theirs"]);
}

#[test]
fn packets_keep_to_their_rate() {
    let mut tables = tables(|config| {
        config.gossip_rate = 10_000;
        config.drain_from = usize::MAX;
    });
    sent(&mut tables);
    write(&mut tables, 0..1_000);
    let mut bytes = 0;
    while let Some(at) = tables.next_deadline().filter(|at| *at <= NOW + Duration::from_secs(10)) {
        tables.handle_due(at);
        bytes += sent(&mut tables).0.iter().map(Vec::len).sum::<usize>();
    }
    assert!((140_000..190_000).contains(&bytes), "a burst of 64 KiB, then 10 s: {bytes}");
}

#[test]
fn a_long_queue_goes_by_stream_to_each_node_once_and_leaves_nothing_behind() {
    let mut tables = tables(|_| {});
    sent(&mut tables);
    write(&mut tables, 0..1_000);
    tables.handle_due(NOW);
    let (packets, streams) = sent(&mut tables);
    let [(nodes, message)] = &streams[..] else { panic!("{} streams", streams.len()) };
    assert_eq!((packets.len(), *nodes), (0, 2));
    let sync = BulkSync::decode(Gossip::decode(message).unwrap().data).unwrap();
    assert!(!sync.unsolicited, "nobody need answer");
    assert_eq!(keys(sync.payload).len(), 1_000);
    assert_eq!(tables.stats().own_queue, 0);
}

/// Writes for so many rounds of 10 ms and tells in which of them, and of five more without writing, a stream left.
fn streams_while_writing(rounds: usize) -> Vec<usize> {
    let mut tables = tables(|_| {});
    sent(&mut tables);
    let mut left = Vec::new();
    for round in 0..rounds + 5 {
        if round < rounds {
            write(&mut tables, 1_000 * round..1_000 * (round + 1));
        }
        let now = NOW + 10 * round as u32 * MILLI;
        tables.handle_due(now);
        if !sent(&mut tables).1.is_empty() {
            left.push(round);
        }
        for node in ["b", "c"] {
            tables.drained(now, &"net".into(), &node.into(), true);
        }
    }
    left
}

#[test]
fn rows_written_on_and_on_are_sent_when_that_ends_but_the_first_at_once() {
    assert_eq!(streams_while_writing(8), [0, 8]);
}

#[test]
fn rows_wait_for_who_writes_on_no_longer_than_an_interval() {
    assert_eq!(streams_while_writing(25), [0, 20, 21, 22, 23, 24]);
}

#[test]
fn a_free_node_waits_for_one_that_will_soon_be_so_that_neither_misses_anything() {
    let mut tables = tables(|_| {});
    let network = Name::from("net");
    sent(&mut tables);
    write(&mut tables, 0..1_000);
    tables.handle_due(NOW);
    sent(&mut tables);
    write(&mut tables, 1_000..2_000);
    tables.drained(NOW + MILLI, &network, &"b".into(), true);
    tables.handle_due(NOW + 2 * MILLI);
    assert!(sent(&mut tables).1.is_empty(), "c is not slow yet");
    tables.drained(NOW + 3 * MILLI, &network, &"c".into(), true);
    tables.handle_due(NOW + 4 * MILLI);
    let [(2, _)] = sent(&mut tables).1[..] else { panic!("both get the rest") };
    for node in ["b", "c"] {
        tables.drained(NOW + 5 * MILLI, &network, &node.into(), true);
    }
    assert!(sent(&mut tables).1.is_empty(), "and no bulk sync");
}

#[test]
fn a_slow_node_is_waited_for_once() {
    let mut tables = tables(|_| {});
    let network = Name::from("net");
    sent(&mut tables);
    write(&mut tables, 0..1_000);
    tables.handle_due(NOW);
    tables.drained(NOW, &network, &"b".into(), true);
    let mut streams = Vec::new();
    for round in 0..10 {
        let now = NOW + 50 * round * MILLI;
        let first = 1_000 * (round as usize + 1);
        write(&mut tables, first..first + 1_000);
        sent(&mut tables);
        tables.handle_due(now);
        streams.push(sent(&mut tables).1.len());
        tables.drained(now, &network, &"b".into(), true);
    }
    let waited = streams.iter().take_while(|count| **count == 0).count();
    assert_eq!(waited, 4, "as long as an interval: {streams:?}");
    assert!(streams[waited..].iter().all(|count| *count == 1), "{streams:?}");
}

#[test]
fn rows_are_not_passed_on_to_the_node_that_owns_them_all() {
    for (also, nodes) in [("b", 1), ("c", 2)] {
        let mut tables = tables(|_| {});
        tables.set_in_sync(b"net", true);
        sent(&mut tables);
        for key in 0..1_000 {
            receive(&mut tables, &event(7, "b", &format!("k{key}"), "a value of so many bytes"));
        }
        receive(&mut tables, &event(7, also, "last", "value"));
        tables.handle_due(NOW);
        let streams = sent(&mut tables).1;
        let [(to, _)] = streams[..] else { panic!("{} streams", streams.len()) };
        assert_eq!(to, nodes, "the last is of {also}");
    }
}

#[test]
fn a_slow_node_delays_no_other_and_gets_what_it_missed_by_a_bulk_sync() {
    let mut tables = tables(|_| {});
    let network = Name::from("net");
    sent(&mut tables);
    write(&mut tables, 0..1_000);
    tables.handle_due(NOW);
    sent(&mut tables);
    write(&mut tables, 1_000..2_000);
    let later = NOW + Duration::from_secs(1);
    tables.handle_due(later);
    assert!(sent(&mut tables).1.is_empty(), "both are busy");
    tables.drained(later, &network, &"b".into(), true);
    tables.handle_due(later + 2 * MILLI);
    let [(1, _)] = sent(&mut tables).1[..] else { panic!("b alone gets the rest") };
    tables.drained(later, &network, &"b".into(), true);
    tables.drained(later, &network, &"c".into(), true);
    let streams = sent(&mut tables).1;
    let [(1, message)] = &streams[..] else { panic!("a bulk sync for c") };
    let sync = BulkSync::decode(Gossip::decode(message).unwrap().data).unwrap();
    assert_eq!(keys(sync.payload).len(), 2_000);
}

#[test]
fn in_a_large_network_what_is_drained_is_told_to_more_nodes_later() {
    let mut tables = tables(|_| {});
    for last in 10..40 {
        let name = format!("n{last}");
        tables.member(NOW, &MemberEvent::Joined(member(&name, last, &[1])));
        let join = NetworkEvent { kind: JOIN, time: 6, node: name.as_bytes(), network: b"net" };
        tables.message(NOW, &wrap(Kind::NetworkEvent, &join.to_bytes()));
    }
    sent(&mut tables);
    write(&mut tables, 0..1_000);
    tables.handle_due(NOW);
    let streams = sent(&mut tables).1;
    assert!(matches!(streams[..], [(3, _)]), "a few of them now");
    assert_eq!(tables.stats().own_queue, 1_000, "and a few more later");
}

#[test]
fn a_join_asks_a_few_nodes_and_others_only_if_these_cannot_be_reached() {
    let mut tables = tables(|_| {});
    for last in 10..20 {
        let name = format!("n{last}");
        tables.member(NOW, &MemberEvent::Joined(member(&name, last, &[1])));
        let join = NetworkEvent { kind: JOIN, time: 6, node: name.as_bytes(), network: b"other" };
        tables.message(NOW, &wrap(Kind::NetworkEvent, &join.to_bytes()));
    }
    tables.todo.clear();
    tables.join_network(NOW, b"other").unwrap();
    assert_eq!(sent(&mut tables).1.len(), 3);
    let first = *tables.syncs.iter().last().unwrap().0;
    tables.part_sent(NOW, first, false);
    assert_eq!(sent(&mut tables).1.len(), 1);
}

#[test]
fn what_an_answer_to_a_join_tells_is_not_passed_on() {
    let mut tables = tables(|_| {});
    let compound = |key: &str| {
        let mut out = Vec::new();
        event(7, "c", key, "v").put_part(&mut out);
        wrap(Kind::Compound, &out)
    };
    let part = |time, payload: &[u8]| {
        let sync = BulkSync { time, unsolicited: false, node: b"b", networks: Repeated::default(), payload };
        wrap(Kind::BulkSync, &sync.write([&b"net"[..]].into_iter()))
    };
    let join = NetworkEvent { kind: JOIN, time: 9, node: b"b", network: b"late" };
    tables.message(NOW, &wrap(Kind::NetworkEvent, &join.to_bytes()));
    tables.join_network(NOW, b"late").unwrap();
    tables.set_in_sync(b"net", true);
    let answer = tables.table_clock.time() + 5;
    tables.message(NOW, &part(answer, &compound("first")));
    tables.message(NOW, &part(answer, &compound("second")));
    assert_eq!(tables.stats().relay_queue, 0, "all others have it");
    tables.message(NOW, &part(answer + 9, &compound("news")));
    assert_eq!(tables.stats().relay_queue, 1);
}

#[test]
fn an_answer_begins_with_what_was_written_since_and_leaves_out_what_the_asker_must_have() {
    let mut tables = tables(|_| {});
    for (time, node, key) in [(7, "c", "a-old"), (50, "c", "z-new"), (8, "b", "m-b")] {
        receive(&mut tables, &event(time, node, key, "v"));
    }
    sent(&mut tables);
    let asks =
        BulkSync { time: 20, unsolicited: true, node: b"c", networks: Repeated::default(), payload: &[8, 5] };
    tables.message(NOW, &wrap(Kind::BulkSync, &asks.write([&b"net"[..]].into_iter())));
    let streams = sent(&mut tables).1;
    assert_eq!(
        keys(BulkSync::decode(Gossip::decode(&streams[0].1).unwrap().data).unwrap().payload),
        ["z-new", "m-b"]
    );
    tables.member(NOW, &MemberEvent::Joined(member("d", 4, &[])));
    let asks =
        BulkSync { time: 20, unsolicited: true, node: b"d", networks: Repeated::default(), payload: &[8, 5] };
    tables.message(NOW, &wrap(Kind::BulkSync, &asks.write([&b"net"[..]].into_iter())));
    let streams = sent(&mut tables).1;
    let answer = BulkSync::decode(Gossip::decode(&streams[0].1).unwrap().data).unwrap();
    assert_eq!(keys(answer.payload), ["z-new", "a-old", "m-b"]);
}

#[test]
fn rounds_do_not_follow_each_other_closer_than_their_least_pause() {
    let mut tables = tables(|_| {});
    sent(&mut tables);
    write(&mut tables, 0..1);
    tables.handle_due(NOW);
    write(&mut tables, 1..2);
    sent(&mut tables);
    assert_eq!(departures(&mut tables, NOW + MILLI), [0_u128; 0]);
    assert_eq!(departures(&mut tables, NOW + 3 * MILLI), [2]);
}

#[test]
fn a_part_that_was_drained_does_not_stand_for_all_rows() {
    let mut tables = tables(|_| {});
    tables.join_network(NOW, b"alone").unwrap();
    let join = NetworkEvent { kind: JOIN, time: 9, node: b"b", network: b"alone" };
    tables.message(NOW, &wrap(Kind::NetworkEvent, &join.to_bytes()));
    tables.catch_up(NOW);
    let drained = BulkSync {
        time: 90,
        unsolicited: false,
        node: b"b",
        networks: Repeated::default(),
        payload: &[8, 5],
    };
    tables.message(NOW, &wrap(Kind::BulkSync, &drained.write([&b"alone"[..]].into_iter())));
    assert_ne!(tables.networks.own(b"alone").unwrap().catch_up, network::CatchUp::Done);
    let asked = BulkSync { unsolicited: true, ..drained };
    tables.message(NOW, &wrap(Kind::BulkSync, &asked.write([&b"alone"[..]].into_iter())));
    assert_eq!(tables.networks.own(b"alone").unwrap().catch_up, network::CatchUp::Done);
}
