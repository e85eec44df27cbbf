//! One direction between two processes.

use std::time::Duration;

use networkdb_core::machine::Rng;

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Always the same.
    Fixed(Duration),
    /// Anything from the first to the second, all equally likely.
    Uniform(Duration, Duration),
    /// Log-normal around this median: one in a hundred takes about five times as long.
    LongTail(Duration),
}

impl Latency {
    /// One latency.
    pub fn draw(&self, rng: &mut Rng) -> Duration {
        match *self {
            Self::Fixed(time) => time,
            Self::Uniform(least, most) => least + rng.duration(most.saturating_sub(least)),
            Self::LongTail(median) => median.mul_f64(libm::exp(0.7 * normal(rng))),
        }
    }
}

/// A draw that is close to normal: twelve uniform ones, in integers so that every platform gets the same.
fn normal(rng: &mut Rng) -> f64 {
    const STEPS: usize = 1 << 20;
    let sum: usize = (0..12).map(|_| rng.below(STEPS)).sum();
    (sum as f64 / STEPS as f64) - 6.0
}

/// What one direction does to what passes. Chances are parts in a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// How long a datagram or a segment takes.
    pub latency: Latency,
    /// Chance that a datagram is lost, or a segment has to be sent again.
    pub loss: u32,
    /// Chance that a datagram comes twice.
    pub duplication: u32,
    /// Chance that a datagram is held back, up to eight times its latency.
    pub reordering: u32,
    /// Bytes a second; 0 for no bound. A second's worth waits, what is beyond is lost.
    pub bandwidth: u64,
    /// Longer datagrams vanish.
    pub mtu: usize,
}

impl Default for Link {
    /// A local network: 200 µs to 2 ms, no faults.
    fn default() -> Self {
        Self {
            latency: Latency::Uniform(Duration::from_micros(200), Duration::from_millis(2)),
            loss: 0,
            duplication: 0,
            reordering: 0,
            bandwidth: 0,
            mtu: 65_507,
        }
    }
}

impl Link {
    /// The same link that loses so many percent.
    #[must_use]
    pub fn losing(self, percent: u32) -> Self {
        Self { loss: percent * 10_000, ..self }
    }
}

/// Whether something with a chance of so many in a million happens. Certain outcomes draw nothing.
pub fn happens(rng: &mut Rng, millionths: u32) -> bool {
    millionths > 0 && rng.below(1_000_000) < millionths as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_tail_has_its_median_and_its_tail() {
        let (mut rng, median) = (Rng::new([1; 32]), Duration::from_millis(10));
        let mut draws: Vec<_> = (0..10_000).map(|_| Latency::LongTail(median).draw(&mut rng)).collect();
        draws.sort();
        assert!((9..=11).contains(&draws[5_000].as_millis()), "{:?}", draws[5_000]);
        assert!((40..=65).contains(&draws[9_900].as_millis()), "{:?}", draws[9_900]);
    }

    #[test]
    fn chances_hold() {
        let mut rng = Rng::new([2; 32]);
        let hits = (0..100_000).filter(|_| happens(&mut rng, 250_000)).count();
        assert!((24_000..26_000).contains(&hits), "{hits}");
        assert!(!happens(&mut rng, 0));
    }
}
