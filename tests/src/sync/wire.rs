//! Either side by hand, for what no peer says.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

use networkdb_core::syncproto::{Decoder, FROM_CLIENT, FROM_SERVER, Message};

use super::DEADLINE;

/// A connection, and the messages that come over it.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    decoder: Decoder,
    unread: Vec<u8>,
}

impl Wire {
    /// Connects to a server.
    pub fn connect(at: SocketAddr) -> Self {
        Self::of(TcpStream::connect(at).expect("the server listens"), Decoder::new(FROM_SERVER))
    }

    fn of(stream: TcpStream, decoder: Decoder) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).expect("a socket");
        stream.set_write_timeout(Some(DEADLINE)).expect("a socket");
        Self { stream, decoder, unread: Vec::new() }
    }

    /// Our address.
    pub fn addr(&self) -> SocketAddr {
        self.stream.local_addr().expect("it is connected")
    }

    /// Sends bytes; false if the other side takes no more.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Says no more, and listens on.
    pub fn finish(&self) {
        // The other side may have ended it already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads up to a message like this; false if the connection ends before.
    pub fn hears(&mut self, like: impl Fn(&Message<'_>) -> bool) -> bool {
        loop {
            let mut rest = &self.unread[..];
            let message = self.decoder.next(&mut rest).expect("the other side sends messages");
            let (found, none) = (message.as_ref().is_some_and(&like), message.is_none());
            let taken = self.unread.len() - rest.len();
            self.unread.drain(..taken);
            if found || (none && !self.fill()) {
                return found;
            }
        }
    }

    /// Waits for the end of the connection.
    pub fn is_ended(&mut self) {
        while self.fill() {}
    }

    /// Reads what has come; false at the end.
    fn fill(&mut self) -> bool {
        let mut buffer = vec![0; 64 << 10];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.unread.extend_from_slice(&buffer[..count]);
                count > 0
            }
            Err(error) => {
                let ended = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&error.kind());
                assert!(ended, "the connection neither ends nor says anything: {error}");
                false
            }
        }
    }
}

/// A server of one client that says what it is given, part by part, each but the first after an acknowledgement.
#[derive(Debug)]
pub struct Script {
    addr: SocketAddr,
    _thread: JoinHandle<()>,
}

impl Script {
    /// Begins to listen. After the last part it says no more, or ends the connection.
    pub fn start(parts: Vec<Vec<u8>>, ends: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let thread = thread::spawn(move || {
            let Ok((stream, _)) = listener.accept() else { return };
            let mut client = Wire::of(stream, Decoder::new(FROM_CLIENT));
            let mut greeted = client.hears(|message| matches!(message, Message::ClientHello(_)));
            for (number, part) in parts.iter().enumerate() {
                greeted = greeted && (number == 0 || client.hears(|message| *message == Message::Ack));
                if !greeted || !client.send(part) {
                    return;
                }
            }
            if ends {
                client.finish();
            }
            client.is_ended();
        });
        Self { addr, _thread: thread }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}
