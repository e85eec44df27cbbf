//! Datagrams of the driver in batches, over real loopback sockets.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod toy;

use std::{
    iter::repeat_n,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use socket2::{Domain, Socket, Type};
use toy::{Event, Node, start, start_at};

const HERE: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// A datagram that resembles none of its neighbours.
fn datagram(number: usize, size: usize) -> Vec<u8> {
    toy::pattern(number, size)
}

/// Longer, shorter and empty ones; more of one size than leave by one call, in bytes and in number.
fn sizes() -> Vec<usize> {
    let mut sizes: Vec<_> = repeat_n(1400, 50).chain(repeat_n(20, 70)).collect();
    sizes.extend([1400, 1400, 700, 1400, 700, 700, 701, 60_000, 0, 0, 1, 2, 1, 1, 0, 5, 5, 4, 5]);
    sizes
}

async fn received(node: &Node) -> (SocketAddr, Vec<u8>) {
    let Event::Datagram(from, bytes) = node.event().await else { panic!("nothing but datagrams comes") };
    (from, bytes)
}

#[tokio::test]
async fn a_node_gets_datagrams_of_all_sizes_as_they_were_sent() {
    for ip in HERE {
        let (a, b) = (start_at(ip), start_at(ip));
        a.with(|toy, _| {
            for (number, size) in sizes().into_iter().enumerate() {
                toy.send(b.addr, datagram(number, size));
            }
        });
        for (number, size) in sizes().into_iter().enumerate() {
            assert!(received(&b).await == (a.addr, datagram(number, size)), "{number} of {size} bytes");
        }
        assert_eq!(a.shared().dropped_datagrams(), 0);
    }
}

/// A peer that asks the system for nothing but datagrams.
fn plain_socket(ip: IpAddr) -> (std::net::UdpSocket, SocketAddr) {
    let addr = SocketAddr::new(ip, 0);
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, None).expect("a socket");
    socket.set_recv_buffer_size(1 << 20).expect("room");
    socket.bind(&addr.into()).expect("a free port");
    let socket = std::net::UdpSocket::from(socket);
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("patience");
    let addr = socket.local_addr().expect("its address");
    (socket, addr)
}

#[tokio::test]
async fn peers_get_datagrams_of_all_sizes_as_they_were_sent() {
    for ip in HERE {
        let a = start_at(ip);
        let (peer, to) = plain_socket(ip);
        a.with(|toy, _| {
            for (number, size) in sizes().into_iter().enumerate() {
                toy.send(to, datagram(number, size));
            }
        });
        // Once this has arrived, all has left.
        let last = start_at(ip);
        a.with(|toy, _| toy.send(last.addr, Vec::new()));
        received(&last).await;
        let mut buffer = vec![0; 1 << 16];
        for (number, size) in sizes().into_iter().enumerate() {
            let (count, from) = peer.recv_from(&mut buffer).expect("a datagram");
            assert!(
                (from, &buffer[..count]) == (a.addr, &datagram(number, size)),
                "{number} of {size} bytes"
            );
        }
    }
}

#[tokio::test]
async fn each_gets_its_own_of_a_batch_for_many() {
    for ip in HERE {
        let a = start_at(ip);
        let others: Vec<_> = (0..3).map(|_| start_at(ip)).collect();
        // Runs of one, two and three to each in turn, all of one size.
        let to: Vec<_> = (0..60).map(|number| [0, 1, 1, 2, 2, 2][number % 6]).collect();
        a.with(|toy, _| {
            for (number, to) in to.iter().enumerate() {
                toy.send(others[*to].addr, datagram(number, 100));
            }
        });
        for (number, to) in to.iter().enumerate() {
            assert_eq!(received(&others[*to]).await, (a.addr, datagram(number, 100)), "{number}");
        }
    }
}

#[tokio::test]
async fn a_refused_destination_among_others_costs_its_own_datagrams_alone() {
    let (a, b) = (start(), start());
    // Not for a socket of IPv4; for those alone who asked for broadcasts; no port.
    let nowhere = ["[2001:db8::1]:7946", "255.255.255.255:7946", "127.0.0.1:0"];
    for (round, nowhere) in nowhere.into_iter().enumerate() {
        let nowhere = nowhere.parse().expect("an address");
        a.with(|toy, _| {
            for (number, to) in
                [b.addr, b.addr, nowhere, nowhere, nowhere, b.addr, nowhere, b.addr].iter().enumerate()
            {
                toy.send(*to, datagram(number, 1000));
            }
        });
        for number in [0, 1, 5, 7] {
            assert_eq!(received(&b).await, (a.addr, datagram(number, 1000)), "{nowhere}: {number}");
        }
        assert_eq!(a.shared().dropped_datagrams(), 4 * (round as u64 + 1), "{nowhere}");
    }
}
