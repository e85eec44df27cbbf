//! One direction of a connection of the sync protocol, bytes in, messages out: for tools that have the bytes from elsewhere.

use networkdb_core::{
    syncproto::{Decoder, FROM_CLIENT, FROM_SERVER, Kvs, Message, SerializedUpdate, SyncStatus, encode},
    wire::{gob::Limits, snappy::Unframer},
};

use crate::{Code, Error};

/// Takes a connection's bytes apart from its first one on, however they are cut, through decoder restarts and snappy.
#[derive(Debug)]
pub struct SyncStream {
    limits: Limits,
    decoder: Decoder,
    /// There is one if the stream is compressed.
    unframer: Option<Unframer>,
    /// Why the stream is over.
    failed: Option<Error>,
}

/// Takes messages, in order.
type Take<'t> = &'t mut dyn FnMut(&Message<'_>);

impl SyncStream {
    /// What a server sends, or a client.
    pub fn new(from_client: bool) -> Self {
        let limits = if from_client { FROM_CLIENT } else { FROM_SERVER };
        Self { limits, decoder: Decoder::new(limits), unframer: None, failed: None }
    }

    /// Gives the messages that these bytes complete to `take`, in order.
    ///
    /// # Errors
    /// `Malformed`: then the stream is over, and each further call says so.
    pub fn feed(&mut self, input: &[u8], take: &mut dyn FnMut(&Message<'_>)) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.read(input, take);
        self.failed = result.as_ref().err().cloned();
        result
    }

    /// Bytes kept of a message that is not whole yet.
    pub fn pending(&self) -> usize {
        self.decoder.pending()
    }

    fn read(&mut self, mut input: &[u8], take: Take<'_>) -> Result<(), Error> {
        let mut chunk = Vec::new();
        while !input.is_empty() {
            let Some(unframer) = &mut self.unframer else {
                self.messages(&mut input, take)?;
                continue;
            };
            // Expanded by one chunk at a time.
            chunk.clear();
            if unframer.next(&mut input, &mut chunk).map_err(malformed)? {
                self.chunk(&chunk, take)?;
            }
        }
        Ok(())
    }

    /// The messages in the plain bytes of one chunk.
    fn chunk(&mut self, mut plain: &[u8], take: Take<'_>) -> Result<(), Error> {
        while !plain.is_empty() {
            if self.messages(&mut plain, take)? && !plain.is_empty() {
                return Err(malformed("bytes between two streams"));
            }
        }
        Ok(())
    }

    /// Messages until all is taken, or until another stream begins, of which it says so.
    fn messages(&mut self, bytes: &mut &[u8], take: Take<'_>) -> Result<bool, Error> {
        while let Some(message) = self.decoder.next(bytes).map_err(malformed)? {
            take(&message);
            if let Message::DecoderRestart(restart) = message {
                self.unframer = match restart.compression_algorithm {
                    b"" => None,
                    b"snappy" => Some(Unframer::default()),
                    _ => return Err(malformed("an unknown compression")),
                };
                self.decoder = Decoder::new(self.limits);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A stream with updates in it, if there are any, and then a status, if there is one: what a server sends after the hellos.
pub fn sync_stream(updates: &[SerializedUpdate<'_>], status: Option<u8>) -> Vec<u8> {
    let mut stream = encode::definitions().to_vec();
    if !updates.is_empty() {
        encode::message(&mut stream, &Message::Kvs(Kvs::from(updates)));
    }
    if let Some(status) = status {
        encode::message(&mut stream, &Message::SyncStatus(SyncStatus(status)));
    }
    stream
}

fn malformed(error: impl std::fmt::Display) -> Error {
    Error::new(Code::Malformed, error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use networkdb_core::{
        syncproto::{DecoderRestart, ServerHello},
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
        for bytes in [&connection(b"zstd")[..], &[]] {
            assert_eq!(stream.feed(bytes, &mut |_| ()).unwrap_err().code, Code::Malformed);
        }
        let mut stream = SyncStream::new(true);
        for _ in 0..2 {
            assert_eq!(stream.feed(&[0x55; 256], &mut |_| ()).unwrap_err().code, Code::Malformed);
        }
    }
}
