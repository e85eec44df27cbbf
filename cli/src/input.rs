//! What people type: addresses, times, keys and values.

use std::{fmt, fs, net::SocketAddr, str::FromStr, time::Duration};

use networkdb_core::machine::Endpoint;
use networkdb_host::sync::SYNC_PORT;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The port taken where none is given: the peers' own.
pub(crate) const PORT: u16 = 7946;

/// `IP:PORT`, `HOST:PORT`, or either without a port.
pub(crate) fn parse_endpoint(text: &str) -> Result<Endpoint, String> {
    endpoint_with(text, PORT)
}

/// The same for servers of the sync protocol, whose port is another.
pub(crate) fn parse_server(text: &str) -> Result<Endpoint, String> {
    endpoint_with(text, SYNC_PORT)
}

fn endpoint_with(text: &str, port: u16) -> Result<Endpoint, String> {
    if let Ok(ip) = text.trim_matches(['[', ']']).parse() {
        return Ok(SocketAddr::new(ip, port).into());
    }
    if text.contains(':') { text.parse() } else { format!("{text}:{port}").parse() }
}

/// A time such as `500ms`, `10s` or `2m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is not a time such as 10s or 2m"))?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" | "" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err(format!("`{unit}` is not a unit of time: take ms, s or m")),
    }
}

/// An encryption key. It is never shown, and wiped when dropped.
#[derive(Clone)]
pub(crate) struct Key(Zeroizing<Vec<u8>>);

impl Key {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key in hex, to be sent to the agent.
    pub(crate) fn to_hex(&self) -> String {
        hex::encode(&*self.0)
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = hex::decode(text.trim()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| "a key is written in hex, two digits a byte".to_owned())?;
        match bytes.len() {
            16 | 24 | 32 => Ok(Self(bytes)),
            length => Err(format!("a key has 16, 24 or 32 bytes, this one has {length}")),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A value: text, `hex:BYTES` or `@FILE`.
pub(crate) fn value(text: &str) -> Result<Vec<u8>, Failure> {
    if let Some(path) = text.strip_prefix('@') {
        return fs::read(path)
            .map_err(|error| Failure::usage(format!("cannot read the value from {path}: {error}")));
    }
    match text.strip_prefix("hex:") {
        Some(digits) => hex::decode(digits).map_err(|_| {
            Failure::usage(format!("`{digits}` is not hex: write two digits a byte after hex:"))
        }),
        None => Ok(text.as_bytes().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let addr = |text: &str| Ok(Endpoint::Addr(text.parse().expect("an address")));
        assert_eq!(parse_endpoint("10.0.0.7:80"), addr("10.0.0.7:80"));
        assert_eq!(parse_endpoint("10.0.0.7"), addr("10.0.0.7:7946"));
        assert_eq!(parse_endpoint("[::1]:80"), addr("[::1]:80"));
        assert_eq!(parse_endpoint("::1"), addr("[::1]:7946"));
        assert_eq!(parse_endpoint("seed:80"), Ok(Endpoint::Name { host: "seed".into(), port: 80 }));
        assert_eq!(parse_endpoint("seed"), Ok(Endpoint::Name { host: "seed".into(), port: 7946 }));
        assert_eq!(parse_server("::1"), addr("[::1]:5473"));
        for wrong in ["", ":80", "seed:port", "http://seed", "seed:70000"] {
            assert!(parse_endpoint(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(parse_duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(parse_duration("soon").is_err() && parse_duration("3h").is_err());
    }

    #[test]
    fn a_wrong_key_is_not_repeated_in_the_error() {
        for text in ["secret", "00112233", &"ab".repeat(33)] {
            let error = text.parse::<Key>().expect_err("a wrong key");
            assert!(!error.contains(text), "{error}");
        }
        let key: Key = "ab".repeat(24).parse().expect("a key");
        assert_eq!(key.as_bytes().len(), 24);
        assert!(!format!("{key:?}").contains("ab"));
    }

    #[test]
    fn values() {
        assert_eq!(value("hex:00ff").ok(), Some(vec![0, 255]));
        assert_eq!(value("text").ok(), Some(b"text".to_vec()));
        assert!(value("hex:0").is_err() && value("@/no/such/file").is_err());
    }
}
