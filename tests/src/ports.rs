//! Free addresses on loopback.

use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::atomic::{AtomicU32, Ordering},
};

/// Below the ports which systems give to outgoing connections, so that none of those takes one meanwhile.
const FIRST: u32 = 12_000;
const COUNT: u32 = 18_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// An address whose port is free for UDP and TCP, given out once in this process. Where the search begins differs
/// between processes.
pub fn free_addr() -> SocketAddr {
    let start = std::process::id().wrapping_mul(199);
    (0..COUNT)
        .map(|_| start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT + FIRST)
        .map(|port| SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap())))
        .find(|addr| TcpListener::bind(addr).is_ok() && UdpSocket::bind(addr).is_ok())
        .expect("no port is free on loopback")
}
