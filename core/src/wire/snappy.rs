//! Snappy's framing format: a stream of compressed chunks, each with its checksum. No chunk refers to another, so the
//! chunks of what many streams have in common can be shared.
//!
//! Source: `google/snappy` `framing_format.txt`; what is compressed follows Go's `golang/snappy`. Crate `snap` does the
//! blocks.

use std::fmt;

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

/// What every stream begins with; it may come again.
pub const STREAM_IDENTIFIER: &[u8] = b"\xff\x06\x00\x00sNaPpY";
/// The most plain bytes of one chunk.
pub const MAX_PLAIN: usize = 1 << 16;

/// The longest content of a chunk that is kept: a checksum and the worst that compression makes of [`MAX_PLAIN`].
const MAX_CONTENT: usize = CHECKSUM + 32 + MAX_PLAIN + MAX_PLAIN / 6;
const HEADER: usize = 4;
const CHECKSUM: usize = 4;
/// Content of the stream identifier.
const MAGIC: &[u8] = b"sNaPpY";

const COMPRESSED: u8 = 0x00;
const PLAIN: u8 = 0x01;
const FIRST_SKIPPABLE: u8 = 0x80;
const IDENTIFIER: u8 = 0xff;

/// Why bytes are not a stream of chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The stream does not begin with its identifier.
    NoIdentifier,
    /// A chunk of a kind that may not be skipped.
    UnknownChunk(u8),
    /// A chunk with more content than its kind may have.
    TooLong,
    /// A chunk that ends inside its checksum or is no snappy block.
    Corrupt,
    /// The content is not what the checksum was made of.
    Checksum,
    /// The stream ends inside a chunk.
    Ended,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoIdentifier => f.write_str("snappy: no stream identifier"),
            Self::UnknownChunk(kind) => write!(f, "snappy: unknown chunk {kind:#04x}"),
            Self::TooLong => f.write_str("snappy: chunk too long"),
            Self::Corrupt => f.write_str("snappy: corrupt chunk"),
            Self::Checksum => f.write_str("snappy: wrong checksum"),
            Self::Ended => f.write_str("snappy: the stream ends inside a chunk"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Appends the chunks of `plain`. The stream identifier is the caller's to write.
pub fn frame(plain: &[u8], out: &mut Vec<u8>) {
    let mut encoder = Encoder::new();
    for piece in plain.chunks(MAX_PLAIN) {
        let start = out.len();
        out.resize(start + HEADER + CHECKSUM + max_compress_len(piece.len()), 0);
        let block = out.get_mut(start + HEADER + CHECKSUM..).unwrap_or_default();
        let packed = encoder.compress(piece, block).unwrap_or(usize::MAX);
        let kind = if packed < piece.len() - piece.len() / 8 { COMPRESSED } else { PLAIN };
        out.truncate(start + HEADER + CHECKSUM + packed.min(piece.len()));
        if kind == PLAIN {
            out.truncate(start + HEADER + CHECKSUM);
            out.extend_from_slice(piece);
        }
        head(out, start, kind, piece);
    }
}

/// Appends the chunks of `plain` as they are: for what is too short to gain.
pub fn frame_plain(plain: &[u8], out: &mut Vec<u8>) {
    for piece in plain.chunks(MAX_PLAIN) {
        let start = out.len();
        out.resize(start + HEADER + CHECKSUM, 0);
        out.extend_from_slice(piece);
        head(out, start, PLAIN, piece);
    }
}

/// Fills in what leads the chunk that begins at `start` and goes to the end.
fn head(out: &mut [u8], start: usize, kind: u8, plain: &[u8]) {
    let Some(chunk) = out.get_mut(start..) else { return };
    let len = ((chunk.len() - HEADER) as u32) << 8 | u32::from(kind);
    let head = [len.to_le_bytes(), checksum(plain).to_le_bytes()].concat();
    if let Some(place) = chunk.get_mut(..head.len()) {
        place.copy_from_slice(&head);
    }
}

/// The masked CRC-32C.
fn checksum(plain: &[u8]) -> u32 {
    crc32c::crc32c(plain).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Takes a stream apart, chunk by chunk, however it is cut. It keeps one chunk at most.
#[derive(Debug, Default)]
pub struct Unframer {
    identified: bool,
    /// The beginning of a chunk that is not all there.
    held: Vec<u8>,
    /// Bytes to come that mean nothing.
    skip: usize,
}

impl Unframer {
    /// Appends the plain bytes of the next chunk to `out` and takes it, and nothing after it, off `input`. `false`: all
    /// of `input` is taken and no chunk has become whole. After an error the stream cannot go on.
    pub fn next(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<bool, FrameError> {
        loop {
            self.skip -= take(input, self.skip).len();
            self.hold(HEADER, input);
            let Some((kind, len)) = self.header()? else { return Ok(false) };
            if (FIRST_SKIPPABLE..IDENTIFIER).contains(&kind) {
                self.skip = len;
                self.held.clear();
                continue;
            }
            self.hold(HEADER + len, input);
            if self.held.len() < HEADER + len {
                return Ok(false);
            }
            let is_data = self.chunk(kind, out)?;
            self.held.clear();
            if is_data {
                return Ok(true);
            }
        }
    }

    /// Whether the stream may end here: an error if it does so inside a chunk.
    pub fn finish(&self) -> Result<(), FrameError> {
        if self.held.is_empty() && self.skip == 0 { Ok(()) } else { Err(FrameError::Ended) }
    }

    /// Fills up to `count` bytes of the chunk.
    fn hold(&mut self, count: usize, input: &mut &[u8]) {
        let missing = count.saturating_sub(self.held.len());
        self.held.extend_from_slice(take(input, missing));
    }

    /// Kind and length of content of the chunk, once its first four bytes are there.
    fn header(&self) -> Result<Option<(u8, usize)>, FrameError> {
        let Some(&[kind, a, b, c]) = self.held.first_chunk() else { return Ok(None) };
        let len = u32::from_le_bytes([a, b, c, 0]) as usize;
        match kind {
            IDENTIFIER if len != MAGIC.len() => Err(FrameError::NoIdentifier),
            IDENTIFIER => Ok(Some((kind, len))),
            _ if !self.identified => Err(FrameError::NoIdentifier),
            COMPRESSED | PLAIN if len < CHECKSUM => Err(FrameError::Corrupt),
            COMPRESSED if len > MAX_CONTENT => Err(FrameError::TooLong),
            PLAIN if len > CHECKSUM + MAX_PLAIN => Err(FrameError::TooLong),
            COMPRESSED | PLAIN | FIRST_SKIPPABLE.. => Ok(Some((kind, len))),
            _ => Err(FrameError::UnknownChunk(kind)),
        }
    }

    /// Reads the chunk that is held whole; whether it carries data.
    fn chunk(&mut self, kind: u8, out: &mut Vec<u8>) -> Result<bool, FrameError> {
        let content = self.held.get(HEADER..).unwrap_or_default();
        if kind == IDENTIFIER {
            self.identified = content == MAGIC;
            return if self.identified { Ok(false) } else { Err(FrameError::NoIdentifier) };
        }
        let (sum, block) = content.split_first_chunk().ok_or(FrameError::Corrupt)?;
        let start = out.len();
        expand(kind, block, out)?;
        if checksum(out.get(start..).unwrap_or_default()) != u32::from_le_bytes(*sum) {
            return Err(FrameError::Checksum);
        }
        Ok(true)
    }
}

fn expand(kind: u8, block: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
    if kind == PLAIN {
        out.extend_from_slice(block);
        return Ok(());
    }
    let len = decompress_len(block).map_err(|_| FrameError::Corrupt)?;
    if len > MAX_PLAIN {
        return Err(FrameError::TooLong);
    }
    let start = out.len();
    out.resize(start + len, 0);
    let place = out.get_mut(start..).unwrap_or_default();
    Decoder::new().decompress(block, place).map_err(|_| FrameError::Corrupt)?;
    Ok(())
}

/// Takes up to `count` bytes off the front.
fn take<'a>(input: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(count.min(input.len()));
    *input = rest;
    taken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stream(parts: &[&[u8]]) -> Vec<u8> {
        [&[STREAM_IDENTIFIER], parts].concat().concat()
    }

    fn framed(plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        frame(plain, &mut out);
        out
    }

    /// The plain bytes of `stream`, fed in pieces.
    fn unframed(stream: &[u8], piece: usize) -> Result<Vec<u8>, FrameError> {
        let (mut unframer, mut out) = (Unframer::default(), Vec::new());
        for mut piece in stream.chunks(piece) {
            while unframer.next(&mut piece, &mut out)? {}
        }
        Ok(out)
    }

    #[test]
    fn what_gains_less_than_an_eighth_goes_as_it_is() {
        let noise: Vec<u8> = (0..1_000_u32).flat_map(|i| i.wrapping_mul(0x9E37_79B9).to_be_bytes()).collect();
        assert_eq!(framed(&noise)[..4], [PLAIN, 0xa4, 0x0f, 0]);
        let with_zeros = |count| framed(&[&noise[count..], &vec![0; count]].concat())[0];
        assert_eq!((with_zeros(400), with_zeros(800)), (PLAIN, COMPRESSED));
        assert_eq!(framed(&[7; 4_000])[0], COMPRESSED);
        assert_eq!(
            framed(b"short"),
            [&[1, 9, 0, 0], &checksum(b"short").to_le_bytes()[..], b"short"].concat()
        );
        assert!(framed(b"").is_empty());
        let mut plain = Vec::new();
        frame_plain(&[7; 9], &mut plain);
        assert_eq!(plain[..4], [PLAIN, 13, 0, 0]);
    }

    #[test]
    fn the_checksum_is_the_masked_one_of_the_format() {
        // CRC-32C of "123456789" is e3069283.
        assert_eq!(checksum(b"123456789"), 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }

    #[test]
    fn a_chunk_is_taken_and_nothing_behind_it() {
        let bytes = stream(&[&framed(b"one"), &framed(b"two")]);
        let (mut unframer, mut out, mut input) = (Unframer::default(), Vec::new(), &bytes[..]);
        assert_eq!(unframer.next(&mut input, &mut out), Ok(true));
        assert_eq!((&out[..], input), (&b"one"[..], &framed(b"two")[..]));
    }

    #[test]
    fn a_stream_may_end_between_chunks_only() {
        let parts = [STREAM_IDENTIFIER, &framed(b"one"), &[0x80, 3, 0, 0, 1, 2, 3], &framed(b"two")];
        let ends: Vec<usize> = (0..=parts.len()).map(|count| parts[..count].concat().len()).collect();
        let bytes = parts.concat();
        for end in 0..=bytes.len() {
            let (mut unframer, mut out, mut input) = (Unframer::default(), Vec::new(), &bytes[..end]);
            while unframer.next(&mut input, &mut out).unwrap() {}
            let wanted = if ends.contains(&end) { Ok(()) } else { Err(FrameError::Ended) };
            assert_eq!(unframer.finish(), wanted, "after {end} bytes");
        }
    }

    #[test]
    fn skippable_chunks_and_further_identifiers_mean_nothing() {
        let skipped = [&[0x80, 3, 0, 0][..], b"abc", &[0xfe, 0, 0, 0]].concat();
        let bytes =
            stream(&[&skipped, STREAM_IDENTIFIER, &framed(b"one"), &skipped, &framed(b"two"), &skipped]);
        for piece in 1..bytes.len() {
            assert_eq!(unframed(&bytes, piece), Ok(b"onetwo".to_vec()), "pieces of {piece}");
        }
    }

    #[test]
    fn what_is_no_stream_of_chunks_says_why() {
        let mut wrong = framed(b"one");
        wrong[4] ^= 1;
        let too_long = framed(&vec![0; MAX_PLAIN]);
        let block = Encoder::new().compress_vec(&vec![0; MAX_PLAIN + 1]).unwrap();
        let expands =
            [&[0, block.len() as u8 + 4, (block.len() >> 8) as u8, 0, 0, 0, 0, 0], &block[..]].concat();
        for (bytes, error) in [
            (framed(b"one"), FrameError::NoIdentifier),
            (b"\xff\x06\x00\x00sNaPpX".to_vec(), FrameError::NoIdentifier),
            (b"\xff\x07\x00\x00".to_vec(), FrameError::NoIdentifier),
            (stream(&[&wrong]), FrameError::Checksum),
            (stream(&[&[0x02, 0, 0, 0]]), FrameError::UnknownChunk(2)),
            (stream(&[&[0x7f, 0, 0, 0]]), FrameError::UnknownChunk(0x7f)),
            (stream(&[&[1, 3, 0, 0]]), FrameError::Corrupt),
            (stream(&[&[0, 5, 0, 0, 1, 2, 3, 4, 9]]), FrameError::Corrupt),
            (stream(&[&[1, 5, 0, 1]]), FrameError::TooLong),
            (stream(&[&[0, 0, 0, 2]]), FrameError::TooLong),
            (stream(&[&expands]), FrameError::TooLong),
        ] {
            assert_eq!(unframed(&bytes, 3), Err(error));
        }
        assert_eq!(unframed(&stream(&[&too_long]), 999).unwrap().len(), MAX_PLAIN);
    }

    proptest! {
        #[test]
        fn bytes_come_back_however_the_stream_is_cut(
            words in proptest::collection::vec(0..4_u8, 0..200_000),
            piece in 1..100_000_usize,
        ) {
            let bytes = stream(&[&framed(&words)]);
            prop_assert_eq!(unframed(&bytes, piece).unwrap(), words);
        }
    }
}
