//! Streams whose bytes arrive in pieces.

use networkdb_core::{
    machine::Rng,
    memberlist::{
        Dialect, Security,
        message::MessageType,
        packet::LABEL,
        stream::{Decoder, MAX_EXPANDED, StreamError, StreamMessage, push_pull, seal_stream, user_message},
    },
};

use super::{sealing, security};
use crate::memory::{held, within};

/// What one stream may hold: what it expands to in a buffer that grows, and the rows read from that.
const MEMORY: usize = 8 * MAX_EXPANDED;

/// Bytes of a stream that is also fed byte by byte.
const BYTEWISE: usize = 4096;

/// What a decoder may hold beyond what it says it holds.
const SLACK: usize = 64 << 10;

type Found = Result<StreamMessage, StreamError>;

/// Where a stream is cut means nothing, a seal around it changes nothing, what it says is said again in the same way,
/// and a decoder holds no more than it says.
pub fn run(data: &[u8]) {
    within(MEMORY, || {
        let plain = security(|_| ());
        for decoder in [Decoder::accepting, Decoder::dialled] {
            let found = decode(&plain, decoder(), data, data.len());
            assert_eq!(found, decode(&plain, decoder(), data, data.len() / 2 + 1));
            if data.len() <= BYTEWISE {
                assert_eq!(found, decode(&plain, decoder(), data, 1));
            }
            if let Ok(message) = found {
                said_again(&plain, message);
            }
        }
        if !matches!(data.first(), None | Some(&LABEL)) && data[0] != MessageType::Encrypt as u8 {
            sealed(&plain, data);
        }
    });
}

/// All of `data` in pieces, then the end.
fn decode(security: &Security, mut decoder: Decoder, data: &[u8], piece: usize) -> Found {
    let before = held();
    for piece in data.chunks(piece.max(1)) {
        if let Some(message) = decoder.receive(security, piece)? {
            assert_eq!(decoder.receive(security, data), Ok(None), "it says one thing");
            return Ok(message);
        }
        let holds = held().saturating_sub(before);
        assert!(holds <= decoder.held() + SLACK, "{holds} bytes, says {}", decoder.held());
    }
    decoder.finish()?;
    unreachable!("a stream without a message ends in an error")
}

fn sealed(plain: &Security, data: &[u8]) {
    let bare = decode(plain, Decoder::accepting(), data, data.len());
    for security in [sealing(1), sealing(2)] {
        let stream = seal_stream(&security, data, true, &mut Rng::new([7; 32]));
        let found = decode(&security, Decoder::accepting(), &stream, stream.len() / 2 + 1);
        // An error may have another name: inside a seal, what is missing is known to be missing.
        assert_eq!(found.as_ref().ok(), bare.as_ref().ok(), "{found:?} {bare:?}");
    }
}

fn said_again(plain: &Security, message: StreamMessage) {
    for dialect in [Dialect::Old, Dialect::New] {
        let again = match &message {
            StreamMessage::PushPull(state) => push_pull(state.join, &state.rows, &state.user_state, dialect),
            StreamMessage::User(bytes) => user_message(bytes, dialect),
            _ => return,
        };
        assert_eq!(decode(plain, Decoder::accepting(), &again, again.len()).as_ref(), Ok(&message));
    }
}
