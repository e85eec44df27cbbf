//! Reading lines of bounded length.

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use crate::protocol::LINE;

/// The line exceeds [`LINE`].
#[derive(Debug)]
pub(super) struct TooLong;

/// Appends to `line` what is missing of the next line; false at the end of the connection. Dropped half-way, it goes
/// on where it was when called again with the same `line`.
pub(super) async fn read(
    from: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> Result<bool, TooLong> {
    loop {
        // A broken connection has no more to say, as one that has ended.
        let there = from.fill_buf().await.unwrap_or_default();
        if there.is_empty() {
            return Ok(false);
        }
        let end = there.iter().position(|byte| *byte == b'\n');
        let taken = there.get(..end.unwrap_or(there.len())).unwrap_or_default();
        if line.len() + taken.len() > LINE {
            return Err(TooLong);
        }
        line.extend_from_slice(taken);
        let used = taken.len() + usize::from(end.is_some());
        from.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_one_by_one_and_too_long_ones_are_refused() {
        let mut from: &[u8] = b"one\ntwo\n";
        let mut line = Vec::new();
        assert!(read(&mut from, &mut line).await.expect("a line"));
        assert_eq!(line, b"one");
        line.clear();
        assert!(read(&mut from, &mut line).await.expect("a line"));
        assert_eq!(line, b"two");
        assert!(!read(&mut from, &mut line).await.expect("the end"));
        let long = vec![b'x'; LINE + 1];
        assert!(read(&mut long.as_slice(), &mut Vec::new()).await.is_err());
    }
}
