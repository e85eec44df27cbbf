//! Outputs waiting for the host, and the write side of a stream.

use std::{collections::VecDeque, net::SocketAddr};

use bytes::Bytes;

use super::{Endpoint, How, Output, StreamId};

/// Bytes a stream may have handed over and not yet sent. The last piece may overshoot.
const WINDOW: usize = 256 << 10;
/// Pieces a stream may have handed over and not yet sent.
const CHUNKS: usize = 64;
/// The longest piece handed over at once.
const PIECE: usize = 64 << 10;

/// The outputs of a machine, in order, and the numbers of the streams it opens.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Output>,
    opened: u64,
}

impl Outbox {
    /// Queues a datagram.
    pub fn datagram(&mut self, to: SocketAddr, bytes: Bytes) {
        self.queue.push_back(Output::Datagram { to, bytes });
    }

    /// Dials `endpoint`; the lane is the write side of the new stream.
    pub fn open(&mut self, endpoint: Endpoint) -> Lane {
        self.opened += 2;
        let id = StreamId(self.opened);
        self.queue.push_back(Output::Open(id, endpoint));
        Lane::new(id)
    }

    /// Drops a stream for which there is no lane: one refused as it was accepted.
    pub fn refuse(&mut self, id: StreamId) {
        self.queue.push_back(Output::Close(id, How::Abort));
    }

    /// Stops or resumes reading a stream.
    pub fn reading(&mut self, id: StreamId, on: bool) {
        self.queue.push_back(Output::Reading(id, on));
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }

    /// Outputs waiting.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

/// The write side of one stream: hands bytes over within the window and keeps the rest.
#[derive(Debug)]
pub struct Lane {
    id: StreamId,
    waiting: VecDeque<Bytes>,
    /// Lengths of the pieces handed over and not yet reported sent.
    handed: VecDeque<usize>,
    in_flight: usize,
    finishing: bool,
    closed: bool,
}

impl Lane {
    /// The write side of the stream `id`.
    pub fn new(id: StreamId) -> Self {
        Self {
            id,
            waiting: VecDeque::new(),
            handed: VecDeque::new(),
            in_flight: 0,
            finishing: false,
            closed: false,
        }
    }

    /// The stream.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Bytes that may be written now without waiting in the lane.
    pub fn room(&self) -> usize {
        if self.waiting.is_empty() && self.handed.len() < CHUNKS {
            WINDOW.saturating_sub(self.in_flight)
        } else {
            0
        }
    }

    /// Bytes written that have not left for the network.
    pub fn unsent(&self) -> usize {
        self.in_flight + self.waiting.iter().map(Bytes::len).sum::<usize>()
    }

    /// Whether every byte written has left for the network.
    pub fn is_drained(&self) -> bool {
        self.waiting.is_empty() && self.in_flight == 0
    }

    /// Writes bytes, cut into pieces.
    pub fn write(&mut self, out: &mut Outbox, mut bytes: Bytes) {
        if self.finishing || self.closed {
            return;
        }
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            self.waiting.push_back(piece);
        }
        self.hand_over(out);
    }

    /// The host reported `count` more bytes as sent.
    pub fn sent(&mut self, out: &mut Outbox, count: usize) {
        self.in_flight = self.in_flight.saturating_sub(count);
        let mut left = count;
        while let Some(front) = self.handed.front_mut() {
            if *front > left {
                *front -= left;
                break;
            }
            left -= *front;
            self.handed.pop_front();
        }
        self.hand_over(out);
    }

    /// Ends the write side once everything written has been handed over. Reading goes on.
    pub fn finish(&mut self, out: &mut Outbox) {
        self.finishing = true;
        self.hand_over(out);
    }

    /// Drops the stream now.
    pub fn abort(&mut self, out: &mut Outbox) {
        if !std::mem::replace(&mut self.closed, true) {
            self.waiting.clear();
            out.queue.push_back(Output::Close(self.id, How::Abort));
        }
    }

    fn hand_over(&mut self, out: &mut Outbox) {
        while self.in_flight < WINDOW && self.handed.len() < CHUNKS {
            let Some(piece) = self.waiting.pop_front() else { break };
            self.in_flight += piece.len();
            self.handed.push_back(piece.len());
            out.queue.push_back(Output::Write(self.id, piece));
        }
        if self.finishing && self.waiting.is_empty() && !std::mem::replace(&mut self.closed, true) {
            out.queue.push_back(Output::Close(self.id, How::Finish));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handed_over(out: &mut Outbox) -> usize {
        std::iter::from_fn(|| out.poll())
            .map(|output| if let Output::Write(_, bytes) = output { bytes.len() } else { 0 })
            .sum()
    }

    #[test]
    fn a_lane_hands_over_no_more_than_its_window_and_goes_on_as_bytes_leave() {
        let (mut out, mut lane) = (Outbox::default(), Lane::new(StreamId(1)));
        lane.write(&mut out, vec![7; 2 * WINDOW].into());
        assert_eq!(handed_over(&mut out), WINDOW);
        assert_eq!(lane.room(), 0);
        lane.sent(&mut out, WINDOW);
        assert_eq!(handed_over(&mut out), WINDOW);
        lane.sent(&mut out, WINDOW);
        assert!(lane.is_drained());
    }

    #[test]
    fn finish_follows_the_last_byte_and_comes_once() {
        let (mut out, mut lane) = (Outbox::default(), Lane::new(StreamId(1)));
        lane.write(&mut out, vec![7; WINDOW + 1].into());
        lane.finish(&mut out);
        handed_over(&mut out);
        lane.sent(&mut out, WINDOW);
        assert!(matches!(out.poll(), Some(Output::Write(_, bytes)) if bytes.len() == 1));
        assert_eq!(out.poll(), Some(Output::Close(StreamId(1), How::Finish)));
        lane.finish(&mut out);
        assert_eq!(out.poll(), None);
    }

    #[test]
    fn the_machine_opens_even_streams() {
        let mut out = Outbox::default();
        let at = Endpoint::Name { host: "seed".into(), port: 7946 };
        assert_eq!(out.open(at.clone()).id(), StreamId(2));
        assert_eq!(out.open(at).id(), StreamId(4));
    }
}
