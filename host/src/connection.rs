//! One connection: a bounded write queue the driver fills, and a task that reads and waits.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    net::Shutdown,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use bytes::{Buf, Bytes};
use networkdb_core::machine::{Endpoint, Fault, Input, Machine, StreamId, StreamInput};
use socket2::SockRef;
use tokio::{net::TcpStream, sync::Notify};

use crate::{
    dial::{dial, fault},
    shared::Shared,
};

/// Bytes read at once, on the stack: an idle connection holds no buffer.
const READ: usize = 16 << 10;
/// Pieces of one vectored write: as many as a stream may have handed over.
const PIECES: usize = 64;

/// What the driver and the task of a connection share.
#[derive(Debug)]
pub(crate) struct Link {
    id: StreamId,
    /// Set once the machine knows that it is open.
    stream: OnceLock<TcpStream>,
    state: Mutex<State>,
    kick: Notify,
}

#[derive(Debug)]
struct State {
    /// Handed over and not yet sent: bounded by the machine's window.
    queue: VecDeque<Bytes>,
    reading: bool,
    /// The socket took less than there was: the task waits until it takes more.
    blocked: bool,
    ending: Ending,
    peer_finished: bool,
    broken: Option<Fault>,
}

/// How far the write side has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
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
        Self { id, stream: OnceLock::new(), state: Mutex::new(state), kick: Notify::new() }
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
        self.state().ending.ask();
    }

    /// Sends what the socket takes without waiting; returns how many bytes that was.
    pub(crate) fn flush(&self) -> usize {
        let Some(stream) = self.stream.get() else { return 0 };
        let mut state = self.state();
        let sent = state.flush(stream);
        let wake = state.blocked || state.broken.is_some() || state.is_over();
        drop(state);
        if wake {
            self.kick.notify_one();
        }
        sent
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ending {
    fn ask(&mut self) {
        if *self == Self::NotYet {
            *self = Self::Asked;
        }
    }
}

impl State {
    fn flush(&mut self, stream: &TcpStream) -> usize {
        let mut sent = 0;
        self.blocked = false;
        while !self.queue.is_empty() && self.broken.is_none() {
            let pieces: Vec<_> = self.queue.iter().take(PIECES).map(|piece| IoSlice::new(piece)).collect();
            match stream.try_write_vectored(&pieces) {
                Ok(count) => {
                    sent += count;
                    self.advance(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked = true;
                    return sent;
                }
                Err(error) => self.broken = Some(fault(&error)),
            }
        }
        self.shut_if_finished(stream);
        sent
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(front) = self.queue.front_mut() {
            if front.len() > count {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.queue.pop_front();
        }
    }

    fn shut_if_finished(&mut self, stream: &TcpStream) {
        if self.ending == Ending::Asked && self.queue.is_empty() {
            self.ending = Ending::Done;
            if let Err(error) = SockRef::from(stream).shutdown(Shutdown::Write) {
                self.broken.get_or_insert(fault(&error));
            }
        }
    }

    fn is_over(&self) -> bool {
        self.ending == Ending::Done && self.peer_finished
    }
}

/// A connection's task: everything about it that may wait.
pub(crate) struct Connection<M> {
    pub(crate) link: Arc<Link>,
    pub(crate) shared: Arc<Shared<M>>,
}

impl<M: Machine + Send> Connection<M> {
    /// Dials, then runs until the stream is over.
    pub(crate) async fn dial(self, endpoint: Endpoint) -> StreamId {
        match dial(&endpoint).await.and_then(|stream| Ok((peer(&stream)?, stream))) {
            Ok((at, stream)) => {
                self.tell(StreamInput::Opened { at });
                self.run(stream).await
            }
            Err(fault) => {
                self.tell(StreamInput::Failed(fault));
                self.link.id
            }
        }
    }

    /// Runs an open stream until it is over.
    pub(crate) async fn run(self, stream: TcpStream) -> StreamId {
        // Without it small replies wait for the peer's delayed acknowledgement; slower, not wrong.
        let _ = stream.set_nodelay(true);
        let stream = self.link.stream.get_or_init(|| stream);
        self.flush();
        if let Err(fault) = self.serve(stream).await {
            self.tell(StreamInput::Failed(fault));
        }
        self.link.id
    }

    async fn serve(&self, stream: &TcpStream) -> Result<(), Fault> {
        loop {
            let (read, write) = {
                let state = self.link.state();
                if let Some(fault) = state.broken {
                    return Err(fault);
                }
                if state.is_over() {
                    return Ok(());
                }
                (state.reading && !state.peer_finished, state.blocked)
            };
            tokio::select! {
                () = self.link.kick.notified() => {}
                ready = stream.readable(), if read => {
                    ready.map_err(|error| fault(&error))?;
                    self.read(stream)?;
                }
                ready = stream.writable(), if write => {
                    ready.map_err(|error| fault(&error))?;
                    self.flush();
                }
            }
        }
    }

    fn read(&self, stream: &TcpStream) -> Result<(), Fault> {
        let mut buffer = [0; READ];
        match stream.try_read(&mut buffer) {
            Ok(0) => {
                self.link.state().peer_finished = true;
                self.tell(StreamInput::Finished);
            }
            Ok(count) => self.tell(StreamInput::Received(buffer.get(..count).unwrap_or_default())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(fault(&error)),
        }
        Ok(())
    }

    fn flush(&self) {
        let sent = self.link.flush();
        if sent > 0 {
            self.tell(StreamInput::Sent(sent));
        }
    }

    fn tell(&self, news: StreamInput<'_>) {
        self.shared.handle(Input::Stream(self.link.id, news));
    }
}

fn peer(stream: &TcpStream) -> Result<std::net::SocketAddr, Fault> {
    stream.peer_addr().map_err(|error| fault(&error))
}
