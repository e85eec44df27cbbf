//! Bytes over TCP as they are: the driver writes, the task reads and waits.

use std::{
    io::{self, IoSlice},
    net::Shutdown,
};

use networkdb_core::machine::{Fault, Machine, StreamInput};
use socket2::SockRef;
use tokio::net::TcpStream;

use super::{
    Connection,
    link::{Ending, State},
};
use crate::dial::fault;

/// Bytes read at once, on the stack: an idle connection holds no buffer.
const READ: usize = 16 << 10;
/// Pieces of one vectored write: as many as a stream may have handed over.
const PIECES: usize = 64;

impl State {
    pub(super) fn flush(&mut self, stream: &TcpStream) -> usize {
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

    fn shut_if_finished(&mut self, stream: &TcpStream) {
        if self.ending == Ending::Asked && self.queue.is_empty() {
            self.ending = Ending::Done;
            if let Err(error) = SockRef::from(stream).shutdown(Shutdown::Write) {
                self.broken.get_or_insert(fault(&error));
            }
        }
    }
}

impl<M: Machine> Connection<M> {
    pub(super) async fn serve_plain(&self, stream: TcpStream) -> Result<(), Fault> {
        let stream = self.link.plain.get_or_init(|| stream);
        self.flush();
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
            Ok(0) => self.peer_finished(),
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
}
