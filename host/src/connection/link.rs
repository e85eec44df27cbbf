//! What the driver and the task of a connection share: a bounded write queue and a few flags.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use bytes::{Buf, Bytes};
use networkdb_core::machine::{Fault, StreamId};
use tokio::{net::TcpStream, sync::Notify};

/// The driver's end of a connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(super) id: StreamId,
    /// Set once the machine knows that it is open; never if it is encrypted, which is its task's work.
    pub(super) plain: OnceLock<TcpStream>,
    state: Mutex<State>,
    pub(super) kick: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    /// Handed over and not yet taken: bounded by the machine's window.
    pub(super) queue: VecDeque<Bytes>,
    pub(super) reading: bool,
    /// The socket took less than there was: the task waits until it takes more.
    pub(super) blocked: bool,
    pub(super) ending: Ending,
    pub(super) peer_finished: bool,
    pub(super) broken: Option<Fault>,
}

/// How far the write side has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    NotYet,
    /// After what is queued.
    Asked,
    Done,
}

impl Link {
    pub(crate) fn new(id: StreamId) -> Self {
        let state = State {
            queue: VecDeque::new(),
            reading: true,
            blocked: false,
            ending: Ending::NotYet,
            peer_finished: false,
            broken: None,
        };
        Self { id, plain: OnceLock::new(), state: Mutex::new(state), kick: Notify::new() }
    }

    /// Queues bytes; they leave at the next [`Link::flush`].
    pub(crate) fn write(&self, bytes: Bytes) {
        self.state().queue.push_back(bytes);
    }

    /// Stops or resumes reading.
    pub(crate) fn set_reading(&self, on: bool) {
        self.state().reading = on;
        self.kick.notify_one();
    }

    /// Ends the write side after what is queued, at the next [`Link::flush`].
    pub(crate) fn finish(&self) {
        let mut state = self.state();
        if state.ending == Ending::NotYet {
            state.ending = Ending::Asked;
        }
    }

    /// Sends what the socket takes without waiting; returns how many bytes that was. What is to be encrypted is left
    /// to the task: the driver has other streams to serve.
    pub(crate) fn flush(&self) -> usize {
        let Some(stream) = self.plain.get() else {
            self.kick.notify_one();
            return 0;
        };
        let mut state = self.state();
        let sent = state.flush(stream);
        let wake = state.blocked || state.broken.is_some() || state.is_over();
        drop(state);
        if wake {
            self.kick.notify_one();
        }
        sent
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the first `count` bytes, or all there are, out of the queue.
    pub(super) fn take(&mut self, mut count: usize) -> Vec<Bytes> {
        let mut taken = Vec::new();
        while let Some(front) = self.queue.front_mut().filter(|_| count > 0) {
            let piece = front.split_to(front.len().min(count));
            count -= piece.len();
            if front.is_empty() {
                self.queue.pop_front();
            }
            taken.push(piece);
        }
        taken
    }

    /// Drops the first `count` bytes of the queue.
    pub(super) fn advance(&mut self, mut count: usize) {
        while let Some(front) = self.queue.front_mut() {
            if front.len() > count {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.queue.pop_front();
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.ending == Ending::Done && self.peer_finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_taken_in_order_up_to_the_count() {
        let link = Link::new(StreamId(1));
        for piece in ["abc", "", "defg"] {
            link.write(piece.into());
        }
        let taken = || link.state().take(5).concat();
        assert_eq!((taken(), taken(), taken()), (b"abcde".to_vec(), b"fg".to_vec(), Vec::new()));
        assert!(link.state().queue.is_empty());
    }
}
