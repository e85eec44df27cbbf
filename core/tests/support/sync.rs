//! What a cache and a server of the sync protocol are measured with.

use networkdb_core::syncproto::{
    ClientHello, Message, Revision, SNAPPY, SerializedUpdate, UpdateType, cache::Cache, encode,
};

/// Gives a workload endpoint this value.
pub fn set(cache: &mut Cache, number: usize, value: &str) {
    let key =
        format!("/calico/v1/host/node-{:04}/workload/k8s/ns%2fpod-{number:06}/endpoint/eth0", number % 1_000);
    let update = SerializedUpdate {
        key: key.as_bytes(),
        value: Some(value.as_bytes()),
        revision: Revision::Text(b"1234567"),
        update_type: UpdateType::NEW,
        ..SerializedUpdate::default()
    };
    cache.update(&update).unwrap();
}

/// What a client begins with that wants to be sent snappy, or not.
pub fn hello(snappy: bool) -> Vec<u8> {
    let compression_algorithms = if snappy { vec![SNAPPY.as_bytes()] } else { Vec::new() };
    let hello =
        ClientHello { supports_decoder_restart: snappy, compression_algorithms, ..ClientHello::default() };
    let mut bytes = encode::definitions().to_vec();
    encode::message(&mut bytes, &Message::ClientHello(hello));
    bytes
}
