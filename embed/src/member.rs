//! What a member of a cluster is created with, whatever runs above.

use std::net::SocketAddr;

use networkdb_core::memberlist::{self, Keyring};

use crate::{
    Code, Error,
    fields::Fields,
    settings::{set, set_ms},
};

/// The settings that every kind of member has, in a text beside those of its own.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// Its name, unique in the cluster.
    pub name: String,
    /// The address of its sockets, for the built-in host: bound when the node is created, port 0 for any.
    pub bind: Option<SocketAddr>,
    /// Where others reach it; without it, what it is bound to.
    pub advertise: Option<SocketAddr>,
    /// Encryption keys, the first of which seals; in a text a list in hex. Without any, everything is plain.
    pub keys: Keyring,
    /// Tag of the cluster.
    pub label: String,
    /// Settings that are seldom changed.
    pub gossip: Gossip,
}

impl Member {
    pub(crate) fn read(from: &mut Fields) -> Self {
        Self {
            name: from.text("name").unwrap_or_default(),
            bind: from.socket("bind"),
            advertise: from.socket("advertise"),
            keys: from.keys("keys").unwrap_or_default(),
            label: from.text("label").unwrap_or_default(),
            gossip: from.nested("gossip", Gossip::read).unwrap_or_default(),
        }
    }

    /// Its name and where others reach it, which every configuration begins with.
    pub(crate) fn identity(&self) -> Result<(&str, SocketAddr), Error> {
        let advertise = self.advertise.ok_or_else(|| Error::new(Code::Config, "`advertise` is missing"))?;
        Ok((&self.name, advertise))
    }

    /// All else.
    pub(crate) fn apply(self, config: &mut memberlist::Config) {
        self.gossip.apply(config);
        config.keyring = self.keys;
        config.label = self.label.into();
    }
}

/// Settings of membership that are seldom changed. What is left out is the peer's default.
#[derive(Clone, Debug, Default)]
pub struct Gossip {
    /// Bytes of one packet.
    pub packet_size: Option<usize>,
    /// Whether what is sent may be compressed.
    pub compression: Option<bool>,
    /// The longest time between rounds of gossip, in milliseconds.
    pub interval_ms: Option<u64>,
    /// Members told in one round.
    pub nodes: Option<usize>,
    /// Time between probes, in milliseconds; 0 turns them off.
    pub probe_interval_ms: Option<u64>,
    /// How long a probe waits before it asks others, in milliseconds.
    pub probe_timeout_ms: Option<u64>,
    /// Time between push/pulls, in milliseconds; 0 turns them off.
    pub push_pull_interval_ms: Option<u64>,
    /// Deadline of one exchange over a stream, in milliseconds.
    pub stream_timeout_ms: Option<u64>,
}

impl Gossip {
    fn read(from: &mut Fields) -> Self {
        Self {
            packet_size: from.number("packet_size"),
            compression: from.flag("compression"),
            interval_ms: from.number("interval_ms"),
            nodes: from.number("nodes"),
            probe_interval_ms: from.number("probe_interval_ms"),
            probe_timeout_ms: from.number("probe_timeout_ms"),
            push_pull_interval_ms: from.number("push_pull_interval_ms"),
            stream_timeout_ms: from.number("stream_timeout_ms"),
        }
    }

    fn apply(&self, config: &mut memberlist::Config) {
        set(&mut config.packet_size, self.packet_size);
        set(&mut config.compression, self.compression);
        set_ms(&mut config.gossip_interval, self.interval_ms);
        set(&mut config.gossip_nodes, self.nodes);
        set_ms(&mut config.probe_interval, self.probe_interval_ms);
        set_ms(&mut config.probe_timeout, self.probe_timeout_ms);
        set_ms(&mut config.push_pull_interval, self.push_pull_interval_ms);
        set_ms(&mut config.stream_timeout, self.stream_timeout_ms);
    }
}
