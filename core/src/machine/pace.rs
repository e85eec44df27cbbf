//! How fast a node may talk of its own accord.

use std::time::Duration;

use super::Instant;

/// A budget of bytes a second, of which a burst may be spent at once (a leaky bucket, kept as one instant).
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    rate: u64,
    burst: Duration,
    /// When all that was spent so far is paid for.
    paid: Instant,
}

/// Bytes that may go at once however low the rate is: some rounds of short packets.
const BURST: u64 = 64 << 10;

impl Pace {
    /// For gossip: `rate` bytes a second on average.
    pub fn gossip(rate: u64) -> Self {
        Self::new(rate, BURST)
    }

    /// `rate` bytes a second, at least 1, and `burst` bytes at once.
    pub fn new(rate: u64, burst: u64) -> Self {
        let mut pace = Self { rate: rate.max(1), burst: Duration::ZERO, paid: Instant::ORIGIN };
        pace.burst = pace.time_of(burst);
        pace
    }

    /// When something may be sent again; may be past.
    pub fn ready(&self) -> Instant {
        self.paid.before(self.burst)
    }

    /// Counts `bytes` as sent, also beyond what may be sent.
    pub fn spend(&mut self, now: Instant, bytes: u64) {
        self.paid = self.paid.max(now) + self.time_of(bytes);
    }

    fn time_of(&self, bytes: u64) -> Duration {
        Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / self.rate)
    }
}

/// The least time between two rounds: what comes meanwhile goes together.
const LEAST: Duration = Duration::from_millis(2);

/// When the next round of gossip is due: at once for what was never sent, with growing pauses for what was.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    interval: Duration,
    last: Instant,
    /// No round comes before this.
    floor: Instant,
}

impl Rhythm {
    /// `interval` is the longest pause.
    pub fn new(interval: Duration) -> Self {
        Self { interval, last: Instant::ORIGIN, floor: Instant::ORIGIN }
    }

    /// There is something new.
    pub fn hurry(&mut self) {
        self.floor = self.floor.min(self.last + LEAST);
    }

    /// A round is over in which something was sent, or nothing could be.
    pub fn done(&mut self, now: Instant, sent: bool) {
        self.last = now;
        self.floor = now + if sent { LEAST } else { self.interval };
    }

    /// When the next round is due, if what was sent least went out in `rounds` rounds: a twentieth of the interval
    /// after the first, four times as long after each further one. May be past.
    pub fn due(&self, rounds: u32, pace: &Pace) -> Instant {
        let again = match rounds.checked_sub(1) {
            None => self.floor,
            Some(repeats) => {
                let pause = (self.interval / 20).saturating_mul(4_u32.saturating_pow(repeats));
                self.last + pause.min(self.interval)
            }
        };
        again.max(self.floor).max(pace.ready())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_what_follows_is_paid_for_in_time() {
        let mut pace = Pace::new(1_000, 300);
        let start = Instant::from_nanos(10_000_000_000);
        for _ in 0..4 {
            assert!(pace.ready() <= start);
            pace.spend(start, 100);
        }
        assert_eq!(pace.ready(), start + Duration::from_millis(100));
        pace.spend(start + Duration::from_secs(9), 100);
        assert!(pace.ready() <= start + Duration::from_secs(9));
    }

    #[test]
    fn news_goes_at_once_and_is_repeated_after_growing_pauses() {
        let (mut rhythm, pace) = (Rhythm::new(Duration::from_millis(200)), Pace::new(1, 1_000));
        let now = Instant::from_nanos(10_000_000_000);
        assert!(rhythm.due(0, &pace) <= now);
        rhythm.done(now, true);
        let pauses = [0, 1, 2, 3, 4].map(|rounds| rhythm.due(rounds, &pace).since(now).as_millis());
        assert_eq!(pauses, [2, 10, 40, 160, 200]);
        rhythm.done(now, false);
        assert_eq!(rhythm.due(0, &pace), now + Duration::from_millis(200));
        rhythm.hurry();
        assert_eq!(rhythm.due(0, &pace), now + LEAST);
    }
}
