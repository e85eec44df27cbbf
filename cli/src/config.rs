//! The agent's settings: flags over environment over file over defaults.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use networkdb_core::machine::Endpoint;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    args::AgentArgs,
    failure::Failure,
    input::{self, Key, PORT},
    socket,
};

/// The settings of an agent, complete.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) bind: SocketAddr,
    pub(crate) advertise: Option<SocketAddr>,
    pub(crate) join: Vec<Endpoint>,
    pub(crate) networks: Vec<String>,
    pub(crate) keys: Vec<Key>,
    pub(crate) socket: PathBuf,
    pub(crate) http: Option<Http>,
}

/// The HTTP listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Http {
    pub(crate) addr: SocketAddr,
    pub(crate) allow_changes: bool,
    /// Hosts that requests may name beyond loopback and the address connected to.
    pub(crate) hosts: Arc<[String]>,
}

/// What a configuration file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    name: Option<String>,
    bind: Option<SocketAddr>,
    advertise: Option<SocketAddr>,
    #[serde(deserialize_with = "endpoints")]
    join: Vec<Endpoint>,
    networks: Vec<String>,
    #[serde(deserialize_with = "keys")]
    keys: Vec<Key>,
    #[serde(rename = "key_file")]
    keys_in: Option<PathBuf>,
    socket: Option<PathBuf>,
    http: Option<SocketAddr>,
    http_allow_remote: bool,
    http_allow_changes: bool,
    http_hosts: Vec<String>,
}

impl Settings {
    /// Puts the settings together. `socket` is the flag that all commands share.
    pub(crate) fn new(args: AgentArgs, socket: Option<PathBuf>) -> Result<Self, Failure> {
        let file = args.config.as_deref().map_or_else(|| Ok(File::default()), File::read)?;
        let keys = all_keys(&args, file.keys, file.keys_in)?;
        let allow_changes = args.http_allow_changes || file.http_allow_changes;
        let hosts: Arc<[String]> =
            if args.http_hosts.is_empty() { file.http_hosts } else { args.http_hosts }.into();
        let http = args.http.or(file.http).map(|addr| Http { addr, allow_changes, hosts });
        check_http(http.as_ref(), args.http_allow_remote || file.http_allow_remote)?;
        Ok(Self {
            name: named(args.name.or(file.name))?,
            bind: args.bind.or(file.bind).unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, PORT).into()),
            advertise: args.advertise.or(file.advertise),
            join: if args.join.is_empty() { file.join } else { args.join },
            networks: if args.networks.is_empty() { file.networks } else { args.networks },
            keys,
            socket: socket.or(file.socket).unwrap_or_else(socket::default_path),
            http,
        })
    }
}

impl File {
    fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("cannot read the configuration {shown}: {error}")))?;
        toml::from_str(&text).map_err(|error| Failure::usage(format!("{shown}, {}", place(&text, &error))))
    }
}

/// Line, key and reason of an error, without the line itself: it may hold a key.
fn place(text: &str, error: &toml::de::Error) -> String {
    let reason = error.message();
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return reason.to_owned() };
    let line = before.matches('\n').count();
    let key = text.lines().take(line + 1).filter_map(|line| line.split_once('=')).last();
    match key {
        Some((key, _)) => format!("line {}, `{}`: {reason}", line + 1, key.trim()),
        None => format!("line {}: {reason}", line + 1),
    }
}

fn endpoints<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Endpoint>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts.iter().map(|text| input::parse_endpoint(text).map_err(D::Error::custom)).collect()
}

/// Errors of serde repeat what they found; those about keys must not.
fn keys<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Key>, D::Error> {
    let toml::Value::Array(values) = toml::Value::deserialize(from)? else {
        return Err(D::Error::custom("expected a list of keys in hex"));
    };
    let parse = |value: &toml::Value| match value {
        toml::Value::String(text) => text.parse().map_err(D::Error::custom),
        _ => Err(D::Error::custom("expected a list of keys in hex")),
    };
    values.iter().map(parse).collect()
}

/// The keys of the flags, else those of the key file, else those in the configuration.
fn all_keys(args: &AgentArgs, from_file: Vec<Key>, key_file: Option<PathBuf>) -> Result<Vec<Key>, Failure> {
    if !args.keys.is_empty() {
        return args
            .keys
            .iter()
            .enumerate()
            .map(|(i, text)| {
                text.parse().map_err(|reason| Failure::usage(format!("--key number {}: {reason}", i + 1)))
            })
            .collect();
    }
    match args.key_file.clone().or(key_file) {
        Some(path) => read_keys(&path),
        None => Ok(from_file),
    }
}

fn read_keys(path: &Path) -> Result<Vec<Key>, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read the keys in {shown}: {error}")))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| {
            line.parse().map_err(|reason| Failure::usage(format!("{shown}, line {}: {reason}", i + 1)))
        })
        .collect()
}

fn check_http(http: Option<&Http>, remote: bool) -> Result<(), Failure> {
    match http {
        Some(http) if !http.addr.ip().is_loopback() && !remote => Err(Failure::usage(format!(
            "--http {}: whoever reaches that address reads all rows; take 127.0.0.1, or add --http-allow-remote",
            http.addr
        ))),
        _ => Ok(()),
    }
}

fn named(name: Option<String>) -> Result<String, Failure> {
    let name = name.or_else(host_name).unwrap_or_default();
    if name.is_empty() {
        return Err(Failure::usage("this node needs a name, unique in the cluster: give --name NAME"));
    }
    Ok(name)
}

pub(crate) fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| fs::read_to_string("/etc/hostname"))
        .ok()?;
    Some(name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let error = toml::from_str::<File>(text).expect_err("a wrong file");
        place(text, &error)
    }

    #[test]
    fn an_error_names_line_and_key() {
        assert!(error("name = \"a\"\nbnid = \"x\"\n").starts_with("line 2, `bnid`: unknown field"));
        let wrong = error("name = \"a\"\n\nbind = \"nowhere\"\n");
        assert!(wrong.starts_with("line 3, `bind`: "), "{wrong}");
        assert!(error("join = [\n  \"seed:port\",\n]\n").contains("`join`: `seed:port` is not HOST:PORT"));
    }

    #[test]
    fn an_error_about_keys_does_not_repeat_them() {
        for text in ["keys = \"5ec4e7\"", "keys = [\"5ec4e7\"]", "keys = [[\"5ec4e7\"]]"] {
            let error = error(text);
            assert!(error.starts_with("line 1, `keys`: ") && !error.contains("5ec4e7"), "{error}");
        }
    }

    #[test]
    fn http_is_loopback_unless_told() {
        let check = |text: &str, remote| {
            let addr = text.parse().expect("an address");
            check_http(Some(&Http { addr, allow_changes: false, hosts: Arc::from([]) }), remote)
        };
        assert!(check("127.0.0.1:1", false).is_ok());
        assert!(check("[::1]:1", false).is_ok());
        assert!(check("0.0.0.0:1", false).is_err());
        assert!(check("0.0.0.0:1", true).is_ok());
    }
}
