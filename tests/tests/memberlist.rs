//! memberlist alone, ours beside `hashicorp/memberlist` 0.4.0 and 0.6.0.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use networkdb_tests::{Kind, Peer, Spec, each, eventually, keys};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(60);

/// How both sides are started.
#[derive(Clone, Debug)]
struct Case {
    go: Kind,
    key: usize,
    label: &'static str,
    compress: &'static str,
}

impl Case {
    fn spec(&self, kind: Kind) -> Spec {
        let (label, compress) = (format!("-label={}", self.label), format!("-compress={}", self.compress));
        // Metas long and dull enough to be worth compressing.
        let meta = format!("-meta={}", hex::encode(kind.word().repeat(20)));
        let spec = Spec::new(kind, kind.word()).keys(&keys(self.key));
        let spec = spec.flags(&["-preset=local", &compress, &meta]);
        // memberlist 0.4.0 knows labels too; an empty one is none.
        if self.label.is_empty() { spec } else { spec.flags(&[&label]) }
    }

    /// Ours and the Go node, started and joined by the one named first.
    fn pair(&self, ours_joins: bool) -> (Peer, Peer) {
        let ours = Peer::start(self.spec(Kind::OurMemberlist));
        let go = Peer::start(self.spec(self.go));
        if ours_joins {
            ours.join(&go);
        } else {
            go.join(&ours);
        }
        for (a, b) in [(&ours, &go), (&go, &ours)] {
            sees_state(a, b, "alive");
        }
        (ours, go)
    }
}

fn nobody_left(peers: &[&Peer]) {
    for peer in peers {
        let events = peer.events();
        assert!(events.iter().any(|event| event["kind"] == "join"), "it tells of members: {events:?}");
        assert!(events.iter().all(|event| event["kind"] != "leave"), "{events:?}");
    }
}

/// Both generations under all that concerns packets and streams: keys, labels, compression.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for go in [Kind::Memberlist04, Kind::Memberlist06] {
        for key in [0, 16, 24, 32] {
            for label in ["", "blue"] {
                cases.extend(["true", "false"].map(|compress| Case { go, key, label, compress }));
            }
        }
    }
    cases
}

fn cases_with(keys: &[usize]) -> Vec<Case> {
    cases().into_iter().filter(|case| keys.contains(&case.key)).collect()
}

fn member(seen_by: &Peer, name: &str) -> Value {
    let answer = seen_by.ask("members", json!({}));
    let members = answer["members"].as_array().unwrap();
    members.iter().find(|member| member["name"] == name).cloned().unwrap_or_default()
}

fn sees_state(peer: &Peer, other: &Peer, state: &str) {
    eventually(DEADLINE, format_args!("{} sees {} {state}", peer.name(), other.name()), || {
        let seen = member(peer, other.name());
        if seen["state"] == state { Ok(()) } else { Err(seen) }
    });
}

fn sees_meta(peer: &Peer, other: &str, meta: &str) {
    eventually(DEADLINE, format_args!("{} sees the meta of {other}", peer.name()), || {
        let seen = member(peer, other);
        if seen["meta_hex"] == meta { Ok(()) } else { Err(seen) }
    });
}

#[test]
fn metas_and_messages_go_both_ways_under_labels_compression_and_keys() {
    each(cases(), |case| {
        let (ours, go) = case.pair(case.label.is_empty());
        for (from, to) in [(&ours, &go), (&go, &ours)] {
            sees_meta(to, from.name(), &hex::encode(from.name().repeat(20)));
            let meta = hex::encode(format!("new meta of {}", from.name()));
            from.ask("update_meta", json!({ "meta_hex": meta }));
            sees_meta(to, from.name(), &meta);
            for (reliable, size) in [(false, 900), (true, 900), (true, 300_000)] {
                let payload = hex::encode(format!("{reliable}-{size}").repeat(size / 8));
                from.ask("send", json!({ "to": to.name(), "payload_hex": payload, "reliable": reliable }));
                to.expect_event("a message", |event| {
                    event["event"] == "message" && event["payload_hex"] == payload
                });
            }
        }
        nobody_left(&[&ours, &go]);
    });
}

/// One of two goes; the other must see it as `state`.
fn one_goes(go: impl Fn(&mut Peer) + Sync, state: &str) {
    let sides = |case: Case| [(case.clone(), true), (case, false)];
    each(cases_with(&[0, 32]).into_iter().flat_map(sides).collect(), |(case, ours_goes)| {
        let (ours, other) = case.pair(true);
        let (mut goes, stays) = if ours_goes { (ours, other) } else { (other, ours) };
        go(&mut goes);
        sees_state(&stays, &goes, state);
    });
}

#[test]
fn who_leaves_is_seen_as_left() {
    one_goes(|peer| drop(peer.ask("leave", json!({}))), "left");
}

#[test]
fn who_is_killed_is_seen_as_dead() {
    one_goes(Peer::kill, "dead");
}

#[test]
fn keys_rotate_from_16_to_24_to_32_bytes_without_a_death() {
    each(cases_with(&[16]), |case| {
        let (ours, go) = case.pair(true);
        for (old, new) in [(16, 24), (24, 32)].map(|(old, new)| (keys(old), keys(new))) {
            for (op, key) in [("key_add", &new), ("key_use", &new), ("key_remove", &old)] {
                for peer in [&ours, &go] {
                    peer.ask(op, json!({ "key_hex": key[0] }));
                }
            }
            for (from, to, reliable) in [(&ours, &go, true), (&go, &ours, false)] {
                from.ask("send", json!({ "to": to.name(), "payload_hex": new[0], "reliable": reliable }));
                to.expect_event("a message under the new key", |event| event["payload_hex"] == new[0]);
            }
        }
        nobody_left(&[&ours, &go]);
    });
}

#[test]
fn a_wrong_label_and_a_wrong_key_are_refused_by_both_sides() {
    let right = Case { go: Kind::Memberlist06, key: 32, label: "blue", compress: "true" };
    let wrongs = [
        Case { label: "red", ..right.clone() },
        Case { label: "", ..right.clone() },
        Case { key: 16, ..right.clone() },
        Case { key: 0, ..right.clone() },
    ];
    each(wrongs.to_vec(), |wrong| {
        let (ours, go) = right.pair(true);
        for (kind, of) in [(Kind::OurMemberlist, &go), (right.go, &ours)] {
            let mut spec = wrong.spec(kind);
            spec.name.push_str("-stranger");
            let stranger = Peer::start(spec);
            let refusal = stranger.try_ask("join", json!({ "members": [of.addr().to_string()] }));
            assert!(refusal.is_err(), "{:?} was let in by {:?}", kind, of.kind());
            assert_eq!(member(of, stranger.name()), Value::Null);
        }
        for (a, b) in [(&ours, &go), (&go, &ours)] {
            sees_state(a, b, "alive");
        }
    });
}
