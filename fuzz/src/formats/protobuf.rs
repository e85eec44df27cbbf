//! The messages of `NetworkDB`, and the reader under them.

use networkdb_core::{
    networkdb::message::{
        BulkSync, Encode, Gossip, NetworkEntry, NetworkEvent, NodeEvent, PushPull, TableEvent, part_overhead,
        parts, put_part,
    },
    wire::protobuf::{Reader, put_value},
};

use crate::memory::within;

/// Decoders borrow; what they hold is what this target writes again.
const MEMORY: usize = 4 << 20;

/// What decodes is written so that it decodes to the same again, field by field and message by message.
pub fn run(data: &[u8]) {
    within(MEMORY, || {
        fields(data);
        messages(data);
        repeated(data);
        if let Ok(Gossip { data: inside, .. }) = Gossip::decode(data) {
            messages(inside);
            repeated(inside);
        }
    });
}

fn fields(data: &[u8]) {
    let (mut reader, mut out, mut read) = (Reader::new(data), Vec::new(), Vec::new());
    while let Ok(Some((number, value))) = reader.field() {
        put_value(&mut out, number, value);
        read.push((number, value));
    }
    let mut again = Reader::new(&out);
    for field in read {
        assert_eq!(again.field(), Ok(Some(field)));
    }
    assert_eq!(again.field(), Ok(None));
}

macro_rules! again {
    ($bytes:expr, $($message:ident),*) => {$(
        if let Ok(message) = $message::decode($bytes) {
            assert_eq!($message::decode(&message.to_bytes()), Ok(message));
        }
    )*};
}

fn messages(data: &[u8]) {
    again!(data, Gossip, NodeEvent, NetworkEvent, TableEvent, NetworkEntry);
    if let Ok(event) = TableEvent::decode(data) {
        let mut part = Vec::new();
        event.put_part(&mut part);
        assert_eq!(part.len(), event.part_len());
        assert!(event.wrapped().len() <= event.max_len());
    }
}

/// Messages with elements: push/pull, bulk sync and compounds.
fn repeated(data: &[u8]) {
    if let Ok(state) = PushPull::decode(data) {
        let bytes = PushPull::write(state.time, state.node, state.entries());
        let read = PushPull::decode(&bytes).expect("what is written can be read");
        assert_eq!((read.time, read.node), (state.time, state.node));
        assert!(read.entries().eq(state.entries()));
    }
    if let Ok(sync) = BulkSync::decode(data) {
        let bytes = sync.write(sync.networks.iter());
        let read = BulkSync::decode(&bytes).expect("what is written can be read");
        let told =
            |sync: &BulkSync<'_>| (sync.time, sync.unsolicited, sync.node.to_vec(), sync.payload.to_vec());
        assert_eq!(told(&read), told(&sync));
        assert!(read.networks.iter().eq(sync.networks.iter()));
    }
    if let Ok(found) = parts(data) {
        let (mut out, mut cost) = (Vec::new(), 0);
        let found: Vec<&[u8]> = found.collect();
        for part in &found {
            put_part(&mut out, part);
            cost += part.len() + part_overhead(part.len());
        }
        assert!(out.len() <= cost);
        assert!(parts(&out).expect("what is written can be read").eq(found));
    }
}
