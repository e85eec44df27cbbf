//! The table of keys: what they are made of, where it stands in the path, what the value is and who reads it.

use super::{
    BadKey, Cidr, Encoding, Generation, ResourceKind, Text,
    form::{Field, Form, PARTS, Parsers, Part, Rule, Segment},
};

macro_rules! held {
    (Cidr $a:lifetime) => { Cidr };
    ($segment:ident $a:lifetime) => { Text<$a> };
}

/// Makes the key, its kind, the forms of path and what leads from the one to the other of the table below.
macro_rules! keys {
    ($( $key:ident { $( $part:ident: $segment:ident ),* } $path:literal $encoding:ident $parsers:ident [$( $rule:ident )*]; )*) => {
        /// A key: what its path says. Names are unescaped; they borrow from the path where they stood there so.
        ///
        /// Each has the parts of its path in their order. `libcalico-go` `lib/backend/model` has the same types with
        /// `Key` after the name.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)] // the path says what the parts are
        pub enum Key<'a> {
            $( #[doc = concat!("`", $path, "`")] $key { $( $part: held!($segment 'a) ),* }, )*
            /// `/calico/resources/v3/projectcalico.org/{}/{}`, or with the namespace between plural and name.
            Resource { kind: ResourceKind, namespace: Text<'a>, name: Text<'a> },
        }

        /// What kind of key a [`Key`] is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $( #[doc = concat!("`", $path, "`")] $key, )*
            /// A v3 resource of this kind.
            Resource(ResourceKind),
        }

        pub(super) const FORMS: &[Form] = &[$( Form {
            kind: Kind::$key,
            path: $path,
            parts: &[$( (stringify!($part), Segment::$segment) ),*],
            encoding: Encoding::$encoding,
            parsers: Parsers::$parsers,
            rules: &[$( Rule::$rule ),*],
        }, )*];

        impl<'a> Key<'a> {
            /// What kind of key it is.
            pub fn kind(&self) -> Kind {
                match self {
                    $( Self::$key { .. } => Kind::$key, )*
                    Self::Resource { kind, .. } => Kind::Resource(*kind),
                }
            }

            /// The same key with bytes of its own.
            pub fn into_owned(self) -> Key<'static> {
                match self {
                    $( Self::$key { $( $part ),* } => Key::$key { $( $part: $part.into_owned() ),* }, )*
                    Self::Resource { kind, namespace, name } => {
                        Key::Resource { kind, namespace: namespace.into_owned(), name: name.into_owned() }
                    }
                }
            }

            #[allow(unused_mut, unused_variables)] // the key without parts
            pub(super) fn build(kind: Kind, found: [&'a [u8]; PARTS], parser: Generation) -> Result<Self, BadKey> {
                let mut found = found.into_iter();
                let mut next = || found.next().unwrap_or_default();
                match kind {
                    $( Kind::$key => {
                        Ok(Self::$key { $( $part: Field::read(next(), Segment::$segment, parser)? ),* })
                    } )*
                    Kind::Resource(_) => Err(BadKey::Resource),
                }
            }

            /// The parts as the form of its kind wants them; a resource has none.
            pub(super) fn parts(&self) -> Vec<Part<'_>> {
                match self {
                    $( Self::$key { $( $part ),* } => vec![$( $part.into() ),*], )*
                    Self::Resource { .. } => Vec::new(),
                }
            }
        }
    };
}

// Key { part: how it stands in the path } path, what the value is, which parsers know it, [rules] (all in `form`).
// The first path that fits counts, so that legacy policies and tiers stand before the policies.
keys! {
    ReadyFlag {} "/calico/v1/Ready" Bool Both [Slash];
    GlobalConfig { name: Rest } "/calico/v1/config/{}" Text Both [];
    HostConfig { host: Host, name: Rest } "/calico/v1/host/{}/config/{}" Text Both [];
    HostIp { host: Raw } "/calico/v1/host/{}/bird_ip" Ip Old [];
    HostMetadata { host: Raw } "/calico/v1/host/{}/metadata" Object New [];
    Wireguard { host: Host } "/calico/v1/host/{}/wireguard" Object New [];
    WorkloadEndpoint { host: Host, orchestrator: Escaped, workload: Escaped, endpoint: Escaped }
        "/calico/v1/host/{}/workload/{}/{}/endpoint/{}" Object Both [];
    HostEndpoint { host: Host, endpoint: Escaped } "/calico/v1/host/{}/endpoint/{}" Object Both [];
    NetworkSet { name: Escaped } "/calico/v1/netset/{}" Object Both [];
    LegacyPolicy { tier: Plain, name: Escaped } "/calico/v1/policy/tier/{}/policy/{}" Object Both [];
    Tier { name: Plain } "/calico/v1/policy/tier/{}/metadata" Object New [];
    ProfileRules { profile: Escaped } "/calico/v1/policy/profile/{}/rules" Object Both [Open];
    ProfileLabels { profile: Escaped } "/calico/v1/policy/profile/{}/labels" Object Both [Open];
    ProfileTags { profile: Escaped } "/calico/v1/policy/profile/{}/tags" List Old [];
    Policy { kind: Plain, namespace: Namespace, name: Plain } "/calico/v1/policy/{}/{}/{}" Object New [];
    IpPool { cidr: Cidr } "/calico/v1/ipam/v?/pool/{}" Object Both [Full];
    GlobalBgpConfig { name: Rest } "/calico/bgp/v1/global/{}" Text New [Full];
    NodeBgpConfig { host: Raw, name: Rest } "/calico/bgp/v1/host/{}/{}" Text New [Full];
    Block { cidr: Cidr } "/calico/ipam/v2/assignment/ipv?/block/{}" Object New [Full];
    BlockAffinity { host: Raw, cidr: Cidr } "/calico/ipam/v2/host/{}/ipv?/block/{}" Object New [Full];
    IpamHandle { id: Raw } "/calico/ipam/v2/handle/{}" Object New [];
    HostEndpointStatus { host: Raw, endpoint: Escaped } "/calico/felix/v1/host/{}/endpoint/{}" Object New [];
    ActiveStatusReport { region: Raw, host: Raw } "/calico/felix/v2/{}/host/{}/status" Object New [Full];
    LastStatusReport { region: Raw, host: Raw }
        "/calico/felix/v2/{}/host/{}/last_reported_status" Object New [Full Open];
    WorkloadEndpointStatus { region: Raw, host: Raw, orchestrator: Escaped, workload: Escaped, endpoint: Escaped }
        "/calico/felix/v2/{}/host/{}/workload/{}/{}/endpoint/{}" Object New [Full];
}
