use std::borrow::Cow;

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value as Json, json};

use super::{
    key::{BadKey, Encoding, Generation, Key, Kind, ResourceKind},
    *,
};

const PEER: &str = "/calico/resources/v3/projectcalico.org/bgppeers/p";

fn peer() -> Kind {
    Kind::Resource(ResourceKind::named("BGPPeer").unwrap())
}

fn raw<'a>(key: &'a str, value: &'a [u8]) -> SerializedUpdate<'a> {
    SerializedUpdate {
        key: key.as_bytes(),
        value: Some(value),
        revision: Revision::Text(b"5"),
        ttl: 3,
        update_type: UpdateType::UPDATED,
        ..SerializedUpdate::default()
    }
}

/// What a server sends for the value, and the version beside it.
fn sent(key: &str, value: &str) -> (Option<String>, String, Option<BadValue>) {
    let update = raw(key, value.as_bytes());
    let (raw, bad) = serialize_raw(&update);
    if let Ok(key) = Key::parse(key, Generation::Today) {
        let value = update.value.map(Cow::Borrowed);
        let typed = Update {
            key,
            value,
            revision: update.revision.clone(),
            ttl: 3,
            update_type: UpdateType::UPDATED,
        };
        assert_eq!(serialize_update(&typed), Ok((raw.clone(), bad)));
    }
    assert_eq!((raw.ttl, raw.update_type, &raw.revision), (3, UpdateType::UPDATED, &Revision::Text(b"5")));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (raw.value.as_deref().map(text), text(&raw.v3_resource_version), bad)
}

/// What a client makes of the value.
fn received(key: &str, value: &str, version: &str) -> (String, Option<String>, Option<BadValue>) {
    let update = SerializedUpdate { v3_resource_version: version.as_bytes(), ..raw(key, value.as_bytes()) };
    let (update, bad) = to_update(&update, Generation::Today).unwrap();
    assert_eq!((update.ttl, update.update_type), (3, UpdateType::UPDATED));
    let value = update.value.map(|value| String::from_utf8(value.into_owned()).unwrap());
    (update.key.to_string(), value, bad)
}

fn value_received(value: &str, version: &str) -> String {
    received(PEER, value, version).1.unwrap()
}

#[test]
fn the_version_of_a_resource_moves_out_of_its_value() {
    for (value, blank, version) in [
        (
            r#"{"kind":"BGPPeer","metadata":{"name":"p","resourceVersion":"7","uid":"u"}}"#,
            r#"{"kind":"BGPPeer","metadata":{"name":"p","uid":"u"}}"#,
            "7",
        ),
        (r#"{"metadata":{"resourceVersion":"7"},"spec":{}}"#, r#"{"metadata":{},"spec":{}}"#, "7"),
        (r#"{"metadata":{"name":"p" , "resourceVersion" : "7" } }"#, r#"{"metadata":{"name":"p" } }"#, "7"),
        (r#"{"metadata":{ "resourceVersion":"7", "name":"p"}}"#, r#"{"metadata":{ "name":"p"}}"#, "7"),
        (r#"{"metadata":{"resourceVersion":"7\u0041\""}}"#, r#"{"metadata":{}}"#, "7A\""),
        (r#"{"Metadata":{"resource\u0056ersion":"7"}}"#, r#"{"Metadata":{}}"#, "7"),
        (r#"{"metadata":{"resourceVersion":null}}"#, r#"{"metadata":{}}"#, ""),
        (r#"{"metadata":{"resourceVersion":"6","resourceVersion":"7"}}"#, r#"{"metadata":{}}"#, "7"),
        (r#"{"metadata":{"name":"p"}}"#, r#"{"metadata":{"name":"p"}}"#, ""),
        (
            r#"{"spec":{"resourceVersion":"7","metadata":{"resourceVersion":"8"}}}"#,
            r#"{"spec":{"resourceVersion":"7","metadata":{"resourceVersion":"8"}}}"#,
            "",
        ),
        (" {\"spec\":{} }\n", " {\"spec\":{} }\n", ""),
        ("null", "null", ""),
        (r#"{"metadata":null}"#, r#"{"metadata":null}"#, ""),
    ] {
        assert_eq!(sent(PEER, value), (Some(blank.into()), version.into(), None), "{value}");
    }
}

#[test]
fn only_resources_have_a_version_to_move() {
    let value = r#"{"metadata":{"resourceVersion":"7"}}"#;
    for key in ["/calico/v1/netset/a", "/calico/v1/config/a", "/calico/new/a", "/calico/v1/host/h/bird_ip"] {
        let (kept, version, _) = sent(key, value);
        assert!(version.is_empty() && kept.is_none_or(|kept| kept == value), "{key}");
    }
}

#[test]
fn a_value_that_cannot_be_read_is_sent_as_none() {
    for (value, bad) in [
        ("{", BadValue::Json { line: 1, column: 1 }),
        ("{}\n x", BadValue::Json { line: 2, column: 2 }),
        ("", BadValue::Json { line: 1, column: 0 }),
        ("[]", BadValue::Form(Encoding::Object)),
        (r#"{"metadata":7}"#, BadValue::Metadata),
        (r#"{"metadata":{"resourceVersion":7}}"#, BadValue::Metadata),
    ] {
        assert_eq!(sent(PEER, value), (None, String::new(), Some(bad)), "{value}");
    }
}

#[test]
fn an_update_whose_key_has_no_path_is_not_sent() {
    let key = Key::NetworkSet { name: "".into() };
    let update =
        Update { key, value: None, revision: Revision::Nil, ttl: 0, update_type: UpdateType::DELETED };
    assert_eq!(serialize_update(&update), Err(BadKey::Missing("name")));
}

#[test]
fn the_version_comes_back_where_go_writes_it() {
    for (value, version, full) in [
        (
            r#"{"metadata":{"name":"p","uid":"u","generation":1}}"#,
            "7",
            r#"{"metadata":{"name":"p","uid":"u","resourceVersion":"7","generation":1}}"#,
        ),
        (r#"{"metadata":{"generation":1}}"#, "7", r#"{"metadata":{"resourceVersion":"7","generation":1}}"#),
        (r#"{"metadata":{}}"#, "7\"", r#"{"metadata":{"resourceVersion":"7\""}}"#),
        (
            r#"{"kind":"BGPPeer","apiVersion":"x","spec":{}}"#,
            "7",
            r#"{"kind":"BGPPeer","apiVersion":"x","metadata":{"resourceVersion":"7"},"spec":{}}"#,
        ),
        ("{}", "7", r#"{"metadata":{"resourceVersion":"7"}}"#),
        (" null ", "7", r#" {"metadata":{"resourceVersion":"7"}} "#),
        (r#"{"metadata":null}"#, "7", r#"{"metadata":{"resourceVersion":"7"}}"#),
        (r#"{"metadata":{"resourceVersion": "6" }}"#, "7", r#"{"metadata":{"resourceVersion": "7" }}"#),
    ] {
        assert_eq!(value_received(value, version), full);
    }
}

#[test]
fn an_empty_version_replaces_one_too() {
    assert_eq!(
        value_received(r#"{"metadata":{"name":"p","resourceVersion":"6"}}"#, ""),
        r#"{"metadata":{"name":"p"}}"#
    );
    assert_eq!(value_received(r#"{"metadata":{"name":"p"}}"#, ""), r#"{"metadata":{"name":"p"}}"#);
}

#[test]
fn the_tier_of_a_legacy_policy_moves_into_its_value() {
    let key = "/calico/v1/policy/tier/sec%2f1/policy/ns%2fknp.default.p";
    let modern = "/calico/v1/policy/KubernetesNetworkPolicy/ns/p";
    for (value, with_tier) in [
        (r#"{"selector":"all()"}"#, r#"{"tier":"sec/1","selector":"all()"}"#),
        (
            r#"{"namespace":"ns","selector":"all()"}"#,
            r#"{"namespace":"ns","tier":"sec/1","selector":"all()"}"#,
        ),
        (r#"{"tier":"other"}"#, r#"{"tier":"sec/1"}"#),
    ] {
        assert_eq!(received(key, value, ""), (modern.into(), Some(with_tier.into()), None));
    }
    let bad = Some(BadValue::Form(Encoding::Object));
    assert_eq!(received(key, "7", ""), (modern.into(), None, bad));
    let old = raw(key, b"{}");
    let (old, _) = to_update(&old, Generation::V3_2_5).unwrap();
    assert_eq!(old.key, Key::LegacyPolicy { tier: "default".into(), name: "ns/knp.default.p".into() });
    assert_eq!(old.value.as_deref(), Some(&b"{}"[..]));
}

#[test]
fn values_are_read_as_their_keys_say() {
    let config = "/calico/v1/config/LogSeverity";
    assert_eq!(received(config, "{ no JSON", "").1.as_deref(), Some("{ no JSON"));
    assert_eq!(received("/calico/v1/Ready", "true", "").1.as_deref(), Some("true"));
    let affinity = "/calico/ipam/v2/host/h/ipv4/block/10.0.0.0-26";
    assert_eq!(received(affinity, "", "").1.as_deref(), Some("{}"));
    assert_eq!(sent(affinity, ""), (Some("{}".into()), String::new(), None));
    let old = |key, value| {
        let update = raw(key, value);
        let (update, bad) = to_update(&update, Generation::V3_2_5).unwrap();
        (update.value.is_some(), bad)
    };
    let (tags, ip) = ("/calico/v1/policy/profile/p/tags", "/calico/v1/host/h/bird_ip");
    assert_eq!(old(tags, b"[\"a\"]"), (true, None));
    assert_eq!(old(tags, b"{}"), (false, Some(BadValue::Form(Encoding::List))));
    assert_eq!(old(ip, b"10.0.0.1"), (true, None));
    assert_eq!(old(ip, b"10.0.0"), (false, Some(BadValue::Ip)));
}

#[test]
fn a_deletion_stays_one_and_an_unknown_key_is_skipped() {
    let deletion = SerializedUpdate { value: None, ..raw(PEER, b"") };
    let (update, bad) = to_update(&deletion, Generation::Today).unwrap();
    assert_eq!((update.value, bad), (None, None));
    let unknown = raw("/calico/new/a", b"{}");
    assert_eq!(to_update(&unknown, Generation::Today), Err(BadKey::Unknown { at: 8 }));
    assert_eq!(serialize_raw(&unknown).0.as_update(), unknown);
}

#[test]
fn text_that_is_not_utf_8_passes() {
    let value = b"{\"metadata\":{\"resourceVersion\":\"7\xff\",\"name\":\"\xfe\"}}";
    let update = raw(PEER, value);
    let (sent, bad) = serialize_raw(&update);
    assert_eq!((sent.value.as_deref(), bad), (Some(&b"{\"metadata\":{\"name\":\"\xfe\"}}"[..]), None));
    assert_eq!(&*sent.v3_resource_version, "7\u{fffd}".as_bytes());
}

#[test]
fn depth_costs_neither_stack_nor_time() {
    let deep = |open: &str, close: &str| open.repeat(300_000) + "1" + &close.repeat(300_000);
    let known = KnownFields::new().with(peer(), ["a.a.a.a.b", "metadata"]);
    for (value, bad, stripped) in [
        (deep("[", "]"), Some(BadValue::Form(Encoding::Object)), deep("[", "]")),
        (deep(r#"{"a":"#, "}"), None, r#"{"a":{"a":{"a":{"a":{}}}}}"#.into()),
        (format!(r#"{{"metadata":{}}}"#, deep("[", "]")), Some(BadValue::Metadata), String::new()),
    ] {
        let update = raw(PEER, value.as_bytes());
        assert_eq!(to_update(&update, Generation::Today).unwrap().1, bad);
        assert_eq!(serialize_raw(&update).1, bad);
        let left = UnknownFields::Strip(known.clone()).apply(peer(), value.as_bytes().into());
        assert!(stripped.is_empty() || *left == *stripped.as_bytes());
    }
}

fn strip(paths: &[&str], value: &str) -> String {
    let known = KnownFields::new().with(peer(), paths.iter().copied());
    let stripped = UnknownFields::Strip(known).apply(peer(), value.as_bytes().into());
    String::from_utf8(stripped.into_owned()).unwrap()
}

#[test]
fn unknown_fields_are_stripped_and_all_other_bytes_stay() {
    for (paths, value, stripped) in [
        (&["a"][..], r#"{ "x":1, "a" : {"y":2} , "z":[3] }"#, r#"{ "a" : {"y":2} }"#),
        (&["a.b"], r#"{"a":{"x":1,"b":{"y":1},"z":3},"w":2}"#, r#"{"a":{"b":{"y":1}}}"#),
        (&["a.b"], r#"{"a":[{"b":1,"x":2},7,[{"x":1}],{"x":1}]}"#, r#"{"a":[{"b":1},7,[{"x":1}],{}]}"#),
        (&["a.b", "a"], r#"{"a":{"x":1}}"#, r#"{"a":{"x":1}}"#),
        (&["a", "a.b"], r#"{"a":{"x":1}}"#, r#"{"a":{"x":1}}"#),
        (&["Order"], r#"{"ORDER":1,"order":2}"#, r#"{"ORDER":1,"order":2}"#),
        (&["order"], r#"{"or\u0064er":1,"x}\"{":"}\\"}"#, r#"{"or\u0064er":1}"#),
        (&[], r#"{"a":1, "b":2 }"#, "{ }"),
        (&["a"], "no JSON", "no JSON"),
        (&["a"], "null", "null"),
    ] {
        assert_eq!(strip(paths, value), stripped, "{value}");
    }
}

#[test]
fn fields_are_stripped_only_of_the_kinds_that_are_listed() {
    let known = KnownFields::new().with(Kind::NetworkSet, ["nets"]);
    let mut model = Datamodel { unknown_fields: UnknownFields::Strip(known), ..Datamodel::default() };
    let (set, host) = ("/calico/v1/netset/a", "/calico/v1/host/h/endpoint/e");
    let value = r#"{"nets":[],"new":1}"#;
    let read = |model: &Datamodel, key| {
        let update = raw(key, value.as_bytes());
        let (update, _) = model.read(&update).unwrap();
        String::from_utf8(update.value.unwrap().into_owned()).unwrap()
    };
    assert_eq!(read(&model, set), r#"{"nets":[]}"#);
    assert_eq!(read(&model, host), value);
    model.unknown_fields = UnknownFields::Pass;
    assert_eq!(read(&model, set), value);
}

/// Any JSON with few names, so that they meet those of the rules.
fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<i32>().prop_map(Json::from),
        "[a-c{}\\[\\],:\"\\\\é]{0,4}".prop_map(Json::from)
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::from),
            vec((names(), inner), 0..6).prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

fn names() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c", "metadata", "resourceVersion", "name", "q\"\\"]).prop_map(String::from)
}

fn written(value: &Json, pretty: bool) -> String {
    if pretty { format!("{value:#}") } else { value.to_string() }
}

/// What stripping means, on the tree.
fn model(value: &mut Json, paths: &[Vec<String>]) {
    if paths.iter().any(Vec::is_empty) {
        return;
    }
    if let Json::Array(items) = value {
        items.iter_mut().filter(|item| item.is_object()).for_each(|item| model(item, paths));
    }
    let Json::Object(members) = value else { return };
    let below = |name: &str| -> Vec<Vec<String>> {
        let lower = name.to_lowercase();
        paths.iter().filter(|path| path[0].to_lowercase() == lower).map(|path| path[1..].to_vec()).collect()
    };
    members.retain(|name, _| !below(name).is_empty());
    members.iter_mut().for_each(|(name, member)| model(member, &below(name)));
}

proptest! {
    #[test]
    fn stripping_leaves_what_is_listed(
        value in any_json(),
        pretty in any::<bool>(),
        paths in vec(vec(select(vec!["a", "b", "metadata", "name"]), 1..4), 0..5),
    ) {
        let text = written(&value, pretty);
        let dotted: Vec<_> = paths.iter().map(|path| path.join(".")).collect();
        let dotted: Vec<_> = dotted.iter().map(String::as_str).collect();
        let stripped = strip(&dotted, &text);
        let mut expected = value;
        let paths: Vec<Vec<String>> = paths.iter().map(|path| path.iter().map(|&name| name.into()).collect()).collect();
        model(&mut expected, &paths);
        prop_assert_eq!(serde_json::from_str::<Json>(&stripped).unwrap(), expected);
        prop_assert_eq!(strip(&dotted, &stripped), stripped);
        let passed = UnknownFields::Pass.apply(peer(), text.as_bytes().into());
        prop_assert_eq!(&*passed, text.as_bytes());
    }

    #[test]
    fn a_resource_is_received_as_it_was_sent(
        metadata in vec((names(), any_json()), 0..5),
        spec in any_json(),
        version in ".{0,8}",
        pretty in any::<bool>(),
    ) {
        let mut value = json!({ "kind": "BGPPeer", "metadata": {}, "spec": spec });
        let mut blank = Json::Object(metadata.into_iter().collect());
        blank.as_object_mut().unwrap().remove("resourceVersion");
        value["metadata"] = blank.clone();
        if !version.is_empty() {
            value["metadata"]["resourceVersion"] = version.clone().into();
        }
        let (sent, beside, _) = sent(PEER, &written(&value, pretty));
        let sent = sent.unwrap();
        prop_assert_eq!(beside, version.clone());
        prop_assert_eq!(&serde_json::from_str::<Json>(&sent).unwrap()["metadata"], &blank);
        let back = value_received(&sent, &version);
        prop_assert_eq!(serde_json::from_str::<Json>(&back).unwrap(), value);
    }

    #[test]
    fn what_go_wrote_comes_back_byte_for_byte(name in "[a-z]{1,5}", version in "[0-9]{0,5}", generation in 0..9_u8) {
        let version_member =
            if version.is_empty() { String::new() } else { format!(r#""resourceVersion":"{version}","#) };
        let value = format!(
            r#"{{"kind":"BGPPeer","apiVersion":"x","metadata":{{"name":"{name}","uid":"u",{version_member}"generation":{generation}}},"spec":{{}}}}"#
        );
        let (sent, beside, _) = sent(PEER, &value);
        prop_assert_eq!(value_received(&sent.unwrap(), &beside), value);
    }

    #[test]
    fn no_bytes_make_a_conversion_fail_badly(
        key in select(vec![PEER, "/calico/v1/netset/a", "/calico/v1/policy/tier/t/policy/p", "/x"]),
        value in prop_oneof![
            vec(any::<u8>(), 0..40),
            vec(select(b"{}[]\",:\\ \n1nul".to_vec()), 0..40),
            (any_json(), any::<u16>(), any::<u8>()).prop_map(|(value, at, byte)| {
                let mut text = value.to_string().into_bytes();
                let at = usize::from(at) % text.len();
                text[at] = byte;
                text
            }),
        ],
    ) {
        let update = raw(key, &value);
        let (sent, bad) = serialize_raw(&update);
        prop_assert_eq!(sent.value.is_none(), bad.is_some());
        if let Ok((update, bad)) = to_update(&update, Generation::Today) {
            prop_assert_eq!(update.value.is_none(), bad.is_some());
            let well_formed = serde_json::from_slice::<serde::de::IgnoredAny>(&value).is_ok();
            prop_assert!(well_formed || update.value.is_none());
        }
        let known = KnownFields::new().with(peer(), ["a.b", "metadata"]);
        UnknownFields::Strip(known).apply(peer(), value.into());
    }
}
