//! A UDP socket that takes and gives many datagrams by one call of the system, where the system can.

use std::{
    io::{self, IoSliceMut},
    net::{Ipv4Addr, SocketAddr, UdpSocket as StdSocket},
};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{io::Interest, net::UdpSocket};

/// Room for the longest datagram there is.
const SLOT: usize = 65_536;
/// The most bytes that leave by one call: those of the longest datagram over IPv4.
const LONGEST: usize = 65_507;

#[derive(Debug)]
pub(crate) struct Datagrams {
    socket: UdpSocket,
    system: UdpSocketState,
    /// One for each datagram of a batch. Those that were never written to take no memory.
    slots: Vec<u8>,
    run: Run,
}

/// Datagrams to one address that were not sent yet, one behind the other: all of one size, but the last may be shorter.
/// The system cuts them apart again (UDP GSO).
#[derive(Debug)]
struct Run {
    to: SocketAddr,
    size: usize,
    count: usize,
    bytes: Vec<u8>,
}

impl Datagrams {
    pub(crate) fn new(socket: StdSocket) -> io::Result<Self> {
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            system: ask_system()?,
            slots: vec![0; BATCH_SIZE * SLOT],
            run: Run::default(),
        })
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
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut into: Vec<_> = slots.chunks_mut(SLOT).map(IoSliceMut::new).collect();
        let count = socket
            .try_io(Interest::READABLE, || system.recv((&*socket).into(), &mut into, &mut metas))
            .unwrap_or(0);
        let arrived = metas.into_iter().zip(slots.chunks(SLOT)).take(count);
        arrived.map(|(meta, slot)| (meta.addr, slot.get(..meta.len).unwrap_or_default()))
    }

    /// Takes a datagram along, which leaves at the latest with the next `flush`. Returns how many were refused of those that
    /// left now.
    pub(crate) fn send(&mut self, to: SocketAddr, bytes: &[u8]) -> usize {
        let at_once = self.system.max_gso_segments();
        let refused = if self.run.takes(to, bytes.len(), at_once) { 0 } else { self.flush() };
        self.run.push(to, bytes);
        refused
    }

    /// Sends all that was taken along. Returns how many were refused: a full buffer or a destination the system refuses
    /// costs the datagram, which might have been lost anyway.
    pub(crate) fn flush(&mut self) -> usize {
        let Run { to, size, count, ref bytes } = self.run;
        let refused = match count {
            0 => 0,
            1 => usize::from(self.socket.try_send_to(bytes, to).is_err()),
            _ if self.send_run().is_ok() => 0,
            // Not in one piece, perhaps one by one: so go those too long for the way there, which the system cuts up.
            _ => bytes.chunks(size).filter(|bytes| self.socket.try_send_to(bytes, to).is_err()).count(),
        };
        self.run.clear();
        refused
    }

    fn send_run(&self) -> io::Result<()> {
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
    fn takes(&self, to: SocketAddr, len: usize, at_once: usize) -> bool {
        to == self.to
            && (1..=self.size).contains(&len)
            && self.bytes.len() == self.count * self.size
            && self.count < at_once
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

/// What the system can. It is asked on a socket of its own: on the one it is asked on, datagrams longer than the way there takes
/// are refused from then on, as QUIC wants it. Ours are to be cut up, as the peers' are.
fn ask_system() -> io::Result<UdpSocketState> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    UdpSocketState::new((&socket).into())
}
