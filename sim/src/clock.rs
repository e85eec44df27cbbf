//! The clock of one process: what it shows against the true time.

use networkdb_core::machine::Instant;

/// A clock that may be off, run fast or slow, and jump.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// A true instant, and what the clock showed then.
    base: (u64, u64),
    /// Parts in a million it runs fast; below zero: slow.
    ppm: i32,
}

const MILLION: i128 = 1_000_000;

impl Clock {
    /// A clock that shows `shown` at `now`, and runs right.
    pub fn new(now: Instant, shown: u64) -> Self {
        Self { base: (now.as_nanos(), shown), ppm: 0 }
    }

    /// What it shows.
    pub fn shows(&self, now: Instant) -> Instant {
        let passed = i128::from(now.as_nanos()) - i128::from(self.base.0);
        Instant::from_nanos(clamp(
            i128::from(self.base.1) + passed * (MILLION + i128::from(self.ppm)) / MILLION,
        ))
    }

    /// The first true instant at which it shows `shown` or later.
    pub fn when(&self, shown: Instant) -> Instant {
        let ahead = i128::from(shown.as_nanos()) - i128::from(self.base.1);
        let rate = MILLION + i128::from(self.ppm);
        let passed = (ahead * MILLION + rate - 1).div_euclid(rate);
        Instant::from_nanos(clamp(i128::from(self.base.0) + passed))
    }

    /// Moves it by so many nanoseconds, back if below zero.
    pub fn jump(&mut self, now: Instant, nanos: i64) {
        let shown = i128::from(self.shows(now).as_nanos()) + i128::from(nanos);
        self.base = (now.as_nanos(), clamp(shown));
    }

    /// Lets it run fast or slow from now on; at most by half.
    pub fn drift(&mut self, now: Instant, ppm: i32) {
        self.base = (now.as_nanos(), self.shows(now).as_nanos());
        self.ppm = ppm.clamp(-500_000, 500_000);
    }
}

fn clamp(nanos: i128) -> u64 {
    u64::try_from(nanos.max(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_is_the_first_moment_a_time_is_shown() {
        for ppm in [-400_000, -3, 0, 7, 333_333] {
            let mut clock = Clock::new(Instant::from_nanos(1_000), 50);
            clock.drift(Instant::from_nanos(2_000), ppm);
            clock.jump(Instant::from_nanos(3_000), -700);
            for shown in (3_000..9_000).map(Instant::from_nanos) {
                let at = clock.when(shown);
                assert!(clock.shows(at) >= shown);
                assert!(clock.shows(Instant::from_nanos(at.as_nanos() - 1)) < shown, "{ppm} {shown:?}");
            }
        }
    }
}
