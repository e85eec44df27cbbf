//! A node, by its number in the C ABI's table.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use networkdb::nodes::{self, Entry};
use networkdb_embed::{Code, EntryKey, Error, Instant, Kind, Node, Write};

use crate::{Failure, NativeEvent, NativeUpdate};

/// Bytes of a seed.
const SEED: usize = 32;

/// The version of this library.
#[uniffi::export]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// What a status means, in a few words.
#[uniffi::export]
pub fn status_text(status: i32) -> String {
    Code::from_number(status).map_or("unknown status", Code::text).to_owned()
}

/// The deadline of a step that has none.
#[uniffi::export]
pub fn never() -> u64 {
    networkdb::abi::NDB_NEVER
}

/// How many updates were taken, and why not all.
#[derive(uniffi::Record)]
pub struct Publication {
    pub taken: u64,
    pub code: i32,
}

#[derive(uniffi::Object)]
pub struct NativeNode {
    number: u64,
}

#[uniffi::export]
impl NativeNode {
    #[uniffi::constructor]
    pub fn new(kind: u16, config: &str, seed: Option<Vec<u8>>, now_ns: u64) -> Result<Self, Failure> {
        let kind = Kind::from_number(kind).ok_or(Code::Invalid)?;
        let node = Node::create(kind, config, seed_of(seed)?, Instant::from_nanos(now_ns))?;
        Ok(Self { number: nodes::insert(node, None) })
    }

    /// Its number, for `ndb_step_flat`.
    pub fn number(&self) -> u64 {
        self.number
    }

    pub fn run(&self) -> Result<(), Failure> {
        Ok(self.entry()?.node.run()?)
    }

    pub fn close(&self) -> Result<(), Failure> {
        nodes::remove(self.number)?.node.close();
        Ok(())
    }

    pub fn command(&self, now_ns: u64, request: &str) -> Result<String, Failure> {
        Ok(self.entry()?.node.command(Instant::from_nanos(now_ns), request)?)
    }

    pub fn write(
        &self,
        now_ns: u64,
        how: u16,
        network: &[u8],
        table: &[u8],
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Failure> {
        let how = match how {
            0 => Write::Put,
            1 => Write::Create,
            2 => Write::Update,
            3 => Write::Delete,
            _ => return Err(Code::Invalid.into()),
        };
        let row = EntryKey::new(network, table, key);
        let value = Bytes::copy_from_slice(value);
        Ok(self.entry()?.node.write(Instant::from_nanos(now_ns), how, &row, value)?)
    }

    pub fn read(&self, network: &[u8], table: &[u8], key: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(self.entry()?.node.read(&EntryKey::new(network, table, key))?.into())
    }

    pub fn publish(
        &self,
        now_ns: u64,
        syncer_type: &str,
        updates: Vec<NativeUpdate>,
    ) -> Result<Publication, Failure> {
        let entry = self.entry()?;
        let updates = updates.iter().map(NativeUpdate::serialized);
        let (taken, result) = entry.node.publish(Instant::from_nanos(now_ns), syncer_type, updates);
        Ok(Publication { taken: taken as u64, code: result.err().unwrap_or(Code::Ok) as i32 })
    }

    /// The events that wait, so many at most.
    pub fn events(&self, limit: u32) -> Result<Vec<NativeEvent>, Failure> {
        let entry = self.entry()?;
        let mut events = Vec::new();
        while (events.len() as u64) < u64::from(limit) {
            let Some(event) = entry.node.next_event()? else { break };
            events.push(event.into());
        }
        Ok(events)
    }

    /// The next event; waits for one for so long.
    pub fn wait(&self, timeout_ns: u64) -> Result<Option<NativeEvent>, Failure> {
        match self.entry()?.node.wait_event(Duration::from_nanos(timeout_ns)) {
            Ok(event) => Ok(Some(event.into())),
            Err(Code::Empty) => Ok(None),
            Err(code) => Err(code.into()),
        }
    }

    pub fn wake_fd(&self) -> Result<i32, Failure> {
        Ok(self.entry()?.wake_fd()?)
    }

    pub fn event_fd(&self) -> Result<i32, Failure> {
        Ok(self.entry()?.event_fd()?)
    }
}

impl NativeNode {
    fn entry(&self) -> Result<Arc<Entry>, Code> {
        nodes::find(self.number)
    }
}

impl Drop for NativeNode {
    fn drop(&mut self) {
        // It may have been closed before, or be of the process that this one was forked from.
        let _ = self.close();
    }
}

fn seed_of(given: Option<Vec<u8>>) -> Result<[u8; SEED], Failure> {
    if let Some(given) = given {
        return Ok(given
            .try_into()
            .map_err(|_| Error { code: Code::Invalid, text: format!("a seed has {SEED} bytes") })?);
    }
    let mut seed = [0; SEED];
    getrandom::fill(&mut seed).map_err(|_| Code::System)?;
    Ok(seed)
}
