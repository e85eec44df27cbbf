//! One connection: its bytes, and when to read on.

use std::net::SocketAddr;

use bytes::{Buf, BytesMut};

use super::{
    Reason, Timer,
    reader::Reader,
    session::{Session, Then, hello},
    state::Core,
};
use crate::machine::{Instant, Lane, Outbox, StreamId};

/// Bytes of pongs and acknowledgements that the server has not taken, above which nothing more is read.
const MAX_UNSENT: usize = 64 << 10;

/// A connection that is up, or has ended with something left to read.
#[derive(Debug)]
pub(super) struct Link {
    lane: Lane,
    reader: Reader,
    session: Session,
    /// Bytes received while reading was stopped.
    unread: BytesMut,
    stopped: bool,
    /// Why the connection is over once all is read.
    ended: Option<Reason>,
}

impl Link {
    /// Says hello.
    pub(super) fn new(core: &mut Core, mut lane: Lane, at: SocketAddr, client_conn_id: u64) -> Self {
        core.write_bytes(&mut lane, hello(&core.config, client_conn_id));
        core.timers.set(Timer::Read, core.now + core.config.handshake_timeout);
        Self {
            lane,
            reader: Reader::new(core.config.limits.gob),
            session: Session::new(at, client_conn_id),
            unread: BytesMut::new(),
            stopped: false,
            ended: None,
        }
    }

    pub(super) fn id(&self) -> StreamId {
        self.lane.id()
    }

    /// Drops the stream now.
    pub(super) fn abort(&mut self, core: &mut Core) {
        self.lane.abort(&mut core.out);
    }

    /// Bytes received and not read.
    pub(super) fn unread(&self) -> usize {
        self.unread.len()
    }

    /// Why the server was silent for too long.
    pub(super) fn silence(&self) -> Reason {
        if self.session.is_greeted() { Reason::ReadTimeout } else { Reason::HandshakeTimeout }
    }

    /// Whether the connection was of use: it got in sync, or has lived since `then`.
    pub(super) fn is_settled(&self, core: &Core, then: Instant) -> bool {
        self.session.is_in_sync() || core.stats.times.hello.is_some_and(|hello| hello <= then)
    }

    /// Takes bytes of the server.
    pub(super) fn received(&mut self, core: &mut Core, bytes: &[u8]) -> Result<(), Reason> {
        core.stats.bytes_in += bytes.len() as u64;
        let mut rest = bytes;
        if !self.stopped {
            self.read(core, &mut rest)?;
        }
        if self.unread.len() + rest.len() > core.config.limits.unread_bytes {
            return Err(Reason::Unread);
        }
        self.unread.extend_from_slice(rest);
        Ok(())
    }

    /// So many more bytes have left for the server.
    pub(super) fn sent(&mut self, core: &mut Core, count: usize) -> Result<(), Reason> {
        self.lane.sent(&mut core.out, count);
        if self.lane.is_drained() {
            core.timers.cancel(&Timer::Write);
        } else {
            core.timers.set(Timer::Write, core.now + core.config.write_timeout);
        }
        self.resume(core)
    }

    /// The connection is over, for the server or altogether: what was received is read first.
    pub(super) fn ended(&mut self, core: &mut Core, reason: Reason) -> Result<(), Reason> {
        if matches!(reason, Reason::Broken(_)) {
            hush(&mut self.lane);
        }
        core.timers.cancel(&Timer::Write);
        self.ended = Some(reason);
        self.resume(core)
    }

    /// Reads on, if there is room again.
    pub(super) fn resume(&mut self, core: &mut Core) -> Result<(), Reason> {
        let mut unread = std::mem::take(&mut self.unread);
        let mut rest = &unread[..];
        let result = self.read(core, &mut rest);
        let used = unread.len() - rest.len();
        unread.advance(used);
        if !unread.is_empty() {
            self.unread = unread;
        }
        result?;
        match &self.ended {
            _ if self.stopped => Ok(()),
            Some(Reason::Closed) => self.reader.finish().and(Err(Reason::Closed)),
            Some(reason) => Err(reason.clone()),
            None => Ok(()),
        }
    }

    /// Reads until there is no room, or nothing to read.
    fn read(&mut self, core: &mut Core, input: &mut &[u8]) -> Result<(), Reason> {
        while self.may_read(core) && self.reader.fill(input)? {
            let Self { reader, session, lane, .. } = self;
            let mut rest = *input;
            let before = reader.plain();
            let message = reader.next(&mut rest);
            let left = rest.len();
            let then = match message? {
                Some(message) => {
                    heard(core);
                    session.take(core, lane, message)
                }
                None => Then::Go,
            };
            core.stats.bytes_plain += reader.plain() - before;
            *input = input.get(input.len() - left..).unwrap_or_default();
            match then {
                Then::Go => {}
                Then::Restart(layer) => reader.restart(layer)?,
                Then::End(reason) => return Err(reason),
            }
        }
        Ok(())
    }

    /// Whether there is room for what may come; tells the host when that changes.
    fn may_read(&mut self, core: &mut Core) -> bool {
        let backlog = self.ended.is_none() && self.lane.unsent() > MAX_UNSENT;
        let stop = core.queue.is_full() || backlog;
        if stop != self.stopped {
            self.stopped = stop;
            if self.ended.is_none() {
                core.out.reading(self.lane.id(), !stop);
            }
            if stop {
                core.stats.pauses += 1;
                core.timers.cancel(&Timer::Read);
            } else {
                core.timers.set(Timer::Read, core.now + core.config.read_timeout);
            }
        }
        !stop
    }
}

/// Lets a lane say nothing more about a stream that is over.
pub(super) fn hush(lane: &mut Lane) {
    lane.abort(&mut Outbox::default());
}

fn heard(core: &mut Core) {
    core.stats.messages += 1;
    core.stats.times.last_message = Some(core.now);
    core.timers.set(Timer::Read, core.now + core.config.read_timeout);
}
