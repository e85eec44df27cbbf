//! The server's bytes, as messages: a gob stream, later inside a snappy stream.

use super::{
    super::{Decoder, Message, SNAPPY},
    Reason,
};
use crate::wire::{gob::Limits, snappy::Unframer};

/// What lies around the gob stream.
#[derive(Debug)]
pub(super) enum Layer {
    Plain,
    Snappy(Unframer),
}

impl Layer {
    /// That which has this name in a decoder restart; `None` if it is unknown.
    pub(super) fn named(algorithm: &[u8]) -> Option<Self> {
        match algorithm {
            b"" => Some(Self::Plain),
            name if name == SNAPPY.as_bytes() => Some(Self::Snappy(Unframer::default())),
            _ => None,
        }
    }
}

/// Takes the messages out of the bytes of one connection, however they are cut.
#[derive(Debug)]
pub(super) struct Reader {
    limits: Limits,
    decoder: Decoder,
    layer: Layer,
    /// The last chunk of a compressed stream, and how much of it is read.
    chunk: Vec<u8>,
    read: usize,
    /// Bytes of gob read.
    plain: u64,
}

impl Reader {
    pub(super) fn new(limits: Limits) -> Self {
        let decoder = Decoder::new(limits);
        Self { limits, decoder, layer: Layer::Plain, chunk: Vec::new(), read: 0, plain: 0 }
    }

    /// Bytes of gob read since the connection began.
    pub(super) fn plain(&self) -> u64 {
        self.plain
    }

    /// Whether [`Reader::next`] has something to read. It takes no more than one chunk off `input`, so that nothing is
    /// expanded before it is wanted.
    pub(super) fn fill(&mut self, input: &mut &[u8]) -> Result<bool, Reason> {
        let Layer::Snappy(unframer) = &mut self.layer else { return Ok(!input.is_empty()) };
        if self.read < self.chunk.len() {
            return Ok(true);
        }
        self.chunk.clear();
        self.read = 0;
        unframer.next(input, &mut self.chunk).map_err(Reason::Compression)
    }

    /// The next message; `None` when [`Reader::fill`] has to be asked again.
    pub(super) fn next<'a>(&'a mut self, input: &mut &'a [u8]) -> Result<Option<Message<'a>>, Reason> {
        let Self { decoder, layer, chunk, read, plain, .. } = self;
        let mut rest = chunk.get(*read..).unwrap_or_default();
        let source = if matches!(layer, Layer::Plain) { input } else { &mut rest };
        let before = source.len();
        let message = decoder.next(source);
        let taken = before - source.len();
        *read = if matches!(layer, Layer::Plain) { 0 } else { *read + taken };
        *plain += taken as u64;
        message.map_err(Reason::Malformed)
    }

    /// Whether the connection may end here: not inside a message. Definitions may stand alone, since there are servers
    /// that begin each stream with all of them.
    pub(super) fn finish(&self) -> Result<(), Reason> {
        if let Layer::Snappy(unframer) = &self.layer {
            unframer.finish().map_err(Reason::Compression)?;
        }
        if self.decoder.pending() == 0 {
            return Ok(());
        }
        self.decoder.finish().map_err(Reason::Malformed)
    }

    /// Begins a new stream. What was read ahead belongs to it, but what is left of a chunk belongs to nothing.
    pub(super) fn restart(&mut self, layer: Layer) -> Result<(), Reason> {
        if self.read < self.chunk.len() {
            return Err(Reason::Surplus);
        }
        self.chunk.clear();
        self.read = 0;
        self.decoder = Decoder::new(self.limits);
        self.layer = layer;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        syncproto::{FROM_SERVER, SyncStatus, encode},
        wire::snappy,
    };

    /// What a connection that ends after `bytes` is told to have ended with.
    fn end(layer: Layer, mut bytes: &[u8]) -> Result<(), Reason> {
        let mut reader = Reader::new(FROM_SERVER);
        reader.restart(layer).unwrap();
        while reader.fill(&mut bytes).unwrap() {
            let mut rest = bytes;
            reader.next(&mut rest).unwrap();
            bytes = &bytes[bytes.len() - rest.len()..];
        }
        reader.finish()
    }

    #[test]
    fn a_connection_that_ends_inside_a_message_says_so() {
        let definitions = encode::definitions();
        let mut plain = definitions.to_vec();
        encode::message(&mut plain, &Message::SyncStatus(SyncStatus(2)));
        let cut = &plain[..plain.len() - 3];
        for whole in [b"", definitions, &plain] {
            assert_eq!(end(Layer::Plain, whole), Ok(()));
        }
        assert!(matches!(end(Layer::Plain, cut), Err(Reason::Malformed(_))));

        let mut framed = snappy::STREAM_IDENTIFIER.to_vec();
        snappy::frame(cut, &mut framed);
        assert!(matches!(end(Layer::named(b"snappy").unwrap(), &framed), Err(Reason::Malformed(_))));
        framed.pop();
        let inside = end(Layer::named(b"snappy").unwrap(), &framed);
        assert_eq!(inside, Err(Reason::Compression(snappy::FrameError::Ended)));
    }
}
