//! Streams between processes: what a kernel does for them.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use networkdb_core::machine::{Endpoint, Fault, How, Input, Instant, Machine, StreamId, StreamInput};

use super::{Due, StreamDue, World};
use crate::network::{End, ProcessId, Segment, Side, Stream};

/// The first wait before something lost is sent again; doubled each time.
const RETRY: Duration = Duration::from_millis(200);
/// The first wait before a dial is tried again.
const DIAL_RETRY: Duration = Duration::from_secs(1);
/// Tries of a dial, and of a segment, before a stream has timed out: some 15 and 75 s.
const DIALS: u32 = 4;
const TRIES: u32 = 11;

impl<M: Machine> World<M> {
    pub(super) fn dial(&mut self, process: ProcessId, id: StreamId, endpoint: &Endpoint) {
        self.traffic.streams += 1;
        self.last_stream += 1;
        let stream = self.last_stream;
        let Some(from) = self.processes.get_mut(process) else { return };
        from.streams.insert(id, (stream, 0));
        self.streams.insert(stream, Stream::new(End::new(process, from.life, id)));
        let addr = match endpoint {
            Endpoint::Addr(addr) => Some(*addr),
            Endpoint::Name { host, port } => {
                self.names.get(host).map(|addr| SocketAddr::new(addr.ip(), *port))
            }
        };
        match addr {
            Some(addr) => self.send_dial(stream, process, addr, 0),
            None => self.schedule(self.now, Due::Stream(stream, StreamDue::Failed(0, Fault::Unreachable))),
        }
    }

    fn send_dial(&mut self, stream: u64, from: ProcessId, to: SocketAddr, tries: u32) {
        let passes = match self.by_addr.get(&to) {
            Some(&target) => self.crosses(from, target),
            None => None,
        };
        let due = match passes {
            Some(at) => (at, StreamDue::Dial(to, u32::MAX)),
            None if tries >= DIALS => (self.now, StreamDue::Failed(0, Fault::TimedOut)),
            None => (self.now + DIAL_RETRY * 2u32.pow(tries), StreamDue::Dial(to, tries + 1)),
        };
        self.schedule(due.0, Due::Stream(stream, due.1));
    }

    /// When something small arrives, if it does.
    fn crosses(&mut self, from: ProcessId, to: ProcessId) -> Option<Instant> {
        if from == to {
            return Some(self.now);
        }
        self.network.segment(self.now, (from, to), 60, &mut self.rng).map(|(_, arrives)| arrives)
    }

    pub(super) fn stream_due(&mut self, id: u64, due: StreamDue) -> Option<ProcessId> {
        match due {
            StreamDue::Dial(to, u32::MAX) => self.dial_arrives(id, to),
            StreamDue::Dial(to, tries) => {
                let from = self.streams.get_mut(&id)?.end(0)?.process;
                self.send_dial(id, from, to, tries);
            }
            StreamDue::Send(side) => self.send_segment(id, side),
            StreamDue::Arrive(side, segment) => self.segment_arrives(id, side, segment),
            StreamDue::Accepted => return self.tell(id, 1, due),
            StreamDue::Opened(_) => return self.tell(id, 0, due),
            StreamDue::Sent(side, _) | StreamDue::Failed(side, _) => return self.tell(id, side, due),
            StreamDue::Read(side) => return self.tell(id, 1 - side, due),
        }
        None
    }

    /// A dial has crossed the network: it is accepted, refused, or nobody is there.
    fn dial_arrives(&mut self, id: u64, to: SocketAddr) {
        let Some(&target) = self.by_addr.get(&to) else { return self.dial_lost(id) };
        let Some(from) = self.streams.get_mut(&id).and_then(|stream| stream.end(0)).map(|end| end.process)
        else {
            return;
        };
        let Some(process) = self.processes.get_mut(target) else { return };
        if process.machine.is_none() {
            let vanished = process.vanished;
            match self.crosses(target, from) {
                Some(at) if !vanished => {
                    self.schedule(at, Due::Stream(id, StreamDue::Failed(0, Fault::Refused)));
                }
                _ => self.dial_lost(id),
            }
            return;
        }
        let stream_id = StreamId(2 * process.accepted + 1);
        process.accepted += 1;
        process.streams.insert(stream_id, (id, 1));
        let end = End::new(target, process.life, stream_id);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.ends = [stream.ends[0].take(), Some(end)];
        }
        self.schedule(self.now, Due::Stream(id, StreamDue::Accepted));
        if self.network.is_cut((target, from)) {
            return self.dial_lost(id);
        }
        // An answer that is lost once comes with the next try.
        let at = self.crosses(target, from).unwrap_or(self.now + DIAL_RETRY);
        self.schedule(at, Due::Stream(id, StreamDue::Opened(to)));
    }

    fn dial_lost(&mut self, id: u64) {
        let at = self.now + DIAL_RETRY * 2u32.pow(DIALS);
        self.schedule(at, Due::Stream(id, StreamDue::Failed(0, Fault::TimedOut)));
    }

    pub(super) fn write(&mut self, process: ProcessId, id: StreamId, bytes: Bytes) {
        self.traffic.stream_bytes += bytes.len() as u64;
        let Some((stream, side)) = self.place(process, id) else { return };
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.pipe(side).write(bytes);
        }
        self.push(stream, side);
    }

    fn place(&self, process: ProcessId, id: StreamId) -> Option<(u64, Side)> {
        self.processes.get(process)?.streams.get(&id).copied()
    }

    /// Sends if there is something and nothing is under way.
    fn push(&mut self, id: u64, side: Side) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let pipe = stream.pipe(side);
        if pipe.can_send() {
            pipe.busy = true;
            self.schedule(self.now, Due::Stream(id, StreamDue::Send(side)));
        }
    }

    fn send_segment(&mut self, id: u64, side: Side) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let Some((own, other)) = stream.from(side) else { return };
        if own.over {
            return;
        }
        let direction = (own.process, other.process);
        let gone = other.over || self.processes.get(other.process).is_none_or(|peer| peer.life != other.life);
        let vanished = gone && self.processes.get(other.process).is_some_and(|peer| peer.vanished);
        let pipe = stream.pipe(side);
        let segment = pipe.take(&mut self.rng);
        let len = if let Segment::Bytes(bytes) = &segment { bytes.len() } else { 0 };
        let passes = if vanished {
            None
        } else if direction.0 == direction.1 {
            Some((self.now, self.now))
        } else {
            self.network.segment(self.now, direction, 40 + len, &mut self.rng)
        };
        let Some((left, arrives)) = passes else {
            pipe.put_back(segment);
            return self.send_again(id, side);
        };
        pipe.lost = 0;
        if gone {
            return self.reset_end(id, side, arrives);
        }
        if len > 0 {
            self.schedule(left, Due::Stream(id, StreamDue::Sent(side, len)));
        }
        self.schedule(arrives, Due::Stream(id, StreamDue::Arrive(side, segment)));
    }

    fn send_again(&mut self, id: u64, side: Side) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let pipe = stream.pipe(side);
        pipe.lost += 1;
        let (at, due) = if pipe.lost >= TRIES {
            (self.now, StreamDue::Failed(side, Fault::TimedOut))
        } else {
            (self.now + RETRY * 2u32.pow((pipe.lost - 1).min(6)), StreamDue::Send(side))
        };
        self.schedule(at, Due::Stream(id, due));
    }

    /// The kernel at the other end knows no such stream.
    fn reset_end(&mut self, id: u64, side: Side, at: Instant) {
        self.schedule(at, Due::Stream(id, StreamDue::Failed(side, Fault::Reset)));
    }

    fn segment_arrives(&mut self, id: u64, side: Side, segment: Segment) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let pipe = stream.pipe(side);
        pipe.busy = false;
        match segment {
            Segment::Bytes(bytes) => {
                pipe.unread_bytes += bytes.len();
                pipe.unread.push_back(bytes);
            }
            Segment::Finish => pipe.ended = true,
        }
        self.schedule_read(id, side, self.now);
        self.push(id, side);
        self.settle(id, side);
    }

    fn schedule_read(&mut self, id: u64, side: Side, at: Instant) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let pipe = stream.pipe(side);
        if !std::mem::replace(&mut pipe.read_due, true) {
            self.schedule(at, Due::Stream(id, StreamDue::Read(side)));
        }
    }

    /// Something for the machine at `side`, now or when it is no longer paused.
    fn tell(&mut self, id: u64, side: Side, due: StreamDue) -> Option<ProcessId> {
        let end = self.streams.get_mut(&id)?.end(side)?;
        if end.over {
            return None;
        }
        let (target, life, name) = (end.process, end.life, end.id);
        let process = self.processes.get_mut(target).filter(|process| process.life == life)?;
        if process.paused {
            process.keep(Due::Stream(id, due));
            return None;
        }
        let from = |world: &Self, other: Side| {
            let process = world.streams.get(&id)?.ends.get(other)?.as_ref()?.process;
            Some(world.processes.get(process)?.addr)
        };
        let input = match due {
            StreamDue::Read(writer) => return self.read(id, writer, target, name),
            StreamDue::Accepted => StreamInput::Accepted { from: from(self, 0)? },
            StreamDue::Opened(at) => StreamInput::Opened { at },
            StreamDue::Sent(_, count) => StreamInput::Sent(count),
            StreamDue::Failed(_, fault) => {
                self.drop_end(id, side, false);
                StreamInput::Failed(fault)
            }
            _ => return None,
        };
        self.give(target, Input::Stream(name, input)).then_some(target)
    }

    /// The machine reads what has come, as fast as its process does.
    fn read(&mut self, id: u64, writer: Side, target: ProcessId, name: StreamId) -> Option<ProcessId> {
        let process = self.processes.get(target)?;
        let (rate, reads_at) = (process.read_rate, process.reads_at);
        let stream = self.streams.get_mut(&id)?;
        stream.pipe(writer).read_due = false;
        if !stream.end(1 - writer)?.reading {
            return None;
        }
        if rate > 0 && reads_at > self.now {
            self.schedule_read(id, writer, reads_at);
            return None;
        }
        let Some(bytes) = stream.pipe(writer).read(rate) else {
            return self.read_end(id, writer, target, name);
        };
        let more = !stream.pipe(writer).unread.is_empty() || stream.pipe(writer).ended;
        if let Some(pause) = (bytes.len() as u64 * 1_000_000_000).checked_div(rate) {
            self.processes.get_mut(target)?.reads_at = self.now + Duration::from_nanos(pause);
        }
        if more {
            self.schedule_read(id, writer, self.now);
        }
        self.push(id, writer);
        self.give(target, Input::Stream(name, StreamInput::Received(&bytes))).then_some(target)
    }

    fn read_end(&mut self, id: u64, writer: Side, target: ProcessId, name: StreamId) -> Option<ProcessId> {
        let stream = self.streams.get_mut(&id)?;
        if !stream.pipe(writer).ended {
            return None;
        }
        let end = stream.end(1 - writer)?;
        if std::mem::replace(&mut end.finished, true) {
            return None;
        }
        let ran = self.give(target, Input::Stream(name, StreamInput::Finished));
        self.settle(id, 1 - writer);
        ran.then_some(target)
    }

    pub(super) fn set_reading(&mut self, process: ProcessId, id: StreamId, on: bool) {
        let Some((stream, side)) = self.place(process, id) else { return };
        if let Some(end) = self.streams.get_mut(&stream).and_then(|stream| stream.end(side)) {
            end.reading = on;
        }
        if on {
            self.schedule_read(stream, 1 - side, self.now);
        }
    }

    pub(super) fn close(&mut self, process: ProcessId, id: StreamId, how: How) {
        let Some((stream, side)) = self.place(process, id) else { return };
        if how == How::Abort {
            return self.drop_end(stream, side, true);
        }
        if let Some(state) = self.streams.get_mut(&stream) {
            state.pipe(side).closing = true;
        }
        self.push(stream, side);
    }

    /// An end is over once both sides have finished.
    fn settle(&mut self, id: u64, side: Side) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let closed = stream.pipe(side).closed;
        if closed && stream.end(side).is_some_and(|end| end.finished) {
            self.drop_end(id, side, false);
        }
    }

    /// A process knows a stream no more. The other end is told, if `reset` and if that arrives.
    pub(super) fn drop_end(&mut self, id: u64, side: Side, reset: bool) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let Some(end) = stream.end(side) else { return };
        end.over = true;
        let (process, life, name) = (end.process, end.life, end.id);
        let other = stream.end(1 - side).filter(|end| !end.over).map(|end| end.process);
        let over = stream.is_over();
        if let Some(process) = self.processes.get_mut(process).filter(|process| process.life == life) {
            process.streams.remove(&name);
        }
        if over {
            self.streams.remove(&id);
        } else if let (true, Some(other)) = (reset, other)
            && let Some(at) = self.crosses(process, other)
        {
            self.reset_end(id, 1 - side, at);
        }
    }
}
