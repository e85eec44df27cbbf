//! Lamport clocks.

/// A Lamport clock: starts at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lamport(u64);

impl Lamport {
    /// The time.
    pub(super) fn time(self) -> u64 {
        self.0
    }

    /// The time it moves on to.
    pub(super) fn next(self) -> u64 {
        self.0.saturating_add(1)
    }

    /// Moves on by one and returns the new time.
    pub(super) fn increment(&mut self) -> u64 {
        self.0 = self.next();
        self.0
    }

    /// Moves beyond a time seen elsewhere. `false`, and nothing moves, if it is the last one there is or more than
    /// `jump` ahead.
    #[must_use]
    pub(super) fn witness(&mut self, seen: u64, jump: u64) -> bool {
        if seen == u64::MAX || seen.saturating_sub(self.0) > jump {
            return false;
        }
        if seen >= self.0 {
            self.0 = seen + 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_equal_time_moves_it_too_and_a_jump_is_refused() {
        let mut clock = Lamport::default();
        assert!(clock.witness(0, 10));
        assert_eq!(clock.time(), 1);
        assert!(clock.witness(11, 10));
        assert!(!clock.witness(23, 10));
        assert!(!clock.witness(u64::MAX, u64::MAX));
        assert_eq!(clock.increment(), 13);
    }
}
