//! Whom to connect to, and when.

use std::time::Duration;

use super::Retry;
use crate::machine::{Endpoint, Rng};

/// The servers and what became of the last tries.
#[derive(Debug)]
pub(super) struct Dialer {
    endpoints: Vec<Endpoint>,
    shuffle: bool,
    next: usize,
    /// Connections in a row that were of no use.
    failures: u32,
    /// What the last connection was called.
    connection: u64,
    rng: Rng,
}

impl Dialer {
    pub(super) fn new(endpoints: Vec<Endpoint>, shuffle: bool, mut rng: Rng) -> Self {
        let mut upper = [0; 4];
        rng.fill(&mut upper);
        let connection = u64::from(u32::from_le_bytes(upper)) << 32;
        let mut dialer = Self { endpoints: Vec::new(), shuffle, next: 0, failures: 0, connection, rng };
        dialer.replace(endpoints);
        dialer
    }

    /// Takes other servers, unless there is none.
    pub(super) fn replace(&mut self, endpoints: Vec<Endpoint>) -> bool {
        if endpoints.is_empty() {
            return false;
        }
        (self.endpoints, self.next) = (endpoints, 0);
        true
    }

    /// Whom to try: round and round, each round in an order of its own if that is wanted.
    pub(super) fn next(&mut self) -> Endpoint {
        if self.next == 0 && self.shuffle {
            self.rng.shuffle(&mut self.endpoints);
        }
        let endpoint = self.endpoints.get(self.next).cloned();
        self.next = (self.next + 1) % self.endpoints.len().max(1);
        // There is always one: the settings are checked, and none is not taken for a replacement.
        endpoint.unwrap_or(Endpoint::Name { host: "".into(), port: 0 })
    }

    /// The name of a new connection: half chance, half a count.
    pub(super) fn connection(&mut self) -> u64 {
        self.connection += 1;
        self.connection
    }

    pub(super) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Whether there were as many failures as there may be.
    pub(super) fn is_exhausted(&self, retry: &Retry) -> bool {
        retry.tries.is_some_and(|tries| self.failures >= tries)
    }

    /// How long to wait before the next try.
    pub(super) fn pause(&mut self, retry: &Retry) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(31);
        let pause = retry.pause.saturating_mul(1 << doublings).min(retry.max_pause);
        pause / 2 + self.rng.duration(pause / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialer(shuffle: bool) -> Dialer {
        seeded(shuffle, 1)
    }

    fn seeded(shuffle: bool, seed: u8) -> Dialer {
        let endpoints = (1..=4).map(|port| Endpoint::Name { host: "typha".into(), port }).collect();
        Dialer::new(endpoints, shuffle, Rng::new([seed; 32]))
    }

    #[test]
    fn each_round_tries_every_server_once() {
        let mut ordered = dialer(false);
        let names: Vec<String> = (0..6).map(|_| ordered.next().to_string()).collect();
        assert_eq!(names, ["typha:1", "typha:2", "typha:3", "typha:4", "typha:1", "typha:2"]);
        let mut shuffled = dialer(true);
        let rounds: Vec<Vec<Endpoint>> = (0..3).map(|_| (0..4).map(|_| shuffled.next()).collect()).collect();
        assert!(rounds.windows(2).any(|pair| pair[0] != pair[1]));
        for mut round in rounds {
            round.sort();
            round.dedup();
            assert_eq!(round.len(), 4);
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_are_never_below_half() {
        let (mut dialer, retry) = (dialer(true), Retry::default());
        for want in [100, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000] {
            let pause = dialer.pause(&retry).as_millis();
            assert!((want / 2..=want).contains(&pause), "{pause} of {want}");
            dialer.failed();
        }
        dialer.succeeded();
        assert!(dialer.pause(&retry).as_millis() <= 100);
    }

    #[test]
    fn those_who_fail_together_do_not_try_again_together() {
        let pause = |seed| seeded(true, seed).pause(&Retry::default()).as_micros();
        let mut pauses: Vec<_> = (0..100).map(pause).collect();
        pauses.sort_unstable();
        let widest = pauses.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(pauses[0] < 55_000 && pauses[99] > 95_000 && widest < Some(5_000), "{pauses:?}");
    }

    #[test]
    fn connections_count_on_from_a_random_beginning() {
        let mut dialer = dialer(true);
        let first = dialer.connection();
        assert_eq!((first & 0xffff_ffff, dialer.connection()), (1, first + 1));
        assert_ne!(first >> 32, 0);
    }

    #[test]
    fn no_servers_do_not_replace_those_known() {
        let mut dialer = dialer(false);
        assert!(!dialer.replace(Vec::new()));
        assert!(dialer.replace(vec![Endpoint::Name { host: "other".into(), port: 9 }]));
        assert_eq!(dialer.next().to_string(), "other:9");
    }
}
