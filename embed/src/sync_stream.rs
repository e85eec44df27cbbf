//! One direction of a connection of the sync protocol, bytes in, messages out: for tools that have the bytes from elsewhere.

use networkdb_core::{
    syncproto::{Decoder, FROM_CLIENT, FROM_SERVER, Message},
    wire::snappy::Unframer,
};

use crate::{Code, Error};

/// What lies around the gob stream.
#[derive(Debug)]
enum Layer {
    Plain,
    Snappy(Unframer),
}

/// Takes a connection's bytes apart from its first one on, however they are cut, through decoder restarts and snappy.
#[derive(Debug)]
pub struct SyncStream {
    from_client: bool,
    decoder: Decoder,
    layer: Layer,
    /// The last chunk of a compressed stream, and how much of it is read.
    chunk: Vec<u8>,
    read: usize,
}

impl SyncStream {
    /// What a server sends, or a client.
    pub fn new(from_client: bool) -> Self {
        let decoder = decoder(from_client);
        Self { from_client, decoder, layer: Layer::Plain, chunk: Vec::new(), read: 0 }
    }

    /// Gives the messages that these bytes complete to `take`, in order.
    ///
    /// # Errors
    /// `Malformed`: then the stream is over, and each further call says so.
    pub fn feed(&mut self, mut input: &[u8], take: &mut dyn FnMut(&Message<'_>)) -> Result<(), Error> {
        while self.fill(&mut input)? {
            if let Some(layer) = self.next(&mut input, take)? {
                self.restart(layer)?;
            }
        }
        Ok(())
    }

    /// Bytes kept of a message that is not whole yet.
    pub fn pending(&self) -> usize {
        self.decoder.pending()
    }

    /// Whether there is something to read; a compressed stream is expanded by one chunk at a time.
    fn fill(&mut self, input: &mut &[u8]) -> Result<bool, Error> {
        let Layer::Snappy(unframer) = &mut self.layer else { return Ok(!input.is_empty()) };
        if self.read < self.chunk.len() {
            return Ok(true);
        }
        self.chunk.clear();
        self.read = 0;
        unframer.next(input, &mut self.chunk).map_err(malformed)
    }

    /// Takes a message, if one is whole. What the next stream is inside of, if the message says that this one has ended.
    fn next(
        &mut self,
        input: &mut &[u8],
        take: &mut dyn FnMut(&Message<'_>),
    ) -> Result<Option<Layer>, Error> {
        let mut rest = match self.layer {
            Layer::Plain => *input,
            Layer::Snappy(_) => self.chunk.get(self.read..).unwrap_or_default(),
        };
        let before = rest.len();
        let message = self.decoder.next(&mut rest).map_err(malformed)?;
        match self.layer {
            Layer::Plain => *input = input.get(before - rest.len()..).unwrap_or_default(),
            Layer::Snappy(_) => self.read += before - rest.len(),
        }
        let Some(message) = message else { return Ok(None) };
        take(&message);
        let Message::DecoderRestart(restart) = message else { return Ok(None) };
        match restart.compression_algorithm {
            b"" => Ok(Some(Layer::Plain)),
            b"snappy" => Ok(Some(Layer::Snappy(Unframer::default()))),
            _ => Err(Error::new(Code::Malformed, "an unknown compression")),
        }
    }

    fn restart(&mut self, layer: Layer) -> Result<(), Error> {
        if self.read < self.chunk.len() {
            return Err(Error::new(Code::Malformed, "bytes between two streams"));
        }
        self.decoder = decoder(self.from_client);
        self.layer = layer;
        Ok(())
    }
}

fn decoder(from_client: bool) -> Decoder {
    Decoder::new(if from_client { FROM_CLIENT } else { FROM_SERVER })
}

fn malformed(error: impl std::fmt::Display) -> Error {
    Error::new(Code::Malformed, error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use networkdb_core::{
        syncproto::{DecoderRestart, ServerHello, SyncStatus, encode},
        wire::snappy,
    };

    use super::*;

    fn gob(messages: &[Message<'_>]) -> Vec<u8> {
        let mut stream = encode::definitions().to_vec();
        for message in messages {
            encode::message(&mut stream, message);
        }
        stream
    }

    /// A server that goes over to snappy after its hello.
    fn connection(algorithm: &[u8]) -> Vec<u8> {
        let restart = DecoderRestart { message: b"", compression_algorithm: algorithm };
        let mut bytes =
            gob(&[Message::ServerHello(ServerHello::default()), Message::DecoderRestart(restart)]);
        bytes.extend_from_slice(snappy::STREAM_IDENTIFIER);
        snappy::frame(&gob(&[Message::SyncStatus(SyncStatus(2)), Message::Ack]), &mut bytes);
        bytes
    }

    fn kind(message: &Message<'_>) -> &'static str {
        match message {
            Message::ServerHello(_) => "hello",
            Message::DecoderRestart(_) => "restart",
            Message::SyncStatus(_) => "status",
            _ => "other",
        }
    }

    #[test]
    fn a_connection_is_read_through_its_restart_however_it_is_cut() {
        let bytes = connection(b"snappy");
        for size in [1, 7, bytes.len()] {
            let (mut stream, mut kinds) = (SyncStream::new(false), Vec::new());
            for cut in bytes.chunks(size) {
                stream.feed(cut, &mut |message| kinds.push(kind(message))).unwrap();
            }
            assert_eq!(kinds, ["hello", "restart", "status", "other"], "cut by {size}");
            assert_eq!(stream.pending(), 0);
        }
    }

    #[test]
    fn an_unknown_compression_and_other_bytes_are_malformed_for_good() {
        let mut stream = SyncStream::new(false);
        assert_eq!(stream.feed(&connection(b"zstd"), &mut |_| ()).unwrap_err().code, Code::Malformed);
        let mut stream = SyncStream::new(true);
        for _ in 0..2 {
            assert_eq!(stream.feed(&[0x55; 256], &mut |_| ()).unwrap_err().code, Code::Malformed);
        }
    }
}
