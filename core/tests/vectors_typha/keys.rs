//! `keys.json`: paths, and what both generations' parsers make of them.

use networkdb_core::syncproto::key::{BadKey, Generation, Key, Kind, ResourceKind};
use proptest::{prelude::*, sample::Index};
use serde_json::Value;

use crate::support::folder;

const GENERATIONS: [(&str, Generation); 2] = [("v3.2.5", Generation::V3_2_5), ("head", Generation::Today)];

fn cases() -> Vec<Value> {
    let file: Value =
        serde_json::from_slice(&std::fs::read(folder("typha").join("keys.json")).unwrap()).unwrap();
    file["cases"].as_array().unwrap().clone()
}

fn expected<'a>(case: &'a Value, generation: &str) -> &'a Value {
    if case[generation] == "same" { &case["v3.2.5"] } else { &case[generation] }
}

/// The name of the peer's type.
fn type_name(key: &Key<'_>, generation: Generation) -> String {
    match key.kind() {
        Kind::Resource(_) => "ResourceKey".into(),
        Kind::LegacyPolicy if generation == Generation::V3_2_5 => "PolicyKey".into(),
        kind => format!("{kind:?}Key"),
    }
}

/// What the peer's `String` shows of the key.
pub fn shown(key: &Key<'_>, generation: Generation) -> String {
    match key {
        Key::ReadyFlag {} => "ReadyFlagKey()".into(),
        Key::GlobalConfig { name } => format!("GlobalFelixConfig(name={name})"),
        Key::HostConfig { host, name } => format!("HostConfig(node={host},name={name})"),
        Key::HostIp { host } | Key::HostMetadata { host } => format!("Node(name={host})"),
        Key::Wireguard { host } => format!("Node(nodename={host})"),
        Key::WorkloadEndpoint { host, orchestrator, workload, endpoint } => format!(
            "WorkloadEndpoint(node={host}, orchestrator={orchestrator}, workload={workload}, name={endpoint})"
        ),
        Key::HostEndpoint { host, endpoint } => format!("HostEndpoint(node={host}, name={endpoint})"),
        Key::NetworkSet { name } => format!("NetworkSet(name={name})"),
        Key::LegacyPolicy { name, .. } if generation == Generation::V3_2_5 => format!("Policy(name={name})"),
        Key::LegacyPolicy { tier, .. } => {
            let upgraded = shown(&key.clone().upgrade().0, generation);
            format!("Legacy{}, Tier={tier})", upgraded.trim_end_matches(')'))
        }
        Key::Tier { name } => format!("Tier(name={name})"),
        Key::ProfileRules { profile } => format!("ProfileRules(name={profile})"),
        Key::ProfileLabels { profile } => format!("ProfileLabels(name={profile})"),
        Key::ProfileTags { profile } => format!("ProfileTags(name={profile})"),
        Key::Policy { kind, namespace, name } => {
            format!("Policy(Name={name}, Namespace={namespace}, Kind={kind})")
        }
        Key::IpPool { cidr } => format!("IPPool(cidr={cidr})"),
        Key::GlobalBgpConfig { name } => format!("GlobalBGPConfig(name={name})"),
        Key::NodeBgpConfig { host, name } => format!("HostBGPConfig(node={host}; name={name})"),
        Key::Block { cidr } => format!("BlockKey(cidr={cidr})"),
        Key::BlockAffinity { host, cidr } => {
            format!("BlockAffinityKey(cidr={cidr}, host={host}, affinityType=host)")
        }
        Key::IpamHandle { id } => format!("IPAMHandleKey(id={id})"),
        Key::HostEndpointStatus { host, endpoint } => {
            format!("HostEndpointStatus(hostname={host}, name={endpoint})")
        }
        Key::ActiveStatusReport { host, .. } | Key::LastStatusReport { host, .. } => {
            format!("StatusReport(hostname={host})")
        }
        Key::WorkloadEndpointStatus { host, orchestrator, workload, endpoint, .. } => format!(
            "WorkloadEndpointStatus(hostname={host}, orchestrator={orchestrator}, workload={workload}, name={endpoint})"
        ),
        Key::Resource { kind, namespace, name } if kind.is_namespaced() => {
            format!("{kind}({namespace}/{name})")
        }
        Key::Resource { kind, name, .. } => format!("{kind}({name})"),
    }
}

#[test]
fn both_parsers_read_every_path_as_the_peers_do() {
    let (mut keys, mut others, mut undefined) = (0, 0, 0);
    for case in cases() {
        let path = case["path"].as_str().unwrap();
        for (name, generation) in GENERATIONS {
            let expected = expected(&case, name);
            let what = format!("{path} ({name})");
            let Some(parsed) = expected.get("parsed") else {
                assert!(expected.get("panic").is_some(), "{what}");
                undefined += 1;
                continue;
            };
            let key = Key::parse(path, generation);
            let Some(parsed) = parsed.as_str() else {
                assert!(key.is_err(), "{what}: {key:?}");
                others += 1;
                continue;
            };
            let key = key.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(type_name(&key, generation).eq_ignore_ascii_case(parsed), "{what}: {key:?}");
            assert_eq!(shown(&key, generation), expected["fields"].as_str().unwrap(), "{what}");
            check_written(&key, generation, expected, &what);
            keys += 1;
        }
    }
    println!("{keys} keys, {others} paths that are none, {undefined} undefined");
    assert_eq!(keys + others + undefined, 2 * cases().len());
}

fn check_written(key: &Key<'_>, generation: Generation, expected: &Value, what: &str) {
    if let Some(upgraded) = expected.get("upgraded_to") {
        let (key, tier) = key.clone().upgrade();
        assert!(tier.is_some(), "{what}");
        let ours = format!("model.PolicyKey {}", shown(&key, generation));
        assert_eq!(upgraded.as_str(), Some(ours.as_str()), "{what}");
    } else if let Some(path) = expected.get("default_path") {
        let ours = String::from_utf8(key.to_path().unwrap()).unwrap();
        assert_eq!(Some(ours.as_str()), path.as_str(), "{what}");
        assert_eq!(key.to_string(), ours, "{what}");
    } else {
        assert!(expected.get("path_error").is_some(), "{what}");
        assert!(matches!(key.to_path(), Err(BadKey::Missing(_))), "{what}");
    }
}

#[test]
fn every_plural_of_the_vectors_is_known_and_no_other() {
    let mut kinds: Vec<_> = cases()
        .iter()
        .filter_map(|case| match Key::parse(case["path"].as_str()?, Generation::Today).ok()?.kind() {
            Kind::Resource(kind) => Some(kind),
            _ => None,
        })
        .collect();
    kinds.sort();
    kinds.dedup();
    let mut all: Vec<_> = ResourceKind::all().collect();
    all.sort();
    assert_eq!(kinds, all);
}

proptest! {
    #[test]
    fn mutations_of_the_vectors_are_keys_or_not(
        case in any::<Index>(),
        edits in proptest::collection::vec((any::<Index>(), 0..4_u8, any::<u8>()), 0..6),
    ) {
        let cases = cases();
        let mut path = case.get(&cases)["path"].as_str().unwrap().as_bytes().to_vec();
        for (at, what, byte) in edits {
            let at = at.index(path.len() + 1);
            match what {
                0 => path.insert(at, byte),
                1 => path.insert(at, b"/%-f25"[usize::from(byte) % 6]),
                2 => path.truncate(at),
                _ => drop(path.splice(at.saturating_sub(1)..at, [])),
            }
        }
        for (_, generation) in GENERATIONS {
            if let Ok(key) = Key::parse(&path, generation) {
                let written = key.to_path();
                prop_assert!(written.is_err() || written.unwrap().starts_with(b"/calico/"));
                prop_assert_eq!(key.clone().into_owned(), key.clone());
                prop_assert_ne!(key.upgrade().0.kind(), Kind::LegacyPolicy);
            }
        }
    }
}
