//! LZW as in GIF: least significant bit first, 8-bit literals, codes of 9 to 12 bits.
//!
//! Source: Go's `compress/lzw`, which memberlist compresses with. The codec is crate `weezl`.

use std::fmt;

use weezl::{BitOrder, LzwStatus, decode::Decoder, encode::Encoder};

const LITERAL_BITS: u8 = 8;

/// Bytes expanded at a time.
const PIECE: usize = 4096;

/// Why bytes could not be expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LzwError {
    /// A code that is neither known nor the next one.
    InvalidCode,
    /// The bytes end before the end code.
    Ended,
    /// The result exceeds what it may use.
    TooLong,
}

impl fmt::Display for LzwError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidCode => "lzw: invalid code",
            Self::Ended => "lzw: ends too early",
            Self::TooLong => "lzw: result too long",
        })
    }
}

impl std::error::Error for LzwError {}

/// Compresses `plain`.
pub fn compress(plain: &[u8]) -> Vec<u8> {
    // Encoding into memory fails only for bytes outside the alphabet, and all 256 are in it.
    Encoder::new(BitOrder::Lsb, LITERAL_BITS).encode(plain).unwrap_or_default()
}

/// Expands `packed` up to its end code; what follows it is ignored. Each byte that comes out, also before a
/// failure, is taken from `budget`.
pub fn expand(packed: &[u8], budget: &mut usize) -> Result<Vec<u8>, LzwError> {
    let mut decoder = Decoder::new(BitOrder::Lsb, LITERAL_BITS);
    let (mut rest, mut out, mut piece) = (packed, Vec::new(), [0; PIECE]);
    loop {
        let step = decoder.decode_bytes(rest, &mut piece);
        let produced = piece.get(..step.consumed_out).unwrap_or_default();
        let left = budget.checked_sub(produced.len());
        *budget = left.unwrap_or_default();
        if left.is_none() {
            return Err(LzwError::TooLong);
        }
        out.extend(produced);
        rest = rest.get(step.consumed_in..).unwrap_or_default();
        match step.status {
            Ok(LzwStatus::Done) => return Ok(out),
            Ok(LzwStatus::NoProgress) => return Err(LzwError::Ended),
            Ok(LzwStatus::Ok) => {}
            Err(_) => return Err(LzwError::InvalidCode),
        }
    }
}
