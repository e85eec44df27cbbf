//! A stream of the sync protocol as it comes in: cut anywhere, and compressed from where its server says so.

use networkdb_core::{
    syncproto::{Decoder, FROM_CLIENT, FROM_SERVER, Message},
    wire::{gob::Limits, snappy::Unframer},
};

use crate::{Code, Error};

/// What was read of a stream, and what of it is not a whole message yet.
pub(crate) struct SyncStream {
    limits: Limits,
    decoder: Decoder,
    unframer: Option<Unframer>,
    /// Why the stream is over.
    failed: Option<Error>,
}

impl SyncStream {
    pub(crate) fn new(from_client: bool) -> Self {
        let limits = if from_client { FROM_CLIENT } else { FROM_SERVER };
        Self { limits, decoder: Decoder::new(limits), unframer: None, failed: None }
    }

    /// Tells the messages that end in `bytes`. An error ends the stream, and is given again at each further call.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut tell: impl FnMut(&Message<'_>)) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.read(bytes, &mut tell);
        self.failed = result.as_ref().err().cloned();
        result
    }

    /// Bytes kept of a message that is not whole yet.
    pub(crate) fn pending(&self) -> usize {
        self.decoder.pending()
    }

    fn read(&mut self, mut bytes: &[u8], tell: &mut impl FnMut(&Message<'_>)) -> Result<(), Error> {
        let mut chunk = Vec::new();
        while !bytes.is_empty() {
            let Some(unframer) = &mut self.unframer else {
                self.messages(&mut bytes, tell)?;
                continue;
            };
            chunk.clear();
            if unframer.next(&mut bytes, &mut chunk).map_err(malformed)? {
                self.chunk(&chunk, tell)?;
            }
        }
        Ok(())
    }

    /// The messages in the plain bytes of one chunk.
    fn chunk(&mut self, mut plain: &[u8], tell: &mut impl FnMut(&Message<'_>)) -> Result<(), Error> {
        while !plain.is_empty() {
            if self.messages(&mut plain, tell)? && !plain.is_empty() {
                return Err(malformed("a chunk goes on behind the end of its stream"));
            }
        }
        Ok(())
    }

    /// Messages until all is taken, or until another stream begins, of which it says so.
    fn messages(&mut self, bytes: &mut &[u8], tell: &mut impl FnMut(&Message<'_>)) -> Result<bool, Error> {
        while let Some(message) = self.decoder.next(bytes).map_err(malformed)? {
            tell(&message);
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

fn malformed(reason: impl std::fmt::Display) -> Error {
    Error::new(Code::Malformed, reason)
}
