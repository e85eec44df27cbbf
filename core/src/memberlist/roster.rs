//! The members, in the order they are probed.

use std::{collections::HashMap, time::Duration};

use super::{Member, State, Suspicion};
use crate::{
    Name,
    machine::{Instant, Rng},
};

/// A member and what only this node keeps of it.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) member: Member,
    pub(super) suspicion: Option<Suspicion>,
}

/// All members, this node included, until they are reaped.
#[derive(Debug, Default)]
pub(super) struct Roster {
    records: Vec<Record>,
    places: HashMap<Name, usize>,
    /// Where the next probe starts looking.
    cursor: usize,
}

impl Roster {
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&Record> {
        self.records.get(*self.places.get(name)?)
    }

    pub(super) fn get_mut(&mut self, name: &[u8]) -> Option<&mut Record> {
        self.records.get_mut(*self.places.get(name)?)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.records.iter().map(|record| &record.member)
    }

    /// Puts a new member at a random place, so that nodes which learn of members in one order probe in another.
    pub(super) fn insert(&mut self, member: Member, rng: &mut Rng) {
        let last = self.records.len();
        let place = rng.below(last + 1);
        self.places.insert(member.name.clone(), last);
        self.records.push(Record { member, suspicion: None });
        self.records.swap(place, last);
        for i in [place, last] {
            if let Some(record) = self.records.get(i) {
                self.places.insert(record.member.name.clone(), i);
            }
        }
    }

    /// The next member to probe: neither `local` nor gone. At the end of the round the long gone are forgotten and
    /// the order is drawn anew.
    pub(super) fn next_to_probe(
        &mut self,
        local: &[u8],
        now: Instant,
        keep_gone: Duration,
        rng: &mut Rng,
    ) -> Option<Name> {
        for _ in 0..self.records.len() {
            let Some(record) = self.records.get(self.cursor) else {
                self.reap(now, keep_gone);
                self.shuffle(rng);
                self.cursor = 0;
                continue;
            };
            self.cursor += 1;
            let member = &record.member;
            if *member.name != *local && !is_gone(member.state) {
                return Some(member.name.clone());
            }
        }
        None
    }

    /// Up to `count` random members that `fits`.
    pub(super) fn choose(&self, count: usize, rng: &mut Rng, fits: &dyn Fn(&Member) -> bool) -> Vec<Name> {
        let mut fitting: Vec<&Member> = self.members().filter(|member| fits(member)).collect();
        rng.choose(&mut fitting, count).iter().map(|member| member.name.clone()).collect()
    }

    fn reap(&mut self, now: Instant, keep_gone: Duration) {
        self.records
            .retain(|Record { member, .. }| !is_gone(member.state) || now.since(member.since) <= keep_gone);
    }

    fn shuffle(&mut self, rng: &mut Rng) {
        rng.shuffle(&mut self.records);
        self.places =
            self.records.iter().enumerate().map(|(i, record)| (record.member.name.clone(), i)).collect();
    }
}

/// Whether nobody expects an answer of it.
pub(super) fn is_gone(state: State) -> bool {
    matches!(state, State::Dead | State::Left)
}
