//! Packets, taken apart and put together again layer by layer.

use bytes::Bytes;
use networkdb_core::{
    machine::Rng,
    memberlist::{
        Dialect, Keyring, Security,
        message::Compress,
        packet::{self, PacketError},
    },
    wire::lzw,
};
use serde_json::Value;

use crate::{
    dialect, messages, security,
    support::{bytes, same, text},
};

/// What [`packet::open`] shows, in order.
fn opened(security: &Security, datagram: &[u8]) -> Vec<Result<(u8, Vec<u8>), PacketError>> {
    let mut leaves = Vec::new();
    packet::open(security, datagram, &mut |leaf| {
        leaves.push(leaf.map(|(message_type, body)| (message_type as u8, body.to_vec())));
    });
    leaves
}

/// What the vector says should be shown.
fn leaves(layer: &Value, into: &mut Vec<Result<(u8, Vec<u8>), PacketError>>) {
    match text(layer, "layer") {
        "message" => into.push(Ok((layer["type_id"].as_u64().unwrap() as u8, message_body(layer)))),
        "compound" => {
            layer["parts"].as_array().unwrap().iter().for_each(|part| leaves(part, into));
            if layer["truncated"].as_u64().unwrap_or_default() > 0 {
                into.push(Err(PacketError::Compound));
            }
        }
        _ => leaves(&layer["inner"], into),
    }
}

fn message_body(layer: &Value) -> Vec<u8> {
    bytes(layer, "msgpack_hex").or_else(|| bytes(layer, "payload_hex")).unwrap()
}

/// A layer and all it holds, built from our own decoding.
fn build(layer: &Value, security: &Security, dialect: Dialect) -> Result<Vec<u8>, String> {
    let inner = || build(&layer["inner"], security, dialect);
    Ok(match text(layer, "layer") {
        "label" => {
            let label = text(layer, "label").as_bytes();
            [&[packet::LABEL, label.len() as u8], label, inner()?.as_slice()].concat()
        }
        "encrypt" => {
            let nonce = bytes(layer, "nonce_hex").unwrap().try_into().unwrap();
            let version = layer["version"].as_u64().unwrap() as u8;
            same("encryption version", &version, &security.seal_version())?;
            security.keyring.seal(version, &inner()?, &security.label, nonce).unwrap()
        }
        "crc" => packet::with_crc(&inner()?),
        "compress" => packet::compress(&inner()?),
        "compound" => {
            let parts = layer["parts"].as_array().unwrap().iter();
            let parts: Result<Vec<_>, _> =
                parts.map(|part| build(part, security, dialect).map(Bytes::from)).collect();
            packet::compound(&parts?).into_iter().next().unwrap_or_else(|| vec![7, 0])
        }
        "message" if layer["fields"].is_object() => {
            messages::again(text(layer, "type"), &layer["fields"], &message_body(layer), dialect)?
        }
        "message" => [vec![layer["type_id"].as_u64().unwrap() as u8], message_body(layer)].concat(),
        other => return Err(format!("unknown layer {other}")),
    })
}

pub fn packet(vector: &Value) -> Result<(), String> {
    let (security, wire) = (security(vector), bytes(vector, "bytes_hex").unwrap());
    let mut wanted = Vec::new();
    leaves(&vector["decoded"], &mut wanted);
    same("messages", &opened(&security, &wire), &wanted)?;
    if wanted.iter().any(Result::is_err) {
        return Ok(());
    }
    same("built again", &build(&vector["decoded"], &security, dialect(vector))?, &wire)
}

pub fn compound_split(vector: &Value) -> Result<(), String> {
    let wire = bytes(vector, "bytes_hex").unwrap();
    let leaves: Vec<_> = opened(&security(vector), &wire).into_iter().map(Result::unwrap).collect();
    same("parts", &(leaves.len() as u64), &vector["decoded"]["parts"].as_u64().unwrap())?;
    let parts: Vec<_> =
        leaves.iter().map(|(id, body)| Bytes::from([&[*id], body.as_slice()].concat())).collect();
    same("built again", &packet::compound(&parts), &vec![wire.clone()])?;
    // One part more than fits goes to a second packet.
    let many = vec![parts[0].clone(); packet::MAX_PARTS + 1];
    let counts: Vec<_> = packet::compound(&many).iter().map(|compound| compound[1]).collect();
    same("parts of 256", &counts, &vec![255, 1])
}

pub fn compress_envelope(vector: &Value) -> Result<(), String> {
    let wire = bytes(vector, "bytes_hex").unwrap();
    let plain = bytes(&vector["decoded"], "plain_hex").unwrap();
    let compress = Compress::decode(&wire[1..]).map_err(|error| error.to_string())?;
    let mut budget = plain.len();
    let expanded = lzw::expand(compress.buf.as_deref().unwrap(), &mut budget);
    same("decompressed", &expanded, &Ok(plain.clone()))?;
    same("budget left", &budget, &0)?;
    // More than the peers ask for, and they get it.
    same("compressed", &packet::compress(&plain), &wire)
}

pub fn sealed_packet(vector: &Value) -> Result<(), String> {
    let (security, wire) = (security(vector), bytes(vector, "bytes_hex").unwrap());
    let (extra, plain) = (&vector["extra"], bytes(&vector["decoded"], "plain_hex").unwrap());
    let aad = bytes(extra, "aad_hex").unwrap();
    let header = if security.label.is_empty() { 0 } else { 2 + security.label.len() };
    same("opened", &security.keyring.open(&wire[header..], &aad), &Ok((plain.clone(), 0)))?;
    let nonce = bytes(extra, "nonce_hex").unwrap().try_into().unwrap();
    let version = vector["config"]["encryption_version"].as_u64().unwrap() as u8;
    let sealed = security.keyring.seal(version, &plain, &aad, nonce).unwrap();
    same("sealed", &sealed, &wire[header..].to_vec())?;
    if vector["decoded"]["inner"].is_object() {
        let mut wanted = Vec::new();
        leaves(&vector["decoded"]["inner"], &mut wanted);
        same("messages", &opened(&security, &wire), &wanted)?;
    }
    Ok(())
}

pub fn keyring(vector: &Value) -> Result<(), String> {
    let (security, wire) = (security(vector), bytes(vector, "bytes_hex").unwrap());
    let opened = security.keyring.open(&wire, &security.label).ok().map(|(plain, _)| plain);
    let opens = vector["extra"]["opens"].as_bool().unwrap();
    same("opens", &opened.is_some(), &opens)?;
    if opens { same("opened", &opened, &bytes(&vector["decoded"], "plain_hex")) } else { Ok(()) }
}

pub fn sealed_length(vector: &Value) -> Result<(), String> {
    let keyring = Keyring::new(&[[7; 16]]).unwrap();
    for row in vector["decoded"].as_array().unwrap() {
        let number = |field: &str| row[field].as_u64().unwrap() as usize;
        let version = number("version") as u8;
        let sealed = keyring.seal(version, &vec![0; number("plain_len")], b"", [0; 12]).unwrap();
        same("sealed length", &sealed.len(), &number("sealed_len"))?;
        let security =
            Security { keyring: keyring.clone(), protocol_version: version + 1, ..security(&Value::Null) };
        let plain = Security { keyring: Keyring::default(), ..security.clone() };
        let overhead = plain.gossip_budget(1400) - security.gossip_budget(1400);
        same("overhead", &overhead, &number("budget_overhead"))?;
        let wire = packet::seal(&security, &vec![0; number("plain_len")], false, &mut Rng::new([1; 32]));
        same("packet length", &wire.len(), &number("sealed_len"))?;
    }
    Ok(())
}
