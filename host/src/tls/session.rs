//! The bytes of one TLS connection, after its handshake.

use std::{
    io::{self, BufRead, IoSlice, Read, Write},
    net::{Shutdown, SocketAddr},
};

use bytes::Bytes;
use networkdb_core::machine::Fault;
use rustls::{AlertDescription, CertificateError, Connection, Error, OtherError};
use socket2::SockRef;
use tokio::net::TcpStream;

use super::{Role, Tls};
use crate::dial::fault;

/// Bytes read at once, on the stack: an idle connection holds no buffer.
const READ: usize = 16 << 10;

/// One side of an encrypted stream.
pub(crate) struct Session {
    pub(super) tls: Tls,
    pub(super) peer: SocketAddr,
    pub(super) role: Role,
    pub(super) connection: Box<Connection>,
    /// Plain bytes in records that have not all left.
    encrypted: usize,
    /// The last record is made: the socket is to be shut after it.
    finishing: bool,
}

impl Session {
    pub(super) fn new(tls: Tls, peer: SocketAddr, role: Role, mut connection: Connection) -> Self {
        // What is encrypted at once is bounded by who asks for it.
        connection.set_buffer_limit(None);
        Self { tls, peer, role, connection: Box::new(connection), encrypted: 0, finishing: false }
    }

    /// Makes records of `pieces`; several small ones share a record.
    pub(crate) fn encrypt(&mut self, pieces: &[Bytes]) -> Result<(), Fault> {
        let wanted: usize = pieces.iter().map(Bytes::len).sum();
        let pieces: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let taken = self.connection.writer().write_vectored(&pieces).map_err(|error| fault(&error))?;
        self.encrypted += taken;
        if taken == wanted { Ok(()) } else { Err(Fault::Other) }
    }

    /// Writes what records there are; false if the socket takes no more.
    pub(crate) fn flush(&mut self, stream: &TcpStream) -> Result<bool, Fault> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Socket(stream)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(fault(&error)),
            }
        }
        if std::mem::take(&mut self.finishing) {
            SockRef::from(stream).shutdown(Shutdown::Write).map_err(|error| fault(&error))?;
        }
        Ok(true)
    }

    /// The plain bytes whose records have left since the last call. To be asked after a flush that sent all.
    pub(crate) fn take_sent(&mut self) -> usize {
        std::mem::take(&mut self.encrypted)
    }

    /// Ends the write side; what is left goes out with the next flush.
    pub(crate) fn finish(&mut self) {
        self.connection.send_close_notify();
        self.finishing = true;
    }

    /// Reads once and gives each piece of plain bytes to `each`; an empty piece is the end.
    pub(crate) fn read(&mut self, stream: &TcpStream, each: &mut impl FnMut(&[u8])) -> Result<(), Fault> {
        let mut buffer = [0; READ];
        let count = match stream.try_read(&mut buffer) {
            // Without a word that this is the end, anybody may have cut the connection.
            Ok(0) => return Err(Fault::Reset),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(fault(&error)),
        };
        let mut records = buffer.get(..count).unwrap_or_default();
        while !records.is_empty() {
            // Nothing that comes after the end is of interest.
            if self.connection.read_tls(&mut records).map_err(|error| fault(&error))? == 0 {
                return Ok(());
            }
            if let Err(error) = self.connection.process_new_packets() {
                return Err(self.refuse(stream, &error));
            }
            self.decrypted(each)?;
        }
        Ok(())
    }

    /// Gives away what is decrypted; an empty piece is the end.
    pub(crate) fn decrypted(&mut self, each: &mut impl FnMut(&[u8])) -> Result<(), Fault> {
        let mut reader = self.connection.reader();
        loop {
            match reader.fill_buf() {
                Ok(bytes) => {
                    each(bytes);
                    let count = bytes.len();
                    reader.consume(count);
                    if count == 0 {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(fault(&error)),
            }
        }
    }

    /// Tells the peer, as far as it takes it, and whoever listens for refusals.
    pub(super) fn refuse(&mut self, stream: &TcpStream, error: &Error) -> Fault {
        let _ = self.flush(stream);
        self.tls.note(self.peer, self.role, reason(error));
        Fault::Untrusted
    }
}

/// What is wrong, for those who set it up.
fn reason(error: &Error) -> String {
    match error {
        Error::InvalidMessage(_) => format!("the other side does not speak TLS ({error})"),
        Error::NoCertificatesPresented => "the other side shows no certificate".to_owned(),
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the other side wants a certificate of ours".to_owned()
        }
        Error::AlertReceived(alert) => {
            format!(
                "the other side refuses us ({alert:?}): see its log for what it has against our certificate"
            )
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the other side's certificate was not issued by our CA".to_owned()
        }
        Error::InvalidCertificate(CertificateError::Other(OtherError(error))) => {
            format!("the other side's certificate: {error}")
        }
        Error::InvalidCertificate(error) => format!("the other side's certificate: {error}"),
        other => other.to_string(),
    }
}

/// A socket that is never waited for.
pub(super) struct Socket<'a>(pub(super) &'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
