//! The world around a machine sees what a machine must not do.

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
};

use networkdb_core::{
    machine::{Endpoint, How, Input, Instant, Machine, Output, StreamId},
    memberlist::{Config, Event, Memberlist, Membership},
};
use networkdb_fuzz::{
    host::{Host, Subject},
    script::Script,
};

const START: Instant = Instant::from_nanos(1);

/// A wake-up, a stream that asks nothing, and two more wake-ups.
const SCHEDULE: [u8; 7] = [1, 8, 0, 1, 1, 2, 9];

/// What it does beside what it should, after each input.
enum Vice {
    None,
    Says(Output),
    Floods,
    NeverSleeps,
    Holds,
}

struct Bad {
    node: Membership,
    vice: Vice,
    left: usize,
}

impl Machine for Bad {
    type Event = Event;

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.node.handle(now, input);
        self.left = match self.vice {
            Vice::Says(_) => 1,
            Vice::Floods => 10_000,
            _ => 0,
        };
    }

    fn poll_output(&mut self) -> Option<Output> {
        let output = self.node.poll_output();
        if output.is_some() || self.left == 0 {
            return output;
        }
        self.left -= 1;
        match &self.vice {
            Vice::Says(output) => Some(output.clone()),
            _ => Some(datagram(1)),
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.node.poll_event()
    }

    fn next_deadline(&self) -> Option<Instant> {
        if matches!(self.vice, Vice::NeverSleeps) { Some(START) } else { self.node.next_deadline() }
    }
}

impl Subject for Bad {
    fn command(&mut self, _: Instant, _: &mut Script<'_>) {}

    fn check(&mut self) {
        assert!(!matches!(self.vice, Vice::Holds), "more than it may");
    }

    fn list(&self) -> &Memberlist {
        self.node.list()
    }
}

fn datagram(len: usize) -> Output {
    Output::Datagram { to: ([127, 0, 0, 1], 1).into(), bytes: vec![0; len].into() }
}

/// What the host says of a machine with this vice; nothing if it sees none.
fn seen(vice: Vice) -> Option<String> {
    let node =
        Membership::new(Config::lan("node", ([127, 0, 0, 1], 7946).into()), [1; 32], START, ()).unwrap();
    let mut host = Host::new(Bad { node, vice, left: 0 }, START);
    let result = catch_unwind(AssertUnwindSafe(|| host.play(&mut Script::new(&SCHEDULE))));
    let told = result.err()?;
    Some(
        told.downcast_ref::<String>()
            .cloned()
            .or_else(|| told.downcast_ref::<&str>().map(|t| (*t).into()))
            .unwrap(),
    )
}

#[test]
fn a_machine_that_keeps_the_rules_is_left_alone() {
    assert_eq!(seen(Vice::None), None);
}

#[test]
fn every_vice_is_seen() {
    let over = StreamId(99);
    let vices = [
        (Vice::Floods, "outputs of one input"),
        (Vice::NeverSleeps, "the deadline stays"),
        (Vice::Holds, "more than it may"),
        (Vice::Says(datagram(65_508)), "a datagram of 65508 bytes"),
        (Vice::Says(datagram(10)), "left == right"),
        (
            Vice::Says(Output::Open(StreamId(7), Endpoint::from(SocketAddr::from(([127, 0, 0, 1], 1))))),
            "opened in order",
        ),
        (Vice::Says(Output::Write(over, vec![0].into())), "spoken of no more"),
        (Vice::Says(Output::Close(over, How::Abort)), "spoken of no more"),
    ];
    for (vice, words) in vices {
        let told = seen(vice).expect(words);
        assert!(told.contains(words), "{words}: {told}");
    }
}
