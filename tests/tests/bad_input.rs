//! Bad input beside a running cluster of ours and Go: a clear error or a counted drop, and the cluster goes on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use networkdb_tests::{Cluster, Kind, NETWORK, Peer, Spec, TABLE, eventually, keys};
use serde_json::json;

/// An alive message: incarnation 1, node `evil`, an address of five bytes, port 1.
const ALIVE_WITH_FIVE_BYTES: &[u8] =
    b"\x04\x85\xabIncarnation\x01\xa4Node\xa4evil\xa4Addr\xa5\x7f\0\0\x01\x02\xa4Port\x01\xa3Vsn\xa6\x01\x05\x02\0\0\0";

/// A push/pull that claims four thousand million rows; one that claims a user state larger than any limit.
const LYING_STREAMS: [&[u8]; 2] = [
    b"\x06\x83\xa5Nodes\xce\xff\xff\xff\xff\xacUserStateLen\x00\xa4Join\xc2",
    b"\x06\x83\xa5Nodes\x00\xacUserStateLen\xce\x7f\xff\xff\xff\xa4Join\xc2",
];

/// Ours and both Go nodes.
fn mixed(key: usize) -> Cluster {
    Cluster::start(&[Kind::Ours, Kind::Go28, Kind::Go2], &keys(key))
}

/// Each node writes one more row, and all get it.
fn goes_on(cluster: &mut Cluster) {
    cluster.write_on_all("after", 1);
    cluster.agrees();
    cluster.assembled();
    cluster.check();
}

/// Packets no peer sends: garbage of many lengths and types, a packet cut short at each byte, a bad address.
fn hostile_packets() -> Vec<Vec<u8>> {
    let garbage = (0..=255u8).map(|kind| {
        (0..u32::from(kind) * 5).map(|i| (i * 167 + u32::from(kind)) as u8).fold(
            vec![kind],
            |mut packet, byte| {
                packet.push(byte);
                packet
            },
        )
    });
    let cut = (1..ALIVE_WITH_FIVE_BYTES.len()).map(|len| ALIVE_WITH_FIVE_BYTES[..len].to_vec());
    garbage.chain(cut).chain([ALIVE_WITH_FIVE_BYTES.to_vec()]).collect()
}

fn send_all(packets: &[Vec<u8>], to: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for packet in packets {
        socket.send_to(packet, to).unwrap();
    }
}

/// What our node counts under a name.
fn counted(peer: &Peer, name: &str) -> u64 {
    peer.ask("stats", json!({}))[name].as_u64().unwrap_or_else(|| panic!("{name} is not counted"))
}

/// Inputs our node has dropped, for all reasons.
fn dropped(peer: &Peer) -> u64 {
    let stats = peer.ask("stats", json!({}));
    let reasons = stats.as_object().unwrap().iter().filter(|(name, _)| name.starts_with("dropped: "));
    reasons.map(|(_, count)| count.as_u64().unwrap()).sum()
}

#[test]
fn garbage_truncated_packets_and_a_bad_address_change_nothing() {
    for key in [0, 32] {
        let mut cluster = mixed(key);
        let (ours, packets) = (&cluster.peers[0], hostile_packets());
        let (before, dropped_before) = (counted(ours, "packets_received"), dropped(ours));
        send_all(&packets, ours.addr());
        eventually(Duration::from_secs(20), "the packets have arrived", || {
            let arrived = counted(ours, "packets_received") - before;
            if arrived >= packets.len() as u64 { Ok(()) } else { Err(arrived) }
        });
        assert!(dropped(ours) - dropped_before > 100, "what is bad is counted");
        assert!(!ours.alive().contains(&"evil".to_owned()));
        goes_on(&mut cluster);
    }
}

#[test]
fn a_lying_length_on_a_stream_is_refused_at_once() {
    let mut cluster = mixed(0);
    for lie in LYING_STREAMS {
        let before = dropped(&cluster.peers[0]);
        let mut stream = TcpStream::connect(cluster.peers[0].addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(lie).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // Closed, with or without a word; a timeout would be an error of another kind.
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        }
        assert!(dropped(&cluster.peers[0]) > before, "the lie is counted");
    }
    goes_on(&mut cluster);
}

#[test]
fn a_node_with_another_key_is_not_let_in() {
    let mut cluster = mixed(32);
    let stranger = Peer::start(Spec::new(Kind::Ours, "stranger").keys(&keys(16)));
    let seed =
        json!({ "members": [cluster.peers[0].addr().to_string(), cluster.peers[1].addr().to_string()] });
    let refusal = stranger.try_ask("join", seed).expect_err("the keys differ");
    assert!(!refusal.is_empty());
    goes_on(&mut cluster);
}

#[test]
fn a_name_in_use_does_not_take_the_rows_of_its_holder() {
    let mut cluster = mixed(0);
    cluster.write(1, "create", "held", "by the holder");
    cluster.agrees();
    let twin = Peer::start(Spec::new(Kind::Ours, cluster.peers[1].name()));
    // Whether the join is refused or the twin only ignored is the seed's affair.
    let _ = twin.try_ask("join", json!({ "members": [cluster.peers[0].addr().to_string()] }));
    goes_on(&mut cluster);
}

#[test]
fn a_port_in_use_is_named_and_nothing_starts() {
    let mut cluster = mixed(0);
    let mut spec = Spec::new(Kind::Ours, "second");
    let free = spec.addr;
    spec.addr = cluster.peers[1].addr();
    let (status, said) = spec.refused();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("port in use") && said.contains(&spec.addr.to_string()), "{said}");
    assert_ne!(free, spec.addr);
    goes_on(&mut cluster);
}

#[test]
fn an_oversized_row_is_refused_at_the_call() {
    let mut cluster = mixed(0);
    let value = "00".repeat(21 << 20);
    let row = json!({ "network": NETWORK, "table": TABLE, "key": "big", "value_hex": value });
    let refusal = cluster.peers[0].try_ask("create", row).expect_err("the row is too long");
    assert!(refusal.contains("more than the limit of"), "the limit is named: {refusal}");
    goes_on(&mut cluster);
}
