//! A member, as others see it.

use std::{fmt, net::SocketAddr};

use bytes::Bytes;

use crate::{Name, machine::Instant};

/// What is believed of a member. The numbers are those of a push/pull row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It answers.
    Alive = 0,
    /// It did not answer somebody, and may still refute.
    Suspect = 1,
    /// It did not refute in time.
    Dead = 2,
    /// It said goodbye.
    Left = 3,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Dead => "dead",
            Self::Left => "left",
        })
    }
}

/// The versions a member understands and speaks, in wire order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Versions {
    /// Lowest protocol version understood.
    pub protocol_min: u8,
    /// Highest protocol version understood.
    pub protocol_max: u8,
    /// Protocol version spoken.
    pub protocol: u8,
    /// Lowest delegate version understood.
    pub delegate_min: u8,
    /// Highest delegate version understood.
    pub delegate_max: u8,
    /// Delegate version spoken.
    pub delegate: u8,
}

impl Versions {
    /// The six bytes on the wire.
    pub fn to_bytes(self) -> [u8; 6] {
        [
            self.protocol_min,
            self.protocol_max,
            self.protocol,
            self.delegate_min,
            self.delegate_max,
            self.delegate,
        ]
    }

    /// From the first six bytes; `None` if there are fewer.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [protocol_min, protocol_max, protocol, delegate_min, delegate_max, delegate] =
            *bytes.first_chunk()?;
        Some(Self { protocol_min, protocol_max, protocol, delegate_min, delegate_max, delegate })
    }
}

/// One node of the cluster as this node knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, unique in the cluster.
    pub name: Name,
    /// Where it is reached.
    pub addr: SocketAddr,
    /// What the layer above says of it, at most 512 bytes.
    pub meta: Bytes,
    /// Its versions; `None` until it has told them.
    pub versions: Option<Versions>,
    /// Its own version number of itself.
    pub incarnation: u32,
    /// What is believed of it.
    pub state: State,
    /// When that belief last changed.
    pub since: Instant,
}

/// What happened to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberEvent {
    /// It came, or came back. This node reports itself at its start.
    Joined(Member),
    /// Its meta changed.
    Updated(Member),
    /// It died or left; its state says which. This node reports itself when it leaves.
    Gone(Member),
}

impl MemberEvent {
    /// The member.
    pub fn member(&self) -> &Member {
        match self {
            Self::Joined(member) | Self::Updated(member) | Self::Gone(member) => member,
        }
    }
}
