//! `would-be-noop.json`: which updates need not be sent.

use networkdb_core::syncproto::{Revision, SerializedUpdate, UpdateType, would_be_no_op};
use serde_json::Value;

use crate::support::folder;

fn cases() -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(folder("typha").join("would-be-noop.json")).unwrap()).unwrap()
}

/// The update of a case. Its value stays base64, which is as different where values are.
fn update(value: &Value) -> SerializedUpdate<'_> {
    let bytes = |field: &str| value[field].as_str().unwrap_or_default().as_bytes();
    SerializedUpdate {
        key: bytes("Key"),
        value: (!value["ValueIsNil"].as_bool().unwrap()).then(|| bytes("Value")),
        revision: value["Revision"].as_str().map_or(Revision::Nil, |text| Revision::Text(text.as_bytes())),
        v3_resource_version: bytes("V3ResourceVersion"),
        ttl: value["TTL"].as_i64().unwrap(),
        update_type: UpdateType(value["UpdateType"].as_u64().unwrap() as u8),
    }
}

#[test]
fn an_update_is_no_news_exactly_where_the_peer_says_so() {
    let cases = cases();
    for case in &cases {
        let ours = would_be_no_op(&update(&case["next"]), &update(&case["previous"]));
        assert_eq!(Some(ours), case["would_be_noop"].as_bool(), "{case}");
    }
    println!("{} pairs of updates", cases.len());
    assert!(!cases.is_empty());
}

#[test]
fn a_resource_version_alone_is_no_news() {
    let had =
        SerializedUpdate { key: b"/k", update_type: UpdateType::UPDATED, ..SerializedUpdate::default() };
    let next = SerializedUpdate { v3_resource_version: b"7", ..had.clone() };
    assert!(would_be_no_op(&next, &had));
}
