//! The pieces every encoded value is made of.

/// An unsigned integer: one byte below 128, else the negated count of the bytes that follow, big-endian and shortest.
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
    uint(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// A string or byte slice: its length and the bytes.
pub fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    uint(out, value.len() as u64);
    out.extend_from_slice(value);
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
