//! The messages of memberlist, field for field. Source: `hashicorp/memberlist` `net.go`.
//!
//! A message is its type byte and a msgpack map. `decode` takes the bytes after the type byte and ignores what
//! follows the map; `encode` appends the type byte too (a push/pull row has none). Fields are listed in the
//! order an array has them.

use std::borrow::Cow;

use crate::wire::{
    DecodeError, Reader,
    msgpack::{self, Dialect, Struct, Value, read_struct, write_struct},
};

pub use crate::wire::msgpack::Raw;

/// The first byte of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MessageType {
    /// Are you there?
    Ping = 0,
    /// Ask another for me.
    IndirectPing = 1,
    /// Yes.
    Ack = 2,
    /// A member may be dead.
    Suspect = 3,
    /// A member is there.
    Alive = 4,
    /// A member is dead, or left.
    Dead = 5,
    /// All one node knows; streams only.
    PushPull = 6,
    /// Several messages in one packet.
    Compound = 7,
    /// A message of the layer above.
    User = 8,
    /// A compressed message.
    Compress = 9,
    /// A sealed message; streams only.
    Encrypt = 10,
    /// The one you asked about did not answer me.
    Nack = 11,
    /// A message with a checksum; packets only.
    Crc = 12,
    /// A stream was refused.
    Error = 13,
}

impl TryFrom<u8> for MessageType {
    type Error = u8;

    fn try_from(id: u8) -> Result<Self, u8> {
        Ok(match id {
            0 => Self::Ping,
            1 => Self::IndirectPing,
            2 => Self::Ack,
            3 => Self::Suspect,
            4 => Self::Alive,
            5 => Self::Dead,
            6 => Self::PushPull,
            7 => Self::Compound,
            8 => Self::User,
            9 => Self::Compress,
            10 => Self::Encrypt,
            11 => Self::Nack,
            12 => Self::Crc,
            13 => Self::Error,
            _ => return Err(id),
        })
    }
}

/// Defines a struct that is a msgpack map: `field: type = "Key"`, with `omit` where a zero is not written.
macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident $(<$life:lifetime>)? {
        $($(#[$field_doc:meta])* $field:ident: $type:ty = $key:literal $($omit:ident)?,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name $(<$life>)? {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl<'a> Struct<'a> for $name $(<$life>)? {
            const KEYS: &'static [&'static str] = &[$($key),*];

            fn set(&mut self, key: &str, reader: &mut Reader<'a>) -> Result<(), DecodeError> {
                match key {
                    $($key => self.$field = Value::read(reader)?,)*
                    _ => msgpack::skip(reader)?,
                }
                Ok(())
            }

            fn fields(&self) -> Vec<(&'static str, &dyn Value<'a>)> {
                let mut fields: Vec<(&'static str, &dyn Value<'a>)> = Vec::with_capacity(Self::KEYS.len());
                $(if messages!(@written self.$field $($omit)?) {
                    fields.push(($key, &self.$field));
                })*
                fields
            }
        }

        impl<'a> $name $(<$life>)? {
            /// Reads one from the start of `body`.
            pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
                read_struct(&mut Reader::new(body))
            }
        }
    )*};
    (@written $self:ident.$field:ident) => { true };
    (@written $self:ident.$field:ident omit) => { !$self.$field.is_zero() };
}

messages! {
    /// Asks a node whether it is there.
    Ping<'a> {
        /// Comes back in the ack.
        seq: u32 = "SeqNo",
        /// Who is meant; empty for whoever reads it.
        node: Cow<'a, [u8]> = "Node",
        /// Where the answer goes, 4 or 16 bytes; none for the sender of the packet.
        source_addr: Raw<'a> = "SourceAddr" omit,
        /// The port the answer goes to.
        source_port: u16 = "SourcePort" omit,
        /// Who asks.
        source_node: Cow<'a, [u8]> = "SourceNode" omit,
    }

    /// Asks a node to ping another.
    IndirectPing<'a> {
        /// Comes back in the ack or nack.
        seq: u32 = "SeqNo",
        /// Whom to ping, 4 or 16 bytes.
        target: Raw<'a> = "Target",
        /// The target's port.
        port: u16 = "Port",
        /// The target's name.
        node: Cow<'a, [u8]> = "Node",
        /// Whether to say so when the target does not answer.
        nack: bool = "Nack",
        /// Where the answer goes, 4 or 16 bytes; none for the sender of the packet.
        source_addr: Raw<'a> = "SourceAddr" omit,
        /// The port the answer goes to.
        source_port: u16 = "SourcePort" omit,
        /// Who asks.
        source_node: Cow<'a, [u8]> = "SourceNode" omit,
    }

    /// Answers a ping.
    Ack<'a> {
        /// That of the ping.
        seq: u32 = "SeqNo",
        /// What the layer above adds.
        payload: Raw<'a> = "Payload",
    }

    /// Answers an indirect ping whose target is silent.
    Nack {
        /// That of the indirect ping.
        seq: u32 = "SeqNo",
    }

    /// Says that a member may be dead (suspect), or is (dead).
    Accusation<'a> {
        /// The incarnation of the member that is accused.
        incarnation: u32 = "Incarnation",
        /// Who is accused.
        node: Cow<'a, [u8]> = "Node",
        /// Who accuses. A dead message about the one who sends it says that it left.
        from: Cow<'a, [u8]> = "From",
    }

    /// Says that a member is there.
    Alive<'a> {
        /// Its incarnation.
        incarnation: u32 = "Incarnation",
        /// Its name.
        node: Cow<'a, [u8]> = "Node",
        /// Its address, 4 or 16 bytes.
        addr: Raw<'a> = "Addr",
        /// Its port.
        port: u16 = "Port",
        /// What the layer above says of it, at most 512 bytes.
        meta: Raw<'a> = "Meta",
        /// Six version numbers, see [`super::Versions`].
        vsn: Raw<'a> = "Vsn",
    }

    /// What a push/pull starts with; then come the rows, then the user state.
    PushPullHeader {
        /// Number of rows. Signed on the wire.
        nodes: i64 = "Nodes",
        /// Bytes of user state. Signed on the wire.
        user_state_len: i64 = "UserStateLen",
        /// Whether this is a join.
        join: bool = "Join",
    }

    /// A member in a push/pull.
    Row<'a> {
        /// Its name.
        name: Cow<'a, [u8]> = "Name",
        /// Its address, 4 or 16 bytes.
        addr: Raw<'a> = "Addr",
        /// Its port.
        port: u16 = "Port",
        /// What the layer above says of it, at most 512 bytes.
        meta: Raw<'a> = "Meta",
        /// Its incarnation.
        incarnation: u32 = "Incarnation",
        /// A [`super::State`] as a number; any other number can arrive.
        state: i64 = "State",
        /// Six version numbers, see [`super::Versions`].
        vsn: Raw<'a> = "Vsn",
    }

    /// What a user message on a stream starts with; then comes the message.
    UserHeader {
        /// Bytes of the message. Signed on the wire.
        len: i64 = "UserMsgLen",
    }

    /// Why a stream was refused.
    ErrorReply<'a> {
        /// Text for people.
        error: Cow<'a, [u8]> = "Error",
    }

    /// A compressed message.
    Compress<'a> {
        /// How it is compressed; 0 is LZW, the only one there is.
        algo: u8 = "Algo",
        /// The compressed message, type byte included.
        buf: Raw<'a> = "Buf",
    }
}

/// A message without signed integers is the same in both dialects.
fn encode<'a>(message_type: MessageType, message: &impl Struct<'a>, out: &mut Vec<u8>) {
    out.push(message_type as u8);
    write_struct(message, Dialect::Old, out);
}

macro_rules! encodes {
    ($($name:ident $(<$life:lifetime>)?),*) => {$(
        impl $name $(<$life>)? {
            /// Appends it, type byte first.
            pub fn encode(&self, out: &mut Vec<u8>) {
                encode(MessageType::$name, self, out);
            }
        }
    )*};
}

encodes!(Ping<'_>, IndirectPing<'_>, Ack<'_>, Nack, Alive<'_>, Compress<'_>);

impl ErrorReply<'_> {
    /// Appends it, type byte first.
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode(MessageType::Error, self, out);
    }
}

impl Accusation<'_> {
    /// Appends it as a suspect message, type byte first.
    pub fn encode_suspect(&self, out: &mut Vec<u8>) {
        encode(MessageType::Suspect, self, out);
    }

    /// Appends it as a dead message, type byte first.
    pub fn encode_dead(&self, out: &mut Vec<u8>) {
        encode(MessageType::Dead, self, out);
    }
}

impl PushPullHeader {
    /// Appends it, type byte first.
    pub fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) {
        out.push(MessageType::PushPull as u8);
        write_struct(self, dialect, out);
    }
}

impl UserHeader {
    /// Appends it, type byte first.
    pub fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) {
        out.push(MessageType::User as u8);
        write_struct(self, dialect, out);
    }
}

impl Row<'_> {
    /// Appends it; a row has no type byte.
    pub fn encode(&self, out: &mut Vec<u8>) {
        write_struct(self, Dialect::Old, out);
    }

    /// The same with its own bytes.
    pub fn into_owned(self) -> Row<'static> {
        Row {
            name: own(self.name),
            addr: self.addr.map(own),
            port: self.port,
            meta: self.meta.map(own),
            incarnation: self.incarnation,
            state: self.state,
            vsn: self.vsn.map(own),
        }
    }
}

impl Ping<'_> {
    /// The same with its own bytes.
    pub fn into_owned(self) -> Ping<'static> {
        Ping {
            seq: self.seq,
            node: own(self.node),
            source_addr: self.source_addr.map(own),
            source_port: self.source_port,
            source_node: own(self.source_node),
        }
    }
}

impl Ack<'_> {
    /// The same with its own bytes.
    pub fn into_owned(self) -> Ack<'static> {
        Ack { seq: self.seq, payload: self.payload.map(own) }
    }
}

fn own(bytes: Cow<'_, [u8]>) -> Cow<'static, [u8]> {
    Cow::Owned(bytes.into_owned())
}
