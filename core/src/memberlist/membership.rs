//! Membership as a machine of its own.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use bytes::Bytes;

use super::{
    Config, ConfigError, Delegate, Member, MemberEvent, Memberlist, Outcome, RequestId, Room, message::Alive,
};
use crate::{
    Name,
    machine::{Endpoint, Input, Instant, Machine, Output},
};

/// Events kept for a user who does not take them; the oldest go first, and are counted.
const MAX_EVENTS: usize = 1 << 14;

/// What a [`Membership`] tells its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A member came, changed or went.
    Member(MemberEvent),
    /// A user message arrived.
    Message(Bytes),
    /// Two nodes claim one name: the one known, and the other.
    Conflict(Box<(Member, Member)>),
    /// A request has ended.
    Done(RequestId, Outcome),
    /// Input was dropped.
    Rejected {
        /// Where it came from.
        from: SocketAddr,
        /// Why.
        reason: String,
    },
    /// So many older events were dropped because nobody took them.
    Missed(u64),
}

/// Membership alone: the engine and a delegate of the user's.
#[derive(Debug)]
pub struct Membership<D = ()> {
    list: Memberlist,
    user: Watched<D>,
}

impl<D: Delegate> Membership<D> {
    /// A node that knows only itself.
    ///
    /// # Errors
    /// The first setting that cannot work.
    pub fn new(config: Config, seed: [u8; 32], now: Instant, delegate: D) -> Result<Self, ConfigError> {
        let mut user = Watched { delegate, events: VecDeque::new(), missed: 0 };
        let list = Memberlist::new(config, seed, now, &mut user)?;
        Ok(Self { list, user })
    }

    /// The engine, for questions.
    pub fn list(&self) -> &Memberlist {
        &self.list
    }

    /// The engine, for what needs no delegate: keys and messages.
    pub fn list_mut(&mut self) -> &mut Memberlist {
        &mut self.list
    }

    /// The delegate.
    pub fn delegate(&self) -> &D {
        &self.user.delegate
    }

    /// The delegate, to change what it answers.
    pub fn delegate_mut(&mut self) -> &mut D {
        &mut self.user.delegate
    }

    /// See [`Memberlist::join`].
    pub fn join(&mut self, now: Instant, seeds: Vec<Endpoint>) -> RequestId {
        self.list.join(now, seeds, &mut self.user)
    }

    /// See [`Memberlist::leave`].
    pub fn leave(&mut self, now: Instant, timeout: Duration) -> RequestId {
        self.list.leave(now, timeout, &mut self.user)
    }

    /// See [`Memberlist::update`].
    pub fn update(&mut self, now: Instant, timeout: Duration) -> RequestId {
        self.list.update(now, timeout, &mut self.user)
    }
}

impl<D: Delegate> Machine for Membership<D> {
    type Event = Event;

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.list.handle(now, input, &mut self.user);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.list.poll_output()
    }

    fn poll_event(&mut self) -> Option<Event> {
        match std::mem::take(&mut self.user.missed) {
            0 => self.user.events.pop_front(),
            missed => Some(Event::Missed(missed)),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.list.next_deadline()
    }
}

/// A delegate, and the events its user has not yet taken.
#[derive(Debug)]
struct Watched<D> {
    delegate: D,
    events: VecDeque<Event>,
    missed: u64,
}

impl<D> Watched<D> {
    fn tell(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            self.missed += 1;
        }
        self.events.push_back(event);
    }
}

impl<D: Delegate> Delegate for Watched<D> {
    fn meta(&self) -> Bytes {
        self.delegate.meta()
    }

    fn broadcasts(&mut self, room: Room, into: &mut Vec<Bytes>) {
        self.delegate.broadcasts(room, into);
    }

    fn least_sent(&self) -> Option<u32> {
        self.delegate.least_sent()
    }

    fn message(&mut self, now: Instant, bytes: &[u8]) {
        self.delegate.message(now, bytes);
        self.tell(Event::Message(Bytes::copy_from_slice(bytes)));
    }

    fn local_state(&mut self, now: Instant, join: bool) -> Bytes {
        self.delegate.local_state(now, join)
    }

    fn merge_state(&mut self, now: Instant, bytes: &[u8], join: bool) {
        self.delegate.merge_state(now, bytes, join);
    }

    fn member(&mut self, now: Instant, event: &MemberEvent) {
        self.delegate.member(now, event);
        self.tell(Event::Member(event.clone()));
    }

    fn accepts_alive(&mut self, alive: &Alive<'_>) -> bool {
        self.delegate.accepts_alive(alive)
    }

    fn accepts_merge(&mut self, members: &[Member]) -> bool {
        self.delegate.accepts_merge(members)
    }

    fn conflict(&mut self, existing: &Member, other: &Member) {
        self.delegate.conflict(existing, other);
        self.tell(Event::Conflict(Box::new((existing.clone(), other.clone()))));
    }

    fn ack_payload(&mut self) -> Option<Bytes> {
        self.delegate.ack_payload()
    }

    fn probed(&mut self, now: Instant, name: &Name, round_trip: Duration, payload: &[u8]) {
        self.delegate.probed(now, name, round_trip, payload);
    }

    fn done(&mut self, now: Instant, request: RequestId, outcome: Outcome) {
        self.delegate.done(now, request, outcome.clone());
        self.tell(Event::Done(request, outcome));
    }

    fn rejected(&mut self, now: Instant, from: SocketAddr, reason: &str) {
        self.delegate.rejected(now, from, reason);
        self.tell(Event::Rejected { from, reason: reason.into() });
    }
}
