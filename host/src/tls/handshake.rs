//! The handshake, and the end of a connection that was refused in it.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    time::Duration,
};

use networkdb_core::machine::Fault;
use rustls::{ClientConnection, Connection, ServerConnection, pki_types::ServerName};
use socket2::SockRef;
use tokio::{net::TcpStream, time::timeout};

use super::{Role, Session, Tls, session::Socket};
use crate::dial::fault;

/// How long one refused may take to read why. Closing at once could reset the connection and lose the word.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes of one refused that are thrown away before it is closed all the same.
const DISCARD: usize = 64 << 10;

impl Tls {
    /// Makes sure of the peer.
    pub(crate) async fn handshake(
        &self,
        stream: &TcpStream,
        peer: SocketAddr,
        role: Role,
    ) -> Result<Session, Fault> {
        let connection = self.connection(peer, role).map_err(|error| {
            self.note(peer, role, error.to_string());
            Fault::Other
        })?;
        let session = Session::new(self.clone(), peer, role, connection);
        match timeout(self.0.handshake_timeout, session.handshake(stream)).await {
            Ok(Err(Fault::Untrusted)) => {
                let _ = timeout(LINGER, linger(stream)).await;
                Err(Fault::Untrusted)
            }
            Ok(result) => result,
            Err(_) => {
                let waited = self.0.handshake_timeout;
                self.note(peer, role, format!("the handshake was not finished within {waited:?}"));
                Err(Fault::TimedOut)
            }
        }
    }

    fn connection(&self, peer: SocketAddr, role: Role) -> Result<Connection, rustls::Error> {
        Ok(match role {
            // An address, so that no host name is asked for: names are looked for in the certificate afterwards.
            Role::Dialled => {
                ClientConnection::new(self.0.client.clone(), ServerName::from(peer.ip()))?.into()
            }
            Role::Accepted => ServerConnection::new(self.0.server.clone())?.into(),
        })
    }
}

impl Session {
    async fn handshake(mut self, stream: &TcpStream) -> Result<Self, Fault> {
        loop {
            while !self.flush(stream)? {
                stream.writable().await.map_err(|error| fault(&error))?;
            }
            if !self.connection.is_handshaking() {
                return Ok(self);
            }
            stream.readable().await.map_err(|error| fault(&error))?;
            self.read_handshake(stream)?;
        }
    }

    /// Reads little at once: what follows the handshake stays in the socket, or decrypted in the session.
    fn read_handshake(&mut self, stream: &TcpStream) -> Result<(), Fault> {
        match self.connection.read_tls(&mut Socket(stream)) {
            Ok(0) => Err(self.cut_off()),
            Ok(_) => match self.connection.process_new_packets() {
                Ok(_) => Ok(()),
                Err(error) => Err(self.refuse(stream, &error)),
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(fault(&error)),
        }
    }

    fn cut_off(&self) -> Fault {
        self.tls.note(self.peer, self.role, "the other side closed during the handshake".to_owned());
        Fault::Reset
    }
}

/// Reads until the peer has closed too.
async fn linger(stream: &TcpStream) {
    let _ = SockRef::from(stream).shutdown(Shutdown::Write);
    let mut left = DISCARD;
    while left > 0 && stream.readable().await.is_ok() {
        match stream.try_read(&mut [0; 1024]) {
            Ok(0) => return,
            Ok(count) => left = left.saturating_sub(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
