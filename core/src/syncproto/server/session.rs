//! One connection: what is expected of the client, and how far it has been sent what it asked for.

use std::{net::SocketAddr, sync::Arc};

use super::{
    Client, Kind, Reason, Shared, Timer,
    conflate::Conflated,
    feed::{self, Feed},
    send::Line,
};
use crate::{
    machine::{Instant, Lane, StreamId},
    syncproto::{
        ClientHello, DEFAULT_SYNCER_TYPE, Decoder, DecoderRestart, FROM_CLIENT, Message, SNAPPY, ServerHello,
        cache::{Crumb, Form, Place},
    },
};

/// Pongs a client may send beyond one for each ping.
const SPARE_PONGS: u32 = 64;
/// Bytes kept of what a client says of itself, for each text.
const MAX_TEXT: usize = 256;

/// A connection. Its memory is a cursor, the window of its line, and what the client has sent of a message.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) from: SocketAddr,
    pub(super) line: Line,
    decoder: Decoder,
    pub(super) stage: Stage,
    pub(super) client: Option<Arc<Client>>,
    /// Which feed it follows.
    pub(super) feed: usize,
    pings: Pings,
}

/// Where a connection is on its way.
#[derive(Debug)]
pub(super) enum Stage {
    /// The client is to say hello.
    Hello,
    /// The client is to acknowledge that the snapshot comes in snappy.
    Restart,
    /// The snapshot is being sent.
    Snapshot {
        shared: Box<feed::Shared>,
        place: Place,
        since: Instant,
        /// Its end is acknowledged already: upstream lets what comes early wait until it is asked for.
        acknowledged: bool,
    },
    /// The client is to acknowledge that updates come in another stream.
    SnapshotAck(Arc<Crumb>),
    /// The client is sent what has changed.
    Follow(Follow),
}

/// How far a client has followed.
#[derive(Debug)]
pub(super) struct Follow {
    /// The last crumb that was sent.
    pub(super) cursor: Arc<Crumb>,
    pub(super) grace_end: Instant,
    pub(super) grace_used: bool,
    /// Since when it waits for a crumb; none if there is one.
    pub(super) idle_since: Option<Instant>,
    pub(super) conflated: Option<Box<Conflated>>,
}

#[derive(Debug, Default)]
struct Pings {
    running: bool,
    /// Pongs that are still taken.
    credit: u32,
    sent: Option<Instant>,
    answered: Instant,
    /// One waits for the end of a message.
    due: bool,
}

impl Session {
    /// A connection that was just accepted.
    pub(super) fn new(id: StreamId, from: SocketAddr, shared: &mut Shared) -> Self {
        shared.timers.set(Timer::Of(id, Kind::Answer), shared.now + shared.config.handshake_timeout);
        Self {
            from,
            line: Line::new(Lane::new(id)),
            decoder: Decoder::new(FROM_CLIENT),
            stage: Stage::Hello,
            client: None,
            feed: 0,
            pings: Pings::default(),
        }
    }

    fn id(&self) -> StreamId {
        self.line.id()
    }

    /// Bytes have come.
    pub(super) fn received(
        &mut self,
        mut bytes: &[u8],
        shared: &mut Shared,
        feeds: &mut [Feed],
    ) -> Result<(), Reason> {
        shared.stats.bytes_in += bytes.len() as u64;
        // The decoder is out of the session while it lends messages.
        let mut decoder = std::mem::replace(&mut self.decoder, Decoder::new(FROM_CLIENT));
        loop {
            let mut rest = bytes;
            let Some(message) = decoder.next(&mut rest).map_err(Reason::Malformed)? else { break };
            bytes = bytes.get(bytes.len() - rest.len()..).unwrap_or_default();
            self.message(&message, shared, feeds)?;
        }
        self.decoder = decoder;
        Ok(())
    }

    /// What the end of the client's stream means.
    pub(super) fn finished(&self) -> Reason {
        self.decoder.finish().err().map_or(Reason::Finished, Reason::Malformed)
    }

    fn message(
        &mut self,
        message: &Message<'_>,
        shared: &mut Shared,
        feeds: &mut [Feed],
    ) -> Result<(), Reason> {
        match (&mut self.stage, message) {
            (Stage::Hello, Message::ClientHello(hello)) => self.hello(hello, shared, feeds),
            (Stage::Restart, Message::Ack) => self.begin_snapshot(shared, feeds),
            (Stage::Snapshot { acknowledged, .. }, Message::Ack)
                if self.line.form == Form::Snappy && !*acknowledged =>
            {
                *acknowledged = true;
                Ok(())
            }
            (Stage::SnapshotAck(crumb), Message::Ack) => {
                let crumb = Arc::clone(crumb);
                self.begin_to_follow(crumb, shared);
                self.advance(shared, feeds)
            }
            (Stage::Snapshot { .. } | Stage::Follow(_), Message::Pong(_)) => self.pong(shared, feeds),
            (_, other) => Err(Reason::Unexpected(other.name().unwrap_or("envelope without a message"))),
        }
    }

    fn hello(
        &mut self,
        hello: &ClientHello<'_>,
        shared: &mut Shared,
        feeds: &mut [Feed],
    ) -> Result<(), Reason> {
        let wanted =
            if hello.syncer_type.is_empty() { DEFAULT_SYNCER_TYPE.as_bytes() } else { hello.syncer_type };
        let feed = feeds.iter().position(|feed| feed.syncer_type.as_bytes() == wanted);
        self.feed = feed.ok_or(Reason::UnknownSyncerType)?;
        if shared.config.require_modern_policy_keys && !hello.supports_modern_policy_keys {
            return Err(Reason::OldPolicyKeys);
        }
        let snappy =
            hello.supports_decoder_restart && hello.compression_algorithms.contains(&SNAPPY.as_bytes());
        let server_conn_id = shared.next_conn_id();
        let version = shared.config.version.clone();
        let greeting = ServerHello {
            version: version.as_bytes(),
            syncer_type: wanted,
            supports_node_resource_updates: true,
            server_conn_id,
        };
        self.line.open(shared);
        self.line.message(shared, &Message::ServerHello(greeting));
        self.introduce(hello, wanted, (snappy, server_conn_id), shared);
        if snappy {
            self.line.restart(shared, b"enable compression: snappy;send binary snapshot");
            self.stage = Stage::Restart;
            self.await_ack(shared);
            return Ok(());
        }
        // As the servers such clients know, which count on no acknowledgement.
        if !hello.supports_decoder_restart {
            self.begin_pings(shared);
        }
        self.begin_snapshot(shared, feeds)
    }

    fn introduce(
        &mut self,
        hello: &ClientHello<'_>,
        syncer_type: &[u8],
        (snappy, server_conn_id): (bool, u64),
        shared: &mut Shared,
    ) {
        let client = Arc::new(Client {
            stream: self.id(),
            from: self.from,
            hostname: text(hello.hostname),
            info: text(hello.info),
            version: text(hello.version),
            syncer_type: text(syncer_type),
            snappy,
            client_conn_id: hello.client_conn_id,
            server_conn_id,
        });
        self.client = Some(Arc::clone(&client));
        shared.timers.cancel(&Timer::Of(self.id(), Kind::Answer));
        shared.event(super::Event::Joined(client));
    }

    pub(super) fn await_ack(&self, shared: &mut Shared) {
        let timeout = shared.config.effective_pong_timeout();
        shared.timers.set(Timer::Of(self.id(), Kind::Answer), shared.now + timeout);
    }

    fn begin_snapshot(&mut self, shared: &mut Shared, feeds: &mut [Feed]) -> Result<(), Reason> {
        if matches!(self.stage, Stage::Restart) {
            self.line.form = Form::Snappy;
            self.line.open(shared);
        }
        shared.timers.cancel(&Timer::Of(self.id(), Kind::Answer));
        let Some(feed) = feeds.get_mut(self.feed) else { return Err(Reason::UnknownSyncerType) };
        feed.stats.connections_streaming += 1;
        let of = Box::new(feed.snapshot(shared.now, self.line.form, &shared.config));
        self.stage =
            Stage::Snapshot { shared: of, place: Place::default(), since: shared.now, acknowledged: false };
        self.advance(shared, feeds)
    }

    /// In snappy a stream begins here.
    pub(super) fn begin_to_follow(&mut self, cursor: Arc<Crumb>, shared: &mut Shared) {
        shared.timers.cancel(&Timer::Of(self.id(), Kind::Answer));
        if self.line.form == Form::Snappy {
            self.line.open(shared);
        }
        self.line.status(shared, cursor.status());
        if !self.pings.running {
            self.begin_pings(shared);
        }
        self.stage = Stage::Follow(Follow {
            cursor,
            grace_end: shared.now + shared.config.new_client_grace_period,
            grace_used: false,
            idle_since: None,
            conflated: None,
        });
    }

    // ---- Liveness --------------------------------------------------------------------------------------------

    fn begin_pings(&mut self, shared: &mut Shared) {
        self.pings = Pings { running: true, credit: SPARE_PONGS, answered: shared.now, ..Pings::default() };
        let timeout = shared.config.effective_pong_timeout();
        shared.timers.set(Timer::Of(self.id(), Kind::Pong), shared.now + timeout);
        self.set_ping(shared);
    }

    fn set_ping(&self, shared: &mut Shared) {
        let at = shared.now + shared.with_jitter(shared.config.ping_interval);
        shared.timers.set(Timer::Of(self.id(), Kind::Ping), at);
    }

    /// A timer of this connection is due.
    pub(super) fn due(&mut self, kind: Kind, shared: &mut Shared, feeds: &mut [Feed]) -> Result<(), Reason> {
        match kind {
            Kind::Answer if matches!(self.stage, Stage::Hello) => Err(Reason::HandshakeTimeout),
            Kind::Answer => Err(Reason::AckTimeout),
            Kind::Ping => {
                self.pings.due = true;
                self.set_ping(shared);
                self.advance(shared, feeds)
            }
            Kind::Pong => {
                let deadline = self.pings.answered + shared.config.effective_pong_timeout();
                if shared.now >= deadline {
                    return Err(Reason::PongTimeout);
                }
                shared.timers.set(Timer::Of(self.id(), Kind::Pong), deadline);
                Ok(())
            }
            Kind::Write => self.line.check_progress(shared),
        }
    }

    /// Sends the ping that is due. Only between messages.
    pub(super) fn send_ping(&mut self, shared: &mut Shared) {
        if std::mem::take(&mut self.pings.due) {
            self.pings.credit = self.pings.credit.saturating_add(1).min(2 * SPARE_PONGS);
            self.pings.sent.get_or_insert(shared.now);
            self.line.message(shared, &Message::Ping(shared.wall_time()));
        }
    }

    fn pong(&mut self, shared: &mut Shared, feeds: &mut [Feed]) -> Result<(), Reason> {
        self.pings.credit = self.pings.credit.checked_sub(1).ok_or(Reason::TooManyPongs)?;
        self.pings.answered = shared.now;
        if let (Some(sent), Some(feed)) = (self.pings.sent.take(), feeds.get_mut(self.feed)) {
            feed.stats.ping_latency.add(shared.now.since(sent));
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> Box<str> {
    String::from_utf8_lossy(bytes.get(..MAX_TEXT).unwrap_or(bytes)).into()
}

/// What a restart says of the stream that follows.
pub(super) fn restart(message: &[u8]) -> Message<'_> {
    Message::DecoderRestart(DecoderRestart { message, compression_algorithm: SNAPPY.as_bytes() })
}
