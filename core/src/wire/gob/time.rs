//! `time.Time` as Go writes it into any stream.
//!
//! Source: `golang/go` `src/time/time.go`, `MarshalBinary` and `UnmarshalBinary`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Visitor};

/// Seconds from the beginning of year 1, where Go counts from, to that of 1970.
const TO_UNIX: i64 = 62_135_596_800;
/// The zone of a time that is in UTC and says so, in minutes.
const UTC: i16 = -1;
/// Go keeps so many bits of the nanoseconds.
const NANOS: u32 = (1 << 30) - 1;

/// A point in time and its zone, kept as the bytes it came in so that it goes out again unchanged.
///
/// Two times are equal if their bytes are. The default is Go's zero time, which is not sent.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Time {
    bytes: [u8; 16],
    len: u8,
}

/// Why bytes are not a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadTime {
    /// There are none.
    Empty,
    /// A version other than 1 and 2.
    Version,
    /// Not 15 bytes in version 1, not 16 in version 2.
    Length,
}

impl fmt::Display for BadTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a time without bytes",
            Self::Version => "a time of an unknown version",
            Self::Length => "a time of the wrong length",
        })
    }
}

impl std::error::Error for BadTime {}

impl Time {
    /// A time in UTC from seconds since 1970 and nanoseconds, of which those below a second count.
    pub fn from_unix(seconds: i64, nanos: u32) -> Self {
        let mut time = Self { bytes: [0; 16], len: 15 };
        let [version, rest @ ..] = &mut time.bytes;
        *version = 1;
        let fields = seconds.wrapping_add(TO_UNIX).to_be_bytes().into_iter();
        let fields = fields.chain((nanos % 1_000_000_000).to_be_bytes()).chain(UTC.to_be_bytes());
        rest.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
        time
    }

    /// A time from the bytes Go wrote. Nanoseconds are not checked, as Go does not.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadTime> {
        let len = match bytes.first() {
            None => return Err(BadTime::Empty),
            Some(1) => 15,
            Some(2) => 16,
            Some(_) => return Err(BadTime::Version),
        };
        if bytes.len() != len {
            return Err(BadTime::Length);
        }
        let mut time = Self { bytes: [0; 16], len: len as u8 };
        time.bytes.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Ok(time)
    }

    /// The bytes as they were read or will be written; none for the default.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }

    /// Whether Go takes it for no time: the beginning of year 1 in any zone.
    pub fn is_zero(&self) -> bool {
        self.seconds() == 0 && self.nanos() == 0
    }

    /// Seconds since the beginning of 1970.
    pub fn unix_seconds(&self) -> i64 {
        self.seconds().wrapping_sub(TO_UNIX)
    }

    /// Nanoseconds since [`Time::unix_seconds`], the 30 bits that Go keeps.
    pub fn nanos(&self) -> u32 {
        let [_, _, _, _, _, _, _, _, _, nanos @ .., _, _, _] = self.bytes;
        u32::from_be_bytes(nanos) & NANOS
    }

    /// Seconds the zone is ahead of UTC, as Go reads them: the seconds of version 2 count up, whatever the sign.
    pub fn zone_offset(&self) -> i32 {
        let [.., high, low, seconds] = self.bytes;
        let offset = i32::from(i16::from_be_bytes([high, low])) * 60 + i32::from(seconds);
        if offset == i32::from(UTC) * 60 { 0 } else { offset }
    }

    /// Seconds since the beginning of year 1.
    fn seconds(&self) -> i64 {
        let [_, seconds @ .., _, _, _, _, _, _, _] = self.bytes;
        i64::from_be_bytes(seconds)
    }
}

/// The name serde knows a time by; see [`GOB_ENCODER`](super::GOB_ENCODER).
const SERDE_NAME: &str = "$gob.GobEncoder.Time";

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(SERDE_NAME, &Bytes(self))
    }
}

struct Bytes<'t>(&'t Time);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.as_bytes())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(SERDE_NAME, FromBytes)
    }
}

struct FromBytes;

impl<'de> Visitor<'de> for FromBytes {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a time")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Time, D::Error> {
        deserializer.deserialize_bytes(self)
    }

    /// No bytes are the zero time, which is not sent.
    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Time, E> {
        if bytes.is_empty() { Ok(Time::default()) } else { Time::from_bytes(bytes).map_err(E::custom) }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("Time(zero)");
        }
        write!(f, "Time({}.{:09} {:+}s)", self.unix_seconds(), self.nanos(), self.zone_offset())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_the_bytes_go_gives_it() {
        let time = Time::from_unix(1_550_830_272, 123_456_789);
        assert_eq!(hex::encode(time.as_bytes()), "010000000ed401c1c0075bcd15ffff");
        assert_eq!((time.unix_seconds(), time.nanos(), time.zone_offset()), (1_550_830_272, 123_456_789, 0));
        assert_eq!(Time::from_bytes(time.as_bytes()), Ok(time));
        assert!(!time.is_zero());
    }

    #[test]
    fn the_zero_time_has_no_bytes_or_those_of_year_1() {
        assert!(Time::default().is_zero() && Time::default().as_bytes().is_empty());
        assert!(Time::from_unix(-TO_UNIX, 0).is_zero());
    }

    #[test]
    fn seconds_of_a_zone_count_up_as_go_reads_them() {
        let bytes = hex::decode("020000000ed401c1c0075bcd15ffb5fe").unwrap();
        let time = Time::from_bytes(&bytes).unwrap();
        assert_eq!(time.zone_offset(), -4246);
        assert_eq!(time.as_bytes(), bytes);
    }

    #[test]
    fn bytes_that_are_no_time_are_refused() {
        assert_eq!(Time::from_bytes(&[]), Err(BadTime::Empty));
        assert_eq!(Time::from_bytes(&[3; 15]), Err(BadTime::Version));
        assert_eq!(Time::from_bytes(&[1; 16]), Err(BadTime::Length));
        assert_eq!(Time::from_bytes(&[2; 15]), Err(BadTime::Length));
    }
}
