//! The state of a stream: two ends, and a pipe from each to the other. What moves it is in `world`.

use std::collections::VecDeque;

use bytes::Bytes;
use networkdb_core::machine::{Rng, StreamId};

use super::ProcessId;

/// Bytes the kernel of a receiver keeps for a process that does not read.
pub(crate) const WINDOW: usize = 64 << 10;

/// Which end: 0 dialled, 1 accepted.
pub(crate) type Side = usize;

/// One end of a stream.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) process: ProcessId,
    /// Which life of the process.
    pub(crate) life: u32,
    pub(crate) id: StreamId,
    /// Whether the process takes bytes.
    pub(crate) reading: bool,
    /// Whether the process knows the stream no more.
    pub(crate) over: bool,
    /// Whether the process will send no more.
    pub(crate) finished: bool,
}

impl End {
    pub(crate) fn new(process: ProcessId, life: u32, id: StreamId) -> Self {
        Self { process, life, id, reading: true, over: false, finished: false }
    }
}

/// What travels at once.
#[derive(Debug)]
pub(crate) enum Segment {
    Bytes(Bytes),
    Finish,
}

/// One direction of a stream. At most one segment travels at a time.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    waiting: VecDeque<Bytes>,
    /// After what waits comes nothing.
    pub(crate) closing: bool,
    /// That has been said.
    pub(crate) closed: bool,
    /// A segment travels, or waits to be sent again.
    pub(crate) busy: bool,
    /// Times the segment at the front was lost in a row.
    pub(crate) lost: u32,
    /// What has come and is not read.
    pub(crate) unread: VecDeque<Bytes>,
    pub(crate) unread_bytes: usize,
    /// The finish has come, behind what is unread.
    pub(crate) ended: bool,
    /// A read is scheduled.
    pub(crate) read_due: bool,
}

impl Pipe {
    pub(crate) fn write(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.waiting.push_back(bytes);
        }
    }

    /// Whether there is something to send and room at the other end.
    pub(crate) fn can_send(&self) -> bool {
        !self.busy
            && self.unread_bytes < WINDOW
            && (!self.waiting.is_empty() || (self.closing && !self.closed))
    }

    /// Takes the next segment, cut at random.
    pub(crate) fn take(&mut self, rng: &mut Rng) -> Segment {
        let Some(mut front) = self.waiting.pop_front() else {
            self.closed = true;
            return Segment::Finish;
        };
        let most = if rng.below(8) == 0 { 64 } else { 32 << 10 };
        let len = 1 + rng.below(most.min(front.len()));
        let len = if most.min(front.len()) == front.len() && rng.below(2) == 0 { front.len() } else { len };
        let head = front.split_to(len);
        if !front.is_empty() {
            self.waiting.push_front(front);
        }
        Segment::Bytes(head)
    }
}

impl Pipe {
    /// What is read at once: all that came together, or the tenth of a second's worth.
    pub(crate) fn read(&mut self, rate: u64) -> Option<Bytes> {
        let mut bytes = self.unread.pop_front()?;
        if rate > 0 {
            let rest = bytes.split_off(bytes.len().min((rate / 10).max(1) as usize));
            if !rest.is_empty() {
                self.unread.push_front(rest);
            }
        }
        self.unread_bytes -= bytes.len();
        Some(bytes)
    }

    /// Puts a segment that did not pass back to the front.
    pub(crate) fn put_back(&mut self, segment: Segment) {
        match segment {
            Segment::Bytes(bytes) => self.waiting.push_front(bytes),
            Segment::Finish => self.closed = false,
        }
    }
}

/// A stream, from the dial on.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The accepting end is there once the dial has arrived.
    pub(crate) ends: [Option<End>; 2],
    /// From each end to the other.
    pub(crate) pipes: [Pipe; 2],
}

impl Stream {
    pub(crate) fn new(dialler: End) -> Self {
        Self { ends: [Some(dialler), None], pipes: [Pipe::default(), Pipe::default()] }
    }

    pub(crate) fn end(&mut self, side: Side) -> Option<&mut End> {
        self.ends.get_mut(side)?.as_mut()
    }

    /// The end that writes and the one that reads.
    pub(crate) fn from(&self, side: Side) -> Option<(&End, &End)> {
        let [dialled, accepted] = &self.ends;
        let (dialled, accepted) = (dialled.as_ref()?, accepted.as_ref()?);
        Some(if side == 0 { (dialled, accepted) } else { (accepted, dialled) })
    }

    pub(crate) fn pipe(&mut self, from: Side) -> &mut Pipe {
        let [dialled, accepted] = &mut self.pipes;
        if from == 0 { dialled } else { accepted }
    }

    /// Whether nobody knows it any more.
    pub(crate) fn is_over(&self) -> bool {
        self.ends.iter().flatten().all(|end| end.over)
    }
}
