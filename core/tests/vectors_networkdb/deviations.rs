//! Where ours is meant to differ from a recorded peer.

use std::ops::RangeInclusive;

/// One place where the peer is not followed.
pub struct Deviation {
    pub file: &'static str,
    pub scenario: &'static str,
    pub steps: RangeInclusive<usize>,
    /// What is not compared there; empty: nothing is, ours only must not fail.
    pub parts: &'static [&'static str],
    pub reason: &'static str,
}

const fn differs(
    file: &'static str,
    scenario: &'static str,
    steps: RangeInclusive<usize>,
    parts: &'static [&'static str],
    reason: &'static str,
) -> Deviation {
    Deviation { file, scenario, steps, parts, reason }
}

pub const ALL: &[Deviation] = &[
    differs("moby-v2", "unknown_network_or_node", 12..=12, &[], "a leave that names this node is refuted"),
];
