//! LZW as in GIF: least significant bit first, 8-bit literals, codes of 9 to 12 bits.
//!
//! Source: Go's `compress/lzw`, which memberlist compresses with. Crate `weezl` expands; it clears a
//! full table at another place than the peer, so compressing is done here.

use std::fmt;

use weezl::{BitOrder, LzwStatus, decode::Decoder};

const LITERAL_BITS: u8 = 8;
const FIRST_WIDTH: u32 = 9;
const CLEAR: u16 = 256;
const END: u16 = 257;
const LAST: u16 = 4095;
const CODE_BITS: u32 = 12;

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

/// Compresses `plain` to the very bytes of the peer's compressor.
pub fn compress(plain: &[u8]) -> Vec<u8> {
    let mut codes = Codes::default();
    codes.put(CLEAR);
    let Some((&first, rest)) = plain.split_first() else { return codes.finish() };
    let mut known = Words::new(plain.len());
    let mut word = u16::from(first);
    for &byte in rest {
        let slot = match known.find(word, byte) {
            Ok(longer) => {
                word = longer;
                continue;
            }
            Err(slot) => slot,
        };
        codes.put(word);
        match codes.grow() {
            Some(code) => known.insert(slot, word, byte, code),
            None => known.clear(),
        }
        word = byte.into();
    }
    codes.put(word);
    codes.grow();
    codes.finish()
}

/// The codes of words one byte longer than known ones: an open hash table, at most a quarter full.
/// Four times as fast as the standard map, which shows in every packet.
struct Words {
    /// The code of the word without its last byte, that byte, and its own code, as one number; 0 is free.
    slots: Vec<u32>,
}

impl Words {
    fn new(len: usize) -> Self {
        Self { slots: vec![0; 4 * len.min(usize::from(LAST)).next_power_of_two()] }
    }

    /// The code of `word` and `byte`, or the slot it would have.
    fn find(&self, word: u16, byte: u8) -> Result<u16, usize> {
        let key = Self::key(word, byte);
        let mut slot = (key.wrapping_mul(0x9E37_79B9) >> 12) as usize;
        loop {
            slot &= self.slots.len() - 1;
            match self.slots.get(slot) {
                Some(0) | None => return Err(slot),
                Some(found) if found >> CODE_BITS == key => return Ok((found & u32::from(LAST)) as u16),
                Some(_) => slot += 1,
            }
        }
    }

    fn insert(&mut self, slot: usize, word: u16, byte: u8, code: u16) {
        if let Some(free) = self.slots.get_mut(slot) {
            *free = Self::key(word, byte) << CODE_BITS | u32::from(code);
        }
    }

    fn clear(&mut self) {
        self.slots.fill(0);
    }

    fn key(word: u16, byte: u8) -> u32 {
        u32::from(word) << LITERAL_BITS | u32::from(byte)
    }
}

/// Codes as they are written, and how many there are so far.
#[derive(Debug)]
struct Codes {
    out: Vec<u8>,
    pending: u32,
    bits: u32,
    width: u32,
    highest: u16,
}

impl Default for Codes {
    fn default() -> Self {
        Self { out: Vec::new(), pending: 0, bits: 0, width: FIRST_WIDTH, highest: END }
    }
}

impl Codes {
    fn put(&mut self, code: u16) {
        self.pending |= u32::from(code) << self.bits;
        self.bits += self.width;
        while self.bits >= 8 {
            self.out.push(self.pending.to_le_bytes()[0]);
            self.pending >>= 8;
            self.bits -= 8;
        }
    }

    /// The next free code; `None` when there was only one left, and the table starts anew.
    fn grow(&mut self) -> Option<u16> {
        self.highest += 1;
        if self.highest == 1 << self.width {
            self.width += 1;
        }
        if self.highest < LAST {
            return Some(self.highest);
        }
        self.put(CLEAR);
        (self.width, self.highest) = (FIRST_WIDTH, END);
        None
    }

    fn finish(mut self) -> Vec<u8> {
        self.put(END);
        if self.bits > 0 {
            self.out.push(self.pending.to_le_bytes()[0]);
        }
        self.out
    }
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
