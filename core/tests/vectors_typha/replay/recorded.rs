//! One recorded conversation: what was said, when, and what the client's user was told.

use std::{ops::Range, time::Duration};

use networkdb_core::{
    machine::Instant,
    syncproto::{Decoder, FROM_SERVER, Message, Revision, SerializedUpdate, UpdateType},
    wire::snappy::Unframer,
};
use serde_json::Value;

use super::view::{self, Callback};
use crate::{
    read,
    shown::{self, Generation},
    streams::Cut,
    support::text,
};

/// The files of a capture.
const PARTS: [&str; 6] =
    [".c2s.bin", ".c2s.json", ".client-view.txt", ".s2c.bin", ".s2c.json", ".timeline.json"];

/// A capture. Its `.json` files are held against its bytes by [`crate::captures`].
pub struct Capture {
    pub client: Side,
    pub server: Side,
    pub segments: Vec<Segment>,
    pub view: Vec<Callback>,
}

/// What one side said.
pub struct Side {
    pub bytes: Vec<u8>,
    pub said: Vec<Said>,
}

/// One segment as it was seen.
pub struct Segment {
    pub of_client: bool,
    /// Its bytes in those of its side.
    pub range: Range<usize>,
    /// How many bytes the other side had sent before.
    pub other: usize,
    /// Nanoseconds since the recording began.
    pub at: u64,
}

/// One message.
#[derive(Clone)]
pub struct Said {
    /// How many bytes its side had sent when it was whole.
    pub end: usize,
    /// With all fields of today's.
    pub shown: Value,
    pub updates: Vec<Update>,
}

/// An update that owns its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
    revision: Vec<u8>,
    v3_resource_version: Vec<u8>,
    ttl: i64,
    kind: UpdateType,
}

impl Update {
    pub fn new(update: &SerializedUpdate<'_>) -> Self {
        Self {
            key: update.key.to_vec(),
            value: update.value.map(<[u8]>::to_vec),
            revision: update.revision.text().into_owned(),
            v3_resource_version: update.v3_resource_version.to_vec(),
            ttl: update.ttl,
            kind: update.update_type,
        }
    }

    /// The same once more, from a datastore that has nothing new.
    pub fn again(&self) -> Self {
        Self { kind: UpdateType::UPDATED, ..self.clone() }
    }

    pub fn serialized(&self) -> SerializedUpdate<'_> {
        SerializedUpdate {
            key: &self.key,
            value: self.value.as_deref(),
            revision: Revision::Text(&self.revision),
            v3_resource_version: &self.v3_resource_version,
            ttl: self.ttl,
            update_type: self.kind,
        }
    }
}

impl Said {
    fn new(end: usize, message: &Message<'_>) -> Self {
        let updates = match message {
            Message::Kvs(updates) => updates.iter().map(|update| Update::new(&update)).collect(),
            _ => Vec::new(),
        };
        Self { end, shown: shown::message(message, Generation::Head), updates }
    }

    pub fn is(&self, message: &str) -> bool {
        self.shown["type"] == message
    }

    pub fn field(&self, name: &str) -> &Value {
        &self.shown["msg"][name]
    }
}

/// Reads what one side says, and follows its restarts.
pub struct Listener {
    decoder: Decoder,
    unframer: Option<Unframer>,
    heard: usize,
}

impl Default for Listener {
    fn default() -> Self {
        Self { decoder: Decoder::new(FROM_SERVER), unframer: None, heard: 0 }
    }
}

impl Listener {
    /// The messages that become whole with these bytes. A restart must end its piece.
    pub fn hear(&mut self, bytes: &[u8]) -> Result<Vec<Said>, String> {
        self.heard += bytes.len();
        let Some(unframer) = &mut self.unframer else { return self.plain(bytes) };
        let (mut chunks, mut rest) = (Vec::new(), bytes);
        while unframer.next(&mut rest, &mut chunks).map_err(|error| error.to_string())? {}
        self.plain(&chunks)
    }

    fn plain(&mut self, mut bytes: &[u8]) -> Result<Vec<Said>, String> {
        let mut said = Vec::new();
        while let Some(message) = self.decoder.next(&mut bytes).map_err(|error| error.to_string())? {
            said.push(Said::new(self.heard, &message));
            if let Some(restart) = said.last().filter(|said| said.is("MsgDecoderRestart")) {
                self.unframer = (restart.field("CompressionAlgorithm") == "snappy").then(Unframer::default);
                self.decoder = Decoder::new(FROM_SERVER);
                return if bytes.is_empty() { Ok(said) } else { Err("bytes after a restart".into()) };
            }
        }
        Ok(said)
    }
}

impl Side {
    fn load(file: &str) -> Result<Self, String> {
        let (bytes, mut listener, mut said) = (read(file), Listener::default(), Vec::new());
        for byte in &bytes {
            said.extend(listener.hear(std::slice::from_ref(byte))?);
        }
        listener.decoder.finish().map_err(|error| format!("{file}: {error}"))?;
        Ok(Self { bytes, said })
    }

    /// A segment in pieces, each with how many bytes have been sent after it.
    pub fn pieces(&self, range: Range<usize>, cut: Cut) -> impl Iterator<Item = (usize, &[u8])> {
        let mut end = range.start;
        cut.pieces(&self.bytes[range]).into_iter().map(move |piece| {
            end += piece.len();
            (end, piece)
        })
    }

    /// The messages that end in this range.
    pub fn said_in(&self, range: &Range<usize>) -> impl Iterator<Item = (usize, &Said)> {
        let (start, end) = (range.start, range.end);
        self.said.iter().enumerate().filter(move |(_, said)| start < said.end && said.end <= end)
    }
}

impl Capture {
    pub fn load(name: &str) -> Result<Self, String> {
        let [client, server] = ["c2s", "s2c"].map(|side| Side::load(&format!("{name}.{side}.bin")));
        let timeline: Value = serde_json::from_slice(&read(&format!("{name}.timeline.json"))).unwrap();
        let segments = segments(&timeline)?;
        let view = String::from_utf8(read(&format!("{name}.client-view.txt"))).map_err(|e| e.to_string())?;
        let capture = Self { client: client?, server: server?, segments, view: view::parse(&view)? };
        for (of_client, side) in [(true, &capture.client), (false, &capture.server)] {
            let seen = capture.segments.iter().filter(|segment| segment.of_client == of_client);
            if seen.map(|segment| segment.range.len()).sum::<usize>() != side.bytes.len() {
                return Err("the timeline has not all bytes".into());
            }
        }
        match capture.client.said.first() {
            Some(hello) if hello.is("MsgClientHello") => Ok(capture),
            _ => Err("no hello of the client".into()),
        }
    }

    pub fn client_hello(&self) -> &Said {
        &self.client.said[0]
    }

    /// When the client asked for the last time for what comes before the deltas: by its hello or an acknowledgement.
    pub fn asked_last(&self) -> Instant {
        let asks = |said: &Said| said.is("MsgClientHello") || said.is("MsgACK");
        let asked = |s: &&Segment| s.of_client && self.client.said_in(&s.range).any(|(_, said)| asks(said));
        Instant::from_nanos(self.segments.iter().rfind(asked).map_or(0, |segment| segment.at))
    }

    /// When the server sent its pings.
    pub fn pings(&self) -> impl Iterator<Item = (Instant, &Said)> {
        let of_server = self.segments.iter().filter(|segment| !segment.of_client);
        of_server.flat_map(|segment| {
            let said = self.server.said_in(&segment.range).filter(|(_, said)| said.is("MsgPing"));
            said.map(|(_, ping)| (Instant::from_nanos(segment.at), ping))
        })
    }

    /// The server's clock when the recording began, as the first ping tells.
    pub fn unix_origin(&self) -> Duration {
        let time = self.pings().next().and_then(|(at, ping)| Some((at, unix_time(ping.field("Timestamp"))?)));
        time.map_or(Duration::ZERO, |(at, time)| time.saturating_sub(Duration::from_nanos(at.as_nanos())))
    }

    /// Whether the client is one of v3.2.5, which has no number for its connection.
    pub fn is_old_client(&self) -> bool {
        self.client_hello().field("ClientConnID") == "0"
    }

    /// Whether the server is one of v3.2.5; those refuse no hello.
    pub fn is_old_server(&self) -> bool {
        self.server.said.first().is_some_and(|hello| hello.field("SupportsNodeResourceUpdates") == false)
    }
}

/// The time in a message, as shown.
pub fn unix_time(shown: &Value) -> Option<Duration> {
    Some(Duration::new(shown["unix_sec"].as_u64()?, shown["nsec"].as_u64()?.try_into().ok()?))
}

fn segments(timeline: &Value) -> Result<Vec<Segment>, String> {
    let (mut segments, mut ends) = (Vec::new(), [0, 0]);
    for segment in timeline.as_array().ok_or("no timeline")? {
        let of_client = match text(segment, "dir") {
            "c2s" => true,
            "s2c" => false,
            other => return Err(format!("unknown direction {other}")),
        };
        let number = |field: &str| segment[field].as_u64().ok_or(format!("no {field}"));
        let start = ends[usize::from(of_client)];
        let end = start + number("len")? as usize;
        ends[usize::from(of_client)] = end;
        let other = ends[usize::from(!of_client)];
        segments.push(Segment { of_client, range: start..end, other, at: number("t_us")? * 1000 });
    }
    Ok(segments)
}

/// The names of all captures. A file that belongs to none fails.
pub fn names(files: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for file in files.iter().filter(|file| file.starts_with("cap-")) {
        let name = PARTS.iter().find_map(|part| file.strip_suffix(part));
        names.push(name.unwrap_or_else(|| panic!("unknown part of a capture: {file}")).to_owned());
    }
    names.dedup();
    for (name, part) in names.iter().flat_map(|name| PARTS.map(|part| (name, part))) {
        assert!(files.contains(&format!("{name}{part}")), "{name} has no {part}");
    }
    names
}
