//! A node's doubt about itself (Lifeguard's local health). Source: `hashicorp/memberlist` `awareness.go`.

use std::time::Duration;

/// The health score: 0 is healthy, `max - 1` the worst.
#[derive(Clone, Copy, Debug)]
pub struct Awareness {
    score: u32,
    max: u32,
}

impl Awareness {
    /// A healthy node whose score stays below `max`.
    pub fn new(max: u32) -> Self {
        Self { score: 0, max: max.max(1) }
    }

    /// Moves the score, within its bounds.
    pub fn apply(&mut self, delta: i64) {
        let score = i64::from(self.score).saturating_add(delta).clamp(0, i64::from(self.max) - 1);
        self.score = u32::try_from(score).unwrap_or(0);
    }

    /// The score.
    pub fn score(&self) -> u32 {
        self.score
    }

    /// `timeout` stretched by the doubt.
    pub fn scale(&self, timeout: Duration) -> Duration {
        timeout.saturating_mul(self.score + 1)
    }
}
