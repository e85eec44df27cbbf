//! Random scenarios: faults and writes drawn from a seed, then everything mended, then all must agree.

use std::{ops::RangeInclusive, time::Duration};

use networkdb_core::machine::Rng;

use crate::{
    Scenario, Settings,
    faults::{Action, KeyStep, NetworkId, NodeId, Whom, Write},
    network::{Latency, Link},
    scenario::Question,
    settings::BOOTSTRAP,
    world::rng_from,
};

/// When the first fault may come, and when everything is mended.
const FAULTS: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(45));
/// From the last fault until all nodes agree, at most.
pub const BOUND: Duration = Duration::from_secs(120);
/// How long tombstones live: longer than any fault lasts.
const TOMBSTONE: Duration = Duration::from_secs(90);

/// The scenario of a seed, with a number of nodes in the range.
pub fn scenario(seed: u64, nodes: RangeInclusive<usize>) -> Scenario {
    // Apart from what the world draws from the same seed.
    let mut rng = rng_from(seed ^ 0x5ce0_a210);
    let span = nodes.end().saturating_sub(*nodes.start()) + 1;
    let settings = settings(seed, nodes.start() + rng.below(span), &mut rng);
    let mut draw = Draw { scenario: Scenario { settings, ..Scenario::default() }, rng };
    draw.writes();
    draw.faults();
    if draw.one_in(3) {
        draw.rotation();
    }
    draw.mend();
    draw.scenario
}

fn settings(seed: u64, nodes: usize, rng: &mut Rng) -> Settings {
    let millis = Duration::from_millis;
    let latency = match rng.below(4) {
        0 => Latency::Fixed(millis(1)),
        1 => Latency::Uniform(millis(1), millis(30)),
        2 => Latency::LongTail(millis(10)),
        _ => Link::default().latency,
    };
    let loss = [0, 0, 10_000, 50_000, 100_000].get(rng.below(5)).copied().unwrap_or_default();
    let duplication = 20_000 * rng.below(2) as u32;
    let reordering = 50_000 * rng.below(2) as u32;
    let bandwidth = if rng.below(4) == 0 { 200_000 } else { 0 };
    let mtu = if rng.below(2) == 0 { 1_500 } else { 65_507 };
    Settings {
        seed,
        nodes,
        networks: 1 + rng.below(3) as u8,
        keys: rng.below(3) == 0,
        link: Link { latency, loss, duplication, reordering, bandwidth, mtu },
        stagger: millis([0, 50, 300].get(rng.below(3)).copied().unwrap_or_default()),
        compression: rng.below(3) == 0,
        planted_bug: false,
        tombstone: TOMBSTONE,
        bulk_sync: Duration::from_secs(5 + rng.below(6) as u64),
        watch_queue: if rng.below(3) == 0 { 4 } else { 16_384 },
    }
}

struct Draw {
    scenario: Scenario,
    rng: Rng,
}

impl Draw {
    fn one_in(&mut self, count: usize) -> bool {
        self.rng.below(count) == 0
    }

    fn node(&mut self) -> NodeId {
        self.rng.below(self.scenario.settings.nodes)
    }

    fn network(&mut self) -> NetworkId {
        self.rng.below(self.scenario.settings.networks.into()) as NetworkId
    }

    /// In whole milliseconds, to be read.
    fn time(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(1_000 * least + self.rng.below(1_000 * (most - least) as usize) as u64)
    }

    fn some(&mut self) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = (0..self.scenario.settings.nodes).collect();
        let count = 1 + self.rng.below((nodes.len() / 2).max(1));
        let mut some = self.rng.choose(&mut nodes, count).to_vec();
        some.sort_unstable();
        some
    }

    fn rest(&self, some: &[NodeId]) -> Vec<NodeId> {
        (0..self.scenario.settings.nodes).filter(|node| !some.contains(node)).collect()
    }

    fn writes(&mut self) {
        let count = 20 + self.rng.below(60);
        for _ in 0..count {
            let at = self.time(1, FAULTS.1.as_secs() + 5);
            let len = if self.one_in(20) { 3_000 } else { 1 + self.rng.below(400) };
            let write = match self.rng.below(5) {
                0 | 1 => Write::Create(len),
                2 | 3 => Write::Update(len),
                _ => Write::Delete,
            };
            let key = self.rng.below(12) as u8;
            let action = Action::Write(self.node(), self.network(), key, write);
            self.scenario.add(at, action);
            if write != Write::Delete && self.one_in(3) {
                self.burst(at);
            }
        }
    }

    /// Many rows at once.
    fn burst(&mut self, at: Duration) {
        let (node, network) = (self.node(), self.network());
        for key in 20..30 + self.rng.below(20) as u8 {
            self.scenario.add(at, Action::Write(node, network, key, Write::Create(60)));
        }
    }

    fn faults(&mut self) {
        let mut at = FAULTS.0 + self.time(0, 3);
        while at < FAULTS.1 {
            let until = (at + self.time(1, 20)).min(FAULTS.1);
            self.fault(at, until);
            at += self.time(1, 8);
        }
    }

    /// One fault from `at` to `until`.
    fn fault(&mut self, at: Duration, until: Duration) {
        let (node, millis) = (self.node(), self.rng.below(20_000) as i64);
        let (begin, end) = match self.rng.below(13) {
            0 => (Action::Crash { node, vanish: self.one_in(2) }, Some(self.restart(node))),
            1 | 2 => (Action::Pause(node), Some(Action::Resume(node))),
            3 => (Action::Jump(node, millis - 3_000), None),
            4 => (Action::Drift(node, self.rng.below(100_000) as i32 - 50_000), Some(Action::Drift(node, 0))),
            5 => {
                let some = self.some();
                (Action::Partition(vec![some.clone(), self.rest(&some)]), Some(Action::Heal))
            }
            6 => {
                let some = self.some();
                (Action::Cut(some.clone(), self.rest(&some)), Some(Action::Heal))
            }
            7 | 8 => {
                let link =
                    Link { loss: 100_000 + self.rng.below(500_000) as u32, ..self.scenario.settings.link };
                let ends =
                    [(Whom::One(node), Whom::All), (Whom::All, Whom::One(node)), (Whom::All, Whom::All)];
                let (from, to) = ends.get(self.rng.below(3)).copied().unwrap_or((Whom::All, Whom::All));
                (Action::Link(from, to, link), Some(Action::Restore))
            }
            9 => (Action::Reads(node, 500 + self.rng.below(20_000) as u64), Some(Action::Reads(node, 0))),
            10 => (Action::Watches(node, false), Some(Action::Watches(node, true))),
            11 => {
                let network = self.network();
                (Action::Leave(node, network), Some(Action::Join(node, network)))
            }
            _ => (Action::LeaveCluster(node), Some(Action::Restart { node, moved: false, renamed: true })),
        };
        self.scenario.add(at, begin);
        if let Some(end) = end {
            self.scenario.add(until, end);
        }
    }

    /// The first nodes keep the addresses all others are told.
    fn restart(&mut self, node: NodeId) -> Action {
        let moved = node >= BOOTSTRAP && self.one_in(3);
        Action::Restart { node, moved, renamed: self.one_in(2) }
    }

    /// A new key for all: installed, used and the old one removed, by each node at a moment of its own.
    fn rotation(&mut self) {
        if !self.scenario.settings.keys {
            return;
        }
        for (step, number, from) in [(KeyStep::Add, 1, 5), (KeyStep::Use, 1, 15), (KeyStep::Remove, 0, 25)] {
            for node in 0..self.scenario.settings.nodes {
                let at = self.time(from, from + 8);
                self.scenario.add(at, Action::Key(Whom::One(node), step, number));
            }
        }
    }

    /// All faults end.
    fn mend(&mut self) {
        let at = FAULTS.1 + Duration::from_secs(6);
        for node in 0..self.scenario.settings.nodes {
            for action in [
                Action::Resume(node),
                Action::Restart { node, moved: false, renamed: true },
                Action::Drift(node, 0),
                Action::Reads(node, 0),
                Action::Watches(node, true),
            ] {
                self.scenario.add(at, action);
            }
        }
        self.scenario.add(at, Action::Heal);
        self.scenario.add(at, Action::Restore);
        self.scenario.add(at, Question::Agree(BOUND));
        if !self.one_in(3) {
            return;
        }
        // Tombstones come to their end, and nothing changes by that.
        let later = at + TOMBSTONE + Duration::from_secs(30);
        self.scenario.add(later, Question::Agree(Duration::ZERO));
    }
}
