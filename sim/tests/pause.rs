//! A process that is stopped for a while.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use networkdb_core::machine::{Input, Instant, Machine, Output};
use networkdb_sim::World;

/// Wants to be woken each second, and counts.
struct Alarm {
    next: Instant,
    rung: u32,
}

impl Machine for Alarm {
    type Event = ();

    fn handle(&mut self, now: Instant, _: Input<'_>) {
        if now >= self.next {
            self.rung += 1;
            self.next = now + Duration::from_secs(1);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        None
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn next_deadline(&self) -> Option<Instant> {
        Some(self.next)
    }
}

#[test]
fn what_was_due_during_a_pause_is_done_after_it_and_time_goes_on() {
    let addr = SocketAddr::from(([10, 0, 0, 1], 1));
    let mut world = World::new(1);
    let id = world.add(addr);
    world.start(id, addr, |now| Ok::<_, Infallible>(Alarm { next: now, rung: 0 })).unwrap();
    let run = |world: &mut World<Alarm>, seconds: u64| {
        let end = world.now() + Duration::from_millis(seconds * 1000 + 500);
        while world.next_at().is_some_and(|at| at <= end) {
            world.step();
        }
        world.wait_until(end);
        world.machine(id).unwrap().rung
    };
    assert_eq!(run(&mut world, 1), 2);
    world.pause(id);
    assert_eq!(run(&mut world, 5), 2);
    world.resume(id);
    assert_eq!(run(&mut world, 3), 6);
}
