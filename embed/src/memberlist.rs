//! Membership alone.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use networkdb_core::{
    Name,
    machine::{Endpoint, Input, Instant, Machine, Output},
    memberlist::{self, Config, Delegate, MAX_META, MemberEvent, Membership, Outcome},
};
use zeroize::Zeroizing;

use crate::{
    Code, Error, Event, EventKind, Member,
    fields::Fields,
    json::{self, Answer},
    networkdb::joined,
    object::{Commands, Object, Request},
};

/// How long a leave or an update may take unless told otherwise.
const SPREAD: Duration = Duration::from_secs(5);

/// The settings of a member. What is left out is the peer's default.
#[derive(Clone, Debug, Default)]
pub struct MemberlistSettings {
    /// What every member has.
    pub member: Member,
    /// The peer's set of defaults.
    pub profile: Profile,
    /// What it says of itself, at most 512 bytes; in a text `meta_hex`, in hex.
    pub meta: Vec<u8>,
}

/// The peer's sets of defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// A local area network.
    #[default]
    Lan,
    /// Long distances.
    Wan,
    /// One machine.
    Local,
}

/// How they are written.
const PROFILES: &[(&str, Profile)] =
    &[("lan", Profile::Lan), ("wan", Profile::Wan), ("local", Profile::Local)];

impl MemberlistSettings {
    pub(crate) fn read(from: &mut Fields) -> Self {
        Self {
            member: Member::read(from),
            profile: from.choice("profile", PROFILES).unwrap_or_default(),
            meta: from.bytes("meta_hex").unwrap_or_default(),
        }
    }

    pub(crate) fn build(self, seed: [u8; 32], now: Instant) -> Result<Box<dyn Object>, Error> {
        let (name, advertise) = self.member.identity()?;
        let mut config = match self.profile {
            Profile::Lan => Config::lan(name, advertise),
            Profile::Wan => Config::wan(name, advertise),
            Profile::Local => Config::local(name, advertise),
        };
        self.member.apply(&mut config);
        Ok(Box::new(Members(Membership::new(config, seed, now, Meta(self.meta.into()))?)))
    }
}

/// What may be asked of a member.
enum Command {
    Join { members: Vec<Endpoint> },
    Leave { timeout_ms: Option<u64> },
    Meta { meta: Vec<u8>, timeout_ms: Option<u64> },
    SendBestEffort { to: Vec<String>, message: Vec<u8> },
    SendReliable { to: String, message: Vec<u8> },
    Members,
    KeyAdd { key: Zeroizing<Vec<u8>> },
    KeyUse { key: Zeroizing<Vec<u8>> },
    KeyRemove { key: Zeroizing<Vec<u8>> },
    Stats,
    Snapshot,
}

/// How it is asked.
const COMMANDS: Commands<Command> = &[
    ("join", |from| Command::Join { members: from.need("members", Fields::endpoints) }),
    ("leave", |from| Command::Leave { timeout_ms: from.number("timeout_ms") }),
    ("meta", |from| Command::Meta {
        meta: from.need("meta_hex", Fields::bytes),
        timeout_ms: from.number("timeout_ms"),
    }),
    ("send_best_effort", |from| Command::SendBestEffort {
        to: from.need("to", Fields::texts),
        message: from.need("message_hex", Fields::bytes),
    }),
    ("send_reliable", |from| Command::SendReliable {
        to: from.need("to", Fields::text),
        message: from.need("message_hex", Fields::bytes),
    }),
    ("members", |_| Command::Members),
    ("key_add", |from| Command::KeyAdd { key: from.need("key_hex", Fields::key) }),
    ("key_use", |from| Command::KeyUse { key: from.need("key_hex", Fields::key) }),
    ("key_remove", |from| Command::KeyRemove { key: from.need("key_hex", Fields::key) }),
    ("stats", |_| Command::Stats),
    ("snapshot", |_| Command::Snapshot),
];

/// The layer above: nothing but what this member says of itself.
#[derive(Debug)]
struct Meta(Bytes);

impl Delegate for Meta {
    fn meta(&self) -> Bytes {
        self.0.clone()
    }
}

struct Members(Membership<Meta>);

impl Object for Members {
    fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.0.handle(now, input);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.0.poll_output()
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.0.next_deadline()
    }

    fn next_event(&mut self) -> Option<Event> {
        self.0.poll_event().map(event)
    }

    fn command(&mut self, now: Instant, request: Request, answer: &mut Answer) -> Result<(), Error> {
        let spread = |ms: Option<u64>| ms.map_or(SPREAD, Duration::from_millis);
        let list = self.0.list_mut();
        match request.read(COMMANDS)? {
            Command::Join { members } => answer.number("request", self.0.join(now, members).0),
            Command::Leave { timeout_ms } => {
                answer.number("request", self.0.leave(now, spread(timeout_ms)).0);
            }
            Command::Meta { meta, timeout_ms } => {
                if meta.len() > MAX_META {
                    return Err(Code::TooLarge.into());
                }
                self.0.delegate_mut().0 = meta.into();
                answer.number("request", self.0.update(now, spread(timeout_ms)).0);
            }
            Command::SendBestEffort { to, message } => {
                let to: Vec<Name> = to.into_iter().map(Name::from).collect();
                answer.count("sent", list.send_best_effort(&to, &message));
            }
            Command::SendReliable { to, message } => {
                let to = list.member(to.as_bytes()).map(|member| member.addr).ok_or(Code::Missing)?;
                answer.number("request", list.send_reliable(now, to, &message).0);
            }
            Command::KeyAdd { key } => list.add_key(&key)?,
            Command::KeyUse { key } => list.use_key(&key)?,
            Command::KeyRemove { key } => list.remove_key(&key)?,
            Command::Members => self.members(answer),
            Command::Stats => self.stats(answer),
            Command::Snapshot => {
                self.members(answer);
                answer.text("name", self.0.list().name());
                answer.object("stats", |answer| self.stats(answer));
            }
        }
        Ok(())
    }

    fn advertised(&self) -> Option<SocketAddr> {
        Some(self.0.list().config().advertise)
    }
}

impl Members {
    fn members(&self, answer: &mut Answer) {
        answer.list("members", self.0.list().members_by_name(), json::member);
    }

    fn stats(&self, answer: &mut Answer) {
        let list = self.0.list();
        answer.object("counters", |answer| answer.figures(list.counters()));
        answer.object("gauges", |answer| answer.figures(&list.gauges()));
        answer.number("health", list.health().into());
    }
}

fn event(event: memberlist::Event) -> Event {
    use memberlist::Event as E;
    match event {
        E::Member(news) => {
            let (kind, member) = match &news {
                MemberEvent::Joined(member) => (EventKind::MemberJoined, member),
                MemberEvent::Updated(member) => (EventKind::MemberUpdated, member),
                MemberEvent::Gone(member) => (EventKind::MemberGone, member),
            };
            Event {
                number: member.state as u64,
                value: Some(member.meta.clone()),
                ..Event::new(kind).key(&member.name).addr(member.addr)
            }
        }
        E::Message(bytes) => Event { value: Some(bytes), ..Event::new(EventKind::Message) },
        E::Conflict(both) => Event::new(EventKind::Conflict).key(&both.0.name).addr(both.1.addr),
        E::Done(request, outcome) => ended(request.0, outcome),
        E::Rejected { from, reason } => Event::new(EventKind::Warning).addr(from).text(&reason),
        E::Missed(count) => Event { number: count, ..Event::new(EventKind::Missed) },
    }
}

fn ended(request: u64, outcome: Outcome) -> Event {
    match outcome {
        Outcome::Joined(report) => {
            let code = if report.reached.is_empty() { Code::Unreachable } else { Code::Ok };
            joined(request, code, &report)
        }
        Outcome::Spread(told) => {
            let code = if told { Code::Ok } else { Code::Unannounced };
            Event::new(EventKind::Spread).id(request).code(code)
        }
        Outcome::Sent(result) => {
            let event = Event::new(EventKind::Sent).id(request);
            match result {
                Ok(()) => event,
                Err(fault) => event.code(Code::from(&fault)).text(&fault),
            }
        }
    }
}
