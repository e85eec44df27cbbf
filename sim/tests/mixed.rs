//! Machines of several kinds in one world.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{net::SocketAddr, time::Duration};

use networkdb_core::{
    machine::{Input, Instant, Machine, Output},
    memberlist::{self, Membership, State},
    networkdb::{self, NetworkDb},
};
use networkdb_sim::World;

enum Kind {
    Plain(Box<Membership>),
    Tables(Box<NetworkDb>),
}

impl Kind {
    fn sees(&self, name: &str) -> bool {
        let list = match self {
            Self::Plain(node) => node.list(),
            Self::Tables(node) => node.memberlist(),
        };
        list.member(name.as_bytes()).is_some_and(|member| member.state == State::Alive)
    }
}

impl Machine for Kind {
    type Event = ();

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        match self {
            Self::Plain(node) => node.handle(now, input),
            Self::Tables(node) => node.handle(now, input),
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        match self {
            Self::Plain(node) => node.poll_output(),
            Self::Tables(node) => node.poll_output(),
        }
    }

    fn poll_event(&mut self) -> Option<()> {
        match self {
            Self::Plain(node) => node.poll_event().map(drop),
            Self::Tables(node) => node.poll_event().map(drop),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        match self {
            Self::Plain(node) => node.next_deadline(),
            Self::Tables(node) => node.next_deadline(),
        }
    }
}

#[test]
fn plain_membership_and_tables_live_in_one_world() {
    let addr = |i: u8| SocketAddr::from(([10, 0, 0, i], 7946));
    let mut world = World::new(3);
    let (plain, tables) = (world.add(addr(1)), world.add(addr(2)));
    let seed = world.seed();
    let config = memberlist::Config::lan("plain", addr(1));
    world
        .start(plain, addr(1), |now| {
            Membership::new(config, seed, now, ()).map(|node| Kind::Plain(Box::new(node)))
        })
        .unwrap();
    let config = networkdb::Config::new("tables", addr(2));
    world
        .start(tables, addr(2), |now| NetworkDb::new(config, seed, now).map(|db| Kind::Tables(Box::new(db))))
        .unwrap();
    world.command(tables, |node, now| match node {
        Kind::Tables(db) => drop(db.join(now, vec![addr(1).into()])),
        Kind::Plain(_) => {}
    });
    let end = world.now() + Duration::from_secs(3);
    while world.next_at().is_some_and(|at| at <= end) {
        world.step();
    }
    assert!(world.machine(plain).unwrap().sees("tables"));
    assert!(world.machine(tables).unwrap().sees("plain"));
    assert!(world.machine_mut(plain).unwrap().poll_event().is_some());
}
