//! One request over one stream, as either side. Source: `hashicorp/memberlist` `net.go`.

use std::{borrow::Cow, fmt, net::SocketAddr};

use super::{
    Delegate, Memberlist, MergeRefusal, Outcome, RequestId, Timer, encoded,
    message::{Ack, ErrorReply, Ping},
    stream::{self, Decoder, PushPull, StreamError, StreamMessage},
};
use crate::{
    Name,
    machine::{Endpoint, Fault, Instant, Lane, StreamId, StreamInput},
};

/// Streams accepted and served at one time; further ones are dropped at once.
pub const MAX_ACCEPTED: usize = 512;

/// Bytes that may be held of all unfinished streams together; the stream that brings more is dropped.
pub const MAX_INBOUND: usize = 256 << 20;

/// Bytes that may wait to be sent on all streams together for a push/pull to be answered still: each answer is a
/// whole state, which a peer that does not read leaves here until the deadline.
pub const MAX_OUTBOUND: usize = 256 << 20;

/// Why an exchange over a stream did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamFault {
    /// The dial or the stream broke.
    Io(Fault),
    /// No answer before the deadline.
    TimedOut,
    /// The peer ended the stream without an answer.
    NoReply,
    /// The peer answered with an error.
    Remote(String),
    /// The peer's bytes are not a message.
    Malformed(StreamError),
    /// The peer's message is not an answer to what was asked.
    Unexpected,
    /// This node holds as many bytes of unfinished streams as it may.
    Overloaded,
    /// The peer's state does not go together with ours.
    Refused(MergeRefusal),
}

impl fmt::Display for StreamFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(fault) => fault.fmt(f),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::NoReply => f.write_str("the peer closed without an answer"),
            Self::Remote(text) => write!(f, "the peer answers: {text}"),
            Self::Malformed(error) => write!(f, "the peer's answer cannot be read: {error}"),
            Self::Unexpected => f.write_str("the peer's answer does not fit the request"),
            Self::Overloaded => f.write_str("too many unfinished streams at this node"),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl std::error::Error for StreamFault {}

/// What this side wants of a stream.
#[derive(Debug)]
pub(super) enum Role {
    /// Serve what the dialler asks.
    Serve,
    /// Exchange state, perhaps as part of a join.
    Sync { join: Option<RequestId>, to: Endpoint },
    /// Ping a node that does not answer packets.
    Ping { seq: u32, target: Name },
    /// Deliver one message.
    Deliver { request: RequestId, sealed: bytes::Bytes },
    /// Nothing more: wait until both sides have ended.
    Over,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Talk {
    lane: Lane,
    decoder: Decoder,
    role: Role,
    peer: Option<SocketAddr>,
    peer_finished: bool,
}

impl Memberlist {
    /// Dials for `role`, which is to be done before `deadline`.
    pub(super) fn dial(&mut self, to: Endpoint, role: Role, deadline: Instant) -> StreamId {
        let to = match to {
            Endpoint::Addr(addr) => Endpoint::Addr(super::canonical(addr)),
            name @ Endpoint::Name { .. } => name,
        };
        let lane = self.out.open(to);
        let id = lane.id();
        self.counters.streams_out += 1;
        self.timers.set(Timer::Talk(id), deadline);
        let talk = Talk { lane, decoder: Decoder::dialled(), role, peer: None, peer_finished: false };
        self.talks.insert(id, talk);
        id
    }

    pub(super) fn on_stream(
        &mut self,
        now: Instant,
        id: StreamId,
        input: StreamInput<'_>,
        d: &mut dyn Delegate,
    ) {
        match input {
            StreamInput::Accepted { from } => self.accept(now, id, from),
            StreamInput::Opened { at } => self.opened(now, id, at, d),
            StreamInput::Received(bytes) => self.received(now, id, bytes, d),
            StreamInput::Sent(count) => self.sent(now, id, count, d),
            StreamInput::Finished => self.peer_finished(now, id, d),
            StreamInput::Failed(fault) => {
                if let Some(talk) = self.forget_talk(id) {
                    self.conclude(now, talk.role, Err(StreamFault::Io(fault)), d);
                }
            }
        }
    }

    fn received(&mut self, now: Instant, id: StreamId, bytes: &[u8], d: &mut dyn Delegate) {
        if self.stream_bytes_in().saturating_add(bytes.len()) > MAX_INBOUND {
            self.counters.drop("stream: too many bytes of all streams together");
            return self.break_off(now, id, StreamFault::Overloaded, d);
        }
        let Some(talk) = self.talks.get_mut(&id) else { return };
        let result = talk.decoder.receive(&self.security, bytes);
        self.decoded(now, id, result, d);
    }

    pub(super) fn streams_accepted(&self) -> usize {
        self.talks.values().filter(|talk| talk.lane.id().0 % 2 == 1).count()
    }

    pub(super) fn stream_bytes_in(&self) -> usize {
        self.talks.values().map(|talk| talk.decoder.held()).sum()
    }

    pub(super) fn stream_bytes_out(&self) -> usize {
        self.talks.values().map(|talk| talk.lane.unsent()).sum()
    }

    fn break_off(&mut self, now: Instant, id: StreamId, fault: StreamFault, d: &mut dyn Delegate) {
        if let Some(mut talk) = self.forget_talk(id) {
            talk.lane.abort(&mut self.out);
            self.conclude(now, talk.role, Err(fault), d);
        }
    }

    /// Drops a stream whose outcome no longer matters.
    pub(super) fn hang_up(&mut self, id: StreamId) {
        if let Some(mut talk) = self.forget_talk(id) {
            talk.lane.abort(&mut self.out);
        }
    }

    /// A stream's time is over.
    pub(super) fn talk_timeout(&mut self, now: Instant, id: StreamId, d: &mut dyn Delegate) {
        self.break_off(now, id, StreamFault::TimedOut, d);
    }

    fn accept(&mut self, now: Instant, id: StreamId, from: SocketAddr) {
        if self.streams_accepted() >= MAX_ACCEPTED {
            self.counters.drop("stream: too many at once");
            return self.out.refuse(id);
        }
        self.counters.streams_in += 1;
        self.timers.set(Timer::Talk(id), now + self.config.stream_timeout);
        let talk = Talk {
            lane: Lane::new(id),
            decoder: Decoder::accepting(),
            role: Role::Serve,
            peer: Some(from),
            peer_finished: false,
        };
        self.talks.insert(id, talk);
    }

    fn opened(&mut self, now: Instant, id: StreamId, at: SocketAddr, d: &mut dyn Delegate) {
        let Some(talk) = self.talks.get_mut(&id) else { return };
        talk.peer = Some(at);
        let message = match &talk.role {
            Role::Sync { join, .. } => {
                let join = join.is_some();
                self.timers.set(Timer::Talk(id), now + self.config.stream_timeout);
                return self.write_state(now, id, join, true, d);
            }
            Role::Ping { seq, target } => {
                let (seq, target) = (*seq, target.clone());
                encoded(|out| self.ping(seq, &target).encode(out))
            }
            Role::Deliver { sealed, .. } => {
                talk.lane.write(&mut self.out, sealed.clone());
                return talk.lane.finish(&mut self.out);
            }
            Role::Serve | Role::Over => return,
        };
        self.write(id, &message, true);
    }

    /// Returns how many bytes that are on the wire.
    fn write(&mut self, id: StreamId, message: &[u8], dialling: bool) -> usize {
        let bytes = stream::seal_stream(&self.security, message, dialling, &mut self.rng);
        let len = bytes.len();
        if let Some(talk) = self.talks.get_mut(&id) {
            talk.lane.write(&mut self.out, bytes);
        }
        len
    }

    fn write_state(&mut self, now: Instant, id: StreamId, join: bool, dialling: bool, d: &mut dyn Delegate) {
        let message = self.state_message(now, join, d);
        self.state_bytes = self.write(id, &message, dialling);
    }

    fn sent(&mut self, now: Instant, id: StreamId, count: usize, d: &mut dyn Delegate) {
        let Some(talk) = self.talks.get_mut(&id) else { return };
        talk.lane.sent(&mut self.out, count);
        if talk.lane.is_drained() && matches!(talk.role, Role::Deliver { .. }) {
            let role = std::mem::replace(&mut talk.role, Role::Over);
            self.conclude(now, role, Ok(None), d);
        }
        self.end_if_over(id);
    }

    fn peer_finished(&mut self, now: Instant, id: StreamId, d: &mut dyn Delegate) {
        let Some(talk) = self.talks.get_mut(&id) else { return };
        talk.peer_finished = true;
        if !matches!(talk.role, Role::Over | Role::Deliver { .. }) {
            let ended = talk.decoder.finish();
            self.decoded(now, id, ended.map(|()| None), d);
        }
        self.end_if_over(id);
    }

    /// The host ends a stream by itself once both sides have.
    fn end_if_over(&mut self, id: StreamId) {
        let over =
            |talk: &Talk| talk.peer_finished && talk.lane.is_drained() && matches!(talk.role, Role::Over);
        if self.talks.get(&id).is_some_and(over) {
            self.forget_talk(id);
        }
    }

    fn forget_talk(&mut self, id: StreamId) -> Option<Talk> {
        self.timers.cancel(&Timer::Talk(id));
        self.talks.remove(&id)
    }

    fn decoded(
        &mut self,
        now: Instant,
        id: StreamId,
        result: Result<Option<StreamMessage>, StreamError>,
        d: &mut dyn Delegate,
    ) {
        let Some(talk) = self.talks.get_mut(&id) else { return };
        let message = match result {
            Ok(None) => return,
            Ok(Some(message)) => message,
            Err(error) => return self.undecodable(now, id, error, d),
        };
        let (role, peer) = (std::mem::replace(&mut talk.role, Role::Over), talk.peer);
        match role {
            Role::Over => return,
            Role::Serve => self.serve(now, id, message, d),
            role => {
                let result = self.answered(now, &role, message, d).map(|()| peer);
                self.conclude(now, role, result, d);
            }
        }
        if let Some(talk) = self.talks.get_mut(&id) {
            talk.lane.finish(&mut self.out);
        }
        self.end_if_over(id);
    }

    fn undecodable(&mut self, now: Instant, id: StreamId, error: StreamError, d: &mut dyn Delegate) {
        self.counters.drop(error.reason());
        let Some(talk) = self.talks.get_mut(&id) else { return };
        if let Some(peer) = talk.peer {
            if let StreamError::Seal(_) | StreamError::Sealed | StreamError::Unsealed = error {
                self.counters.undecryptable.count(peer.ip());
            }
            d.rejected(now, peer, error.reason());
        }
        let serving = matches!(talk.role, Role::Serve);
        let role = std::mem::replace(&mut talk.role, Role::Over);
        if serving && error.replies() {
            let text = error.to_string();
            let reply = encoded(|out| ErrorReply { error: Cow::Borrowed(text.as_bytes()) }.encode(out));
            self.write(id, &reply, false);
        }
        if let Some(talk) = self.talks.get_mut(&id) {
            talk.lane.finish(&mut self.out);
        }
        let fault =
            if error == StreamError::Ended { StreamFault::NoReply } else { StreamFault::Malformed(error) };
        self.conclude(now, role, Err(fault), d);
        self.end_if_over(id);
    }

    /// Does what a dialler asks.
    fn serve(&mut self, now: Instant, id: StreamId, message: StreamMessage, d: &mut dyn Delegate) {
        match message {
            StreamMessage::Ping(ping) => self.serve_ping(id, &ping),
            StreamMessage::PushPull(state) => self.serve_push_pull(now, id, &state, d),
            StreamMessage::User(bytes) if bytes.is_empty() => {}
            StreamMessage::User(bytes) => d.message(now, &bytes),
            StreamMessage::Ack(_) | StreamMessage::Error(_) => {
                self.counters.drop("stream: a reply unasked for");
            }
        }
    }

    fn serve_ping(&mut self, id: StreamId, ping: &Ping<'_>) {
        if !ping.node.is_empty() && *ping.node != *self.config.name {
            return self.counters.drop("ping for another node");
        }
        let ack = encoded(|out| Ack { seq: ping.seq, payload: None }.encode(out));
        self.write(id, &ack, false);
    }

    /// The own state goes out before the peer's is judged, so that the dialler always gets an answer.
    fn serve_push_pull(&mut self, now: Instant, id: StreamId, state: &PushPull, d: &mut dyn Delegate) {
        if self.stream_bytes_out() >= MAX_OUTBOUND {
            self.counters.drop("push/pull: too many answers not yet read");
            return self.hang_up(id);
        }
        self.write_state(now, id, state.join, false, d);
        self.timers.set(Timer::Talk(id), now + self.config.stream_timeout);
        if let Err(refusal) = self.merge(now, state, state.join, d) {
            self.counters.drop("push/pull: refused");
            if let Some(peer) = self.talks.get(&id).and_then(|talk| talk.peer) {
                d.rejected(now, peer, &refusal.to_string());
            }
        }
    }

    /// Takes the answer to what this side asked.
    fn answered(
        &mut self,
        now: Instant,
        role: &Role,
        message: StreamMessage,
        d: &mut dyn Delegate,
    ) -> Result<(), StreamFault> {
        match (role, message) {
            (_, StreamMessage::Error(text)) => Err(StreamFault::Remote(text)),
            (Role::Sync { join, .. }, StreamMessage::PushPull(state)) => {
                self.merge(now, &state, join.is_some(), d).map_err(StreamFault::Refused)
            }
            (Role::Ping { seq, .. }, StreamMessage::Ack(ack)) if ack.seq == *seq => {
                self.stream_ping_answered(*seq);
                Ok(())
            }
            _ => Err(StreamFault::Unexpected),
        }
    }

    /// Tells whoever wanted this stream how it ended.
    fn conclude(
        &mut self,
        now: Instant,
        role: Role,
        result: Result<Option<SocketAddr>, StreamFault>,
        d: &mut dyn Delegate,
    ) {
        match role {
            Role::Sync { join: Some(request), to } => self.join_progress(now, request, to, result, d),
            Role::Sync { join: None, .. } => {
                if result.is_err() {
                    self.counters.drop("push/pull: failed");
                }
            }
            Role::Deliver { request, .. } => d.done(now, request, Outcome::Sent(result.map(|_| ()))),
            Role::Serve | Role::Ping { .. } | Role::Over => {}
        }
    }
}
