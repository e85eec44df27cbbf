//! The driver with a toy machine, over real loopback sockets.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod toy;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    num::NonZeroUsize,
    time::Duration,
};

use networkdb_core::machine::{Endpoint, Fault, How, StreamId};
use networkdb_host::{Acceptor, Listener, Ports};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use toy::{Event, Node, finished, start, start_at, start_dialler, start_on, within};

const FIVE_MEGABYTES: usize = 5 << 20;
/// What a stream may have handed over, with the piece that may overshoot.
const WINDOW: usize = (256 + 64) << 10;

#[tokio::test]
async fn datagrams_arrive_whole_and_in_number() {
    let (a, b) = (start(), start());
    let largest = vec![9; 60_000];
    for i in 0..50_u8 {
        a.with(|toy, _| toy.send(b.addr, vec![i]));
    }
    a.with(|toy, _| toy.send(b.addr, largest.clone()));
    let mut seen = Vec::new();
    while seen.len() < 51 {
        if let Event::Datagram(from, bytes) = b.event().await {
            assert_eq!(from, a.addr);
            seen.push(bytes);
        }
    }
    assert_eq!(seen.pop(), Some(largest));
    assert_eq!(seen, (0..50).map(|i| vec![i]).collect::<Vec<_>>());
    assert_eq!(a.shared().dropped_datagrams(), 0);
}

#[tokio::test]
async fn a_socket_for_all_addresses_speaks_to_both_kinds() {
    let (all, v4, v6) =
        (start_at(Ipv6Addr::UNSPECIFIED.into()), start(), start_at(Ipv6Addr::LOCALHOST.into()));
    let port = all.addr.port();
    for (node, here) in [(&v4, IpAddr::from(Ipv4Addr::LOCALHOST)), (&v6, Ipv6Addr::LOCALHOST.into())] {
        all.with(|toy, _| toy.send(node.addr, vec![1]));
        assert_eq!(node.event().await, Event::Datagram(SocketAddr::new(here, port), vec![1]));
        node.with(|toy, _| toy.send(SocketAddr::new(here, port), vec![2]));
        let Event::Datagram(from, bytes) = all.event().await else { panic!("the datagram comes first") };
        assert_eq!((from.ip().to_canonical(), from.port(), bytes), (here, node.addr.port(), vec![2]));
    }
    assert_eq!(all.shared().dropped_datagrams(), 0);
}

#[tokio::test]
async fn a_refused_datagram_does_no_harm() {
    let (a, b) = (start(), start());
    let nobody = {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.local_addr().expect("its address")
    };
    for _ in 0..20 {
        a.with(|toy, _| toy.send(nobody, vec![1]));
    }
    b.with(|toy, _| toy.send(a.addr, vec![2]));
    assert_eq!(a.event().await, Event::Datagram(b.addr, vec![2]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_megabytes_each_way_through_one_stream() {
    let (a, b) = (start(), start());
    b.with(|toy, _| toy.greet = FIVE_MEGABYTES);
    a.with(|toy, _| {
        let id = toy.open(b.addr.into());
        toy.write(id, FIVE_MEGABYTES);
        toy.finish(id);
    });
    let at_b = finished(&b, StreamId(1));
    let at_a = finished(&a, StreamId(2));
    let (at_a, at_b) = tokio::join!(at_a, at_b);
    assert_eq!((at_a, at_b), (FIVE_MEGABYTES, FIVE_MEGABYTES));
    for node in [&a, &b] {
        // The last bytes can arrive before this side has said that they left.
        let all_sent = async {
            while !node.shared().read(toy::Toy::all_sent) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), all_sent).await.expect("every byte is reported sent");
        assert!(node.shared().read(|toy| toy.intact), "bytes came in order");
    }
}

#[tokio::test]
async fn after_finish_the_other_direction_goes_on() {
    let node = start();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("its address");
    node.with(|toy, _| {
        let id = toy.open(addr.into());
        toy.write(id, 3);
        toy.finish(id);
    });
    let (mut peer, _) = within(listener.accept()).await.expect("a connection");
    let mut request = Vec::new();
    within(peer.read_to_end(&mut request)).await.expect("the request, then its end");
    assert_eq!(request, toy::pattern(0, 3));
    peer.write_all(&toy::pattern(0, 7)).await.expect("the reply");
    drop(peer);
    assert_eq!(finished(&node, StreamId(2)).await, 7);
}

#[tokio::test]
async fn a_refused_dial_says_so() {
    let node = start();
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("its address")
    };
    node.with(|toy, _| toy.open(nobody.into()));
    assert_eq!(node.event().await, Event::Failed(StreamId(2), Fault::Refused));
}

#[tokio::test]
async fn a_name_is_resolved_at_the_dial_and_an_unknown_one_is_unreachable() {
    let (a, b) = (start(), start());
    a.with(|toy, _| toy.open(Endpoint::Name { host: "localhost".into(), port: b.addr.port() }));
    assert_eq!(a.event().await, Event::Opened(StreamId(2), b.addr));
    a.with(|toy, _| toy.open(Endpoint::Name { host: "no such host".into(), port: 1 }));
    a.until(&Event::Failed(StreamId(4), Fault::Unreachable)).await;
}

#[tokio::test]
async fn a_slow_reader_costs_its_window_and_no_more() {
    let node = start();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("its address");
    let total = 64 << 20;
    node.with(|toy, _| {
        let id = toy.open(addr.into());
        toy.write(id, total);
        toy.finish(id);
    });
    let (mut peer, _) = within(listener.accept()).await.expect("a connection");
    let other = start();
    for _ in 0..100 {
        node.with(|toy, _| toy.send(other.addr, vec![0]));
        other.event().await;
        let held = node.shared().read(|toy| toy.in_flight(StreamId(2)));
        assert!(held <= WINDOW, "{held} bytes handed over");
    }
    assert!(!node.shared().read(toy::Toy::all_sent), "the reader had not begun");
    let mut count = 0;
    let mut buffer = vec![0; 1 << 20];
    while count < total {
        count += within(peer.read(&mut buffer)).await.expect("bytes");
    }
    assert_eq!(within(peer.read(&mut buffer)).await.expect("the end"), 0);
}

#[tokio::test]
async fn a_paused_reader_holds_the_writer_back_and_goes_on() {
    let (a, b) = (start(), start());
    b.with(|toy, _| toy.pause_after = Some(1));
    a.with(|toy, _| {
        let id = toy.open(b.addr.into());
        toy.write(id, 32 << 20);
        toy.finish(id);
    });
    while !matches!(b.event().await, Event::Paused(_)) {}
    for _ in 0..50 {
        a.with(|toy, _| toy.send(b.addr, vec![1]));
        while !matches!(b.event().await, Event::Datagram(..)) {}
    }
    assert!(!a.shared().read(toy::Toy::all_sent), "the writer waits");
    b.with(|toy, _| toy.resume(StreamId(1)));
    assert_eq!(finished(&b, StreamId(1)).await, 32 << 20);
}

#[tokio::test]
async fn abort_drops_the_stream_and_nothing_is_said_of_it_again() {
    let (a, b) = (start(), start());
    a.with(|toy, _| {
        let id = toy.open(b.addr.into());
        toy.write(id, 10);
    });
    assert_eq!(a.event().await, Event::Opened(StreamId(2), b.addr));
    a.with(|toy, _| toy.close(StreamId(2), How::Abort));
    let ended = loop {
        match b.event().await {
            Event::Finished(id, _) | Event::Failed(id, _) => break id,
            _ => {}
        }
    };
    assert_eq!(ended, StreamId(1));
    b.with(|toy, _| toy.send(a.addr, vec![1]));
    let said = a.until(&Event::Datagram(b.addr, vec![1])).await;
    assert!(!said.iter().any(|event| matches!(event, Event::Failed(..))), "{said:?}");
}

#[tokio::test]
async fn a_deadline_is_kept() {
    let node = start();
    let set = node.with(|toy, now| {
        toy.deadline = Some(now + Duration::from_millis(30));
        now
    });
    let Event::Due(at) = node.event().await else { panic!("the deadline comes first") };
    assert!(at.since(set) >= Duration::from_millis(30));
}

#[tokio::test]
async fn stop_closes_everything_and_frees_the_port() {
    let (a, b) = (start(), start());
    let (addr_a, addr_b) = (a.addr, b.addr);
    a.with(|toy, _| toy.open(addr_b.into()));
    assert_eq!(a.event().await, Event::Opened(StreamId(2), addr_b));
    let shared = a.shared().clone();
    within(a.stop()).await;
    while let Some(event) = within(shared.event()).await {
        assert_eq!(event, Event::Finished(StreamId(2), 0), "only what was there before the stop");
    }
    rebind(addr_a);
    assert_eq!(finished(&b, StreamId(1)).await, 0);
    drop(b);
}

fn rebind(addr: SocketAddr) {
    networkdb_host::Sockets::bind(addr).expect("the port is free again");
}

#[tokio::test]
async fn hundreds_of_streams_at_once() {
    let (a, b) = (start(), start());
    let count = 300;
    a.with(|toy, _| {
        for _ in 0..count {
            let id = toy.open(b.addr.into());
            toy.write(id, 1000);
            toy.finish(id);
        }
    });
    let mut ended = 0;
    while ended < count {
        if let Event::Finished(_, bytes) = b.event().await {
            assert_eq!(bytes, 1000);
            ended += 1;
        }
    }
}

#[tokio::test]
async fn without_sockets_a_machine_dials_and_its_datagrams_count_as_dropped() {
    let listener = Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
    let server = start_on(listener.local_addr(), listener);
    let client = start_dialler(Ports::default());
    client.with(|toy, _| {
        toy.send(server.addr, vec![1]);
        let id = toy.open(server.addr.into());
        toy.write(id, 1000);
        toy.finish(id);
    });
    assert_eq!(finished(&server, StreamId(1)).await, 1000);
    assert_eq!(client.shared().dropped_datagrams(), 1);
}

/// Toys that share the streams of one listener.
fn shards(count: usize) -> (Acceptor, SocketAddr, Vec<Node>) {
    let listener = Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
    let addr = listener.local_addr();
    let count = NonZeroUsize::new(count).expect("some");
    let (acceptor, ports) = Acceptor::start(listener, count).expect("inside a runtime");
    (acceptor, addr, ports.into_iter().map(|ports| start_on(addr, ports)).collect())
}

#[tokio::test]
async fn shards_take_streams_in_turn() {
    let (_acceptor, addr, shards) = shards(3);
    let client = start_dialler(Ports::default());
    for turn in 0..9 {
        client.with(|toy, _| {
            let id = toy.open(addr.into());
            toy.write(id, 100 + turn);
            toy.finish(id);
        });
        // Its id at the shard whose turn it is: each counts its own 1, 3, 5 …
        let id = StreamId(2 * (turn as u64 / 3) + 1);
        assert_eq!(finished(&shards[turn % 3], id).await, 100 + turn);
    }
}

#[tokio::test]
async fn once_the_acceptor_has_stopped_the_port_is_free_and_streams_go_on() {
    let (acceptor, addr, shards) = shards(2);
    let client = start_dialler(Ports::default());
    let id = client.with(|toy, _| toy.open(addr.into()));
    assert_eq!(client.event().await, Event::Opened(id, addr));
    within(acceptor.stop()).await;
    rebind(addr);
    client.with(|toy, _| {
        toy.write(id, 1000);
        toy.finish(id);
    });
    assert_eq!(finished(&shards[0], StreamId(1)).await, 1000);
}
