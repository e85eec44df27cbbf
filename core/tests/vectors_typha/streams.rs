//! Streams fed to our decoder, cut in several ways.

use networkdb_core::{
    syncproto::{Decoder, FROM_SERVER},
    wire::gob::Fault,
};
use serde_json::Value;

use crate::shown::{self, Generation};

/// What the decoder made of a stream.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// Each message, and how many bytes of the stream were taken after it.
    pub messages: Vec<(usize, Value)>,
    /// What ended the stream, if not its end.
    pub fault: Option<Fault>,
}

/// Where a stream is cut.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    Whole,
    EachByte,
    /// Pieces of up to so many bytes, drawn with the stream's length as seed.
    Pieces(usize),
}

impl Cut {
    pub const ALL: [Self; 4] = [Self::Whole, Self::EachByte, Self::Pieces(7), Self::Pieces(5000)];

    pub fn pieces(self, bytes: &[u8]) -> Vec<&[u8]> {
        let mut seed = bytes.len() as u64;
        let mut rest = bytes;
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let len = match self {
                Self::Whole => rest.len(),
                Self::EachByte => 1,
                Self::Pieces(longest) => 1 + (seed >> 33) as usize % longest,
            };
            let (piece, left) = rest.split_at(len.min(rest.len()));
            pieces.push(piece);
            rest = left;
        }
        pieces
    }
}

/// Reads a stream as `generation` would, as far as our decoder can: an unknown message ends it.
pub fn decode(bytes: &[u8], generation: Generation, cut: Cut) -> Outcome {
    let (mut decoder, mut messages, mut taken) = (Decoder::new(FROM_SERVER), Vec::new(), 0);
    for piece in cut.pieces(bytes) {
        let mut rest = piece;
        loop {
            let message = match decoder.next(&mut rest) {
                Ok(Some(message)) => shown::message(&message, generation),
                Ok(None) => break,
                Err(error) => return Outcome { messages, fault: Some(error.fault) },
            };
            if !generation.knows(&message) {
                return Outcome { messages, fault: Some(Fault::UnknownName) };
            }
            messages.push((taken + piece.len() - rest.len(), message));
        }
        assert!(rest.is_empty(), "bytes are left");
        taken += piece.len();
    }
    Outcome { messages, fault: decoder.finish().err().map(|error| error.fault) }
}

/// Reads a stream in all cuts, which must make no difference.
pub fn decode_in_all_cuts(bytes: &[u8], generation: Generation) -> Result<Outcome, String> {
    let whole = decode(bytes, generation, Cut::Whole);
    for cut in &Cut::ALL[1..] {
        let found = decode(bytes, generation, *cut);
        if found != whole {
            return Err(format!("cut {cut:?}: {found:?}, whole: {whole:?}").chars().take(2000).collect());
        }
    }
    Ok(whole)
}

/// Compares with what the real decoder read: `messages` with their ends, and what ended it.
pub fn compare(found: &Outcome, wanted: &[(Option<usize>, &Value)], end: &str) -> Result<(), String> {
    for (number, ((at, found), (wanted_at, wanted))) in found.messages.iter().zip(wanted).enumerate() {
        if !shown::same(found, wanted) {
            return Err(short(format!("message {number}:\n   found {found}\n  wanted {wanted}")));
        }
        if wanted_at.is_some_and(|wanted_at| wanted_at != *at) {
            return Err(format!("message {number} ends at {at}, not {wanted_at:?}"));
        }
    }
    if found.messages.len() != wanted.len() {
        return Err(format!(
            "{} messages, not {}, then {:?}; wanted {end}",
            found.messages.len(),
            wanted.len(),
            found.fault
        ));
    }
    // Go takes an empty message, and one that ends within a number, for the end of the stream.
    let ended = matches!(found.fault, None | Some(Fault::EmptyMessage | Fault::Truncated));
    let refused = found.fault.is_some();
    if if end == "EOF" { ended } else { refused } {
        Ok(())
    } else {
        Err(format!("ends with {:?}, wanted {end}", found.fault))
    }
}

fn short(text: String) -> String {
    text.chars().take(1500).collect()
}

/// The messages a vector lists, in order.
pub fn listed(messages: &Value) -> Vec<(Option<usize>, &Value)> {
    let end = |listed: &Value| listed["end"].as_u64().map(|end| end as usize);
    messages.as_array().unwrap().iter().map(|listed| (end(listed), &listed["message"])).collect()
}
