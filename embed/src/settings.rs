//! What nodes are created from.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use networkdb_core::machine::Instant;
use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use crate::{
    Code, CodecSettings, Error, MemberlistSettings, NetworkDbSettings, SyncClientSettings,
    SyncServerSettings, fields::Fields, object::Object,
};

/// The kinds of nodes. Numbers never change their meaning; new ones may come.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A NetworkDB node: tables by network, spread by gossip.
    NetworkDb = 1,
    /// Membership alone.
    Memberlist = 2,
    /// A server of Typha's sync protocol.
    SyncServer = 3,
    /// A client of Typha's sync protocol.
    SyncClient = 4,
    /// The formats alone: it has commands, and no inputs, outputs or events.
    Codec = 5,
}

impl Kind {
    /// The kind of this number.
    pub fn from_number(number: u16) -> Option<Self> {
        [Self::NetworkDb, Self::Memberlist, Self::SyncServer, Self::SyncClient, Self::Codec]
            .into_iter()
            .find(|kind| *kind as u16 == number)
    }

    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::NetworkDb => "networkdb",
            Self::Memberlist => "memberlist",
            Self::SyncServer => "sync_server",
            Self::SyncClient => "sync_client",
            Self::Codec => "codec",
        }
    }
}

/// The settings of a node of some kind.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "said at Kind and at the settings")]
pub enum Settings {
    NetworkDb(NetworkDbSettings),
    Memberlist(MemberlistSettings),
    SyncServer(SyncServerSettings),
    SyncClient(SyncClientSettings),
    Codec(CodecSettings),
}

/// What the built-in host is to bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bind {
    /// Nothing was named: the node is driven by steps.
    Unnamed,
    /// Nothing is needed.
    Nothing,
    /// UDP and TCP on one port.
    Both(SocketAddr),
    /// TCP.
    Listener(SocketAddr),
}

impl Settings {
    /// Reads a configuration: JSON if it begins with `{`, else TOML.
    ///
    /// # Errors
    /// `Config`, with the reason and the name of the setting, or where the text is no text of its form; never with a key.
    pub fn read(kind: Kind, text: &str) -> Result<Self, Error> {
        let wrong = |reason: String| Error::new(Code::Config, reason);
        let object = if text.trim_start().starts_with('{') { json(text) } else { toml(text) };
        let from = &mut Fields::new(object.map_err(wrong)?);
        let settings = match kind {
            Kind::NetworkDb => Self::NetworkDb(NetworkDbSettings::read(from)),
            Kind::Memberlist => Self::Memberlist(MemberlistSettings::read(from)),
            Kind::SyncServer => Self::SyncServer(SyncServerSettings::read(from)),
            Kind::SyncClient => Self::SyncClient(SyncClientSettings::read(from)),
            Kind::Codec => Self::Codec(CodecSettings::read(from)),
        };
        from.end().map_err(wrong)?;
        Ok(settings)
    }

    /// What kind of node they are for.
    pub fn kind(&self) -> Kind {
        match self {
            Self::NetworkDb(_) => Kind::NetworkDb,
            Self::Memberlist(_) => Kind::Memberlist,
            Self::SyncServer(_) => Kind::SyncServer,
            Self::SyncClient(_) => Kind::SyncClient,
            Self::Codec(_) => Kind::Codec,
        }
    }

    pub(crate) fn bind(&self) -> Bind {
        match self {
            Self::NetworkDb(NetworkDbSettings { member, .. })
            | Self::Memberlist(MemberlistSettings { member, .. }) => {
                member.bind.map_or(Bind::Unnamed, Bind::Both)
            }
            Self::SyncServer(settings) => settings.bind.map_or(Bind::Unnamed, Bind::Listener),
            Self::SyncClient(_) => Bind::Nothing,
            Self::Codec(_) => Bind::Unnamed,
        }
    }

    /// What secures the streams of the built-in host.
    pub(crate) fn tls(&self) -> Option<&Tls> {
        match self {
            Self::SyncServer(settings) => settings.tls.as_ref(),
            Self::SyncClient(settings) => settings.tls.as_ref(),
            Self::NetworkDb(_) | Self::Memberlist(_) | Self::Codec(_) => None,
        }
    }

    /// Where others reach the node, for those that tell others.
    #[cfg(feature = "hosted")]
    pub(crate) fn advertise(&mut self) -> Option<&mut Option<SocketAddr>> {
        match self {
            Self::NetworkDb(NetworkDbSettings { member, .. })
            | Self::Memberlist(MemberlistSettings { member, .. }) => Some(&mut member.advertise),
            Self::SyncServer(_) | Self::SyncClient(_) | Self::Codec(_) => None,
        }
    }

    pub(crate) fn build(self, seed: [u8; 32], now: Instant) -> Result<Box<dyn Object>, Error> {
        match self {
            Self::NetworkDb(settings) => settings.build(seed, now),
            Self::Memberlist(settings) => settings.build(seed, now),
            Self::SyncServer(settings) => Ok(settings.build(seed, now)),
            Self::SyncClient(settings) => settings.build(seed, now),
            Self::Codec(settings) => Ok(settings.build(seed)),
        }
    }
}

// Both forms of a text become the same values, so that settings are read in one way only.

fn json(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn toml(text: &str) -> Result<Map<String, Value>, String> {
    let table = DeTable::parse(text).map_err(|error| {
        // Without the line itself: it may hold a key.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        format!("line {}: {}", before.matches('\n').count() + 1, error.message())
    })?;
    Ok(fields(table.get_ref()))
}

fn fields(table: &DeTable<'_>) -> Map<String, Value> {
    table.iter().map(|(name, found)| (name.get_ref().to_string(), value(found.get_ref()))).collect()
}

fn value(found: &DeValue<'_>) -> Value {
    match found {
        DeValue::String(text) => Value::from(&**text),
        // One that is too large stays text, which no setting with a number takes.
        DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
            .map_or_else(|_| digits.as_str().into(), Value::from),
        // No setting takes one: it is read to be shown. JSON has no plus sign, and none that is not finite.
        DeValue::Float(digits) => serde_json::from_str(digits.as_str().trim_start_matches('+'))
            .unwrap_or_else(|_| digits.as_str().into()),
        DeValue::Boolean(on) => Value::from(*on),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(found) => found.iter().map(|one| value(one.get_ref())).collect(),
        DeValue::Table(table) => fields(table).into(),
    }
}

/// Mutual TLS on the streams of the built-in host: both sides show a certificate. All of it is needed, except that one of the two
/// names suffices. Who steps a node secures its streams himself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of the private key.
    pub key: Option<PathBuf>,
    /// PEM file of the certificate, and of those between it and the CA.
    pub cert: Option<PathBuf>,
    /// PEM file of the CAs that vouch for the other side.
    pub ca: Option<PathBuf>,
    /// The common name (CN) in the other side's certificate.
    pub peer_cn: Option<String>,
    /// A URI among the alternative names (SAN) of the other side's certificate.
    pub peer_uri_san: Option<String>,
    /// How long a handshake may take, in milliseconds; without it 10 s.
    pub handshake_timeout_ms: Option<u64>,
}

impl Tls {
    pub(crate) fn read(from: &mut Fields) -> Self {
        Self {
            key: from.text("key").map(PathBuf::from),
            cert: from.text("cert").map(PathBuf::from),
            ca: from.text("ca").map(PathBuf::from),
            peer_cn: from.text("peer_cn"),
            peer_uri_san: from.text("peer_uri_san"),
            handshake_timeout_ms: from.number("handshake_timeout_ms"),
        }
    }
}

/// Changes a setting if another value is given.
pub(crate) fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

/// The same for a time in milliseconds.
pub(crate) fn set_ms(setting: &mut Duration, value: Option<u64>) {
    set(setting, value.map(Duration::from_millis));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_text_are_the_same_values() {
        let text = "a = 1_000\nb = [0x10, -1]\nc = { d = true, e = 1.5 }\n[f]\ng = 'text'\nh = 2026-01-02\n";
        let same = r#"{"a":1000,"b":[16,-1],"c":{"d":true,"e":1.5},"f":{"g":"text","h":"2026-01-02"}}"#;
        assert_eq!(toml(text).unwrap(), json(same).unwrap());
    }

    #[test]
    fn a_number_that_is_too_large_is_refused_and_a_line_that_is_wrong_is_counted() {
        let refused = |text| Settings::read(Kind::SyncServer, text).unwrap_err();
        let large = refused("max_accepted = 99999999999999999999");
        assert!(
            large.code == Code::Config
                && large.text.starts_with("`max_accepted` is \"99999999999999999999\""),
            "{large:?}"
        );
        let wrong = refused("version = 'v'\nmax_accepted = = 1");
        assert!(wrong.text.starts_with("line 2: "), "{wrong:?}");
    }
}
