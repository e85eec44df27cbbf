//! What a memberlist can be told. The defaults are the peer's own (`hashicorp/memberlist` `config.go`).

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;

use super::{Dialect, KeyError, Keyring, MAX_META, MAX_NAME, PROTOCOL_UNDERSTOOD};
use crate::Name;

/// A range of addresses in CIDR form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// An address of the range.
    pub addr: IpAddr,
    /// How many leading bits count.
    pub prefix: u8,
}

impl Cidr {
    /// Whether `addr` lies in the range.
    pub fn contains(&self, addr: IpAddr) -> bool {
        match (self.addr.to_canonical(), addr.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                (a.to_bits() ^ b.to_bits()).leading_zeros() >= u32::from(self.prefix.min(32))
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                (a.to_bits() ^ b.to_bits()).leading_zeros() >= u32::from(self.prefix.min(128))
            }
            _ => false,
        }
    }
}

impl std::str::FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an address range such as 10.0.0.0/8");
        let (addr, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let (addr, prefix) =
            (addr.parse::<IpAddr>().map_err(|_| wrong())?, prefix.parse().map_err(|_| wrong())?);
        let bits = if addr.is_ipv4() { 32 } else { 128 };
        if prefix <= bits { Ok(Self { addr, prefix }) } else { Err(wrong()) }
    }
}

/// The settings of a memberlist.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node's name, unique in the cluster, 1 to [`MAX_NAME`] bytes.
    pub name: Name,
    /// Where others reach this node.
    pub advertise: SocketAddr,
    /// The port this node is bound to; also taken for peers that tell none.
    pub bind_port: u16,
    /// Protocol version spoken, 1 to 5.
    pub protocol_version: u8,
    /// Lowest, highest and spoken version of the layer above.
    pub delegate_versions: [u8; 3],
    /// How integers are written.
    pub dialect: Dialect,
    /// Deadline of one exchange over a stream.
    pub stream_timeout: Duration,
    /// Members asked to probe one that does not answer.
    pub indirect_checks: usize,
    /// Broadcasts are sent this often, times the digits of the number of members.
    pub retransmit_mult: u32,
    /// Least suspicion time in probe intervals, times the logarithm of the number of members.
    pub suspicion_mult: u32,
    /// Longest suspicion time over the least.
    pub suspicion_max_timeout_mult: u32,
    /// Time between push/pulls, stretched in large clusters; zero turns them off.
    pub push_pull_interval: Duration,
    /// Time between probes; zero turns them off, and reaping with them.
    pub probe_interval: Duration,
    /// How long a probe waits before it asks others.
    pub probe_timeout: Duration,
    /// No ping by stream beside indirect probes.
    pub disable_stream_pings: bool,
    /// One more than the worst health score.
    pub awareness_max_multiplier: u32,
    /// The longest time between gossip rounds while there is something to tell: what is new is told at once and
    /// repeated after shorter pauses first. Zero turns gossip off.
    pub gossip_interval: Duration,
    /// Members told in one gossip round.
    pub gossip_nodes: usize,
    /// Bytes a second spent on gossip, averaged over some moments; 0 counts as 1. A packet counts as 1 KiB at least.
    pub gossip_rate: u64,
    /// How long a dead member is still told of things, and remembered.
    pub gossip_to_the_dead_time: Duration,
    /// The first pause before a lost member is tried again; zero: none is.
    pub reconnect_interval: Duration,
    /// How long a name stays with a dead member's address; zero: for ever.
    pub dead_node_reclaim_time: Duration,
    /// Bytes of one packet.
    pub packet_size: usize,
    /// Whether what is sent may be compressed.
    pub compression: bool,
    /// Messages on streams are compressed up to this length, in bytes. Compressing and expanding take some 20 ms a
    /// MiB together: on a fast network that is longer than sending what it saves.
    pub compress_up_to: usize,
    /// Encryption keys; without any, everything is plain.
    pub keyring: Keyring,
    /// Whether plain packets and streams are refused when there are keys.
    pub verify_incoming: bool,
    /// Whether what is sent is sealed when there are keys.
    pub verify_outgoing: bool,
    /// Tag of the cluster, at most 255 bytes; empty for none.
    pub label: Bytes,
    /// The host takes labels off; a labelled packet is then refused.
    pub skip_inbound_label_check: bool,
    /// Addresses members may have; empty for all.
    pub allowed: Vec<Cidr>,
}

impl Config {
    /// For a local area network: the peer's `DefaultLANConfig`.
    pub fn lan(name: impl Into<Name>, advertise: SocketAddr) -> Self {
        Self {
            name: name.into(),
            advertise,
            bind_port: advertise.port(),
            protocol_version: 2,
            delegate_versions: [0; 3],
            dialect: Dialect::Old,
            stream_timeout: Duration::from_secs(10),
            indirect_checks: 3,
            retransmit_mult: 4,
            suspicion_mult: 4,
            suspicion_max_timeout_mult: 6,
            push_pull_interval: Duration::from_secs(30),
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            disable_stream_pings: false,
            awareness_max_multiplier: 8,
            gossip_interval: Duration::from_millis(200),
            gossip_nodes: 3,
            gossip_rate: 32 << 10,
            gossip_to_the_dead_time: Duration::from_secs(30),
            reconnect_interval: Duration::from_secs(1),
            dead_node_reclaim_time: Duration::ZERO,
            packet_size: 1400,
            compression: true,
            compress_up_to: 64 << 10,
            keyring: Keyring::default(),
            verify_incoming: true,
            verify_outgoing: true,
            label: Bytes::new(),
            skip_inbound_label_check: false,
            allowed: Vec::new(),
        }
    }

    /// For long distances: the peer's `DefaultWANConfig`.
    pub fn wan(name: impl Into<Name>, advertise: SocketAddr) -> Self {
        Self {
            stream_timeout: Duration::from_secs(30),
            suspicion_mult: 6,
            push_pull_interval: Duration::from_secs(60),
            probe_timeout: Duration::from_secs(3),
            probe_interval: Duration::from_secs(5),
            gossip_nodes: 4,
            gossip_interval: Duration::from_millis(500),
            compress_up_to: usize::MAX,
            gossip_to_the_dead_time: Duration::from_secs(60),
            ..Self::lan(name, advertise)
        }
    }

    /// For one machine: the peer's `DefaultLocalConfig`.
    pub fn local(name: impl Into<Name>, advertise: SocketAddr) -> Self {
        Self {
            stream_timeout: Duration::from_secs(1),
            indirect_checks: 1,
            retransmit_mult: 2,
            suspicion_mult: 3,
            push_pull_interval: Duration::from_secs(15),
            probe_timeout: Duration::from_millis(200),
            gossip_interval: Duration::from_millis(100),
            gossip_to_the_dead_time: Duration::from_secs(15),
            ..Self::lan(name, advertise)
        }
    }
}

impl Config {
    /// Checks the settings against each other and against the meta the node will have.
    pub(super) fn check(&self, meta: &[u8]) -> Result<(), ConfigError> {
        if self.name.is_empty() {
            Err(ConfigError::EmptyName)
        } else if self.name.len() > MAX_NAME {
            Err(ConfigError::NameTooLong(self.name.len()))
        } else if self.label.len() > MAX_LABEL {
            Err(ConfigError::LabelTooLong(self.label.len()))
        } else if meta.len() > MAX_META {
            Err(ConfigError::MetaTooLong(meta.len()))
        } else if !(PROTOCOL_UNDERSTOOD.0..=PROTOCOL_UNDERSTOOD.1).contains(&self.protocol_version) {
            Err(ConfigError::Protocol(self.protocol_version))
        } else if !(MIN_PACKET..=MAX_PACKET).contains(&self.packet_size) {
            Err(ConfigError::PacketSize(self.packet_size))
        } else if self.advertise.ip().is_unspecified() || self.advertise.port() == 0 {
            Err(ConfigError::Advertise(self.advertise))
        } else {
            Ok(())
        }
    }
}

/// Bytes of a label.
const MAX_LABEL: usize = 255;
/// Bytes of a packet: what a refutation needs with label and encryption, and what UDP can carry.
const MIN_PACKET: usize = 300;
const MAX_PACKET: usize = 65_507;

/// A setting that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The node has no name.
    EmptyName,
    /// The name has more than 512 bytes.
    NameTooLong(usize),
    /// The label has more than 255 bytes.
    LabelTooLong(usize),
    /// The meta has more than 512 bytes.
    MetaTooLong(usize),
    /// The protocol version is not 1 to 5.
    Protocol(u8),
    /// The packet size is out of bounds.
    PacketSize(usize),
    /// Nobody could reach this address.
    Advertise(SocketAddr),
    /// A key that cannot be used.
    Key(KeyError),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyName => f.write_str("the node needs a name"),
            Self::NameTooLong(len) => write!(f, "the name has {len} bytes; at most {MAX_NAME} are possible"),
            Self::LabelTooLong(len) => {
                write!(f, "the label has {len} bytes; at most {MAX_LABEL} are possible")
            }
            Self::MetaTooLong(len) => write!(f, "the meta has {len} bytes; at most {MAX_META} are possible"),
            Self::Protocol(version) => {
                write!(f, "protocol version {version} is unknown; 1 to 5 are possible")
            }
            Self::PacketSize(size) => {
                write!(f, "packets of {size} bytes are not possible; {MIN_PACKET} to {MAX_PACKET} are")
            }
            Self::Advertise(addr) => {
                write!(f, "nobody can reach {addr}: advertise an address and port that others can dial")
            }
            Self::Key(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<KeyError> for ConfigError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}
