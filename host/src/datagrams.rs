//! A UDP socket that takes and gives many datagrams by one call of the system, where the system can.

use std::{
    array,
    io::{self, IoSliceMut},
    mem,
    net::{Ipv4Addr, SocketAddr, UdpSocket as StdSocket},
};

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use tokio::{io::Interest, net::UdpSocket};

/// Filled by one call: each with one datagram, or with many that one peer sent in a row.
const SLOTS: usize = 8;
/// Room for the longest datagram there is, or for as much as the system joins.
const SLOT: usize = 65_536;
/// The most bytes that leave by one call: those of the longest datagram over IPv4.
const LONGEST: usize = 65_507;

#[derive(Debug)]
pub(crate) struct Datagrams {
    socket: UdpSocket,
    system: UdpSocketState,
    /// Pages that nothing was ever written to take no memory.
    slots: Vec<u8>,
    run: Run,
    refused: usize,
}

/// Datagrams to one address that were not sent yet, one behind the other: all of one size, but the last may be shorter.
#[derive(Debug)]
struct Run {
    to: SocketAddr,
    size: usize,
    count: usize,
    bytes: Vec<u8>,
}

impl Datagrams {
    pub(crate) fn new(socket: StdSocket) -> io::Result<Self> {
        let system = ask_system(socket.local_addr()?)?;
        let socket = UdpSocket::from_std(socket)?;
        // A system that cannot hands them over one by one.
        #[cfg(target_os = "linux")]
        let _ = nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::UdpGroSegment, &true);
        Ok(Self { socket, system, slots: vec![0; SLOTS * SLOT], run: Run::default(), refused: 0 })
    }

    /// Waits until the system takes datagrams.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }

    /// Waits until there is a datagram to be received, or an error.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Takes some of what has arrived, without waiting: nothing if nothing has, or if an earlier datagram was refused
    /// somewhere.
    pub(crate) fn receive(&mut self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let Self { socket, system, slots, .. } = self;
        let mut metas = [RecvMeta::default(); SLOTS];
        let mut parts = slots.chunks_mut(SLOT);
        let mut into: [_; SLOTS] = array::from_fn(|_| IoSliceMut::new(parts.next().unwrap_or_default()));
        let count = socket
            .try_io(Interest::READABLE, || system.recv((&*socket).into(), &mut into, &mut metas))
            .unwrap_or(0);
        let filled = metas.into_iter().zip(slots.chunks(SLOT)).take(count);
        filled.flat_map(|(meta, slot)| {
            let bytes = slot.get(..meta.len).unwrap_or_default();
            apart(bytes, meta.stride).map(move |datagram| (meta.addr, datagram))
        })
    }

    /// Takes a datagram along, which leaves at the latest with the next `flush`.
    pub(crate) fn send(&mut self, to: SocketAddr, bytes: &[u8]) {
        if !self.run.takes(to, bytes.len(), self.system.max_gso_segments()) {
            self.send_run();
        }
        self.run.push(to, bytes);
    }

    /// Sends all that was taken along. Returns how many were refused since the last time: a full buffer or a destination
    /// the system refuses costs the datagram, which might have been lost anyway.
    pub(crate) fn flush(&mut self) -> usize {
        self.send_run();
        mem::take(&mut self.refused)
    }

    fn send_run(&mut self) {
        let Run { to, size, count, ref bytes } = self.run;
        self.refused += match count {
            0 => 0,
            1 => usize::from(self.socket.try_send_to(bytes, to).is_err()),
            _ if self.send_at_once().is_ok() => 0,
            // Too long for the way there, say: one by one, the system cuts them into fragments.
            _ => bytes.chunks(size).filter(|bytes| self.socket.try_send_to(bytes, to).is_err()).count(),
        };
        self.run.clear();
    }

    /// The whole run, which the system cuts apart.
    fn send_at_once(&self) -> io::Result<()> {
        let Run { to, size, ref bytes, .. } = self.run;
        let transmit =
            Transmit { destination: to, ecn: None, contents: bytes, segment_size: Some(size), src_ip: None };
        self.socket.try_io(Interest::WRITABLE, || self.system.try_send((&self.socket).into(), &transmit))
    }
}

impl Default for Run {
    fn default() -> Self {
        Self { to: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), size: 0, count: 0, bytes: Vec::new() }
    }
}

impl Run {
    /// Whether a datagram may join those that are there.
    fn takes(&self, to: SocketAddr, len: usize, most: usize) -> bool {
        to == self.to
            && (1..=self.size).contains(&len)
            && self.bytes.len() == self.count * self.size
            && self.count < most
            && self.bytes.len() + len <= LONGEST
    }

    fn push(&mut self, to: SocketAddr, bytes: &[u8]) {
        if self.count == 0 {
            (self.to, self.size) = (to, bytes.len());
        }
        self.count += 1;
        self.bytes.extend_from_slice(bytes);
    }

    fn clear(&mut self) {
        self.count = 0;
        self.bytes.clear();
    }
}

/// The datagrams in a slot, all of `size` but the last. One of no bytes is one too.
fn apart(bytes: &[u8], size: usize) -> impl Iterator<Item = &[u8]> {
    bytes.chunks(size.max(1)).chain(bytes.is_empty().then_some(bytes))
}

/// What the system can. It is asked on a socket of its own, for on that one it refuses from then on what is too long for the
/// way, as QUIC wants it. Of ours it shall make fragments, as of the peers'.
fn ask_system(mut addr: SocketAddr) -> io::Result<UdpSocketState> {
    addr.set_port(0);
    UdpSocketState::new((&StdSocket::bind(addr)?).into())
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test fails by panicking")]
mod tests {
    use std::{net::Ipv6Addr, time::Duration};

    use super::*;

    async fn on(ip: impl Into<std::net::IpAddr>) -> (Datagrams, SocketAddr) {
        let socket = StdSocket::bind(SocketAddr::new(ip.into(), 0)).expect("a free port");
        socket.set_nonblocking(true).expect("as all of tokio's");
        let addr = socket.local_addr().expect("its address");
        let datagrams = Datagrams::new(socket).expect("inside a runtime");
        datagrams.writable().await.expect("room");
        (datagrams, addr)
    }

    async fn received(datagrams: &mut Datagrams, count: usize) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while all.len() < count {
            let readable = tokio::time::timeout(Duration::from_secs(20), datagrams.readable());
            readable.await.expect("in time").expect("no error");
            all.extend(datagrams.receive().map(|(_, bytes)| bytes.to_vec()));
        }
        all
    }

    #[tokio::test]
    async fn what_the_system_does_not_cut_apart_leaves_one_by_one() {
        let ((mut a, _), (mut b, to)) = (on(Ipv4Addr::LOCALHOST).await, on(Ipv4Addr::LOCALHOST).await);
        // More than it cuts.
        let many: Vec<_> = (0..200).map(|number| vec![number]).collect();
        for bytes in &many {
            a.run.push(to, bytes);
        }
        assert!(a.send_at_once().is_err());
        assert_eq!(a.flush(), 0);
        assert_eq!(received(&mut b, many.len()).await, many);
        // It is not asked again.
        for bytes in &many {
            a.send(to, bytes);
            assert_eq!(a.run.count, 1);
        }
        assert_eq!(a.flush(), 0);
        assert_eq!(received(&mut b, many.len()).await, many);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_is_too_long_for_the_way_may_become_fragments() {
        use nix::sys::socket::{getsockopt, sockopt::Ipv6DontFrag};
        let (datagrams, _) = on(Ipv6Addr::LOCALHOST).await;
        assert_eq!(getsockopt(&datagrams.socket, Ipv6DontFrag), Ok(false));
    }
}
