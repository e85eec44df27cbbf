//! A sync client on a socket of the standard library, the core alone: prints the server's keys and values until in sync.
//!
//!     follow SERVER      follow 10.0.0.1:5473

use std::{
    collections::VecDeque,
    env,
    error::Error,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{self, Duration},
};

use bytes::Bytes;
use networkdb_core::{
    machine::{Endpoint, Fault, How, Input, Instant, Machine, StreamId, StreamInput, Transport, pump},
    syncproto::{
        SyncStatus,
        client::{Client, Config, Event},
    },
};

fn main() -> Result<(), Box<dyn Error>> {
    let server = env::args().nth(1).ok_or("usage: follow SERVER")?;
    let (mut seed, start) = ([0; 32], time::Instant::now());
    getrandom::fill(&mut seed).map_err(|error| error.to_string())?;
    let now = || Instant::from_nanos(start.elapsed().as_nanos() as u64);
    let mut client = Client::new(Config::new("example", vec![server.parse()?]), seed, now())?;
    let (mut connection, mut buffer) = (Connection::default(), [0; 16384]);
    loop {
        while let Some(event) = client.poll_event() {
            match event {
                Event::Updates(updates) => updates.iter().for_each(|update| {
                    let value = update.value.unwrap_or_default();
                    println!("{} = {}", String::from_utf8_lossy(update.key), String::from_utf8_lossy(value));
                }),
                Event::Status(SyncStatus::IN_SYNC) => return Ok(()),
                _ => {}
            }
        }
        pump(&mut client, &mut connection);
        let patience = client.next_deadline().map_or(Duration::ZERO, |deadline| deadline.since(now()));
        client.handle(now(), connection.next(patience, &mut buffer)?);
    }
}

/// The one connection there is at a time. For brevity dials and writes block, and reading is never stopped.
#[derive(Default)]
struct Connection {
    socket: Option<(StreamId, TcpStream)>,
    /// What the client is to be told at once.
    words: VecDeque<Input<'static>>,
}

impl Connection {
    /// What the client is to be told; waits so long for bytes.
    fn next<'b>(&mut self, patience: Duration, buffer: &'b mut [u8]) -> io::Result<Input<'b>> {
        if let Some(word) = self.words.pop_front() {
            return Ok(word);
        }
        let patience = patience.max(Duration::from_millis(1));
        let Some((stream, socket)) = &mut self.socket else {
            std::thread::sleep(patience);
            return Ok(Input::Tick);
        };
        socket.set_read_timeout(Some(patience))?;
        Ok(match socket.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Input::Tick,
            Err(_) | Ok(0) => Input::Stream(*stream, StreamInput::Finished),
            Ok(count) => {
                Input::Stream(*stream, StreamInput::Received(buffer.get(..count).unwrap_or_default()))
            }
        })
    }

    fn tell(&mut self, stream: StreamId, word: io::Result<StreamInput<'static>>) {
        self.words.push_back(Input::Stream(stream, word.unwrap_or(StreamInput::Failed(Fault::Other))));
    }
}

impl Transport for Connection {
    fn send(&mut self, _to: SocketAddr, _bytes: &[u8]) {}
    fn open(&mut self, stream: StreamId, endpoint: &Endpoint) {
        let dialled = TcpStream::connect(endpoint.to_string());
        let opened = dialled.as_ref().map_or(Err(io::ErrorKind::Other.into()), TcpStream::peer_addr);
        self.socket = dialled.ok().map(|socket| (stream, socket));
        self.tell(stream, opened.map(|at| StreamInput::Opened { at }));
    }
    fn write(&mut self, stream: StreamId, bytes: Bytes) {
        let Some((_, socket)) = &mut self.socket else { return };
        let written = socket.write_all(&bytes).map(|()| StreamInput::Sent(bytes.len()));
        self.tell(stream, written);
    }
    fn reading(&mut self, _stream: StreamId, _on: bool) {}
    fn close(&mut self, _stream: StreamId, _how: How) {
        self.socket = None;
    }
}
