//! The pieces every encoded value is made of.

/// An unsigned integer: one byte below 128, else the negated count of the bytes that follow, big-endian and shortest.
#[inline]
pub fn uint(out: &mut Vec<u8>, value: u64) {
    if value < 0x80 {
        return out.push(value as u8);
    }
    let skipped = value.leading_zeros() as usize / 8;
    let bytes = value.to_be_bytes();
    out.push((skipped as u8).wrapping_sub(8));
    out.extend_from_slice(bytes.get(skipped..).unwrap_or_default());
}

/// How many bytes [`uint`] takes for `value`.
pub fn uint_len(value: u64) -> usize {
    if value < 0x80 { 1 } else { 9 - value.leading_zeros() as usize / 8 }
}

/// A signed integer: the sign in the lowest bit, negatives complemented.
pub fn int(out: &mut Vec<u8>, value: i64) {
    uint(out, zigzag(value));
}

/// The unsigned integer that stands for a signed one.
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// A double: its bytes reversed, so that short decimals are short.
pub fn float(out: &mut Vec<u8>, value: f64) {
    uint(out, value.to_bits().swap_bytes());
}

/// A string or byte slice: its length and the bytes.
pub fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    uint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// How many bytes [`bytes`] takes for `len` of them.
pub fn bytes_len(len: usize) -> usize {
    uint_len(len as u64) + len
}

/// Writes a struct: the fields that are not zero, each led by its distance from the one before.
#[derive(Debug)]
pub struct Struct<'a> {
    out: &'a mut Vec<u8>,
    last: i64,
}

impl<'a> Struct<'a> {
    /// A struct at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, last: -1 }
    }

    /// Begins the field `number`, above those before it; its value follows in [`Struct::out`].
    #[inline]
    pub fn field(&mut self, number: i64) {
        uint(self.out, (number - self.last) as u64);
        self.last = number;
    }

    /// Where the value of the field goes that was begun.
    pub fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// A string or byte slice.
    #[inline]
    pub fn bytes(&mut self, number: i64, value: &[u8]) {
        if !value.is_empty() {
            self.field(number);
            bytes(self.out, value);
        }
    }

    /// A signed integer.
    #[inline]
    pub fn int(&mut self, number: i64, value: i64) {
        if value != 0 {
            self.field(number);
            int(self.out, value);
        }
    }

    /// An unsigned integer or bool.
    #[inline]
    pub fn uint(&mut self, number: i64, value: u64) {
        if value != 0 {
            self.field(number);
            uint(self.out, value);
        }
    }

    /// Ends the struct.
    pub fn end(self) {
        self.out.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        hex::encode(out)
    }

    #[test]
    fn integers_take_the_shortest_form_go_writes() {
        for (value, expected) in
            [(0, "00"), (127, "7f"), (128, "ff80"), (256, "fe0100"), (u64::MAX, "f8ffffffffffffffff")]
        {
            assert_eq!(hex(|out| uint(out, value)), expected);
            assert_eq!(uint_len(value), expected.len() / 2);
        }
        for (value, expected) in [(7, "0e"), (-1, "01"), (-129, "fe0101"), (-65, "ff81")] {
            assert_eq!(hex(|out| int(out, value)), expected);
        }
        assert_eq!(hex(|out| bytes(out, b"hi")), "026869");
    }
}
