//! A client that is behind gets the newest value of each key that changed, and what lay between is left out.
//!
//! Only keys are kept; their values are those of the newest snapshot when they are sent. So what a slow client costs
//! is bounded by the keys that change, not by how often they do.

use std::collections::BTreeMap;

use super::{Reason, Shared, feed::Feed, send::Line, session::Follow};
use crate::syncproto::{
    SerializedUpdate, SyncStatus, UpdateType,
    cache::{Crumb, Form, framed},
    encode,
};

/// Bytes of bodies after which a message ends.
const MESSAGE_BYTES: usize = 64 << 10;
/// What a key costs beside its bytes.
const PER_KEY: u64 = 64;

/// What a client has not been told.
#[derive(Debug, Default)]
pub(super) struct Conflated {
    /// What had changed when the last of these was begun. When all of it is sent the client may be told `status`.
    current: BTreeMap<Box<[u8]>, Types>,
    status: SyncStatus,
    /// What has changed since. Hot keys wait here, so that they hold up neither others nor the status.
    upcoming: BTreeMap<Box<[u8]>, Types>,
    bytes: u64,
}

/// The types of the first and the last update of a key that were not sent.
#[derive(Clone, Copy, Debug)]
struct Types {
    first: UpdateType,
    last: UpdateType,
}

impl Types {
    /// What the client is to be told of a key it holds or does not hold, as the first update says.
    fn merged(self, present: bool) -> UpdateType {
        match self {
            Self { last, .. } if !present => last,
            Self { first: UpdateType::NEW, .. } => UpdateType::NEW,
            // It was told of the key before, or somebody deleted what was not there.
            Self { first: UpdateType::DELETED, .. } => UpdateType::UPDATED,
            Self { last, .. } => last,
        }
    }
}

impl Conflated {
    pub(super) fn new(status: SyncStatus) -> Self {
        Self { status, ..Self::default() }
    }

    /// Notes the updates of a crumb.
    fn note(&mut self, crumb: &Crumb, conflated: &mut u64) {
        for update in crumb.frame().updates() {
            let pending =
                if self.current.contains_key(update.key) { &mut self.current } else { &mut self.upcoming };
            if let Some(types) = pending.get_mut(update.key) {
                types.last = update.update_type;
                *conflated += 1;
                continue;
            }
            self.bytes += cost(update.key);
            let types = Types { first: update.update_type, last: update.update_type };
            pending.insert(update.key.into(), types);
        }
    }
}

fn cost(key: &[u8]) -> u64 {
    key.len() as u64 + PER_KEY
}

impl Follow {
    /// Notes what has been published, and sends as much as there is room for.
    pub(super) fn conflate(
        &mut self,
        line: &mut Line,
        shared: &mut Shared,
        feed: &mut Feed,
    ) -> Result<(), Reason> {
        let Some(pending) = &mut self.conflated else { return Ok(()) };
        while self.cursor.sequence() < feed.published.crumb.sequence() {
            let Some(next) = self.cursor.next().cloned() else { break };
            pending.note(&next, &mut feed.stats.conflated);
            self.cursor = next;
        }
        if pending.bytes > shared.config.max_behind_bytes {
            return Err(Reason::TooMuchBehind);
        }
        while line.has_room() {
            if pending.current.is_empty() {
                line.status(shared, pending.status);
                pending.status = self.cursor.status();
                pending.current = std::mem::take(&mut pending.upcoming);
            }
            if pending.current.is_empty() {
                line.status(shared, pending.status);
                self.conflated = None;
                self.idle_since = Some(shared.now);
                return Ok(());
            }
            pending.send(line, shared, feed);
        }
        Ok(())
    }
}

impl Conflated {
    /// Sends one message of what is to be told first.
    fn send(&mut self, line: &mut Line, shared: &mut Shared, feed: &mut Feed) {
        let (mut bodies, mut kvs) = (Vec::new(), 0);
        while kvs < shared.config.max_message_size.max(1) && bodies.len() < MESSAGE_BYTES {
            let Some((key, types)) = self.current.pop_first() else { break };
            self.bytes -= cost(&key);
            put(&mut bodies, &key, types, feed.published.snapshot.get(&key));
            kvs += 1;
        }
        let mut plain = Vec::with_capacity(bodies.len() + 96);
        encode::kvs_start(&mut plain, kvs, bodies.len());
        plain.extend_from_slice(&bodies);
        plain.extend_from_slice(encode::kvs_end());
        feed.stats.messages += 1;
        feed.stats.kvs += kvs as u64;
        let bytes = if line.form == Form::Snappy { framed(&plain) } else { plain.into() };
        line.write(shared, bytes);
    }
}

/// Appends what the client is to be told of a key, whose body in the snapshot is `now`.
fn put(out: &mut Vec<u8>, key: &[u8], types: Types, now: Option<&[u8]>) {
    let update_type = types.merged(now.is_some());
    let Some(body) = now else {
        return encode::element(out, &SerializedUpdate { key, update_type, ..SerializedUpdate::default() });
    };
    out.extend_from_slice(body);
    // A body ends with its type, one byte since it is new in every snapshot, and the end of its fields.
    let place = out.len().saturating_sub(2);
    if let (Some(byte), ..128) = (out.get_mut(place), update_type.0) {
        *byte = update_type.0;
    }
}
