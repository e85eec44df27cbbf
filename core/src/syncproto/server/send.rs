//! What a session writes, as far as its line has room.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Kind, Reason, Shared, Timer,
    conflate::Conflated,
    feed::Feed,
    session::{Follow, Session, Stage, restart},
};
use crate::{
    machine::{Instant, Lane, StreamId},
    syncproto::{
        Message, SyncStatus,
        cache::{Crumb, Form, framed},
        encode,
    },
    wire::snappy,
};

/// Pieces of a snapshot that one session takes at once. In snappy they fill the line's window with large writes; they come from
/// no more than 2 MiB, unless single values are large, so that compressing them for the first time holds nobody up for longer
/// than a millisecond or two. It goes on when the host has sent some.
const PIECES_AT_ONCE: usize = 32;

/// The write side of a connection.
#[derive(Debug)]
pub(super) struct Line {
    lane: Lane,
    pub(super) form: Form,
    status: SyncStatus,
    /// When the host last took something, or there was nothing to take.
    progress: Instant,
    /// When there was nothing to take.
    busy_since: Option<Instant>,
    /// The timer for progress runs.
    watched: bool,
    /// Bytes of the snapshot.
    snapshot_bytes: u64,
}

impl Line {
    pub(super) fn new(lane: Lane) -> Self {
        Self {
            lane,
            form: Form::Plain,
            status: SyncStatus::default(),
            progress: Instant::default(),
            busy_since: None,
            watched: false,
            snapshot_bytes: 0,
        }
    }

    pub(super) fn id(&self) -> StreamId {
        self.lane.id()
    }

    /// Begins a stream: what all of ours open with.
    pub(super) fn open(&mut self, shared: &mut Shared) {
        let opening = match self.form {
            Form::Plain => Bytes::from_static(encode::definitions()),
            Form::Snappy => shared.opening.clone(),
        };
        self.write(shared, opening);
    }

    pub(super) fn message(&mut self, shared: &mut Shared, message: &Message<'_>) {
        let mut plain = Vec::new();
        encode::message(&mut plain, message);
        let bytes = match self.form {
            Form::Plain => plain.into(),
            Form::Snappy => framed(&plain),
        };
        self.write(shared, bytes);
    }

    /// Ends a stream; the next one is in snappy.
    pub(super) fn restart(&mut self, shared: &mut Shared, why: &[u8]) {
        self.message(shared, &restart(why));
    }

    /// Tells the status unless it is the last that was told. At the beginning clients count on
    /// [`SyncStatus::WAIT_FOR_DATASTORE`].
    #[inline]
    pub(super) fn status(&mut self, shared: &mut Shared, status: SyncStatus) {
        if std::mem::replace(&mut self.status, status) != status {
            self.message(shared, &Message::SyncStatus(status));
        }
    }

    pub(super) fn write(&mut self, shared: &mut Shared, bytes: Bytes) {
        if self.busy_since.is_none() {
            self.busy_since = Some(shared.now);
            self.progress = shared.now;
        }
        if !std::mem::replace(&mut self.watched, true) {
            let at = shared.now + shared.config.write_timeout;
            shared.timers.set(Timer::Of(self.lane.id(), Kind::Write), at);
        }
        shared.stats.bytes_out += bytes.len() as u64;
        self.lane.write(&mut shared.out, bytes);
    }

    pub(super) fn has_room(&self) -> bool {
        self.lane.room() > 0
    }

    /// Drops the connection.
    pub(super) fn abort(&mut self, shared: &mut Shared) {
        self.lane.abort(&mut shared.out);
        for kind in Kind::ALL {
            shared.timers.cancel(&Timer::Of(self.lane.id(), kind));
        }
    }

    /// Looks whether the host has taken anything for so long.
    pub(super) fn check_progress(&mut self, shared: &mut Shared) -> Result<(), Reason> {
        let deadline = self.progress + shared.config.write_timeout;
        self.watched = self.busy_since.is_some();
        if !self.watched {
            return Ok(());
        }
        if shared.now >= deadline {
            return Err(Reason::WriteTimeout);
        }
        shared.timers.set(Timer::Of(self.lane.id(), Kind::Write), deadline);
        Ok(())
    }
}

impl Session {
    /// The host has sent something.
    pub(super) fn sent(
        &mut self,
        count: usize,
        shared: &mut Shared,
        feeds: &mut [Feed],
    ) -> Result<(), Reason> {
        let line = &mut self.line;
        line.lane.sent(&mut shared.out, count);
        line.progress = shared.now;
        if line.lane.is_drained()
            && let (Some(since), Some(feed)) = (line.busy_since.take(), feeds.get_mut(self.feed))
        {
            feed.stats.client_write_latency.add(shared.now.since(since));
        }
        self.advance(shared, feeds)
    }

    /// Writes what there is for this client, as far as there is room.
    pub(super) fn advance(&mut self, shared: &mut Shared, feeds: &mut [Feed]) -> Result<(), Reason> {
        let Some(feed) = feeds.get_mut(self.feed) else { return Ok(()) };
        if matches!(self.stage, Stage::Snapshot { .. }) {
            self.send_snapshot(shared, feed);
        }
        if matches!(self.stage, Stage::Follow(_)) {
            self.send_ping(shared);
            self.send_crumbs(shared, feed)?;
        }
        Ok(())
    }

    /// Its feed has published something.
    #[inline]
    pub(super) fn published(&mut self, shared: &mut Shared, feed: &mut Feed) -> Result<(), Reason> {
        match &self.stage {
            Stage::Follow(_) => self.send_crumbs(shared, feed),
            Stage::Snapshot { shared: of, .. } => limit_bytes(&of.published.crumb, feed, shared),
            Stage::SnapshotAck(crumb) => limit_bytes(crumb, feed, shared),
            Stage::Hello | Stage::Restart => Ok(()),
        }
    }

    fn send_snapshot(&mut self, shared: &mut Shared, feed: &mut Feed) {
        for _ in 0..PIECES_AT_ONCE {
            let Stage::Snapshot { place, .. } = &self.stage else { return };
            if place.is_border() {
                self.send_ping(shared);
            }
            if !self.line.has_room() {
                return;
            }
            let Stage::Snapshot { shared: of, place, .. } = &mut self.stage else { return };
            let kvs = of.layout.begins(*place);
            let Some(piece) = of.layout.next(place) else { return self.end_snapshot(shared, feed) };
            feed.stats.messages += u64::from(kvs > 0);
            feed.stats.kvs += kvs as u64;
            self.line.snapshot_bytes += piece.len() as u64;
            self.line.write(shared, piece);
        }
    }

    /// All of the snapshot is handed over.
    fn end_snapshot(&mut self, shared: &mut Shared, feed: &mut Feed) {
        let Stage::Snapshot { shared: of, since, acknowledged, .. } = &self.stage else { return };
        let acknowledged = *acknowledged;
        let crumb = Arc::clone(&of.published.crumb);
        feed.stats.client_snapshot_send.add(shared.now.since(*since));
        feed.stats.connections_streaming -= 1;
        if self.line.form == Form::Plain {
            return self.begin_to_follow(crumb, shared);
        }
        feed.stats.snapshot_raw_bytes = of.layout.snapshot().bytes() as u64;
        feed.stats.snapshot_compressed_bytes = self.line.snapshot_bytes;
        self.line.restart(shared, b"End of compressed snapshot.");
        if acknowledged {
            return self.begin_to_follow(crumb, shared);
        }
        self.stage = Stage::SnapshotAck(crumb);
        self.await_ack(shared);
    }

    #[inline]
    fn send_crumbs(&mut self, shared: &mut Shared, feed: &mut Feed) -> Result<(), Reason> {
        let Stage::Follow(follow) = &mut self.stage else { return Ok(()) };
        if follow.conflated.is_some() {
            return follow.conflate(&mut self.line, shared, feed);
        }
        follow.send_crumbs(&mut self.line, shared, feed)
    }
}

impl Follow {
    fn send_crumbs(&mut self, line: &mut Line, shared: &mut Shared, feed: &mut Feed) -> Result<(), Reason> {
        let newest = feed.published.crumb.sequence();
        while self.cursor.sequence() < newest {
            if !line.has_room() {
                if feed.conflate {
                    self.conflated = Some(Box::new(Conflated::new(self.cursor.status())));
                    return self.conflate(line, shared, feed);
                }
                return self.check_behind(shared, feed);
            }
            if self.cursor.sequence() + 1 < newest {
                self.check_behind(shared, feed)?;
            }
            if !self.send_next(line, shared, feed, newest) {
                break;
            }
        }
        self.idle_since.get_or_insert(shared.now);
        Ok(())
    }

    /// Sends the next crumb, or some joined; false if there is none.
    #[inline]
    fn send_next(&mut self, line: &mut Line, shared: &mut Shared, feed: &mut Feed, newest: u64) -> bool {
        let joined = self.cursor.express().filter(|express| express.last.sequence() <= newest);
        let (frame, last) = match (joined, self.cursor.next()) {
            (Some(express), _) => (&express.frame, &express.last),
            (None, Some(next)) => (next.frame(), next),
            (None, None) => return false,
        };
        let stats = &mut feed.stats;
        match self.idle_since.take() {
            Some(since) => {
                stats.breadcrumb_block += 1;
                stats.next_breadcrumb_latency.add(shared.now.since(since));
            }
            None => stats.breadcrumb_non_block += 1,
        }
        if frame.kvs() > 0 {
            stats.messages += 1;
            stats.kvs += frame.kvs() as u64;
            line.write(shared, frame.bytes(line.form == Form::Snappy));
        }
        stats.client_latency.add(shared.now.since(last.time()));
        line.status(shared, last.status());
        let last = Arc::clone(last);
        self.cursor = last;
        true
    }

    /// Whether this client may be as far behind as it is.
    #[inline]
    fn check_behind(&mut self, shared: &Shared, feed: &mut Feed) -> Result<(), Reason> {
        limit_bytes(&self.cursor, feed, shared)?;
        let Some(next) = self.cursor.next() else { return Ok(()) };
        if feed.published.crumb.time().since(next.time()) <= shared.config.max_fall_behind {
            return Ok(());
        }
        if shared.now >= self.grace_end {
            return Err(Reason::FellBehind);
        }
        if !std::mem::replace(&mut self.grace_used, true) {
            feed.stats.connections_grace_used += 1;
        }
        Ok(())
    }
}

/// Whether all that is kept for a client at `cursor` may be kept.
fn limit_bytes(cursor: &Crumb, feed: &Feed, shared: &Shared) -> Result<(), Reason> {
    let behind = feed.published.crumb.offset().saturating_sub(cursor.offset());
    if behind > shared.config.max_behind_bytes { Err(Reason::TooMuchBehind) } else { Ok(()) }
}

/// What every stream in snappy opens with.
pub(super) fn snappy_opening() -> Bytes {
    let mut opening = snappy::STREAM_IDENTIFIER.to_vec();
    snappy::frame(encode::definitions(), &mut opening);
    opening.into()
}
