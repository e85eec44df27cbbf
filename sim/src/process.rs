//! One process of a world: a machine, its address, its clock, and what its kernel holds for it.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
};

use networkdb_core::machine::{Instant, StreamId};

use crate::{clock::Clock, network::Side, world::Due};

/// Datagrams the kernel keeps for a process that does not run.
const SOCKET_BUFFER: usize = 256;

/// A process, running or not.
#[derive(Debug)]
pub struct Process<M> {
    pub(crate) machine: Option<M>,
    pub(crate) addr: SocketAddr,
    pub(crate) clock: Clock,
    pub(crate) paused: bool,
    /// The host is gone too: nothing answers, not even with a refusal.
    pub(crate) vanished: bool,
    /// How often it was started.
    pub(crate) life: u32,
    /// Streams accepted in this life.
    pub(crate) accepted: u64,
    /// Bytes of streams it reads in a second; 0 for no bound.
    pub(crate) read_rate: u64,
    /// When it reads again.
    pub(crate) reads_at: Instant,
    /// What came while it was paused.
    pub(crate) inbox: VecDeque<Due>,
    pub(crate) inbox_datagrams: usize,
    /// The wake that counts.
    pub(crate) wake: Option<Instant>,
    /// Wakes after which the machine's deadline had still passed.
    pub(crate) spins: u64,
    pub(crate) streams: BTreeMap<StreamId, (u64, Side)>,
}

impl<M> Process<M> {
    pub(crate) fn new(addr: SocketAddr, clock: Clock) -> Self {
        Self {
            machine: None,
            addr,
            clock,
            paused: false,
            vanished: false,
            life: 0,
            accepted: 0,
            read_rate: 0,
            reads_at: Instant::ORIGIN,
            inbox: VecDeque::new(),
            inbox_datagrams: 0,
            wake: None,
            spins: 0,
            streams: BTreeMap::new(),
        }
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether it runs or is paused.
    pub fn is_up(&self) -> bool {
        self.machine.is_some()
    }

    /// Whether it is stopped for a while.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// How often in a row its machine asked to be woken at a time that had passed.
    pub fn spins(&self) -> u64 {
        self.spins
    }

    /// Keeps what came while paused, as far as a kernel would.
    pub(crate) fn keep(&mut self, due: Due) {
        if matches!(due, Due::Datagram { .. }) {
            if self.inbox_datagrams >= SOCKET_BUFFER {
                return;
            }
            self.inbox_datagrams += 1;
        }
        self.inbox.push_back(due);
    }

    /// Forgets all of this life.
    pub(crate) fn stop(&mut self) {
        self.machine = None;
        self.paused = false;
        self.inbox.clear();
        self.inbox_datagrams = 0;
        self.wake = None;
        self.streams.clear();
    }
}
