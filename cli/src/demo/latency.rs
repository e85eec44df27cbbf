//! How long rows take to reach the other nodes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Samples kept: the latest.
const SAMPLES: usize = 20_000;

/// Latencies measured by several tasks.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies(Arc<Mutex<VecDeque<Duration>>>);

impl Latencies {
    pub(super) fn add(&self, latency: Duration) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back(latency);
    }

    /// Median and 99th percentile of the samples kept; `None` before the first.
    pub(super) fn percentiles(&self) -> Option<(Duration, Duration)> {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sorted: Vec<_> = samples.iter().copied().collect();
        drop(samples);
        sorted.sort_unstable();
        let at = |percent: usize| {
            sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied()
        };
        Some((at(50)?, at(99)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_hundred() {
        let latencies = Latencies::default();
        assert_eq!(latencies.percentiles(), None);
        (0..100).rev().for_each(|i| latencies.add(Duration::from_millis(i)));
        assert_eq!(latencies.percentiles(), Some((Duration::from_millis(50), Duration::from_millis(99))));
    }
}
