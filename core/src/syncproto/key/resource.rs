//! Keys of v3 resources: their plurals and kinds.

use std::fmt;

use super::{BadKey, Key, Text};

const ROOT: &[u8] = b"/calico/resources/v3/projectcalico.org/";

/// Plural in the path, kind.
const GLOBAL: &[(&str, &str)] = &[
    ("bgpconfigurations", "BGPConfiguration"),
    ("bgpfilters", "BGPFilter"),
    ("bgppeers", "BGPPeer"),
    ("blockaffinities", "BlockAffinity"),
    ("caliconodestatuses", "CalicoNodeStatus"),
    ("clusterinformations", "ClusterInformation"),
    ("felixconfigurations", "FelixConfiguration"),
    ("globalnetworkpolicies", "GlobalNetworkPolicy"),
    ("globalnetworksets", "GlobalNetworkSet"),
    ("hostendpoints", "HostEndpoint"),
    ("ipamconfigs", "IPAMConfig"),
    ("ipamconfigurations", "IPAMConfiguration"),
    ("ippools", "IPPool"),
    ("ipreservations", "IPReservation"),
    ("kubecontrollersconfigurations", "KubeControllersConfiguration"),
    ("kubernetesclusternetworkpolicies", "KubernetesClusterNetworkPolicy"),
    ("nodes", "Node"),
    ("profiles", "Profile"),
    ("stagedglobalnetworkpolicies", "StagedGlobalNetworkPolicy"),
    ("tiers", "Tier"),
];

/// Plural in the path, kind.
const NAMESPACED: &[(&str, &str)] = &[
    ("kubernetesendpointslices", "KubernetesEndpointSlice"),
    ("kubernetesnetworkpolicies", "KubernetesNetworkPolicy"),
    ("kubernetesservice", "KubernetesService"),
    ("livemigrations", "LiveMigration"),
    ("networkpolicies", "NetworkPolicy"),
    ("networksets", "NetworkSet"),
    ("stagedkubernetesnetworkpolicies", "StagedKubernetesNetworkPolicy"),
    ("stagednetworkpolicies", "StagedNetworkPolicy"),
    ("workloadendpoints", "WorkloadEndpoint"),
];

/// A kind of v3 resource that today's clients know: `libcalico-go` `lib/backend/model/resource.go`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKind {
    name: &'static str,
    plural: &'static str,
    namespaced: bool,
}

impl ResourceKind {
    /// All of them: the global ones, then the namespaced ones.
    pub fn all() -> impl Iterator<Item = Self> {
        let of = |namespaced| move |&(plural, name): &(_, _)| Self { name, plural, namespaced };
        GLOBAL.iter().map(of(false)).chain(NAMESPACED.iter().map(of(true)))
    }

    /// The kind of this name, such as `BGPPeer`, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.name.eq_ignore_ascii_case(name))
    }

    /// Its name, such as `BGPPeer`.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// What stands in the path, such as `bgppeers`.
    pub fn plural(self) -> &'static str {
        self.plural
    }

    /// Whether its resources live in a namespace.
    pub fn is_namespaced(self) -> bool {
        self.namespaced
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Debug for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The key of `PLURAL/NAME` or `PLURAL/NAMESPACE/NAME`, or `None` if the path is not that of a v3 resource at all.
pub(super) fn parse(path: &[u8]) -> Option<Result<Key<'_>, BadKey>> {
    let mut segments = path.strip_prefix(ROOT)?.split(|&byte| byte == b'/');
    let plural = segments.next()?;
    let names = [segments.next(), segments.next(), segments.next()];
    // Plurals hold nothing that could be escaped.
    let Some(kind) = ResourceKind::all().find(|kind| kind.plural.as_bytes() == plural) else {
        return Some(Err(BadKey::Resource));
    };
    let (namespace, name) = match (kind.namespaced, names) {
        (false, [Some(name), None, None]) => (&[][..], name),
        (true, [Some(namespace), Some(name), None]) => (namespace, name),
        _ => return Some(Err(BadKey::Scope(kind))),
    };
    let (namespace, name) = (Text::unescape(namespace), Text::unescape(name));
    Some(Ok(Key::Resource { kind, namespace, name }))
}

pub(super) fn write(kind: ResourceKind, namespace: &[u8], name: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(ROOT);
    out.extend_from_slice(kind.plural.as_bytes());
    out.push(b'/');
    if kind.namespaced {
        out.extend_from_slice(namespace);
        out.push(b'/');
    }
    out.extend_from_slice(name);
}
