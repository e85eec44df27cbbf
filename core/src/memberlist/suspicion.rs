//! The grace period of a suspect, shortened by independent confirmations (Lifeguard).
//! Source: `hashicorp/memberlist` `suspicion.go`, `util.go`.

use std::time::Duration;

use super::Config;
use crate::{Name, machine::Instant};

/// One running suspicion.
#[derive(Clone, Debug)]
pub struct Suspicion {
    started: Instant,
    min: Duration,
    max: Duration,
    /// Confirmations that bring the grace period down to `min`.
    wanted: u32,
    confirmed: u32,
    /// As many as confirmations are wanted, and the first.
    accusers: Vec<Name>,
}

impl Suspicion {
    /// A suspicion first voiced by `accuser` in a cluster of `nodes`.
    pub fn new(now: Instant, accuser: Name, config: &Config, nodes: usize) -> Self {
        let min = suspicion_timeout(config.suspicion_mult, nodes, config.probe_interval);
        let wanted = config.suspicion_mult.saturating_sub(2);
        let wanted = if nodes < 2 + wanted as usize { 0 } else { wanted };
        Self {
            started: now,
            min,
            max: min.saturating_mul(config.suspicion_max_timeout_mult),
            wanted,
            confirmed: 0,
            accusers: vec![accuser],
        }
    }

    /// Counts a confirmation; whether it was a new one that counts.
    pub fn confirm(&mut self, accuser: &Name) -> bool {
        if self.confirmed >= self.wanted || self.accusers.contains(accuser) {
            return false;
        }
        self.accusers.push(accuser.clone());
        self.confirmed += 1;
        true
    }

    /// When the suspect is declared dead, as things stand.
    pub fn deadline(&self) -> Instant {
        if self.wanted == 0 {
            return self.started + self.min;
        }
        self.started + grace(self.confirmed, self.wanted, self.min, self.max)
    }
}

/// The whole grace period after `confirmed` of `wanted` confirmations, in whole milliseconds once any has come.
pub fn grace(confirmed: u32, wanted: u32, min: Duration, max: Duration) -> Duration {
    let share = libm::log(f64::from(confirmed) + 1.0) / libm::log(f64::from(wanted) + 1.0);
    let seconds = max.as_secs_f64() - share * (max.as_secs_f64() - min.as_secs_f64());
    let millis = libm::floor(1000.0 * seconds);
    min.max(Duration::from_millis(millis as u64))
}

/// The least grace period: grows with the logarithm of the number of nodes.
pub fn suspicion_timeout(mult: u32, nodes: usize, interval: Duration) -> Duration {
    let scale = libm::log10((nodes as f64).max(1.0)).max(1.0);
    let thousandths = libm::floor(scale * 1000.0) as u32;
    interval.saturating_mul(mult).saturating_mul(thousandths) / 1000
}
