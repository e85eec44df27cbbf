//! Bytes over TLS: the task encrypts, writes, reads and decrypts, so that the driver waits for no cipher.

use networkdb_core::machine::{Fault, Machine, StreamInput};
use tokio::net::TcpStream;

use super::{Connection, link::Ending};
use crate::{dial::fault, tls::Session};

/// Bytes encrypted at once: what a slow reader holds here beside the machine's window.
const ROUND: usize = 64 << 10;

impl<M: Machine> Connection<M> {
    pub(super) async fn serve_secure(&self, mut session: Session, stream: &TcpStream) -> Result<(), Fault> {
        // The peer's first bytes may have come with the end of its handshake.
        session.decrypted(&mut |bytes| self.arrived(bytes))?;
        loop {
            let blocked = !self.send(&mut session, stream)?;
            let read = {
                let state = self.link.state();
                if state.is_over() && !blocked {
                    return Ok(());
                }
                state.reading && !state.peer_finished
            };
            tokio::select! {
                () = self.link.kick.notified() => {}
                ready = stream.readable(), if read => {
                    ready.map_err(|error| fault(&error))?;
                    session.read(stream, &mut |bytes| self.arrived(bytes))?;
                }
                ready = stream.writable(), if blocked => ready.map_err(|error| fault(&error))?,
            }
        }
    }

    /// Sends what is queued; false if the socket takes no more. Bytes count as sent once their records have left.
    fn send(&self, session: &mut Session, stream: &TcpStream) -> Result<bool, Fault> {
        while session.flush(stream)? {
            let sent = session.take_sent();
            if sent > 0 {
                self.tell(StreamInput::Sent(sent));
            }
            let mut state = self.link.state();
            let pieces = state.take(ROUND);
            let finish = pieces.is_empty() && state.ending == Ending::Asked;
            if finish {
                state.ending = Ending::Done;
            }
            drop(state);
            if finish {
                session.finish();
            } else if pieces.is_empty() {
                return Ok(true);
            } else {
                session.encrypt(&pieces)?;
            }
        }
        Ok(false)
    }

    fn arrived(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.peer_finished();
        } else {
            self.tell(StreamInput::Received(bytes));
        }
    }
}
