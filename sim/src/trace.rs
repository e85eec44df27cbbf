//! What a run did: a hash over all of it, and, when asked for, lines to read.

use std::{collections::VecDeque, fmt::Write};

use networkdb_core::machine::Instant;

/// Lines kept: the tail is what one reads.
const LINES: usize = 4_000;

/// The trace of a world.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    lines: Option<VecDeque<String>>,
}

impl Trace {
    /// Keeps lines from now on.
    pub fn keep_lines(&mut self) {
        self.lines.get_or_insert_default();
    }

    /// Whether lines are kept.
    pub fn has_lines(&self) -> bool {
        self.lines.is_some()
    }

    /// A hash over every input and output so far. The same on every platform.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines kept, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().flatten().map(String::as_str)
    }

    /// Notes a number.
    pub fn number(&mut self, number: u64) {
        self.hash = (self.hash.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// Notes bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let (chunks, rest) = bytes.as_chunks::<8>();
        for chunk in chunks {
            self.number(u64::from_le_bytes(*chunk));
        }
        let mut last = [0; 8];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.number(u64::from_le_bytes(last) ^ bytes.len() as u64);
    }

    /// Adds a line, if lines are kept.
    pub fn line(&mut self, now: Instant, text: impl FnOnce() -> String) {
        let Some(lines) = &mut self.lines else { return };
        if lines.len() >= LINES {
            lines.pop_front();
        }
        let micros = now.as_nanos() / 1_000;
        let mut line = String::new();
        // Writing to a string does not fail.
        let _ = write!(line, "{:>5}.{:06} {}", micros / 1_000_000, micros % 1_000_000, text());
        lines.push_back(line);
    }
}
