//! Snappy frames, both ways.

use networkdb_core::wire::snappy::{FrameError, MAX_PLAIN, STREAM_IDENTIFIER, Unframer, frame};

use crate::memory::within;

/// What is framed comes back; a stream means the same at once and byte by byte, and expands chunk by chunk.
pub fn run(data: &[u8]) {
    within(64 << 20, || {
        let mut framed = STREAM_IDENTIFIER.to_vec();
        frame(data, &mut framed);
        assert_eq!(unframed(&framed, usize::MAX), (data.to_vec(), None));
        let stream = [STREAM_IDENTIFIER, data].concat();
        assert_eq!(unframed(&stream, 1), unframed(&stream, usize::MAX));
    });
}

/// The plain bytes of a stream until it ends or goes wrong.
fn unframed(stream: &[u8], cut: usize) -> (Vec<u8>, Option<FrameError>) {
    let (mut unframer, mut plain) = (Unframer::default(), Vec::new());
    for mut piece in stream.chunks(cut) {
        loop {
            let mut chunk = Vec::new();
            match unframer.next(&mut piece, &mut chunk) {
                Ok(more) => {
                    assert!(chunk.len() <= MAX_PLAIN);
                    plain.extend(chunk);
                    if !more {
                        break;
                    }
                }
                Err(error) => return (plain, Some(error)),
            }
        }
    }
    (plain, None)
}
