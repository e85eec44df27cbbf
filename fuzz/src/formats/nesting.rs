//! Messages inside messages, in every order of layers, as deep as the bytes say.

use networkdb_core::{
    machine::{Input, Instant, Machine},
    memberlist::{
        message::{Compress, MessageType},
        packet::with_crc,
    },
    networkdb::{
        Config, NetworkDb,
        message::{BulkSync, Kind, put_part, wrap},
    },
    wire::lzw::compress,
};

use crate::{memory::within, script::Script};

/// What a node and the message may hold.
const MEMORY: usize = 32 << 20;
/// Bytes a message may grow to, which is what a datagram holds.
const LONGEST: usize = 65_507;
/// Outputs of one datagram.
const MAX_OUTPUTS: usize = 4096;

/// Puts one layer after the other around a first message, and gives the result to a node.
pub fn run(data: &[u8]) {
    within(MEMORY, || {
        let now = Instant::from_nanos(1);
        let mut db = NetworkDb::new(Config::new("node-c", ([127, 0, 0, 1], 7948).into()), [1; 32], now)
            .expect("the settings are good");
        db.join_network(now, b"net-one").expect("it is not joined yet");
        let mut script = Script::new(data);
        let mut message = script.block().to_vec();
        while !script.is_over() {
            message = layer(&mut script, &message);
            if message.len() > LONGEST {
                return;
            }
        }
        while db.poll_output().is_some() {}
        db.handle(now, Input::Datagram { from: ([127, 0, 0, 1], 7946).into(), bytes: &message });
        let outputs = std::iter::from_fn(|| db.poll_output()).count();
        assert!(outputs <= MAX_OUTPUTS, "{outputs} outputs");
    });
}

fn layer(script: &mut Script<'_>, inside: &[u8]) -> Vec<u8> {
    match script.below(7) {
        0 => parts(inside, script.below(256)),
        1 => {
            let mut out = Vec::new();
            Compress { algo: 0, buf: Some(compress(inside).into()) }.encode(&mut out);
            out
        }
        2 => with_crc(inside),
        3 => [&[MessageType::User as u8], inside].concat(),
        4 => compound(inside, script.below(256)),
        5 => {
            let sync =
                BulkSync { node: b"node-a", unsolicited: true, payload: inside, ..BulkSync::default() };
            wrap(Kind::BulkSync, &sync.write(std::iter::once(b"net-one".as_slice())))
        }
        _ => wrap(
            script.one_of(&[Kind::NodeEvent, Kind::NetworkEvent, Kind::TableEvent, Kind::PushPull]),
            inside,
        ),
    }
}

/// A compound of memberlist: `count` times the same.
fn parts(inside: &[u8], count: usize) -> Vec<u8> {
    let len = u16::try_from(inside.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head = [MessageType::Compound as u8, count as u8];
    [head.to_vec(), len.repeat(count), inside.repeat(count)].concat()
}

/// A compound of the tables.
fn compound(inside: &[u8], count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..count {
        put_part(&mut out, inside);
        if out.len() > LONGEST {
            break;
        }
    }
    wrap(Kind::Compound, &out)
}
