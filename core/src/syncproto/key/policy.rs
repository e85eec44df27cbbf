//! Policy keys: by kind, namespace and name; and those by tier and name, as all Typhas before 3.32 send them.
//!
//! Source: `libcalico-go` `lib/backend/model/policy.go`.

use super::{BadKey, Key, Text};

/// The prefix of a legacy name that stands for a kind, with and without a namespace; the first that fits counts.
const NAMESPACED: &[(&str, &str)] = &[
    ("knp.default.", "KubernetesNetworkPolicy"),
    ("staged:knp.default.", "StagedKubernetesNetworkPolicy"),
    ("staged:", "StagedNetworkPolicy"),
    ("", "NetworkPolicy"),
];
const GLOBAL: &[(&str, &str)] = &[
    ("staged:", "StagedGlobalNetworkPolicy"),
    ("kcnp.", "KubernetesClusterNetworkPolicy"),
    ("", "GlobalNetworkPolicy"),
];

/// Kinds whose policies cannot be written without a namespace.
const NEED_NAMESPACE: &[&str] = &["NetworkPolicy", "StagedKubernetesNetworkPolicy", "StagedNetworkPolicy"];

/// The modern key of a legacy name.
pub(super) fn upgrade(name: Text<'_>) -> Key<'_> {
    let (namespace, name, prefixes) = match name.split() {
        Some((namespace, name)) => (namespace, name, NAMESPACED),
        None => (Text::default(), name, GLOBAL),
    };
    let (prefix, kind) =
        prefixes.iter().find(|(prefix, _)| name.starts_with(prefix.as_bytes())).unwrap_or(&("", ""));
    Key::Policy { kind: (*kind).into(), namespace, name: name.skip(prefix.len()) }
}

pub(super) fn check_namespace(kind: &Text<'_>, namespace: &[u8]) -> Result<(), BadKey> {
    let needed = NEED_NAMESPACE.iter().any(|needs| kind == needs);
    if needed && namespace.is_empty() { Err(BadKey::Missing("namespace")) } else { Ok(()) }
}
