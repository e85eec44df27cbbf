//! Stable numbers for what a call can answer.

use std::fmt;

use networkdb_core::{
    memberlist::{self, KeyError, StreamFault},
    networkdb::{EntryError, NetworkError},
};

/// How a call or a request ended. Numbers never change their meaning; new ones may come.
///
/// Below 20: about the call. From 20 on: about what was asked for. All but `Ok` and those that say otherwise leave
/// everything as it was.
#[repr(i32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// It worked.
    #[default]
    Ok = 0,
    /// An argument is wrong: a null pointer, a length beyond its buffer, a number nobody knows.
    Invalid = 1,
    /// The configuration cannot be read or a setting cannot work.
    Config = 2,
    /// This kind of node, this build or this platform cannot do that.
    Unsupported = 3,
    /// Another thread drives this node: a step, a pump or the built-in host.
    Busy = 4,
    /// There is no such node: it was closed, or never was.
    Closed = 5,
    /// A fault of this library ended an earlier call on this node (a panic). It can only be closed.
    Poisoned = 6,
    /// Nothing waits.
    Empty = 7,
    /// The buffer is too small; the size it needs was told. Nothing was consumed.
    TooSmall = 8,
    /// A stream id that cannot be: even and never opened, or odd and accepted before, or out of turn.
    Stream = 9,
    /// The operating system refused.
    System = 10,
    /// The request is not JSON, not a command of this kind of node, or has wrong fields.
    Request = 11,
    /// The row is there already.
    Exists = 20,
    /// There is no such row, network, watch or connection.
    Missing = 21,
    /// The row has been deleted.
    Deleted = 22,
    /// The row's owner has failed; it is back when the owner is.
    Hidden = 23,
    /// It could not be sent: too many bytes.
    TooLarge = 24,
    /// The network is joined already.
    AlreadyJoined = 25,
    /// The network was never joined. Leaving: own rows in it have become tombstones all the same.
    NotJoined = 26,
    /// Nobody could be reached.
    Unreachable = 27,
    /// Somebody was reached, but the others could not be told in time.
    Unannounced = 28,
    /// A key has a wrong length, is not installed, is in use, or the node runs without keys.
    Key = 29,
    /// What was sent was not taken over by the other side.
    Undelivered = 30,
    /// The bytes are not of this format.
    Malformed = 31,
}

impl Code {
    /// All codes.
    ///
    /// cbindgen:ignore
    pub const ALL: [Self; 24] = [
        Self::Ok,
        Self::Invalid,
        Self::Config,
        Self::Unsupported,
        Self::Busy,
        Self::Closed,
        Self::Poisoned,
        Self::Empty,
        Self::TooSmall,
        Self::Stream,
        Self::System,
        Self::Request,
        Self::Exists,
        Self::Missing,
        Self::Deleted,
        Self::Hidden,
        Self::TooLarge,
        Self::AlreadyJoined,
        Self::NotJoined,
        Self::Unreachable,
        Self::Unannounced,
        Self::Key,
        Self::Undelivered,
        Self::Malformed,
    ];

    /// The code of this number.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|code| *code as i32 == number)
    }

    /// What it means, in a few words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Invalid => "wrong argument",
            Self::Config => "wrong configuration",
            Self::Unsupported => "not supported by this node, build or platform",
            Self::Busy => "another thread drives this node",
            Self::Closed => "no such node: it was closed or never was",
            Self::Poisoned => "an internal fault ended an earlier call on this node",
            Self::Empty => "nothing waits",
            Self::TooSmall => "the buffer is too small",
            Self::Stream => "wrong stream id",
            Self::System => "the operating system refused",
            Self::Request => "wrong request",
            Self::Exists => "it exists already",
            Self::Missing => "there is none",
            Self::Deleted => "it has been deleted",
            Self::Hidden => "its owner has failed",
            Self::TooLarge => "too large to be sent",
            Self::AlreadyJoined => "joined already",
            Self::NotJoined => "not joined",
            Self::Unreachable => "nobody could be reached",
            Self::Unannounced => "the others could not be told in time",
            Self::Key => "the key cannot be used",
            Self::Undelivered => "not delivered",
            Self::Malformed => "not of this format",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Code {}

/// A code, and why in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The stable part.
    pub code: Code,
    /// For people.
    pub text: String,
}

impl Error {
    pub(crate) fn new(code: Code, text: impl fmt::Display) -> Self {
        Self { code, text: text.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code, code)
    }
}

impl From<&EntryError> for Code {
    fn from(error: &EntryError) -> Self {
        match error {
            EntryError::Exists(_) => Self::Exists,
            EntryError::Absent(_) | EntryError::Missing(_) | EntryError::NotFound(_) => Self::Missing,
            EntryError::Deleted(_) => Self::Deleted,
            EntryError::Hidden(_) => Self::Hidden,
            EntryError::TooLarge { .. } => Self::TooLarge,
        }
    }
}

impl From<NetworkError> for Error {
    fn from(error: NetworkError) -> Self {
        let code = match error {
            NetworkError::AlreadyJoined(_) => Code::AlreadyJoined,
            NetworkError::NotJoined(_) => Code::NotJoined,
            NetworkError::TooLarge { .. } => Code::TooLarge,
        };
        Self::new(code, error)
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::new(Code::Key, error)
    }
}

impl From<memberlist::ConfigError> for Error {
    fn from(error: memberlist::ConfigError) -> Self {
        Self::new(Code::Config, error)
    }
}

impl From<&StreamFault> for Code {
    fn from(_: &StreamFault) -> Self {
        Self::Undelivered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_one_code() {
        for code in Code::ALL {
            assert_eq!(Code::from_number(code as i32), Some(code));
            assert!(!code.text().is_empty());
        }
        assert_eq!(Code::from_number(-1), None);
    }
}
