//! The layers around a message, taken off one by one by our own code, held against what was recorded, and put on
//! again with the recorded nonce.

use bytes::Bytes;
use networkdb_core::{
    memberlist::{
        Config, Dialect, Keyring, Security,
        message::{Accusation, Ack, Alive, Compress, IndirectPing, Nack, Ping, Row},
        packet,
        stream::{Decoder, StreamMessage, push_pull, user_message},
    },
    wire::lzw,
};
use serde_json::{Value, json};

use crate::{bytes, formats::check_gossip, text};

/// Layers checked, and how many of them were built again to the same bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub layers: usize,
    pub rebuilt: usize,
    pub messages: usize,
}

pub(crate) fn security(file: &Value) -> Security {
    let keys = file["keys_hex"].as_array().cloned().unwrap_or_default();
    let keys: Vec<_> = keys.iter().map(|key| hex::decode(key.as_str().unwrap()).unwrap()).collect();
    let config = Config::lan("observer", "127.0.0.1:7946".parse().unwrap());
    Security { keyring: Keyring::new(&keys).unwrap(), ..Security::from(&config) }
}

/// Opens sealed bytes, and seals them again.
fn unseal(security: &Security, sealed: &[u8], aad: &[u8], seal: &Value, counts: &mut Counts) -> Vec<u8> {
    let (plain, key) = security.keyring.open(sealed, aad).unwrap();
    assert_eq!(json!(key), seal["key_index"]);
    assert_eq!(json!(sealed[0]), seal["version"]);
    assert_eq!(hex::encode(&sealed[1..13]), text(seal, "nonce_hex"));
    let again = security.keyring.seal(sealed[0], &plain, aad, sealed[1..13].try_into().unwrap());
    assert_eq!(again.as_deref(), Some(sealed), "sealed again");
    counts.layers += 1;
    counts.rebuilt += 1;
    plain
}

/// A packet, layer by layer and as a whole.
pub(crate) fn check_packet(security: &Security, packet: &Value, counts: &mut Counts) {
    let raw = bytes(packet, "raw_hex");
    let seal = &packet["encrypted"];
    assert_eq!(seal.is_object(), !security.keyring.is_empty());
    let plain = if seal.is_object() { unseal(security, &raw, b"", seal, counts) } else { raw.clone() };
    check_layers(&packet["layers"], &plain, counts);
    let mut wanted = Vec::new();
    leaves(&packet["layers"], &mut wanted);
    assert_eq!(opened(security, &raw), wanted);
}

fn opened(security: &Security, datagram: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    packet::open(security, datagram, &mut |leaf| {
        let (kind, body) = leaf.unwrap();
        found.push([&[kind as u8], body].concat());
    });
    found
}

/// The innermost messages, in order.
fn leaves(layers: &Value, into: &mut Vec<Vec<u8>>) {
    let last = layers.as_array().unwrap().last().unwrap();
    match last["parts"].as_array() {
        Some(parts) => parts.iter().for_each(|part| leaves(part, into)),
        None => into.push(bytes(last, "plain_hex")),
    }
}

fn check_layers(layers: &Value, plain: &[u8], counts: &mut Counts) {
    let (mut plain, layers) = (plain.to_vec(), layers.as_array().unwrap());
    for (place, layer) in layers.iter().enumerate() {
        assert_eq!(hex::encode(&plain), text(layer, "plain_hex"));
        assert_eq!(json!(plain[0]), layer["type"]);
        counts.layers += 1;
        plain = match text(layer, "name") {
            "crc" => without_crc(layer, &plain, counts),
            "compress" => expanded(layer, &plain, counts),
            "compound" => return check_compound(layer, &plain, counts),
            _ => {
                assert_eq!(place + 1, layers.len(), "nothing is inside a message");
                return check_message(layer, &plain, counts);
            }
        };
    }
    panic!("no message inside");
}

fn without_crc(layer: &Value, plain: &[u8], counts: &mut Counts) -> Vec<u8> {
    let (header, inner) = plain.split_at(5);
    assert_eq!((hex::encode(&header[1..]).as_str(), &layer["crc_ok"]), (text(layer, "crc"), &json!(true)));
    assert_eq!(packet::with_crc(inner), plain);
    counts.rebuilt += 1;
    inner.to_vec()
}

/// Compression need not give the peer's bytes, but has to give back what went in.
fn expanded(layer: &Value, plain: &[u8], counts: &mut Counts) -> Vec<u8> {
    let expand = |message: &[u8]| {
        let compress = Compress::decode(&message[1..]).unwrap();
        assert_eq!(json!(compress.algo), layer["algo"]);
        lzw::expand(&compress.buf.unwrap(), &mut packet::MAX_EXPANDED.clone()).unwrap()
    };
    let inner = expand(plain);
    let again = packet::compress(&inner);
    assert_eq!(expand(&again), inner);
    counts.rebuilt += usize::from(again == plain);
    inner
}

fn check_compound(layer: &Value, plain: &[u8], counts: &mut Counts) {
    // Alone, a compound is a plain packet.
    let parts = opened(&Security { keyring: Keyring::default(), ..security(&Value::Null) }, plain);
    let recorded = layer["parts"].as_array().unwrap();
    assert_eq!((parts.len(), json!(parts.len())), (recorded.len(), layer["count"].clone()));
    parts.iter().zip(recorded).for_each(|(part, recorded)| check_layers(recorded, part, counts));
    let again = packet::compound(&parts.into_iter().map(Bytes::from).collect::<Vec<_>>());
    assert_eq!(again, [plain]);
    counts.rebuilt += 1;
}

/// A message of a packet: its fields, and its bytes again.
fn check_message(layer: &Value, plain: &[u8], counts: &mut Counts) {
    let (body, mut again) = (&plain[1..], Vec::new());
    let fields = match text(layer, "name") {
        "ping" => {
            let m = Ping::decode(body).unwrap();
            m.encode(&mut again);
            json!({"SeqNo": m.seq, "Node": hex::encode(&m.node), "SourceAddr": m.source_addr.map(hex::encode),
                "SourcePort": m.source_port, "SourceNode": hex::encode(&m.source_node)})
        }
        "indirect_ping" => {
            let m = IndirectPing::decode(body).unwrap();
            m.encode(&mut again);
            json!({"SeqNo": m.seq, "Target": m.target.map(hex::encode), "Port": m.port, "Node": hex::encode(&m.node),
                "Nack": m.nack, "SourceAddr": m.source_addr.map(hex::encode), "SourcePort": m.source_port,
                "SourceNode": hex::encode(&m.source_node)})
        }
        "ack" => {
            let m = Ack::decode(body).unwrap();
            m.encode(&mut again);
            json!({"SeqNo": m.seq, "Payload": m.payload.map(hex::encode)})
        }
        "nack" => {
            let m = Nack::decode(body).unwrap();
            m.encode(&mut again);
            json!({"SeqNo": m.seq})
        }
        name @ ("suspect" | "dead") => {
            let m = Accusation::decode(body).unwrap();
            if name == "dead" {
                m.encode_dead(&mut again);
            } else {
                m.encode_suspect(&mut again);
            }
            json!({"Incarnation": m.incarnation, "Node": hex::encode(&m.node), "From": hex::encode(&m.from)})
        }
        "alive" => {
            let m = Alive::decode(body).unwrap();
            m.encode(&mut again);
            json!({"Incarnation": m.incarnation, "Node": hex::encode(&m.node), "Addr": m.addr.map(hex::encode),
                "Port": m.port, "Meta": m.meta.map(hex::encode), "Vsn": m.vsn.map(hex::encode)})
        }
        "user" => {
            counts.messages += check_gossip(&layer["networkdb"], body);
            return counts.rebuilt += 1;
        }
        name => panic!("unknown message {name}"),
    };
    same_fields(&fields, &layer["body"]);
    assert_eq!(hex::encode(&again), hex::encode(plain), "encoded again");
    counts.rebuilt += 1;
}

/// Recorded bytes have their hex inside; a field that is not there is zero.
fn same_fields(ours: &Value, recorded: &Value) {
    let zero = [json!(0), json!(""), json!(false), Value::Null];
    let (ours, recorded) = (ours.as_object().unwrap(), recorded.as_object().unwrap());
    assert!(recorded.keys().all(|key| ours.contains_key(key)), "unknown field in {recorded:?}");
    for (key, value) in ours {
        match recorded.get(key) {
            Some(theirs) => assert_eq!(value, theirs.get("hex").unwrap_or(theirs), "{key}"),
            None => assert!(zero.contains(value), "{key} {value}"),
        }
    }
}

// ---- Streams -----------------------------------------------------------------------------------------------

/// One direction of a stream, layer by layer and as a whole. `dialects`: those the sender may speak.
pub(crate) fn check_stream(
    security: &Security,
    direction: &Value,
    decoder: Decoder,
    dialects: &[Dialect],
    counts: &mut Counts,
) {
    let raw = bytes(direction, "raw_hex");
    let [message] = direction["messages"].as_array().unwrap().as_slice() else { panic!("not one message") };
    let seal = &message["encrypted"];
    assert_eq!(seal.is_object(), !security.keyring.is_empty());
    let plain = if seal.is_object() {
        let (header, sealed) = raw.split_at(5);
        assert_eq!(hex::encode(header), text(seal, "aad_hex"));
        assert_eq!(json!(sealed.len()), seal["length"]);
        unseal(security, sealed, header, seal, counts)
    } else {
        raw.clone()
    };
    let [compress, inner] = message["layers"].as_array().unwrap().as_slice() else {
        panic!("not two layers")
    };
    assert_eq!(
        (hex::encode(&plain).as_str(), json!(plain[0])),
        (text(compress, "plain_hex"), compress["type"].clone())
    );
    let plain = expanded(compress, &plain, counts);
    assert_eq!(
        (hex::encode(&plain).as_str(), json!(plain[0])),
        (text(inner, "plain_hex"), inner["type"].clone())
    );
    counts.layers += 2;
    check_stream_message(&read(security, decoder, &raw), inner, &plain, dialects, counts);
}

/// Whatever comes byte by byte is read as what comes at once.
fn read(security: &Security, mut decoder: Decoder, raw: &[u8]) -> StreamMessage {
    let mut pieces = raw.iter().map(|byte| decoder.receive(security, &[*byte]).unwrap());
    let message = pieces.find_map(|message| message).unwrap();
    assert_eq!(pieces.count(), 0, "bytes behind the message");
    message
}

fn check_stream_message(
    message: &StreamMessage,
    layer: &Value,
    plain: &[u8],
    dialects: &[Dialect],
    counts: &mut Counts,
) {
    let encode = |dialect: &Dialect| match message {
        StreamMessage::User(payload) => user_message(payload, *dialect),
        StreamMessage::PushPull(state) => push_pull(state.join, &state.rows, &state.user_state, *dialect),
        other => panic!("{other:?}"),
    };
    assert!(dialects.iter().any(|dialect| encode(dialect) == plain), "encoded again");
    counts.rebuilt += 1;
    let header = &layer["header"];
    counts.messages += match message {
        StreamMessage::User(payload) => {
            same_fields(&json!({"UserMsgLen": payload.len()}), header);
            check_gossip(&layer["networkdb"], payload)
        }
        StreamMessage::PushPull(state) => {
            let (rows, len) = (&state.rows, state.user_state.len());
            same_fields(&json!({"Join": state.join, "Nodes": rows.len(), "UserStateLen": len}), header);
            rows.iter()
                .zip(layer["nodes"].as_array().unwrap())
                .for_each(|(row, node)| same_fields(&shown(row), node));
            assert_eq!(hex::encode(&state.user_state), text(layer, "user_state_hex"));
            check_gossip(&layer["networkdb"], &state.user_state)
        }
        other => panic!("{other:?}"),
    };
}

fn shown(row: &Row<'_>) -> Value {
    json!({"Name": hex::encode(&row.name), "Addr": row.addr.as_ref().map(hex::encode), "Port": row.port,
        "Meta": row.meta.as_ref().map(hex::encode), "Incarnation": row.incarnation, "State": row.state,
        "Vsn": row.vsn.as_ref().map(hex::encode)})
}
