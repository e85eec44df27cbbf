//! The command line of `networkdb sync`.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use networkdb_core::machine::Endpoint;
use networkdb_host::{Tls, TlsSettings, sync::DEFAULT_SYNCER_TYPE};

use crate::{
    failure::Failure,
    input::{parse_duration, parse_server},
};

#[derive(Debug, Subcommand)]
pub(crate) enum SyncCommand {
    /// Serve keys and values to Typha's clients, and send them what changes
    #[command(after_help = LINES)]
    Serve(ServeArgs),
    /// Print the keys and values of a server, then what changes
    #[command(after_help = CODES)]
    Watch(WatchArgs),
    /// Measure a server with many clients
    Bench(BenchArgs),
}

const LINES: &str = "\
Lines of a file are JSON objects, as `networkdb sync watch --output json` prints them:
  {\"key\":\"/calico/v1/config/A\",\"value\":\"text\",\"revision\":\"7\",\"ttl\":60}
  {\"key\":\"/k\",\"value\":{\"any\":\"JSON, served as it is written\"}}   {\"key\":\"/k\",\"value\":{\"base64\":\"AP8=\"}}
  {\"key\":\"/k\",\"delete\":true}   {\"status\":\"wait-for-ready\" or \"resync\" or \"in-sync\"}
A wrong line is told of and skipped. The file is followed as it grows. If it has told no status when its end is first
reached, clients are told that they are in sync.

Rows of an agent, its own among them, are served as PREFIX/NETWORK/TABLE/KEY, where `%` and `/` in a name are written
%25 and %2f.";

const CODES: &str = "\
Exit codes: 0 when interrupted, or with --snapshot once in sync; 1 when the server refuses or the connection ends for
good; 2 for wrong options; 3 when no server answers.";

/// How connections are secured. If any of these is given, all have to be, except that one of the two names suffices.
#[derive(Clone, Debug, Args)]
pub(super) struct TlsArgs {
    /// PEM file of our private key
    #[arg(long = "tls-key", env = "NETWORKDB_TLS_KEY", value_name = "FILE", help_heading = "TLS")]
    key: Option<PathBuf>,
    /// PEM file of our certificate
    #[arg(long = "tls-cert", env = "NETWORKDB_TLS_CERT", value_name = "FILE", help_heading = "TLS")]
    cert: Option<PathBuf>,
    /// PEM file of the CA of both sides
    #[arg(long = "tls-ca", env = "NETWORKDB_TLS_CA", value_name = "FILE", help_heading = "TLS")]
    ca: Option<PathBuf>,
    /// Common name (CN) the other side's certificate has to have
    #[arg(long = "tls-peer-cn", env = "NETWORKDB_TLS_PEER_CN", value_name = "NAME", help_heading = "TLS")]
    peer_cn: Option<String>,
    /// URI among the alternative names (SAN) of the other side's certificate, instead of the CN
    #[arg(
        long = "tls-peer-uri-san",
        env = "NETWORKDB_TLS_PEER_URI_SAN",
        value_name = "URI",
        help_heading = "TLS"
    )]
    peer_uri_san: Option<String>,
}

impl TlsArgs {
    pub(super) fn load(self) -> Result<Option<Tls>, Failure> {
        let settings = TlsSettings {
            key: self.key,
            cert: self.cert,
            ca: self.ca,
            peer_cn: self.peer_cn,
            peer_uri_san: self.peer_uri_san,
            ..TlsSettings::default()
        };
        settings.load().map_err(|error| Failure::usage(error.to_string()))
    }
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where keys and values come from: a file of JSON lines, `-` for stdin, or `agent` for the rows of a running agent
    #[arg(long, value_name = "FILE|-|agent")]
    pub(super) from: String,
    /// Address to listen on
    #[arg(long, env = "NETWORKDB_SYNC_LISTEN", value_name = "IP:PORT", default_value = "0.0.0.0:5473")]
    pub(super) listen: SocketAddr,
    /// What clients may ask for, such as felix or bgp; each gets the same
    #[arg(long = "syncer", value_name = "TYPE", value_delimiter = ',', default_value = DEFAULT_SYNCER_TYPE)]
    pub(super) syncers: Vec<String>,
    /// Parts that share the connections; one serves thousands
    #[arg(long, default_value = "1")]
    pub(super) shards: NonZeroUsize,
    /// Connections beyond which random ones are dropped
    #[arg(long, value_name = "NUMBER")]
    pub(super) max_connections: Option<usize>,
    /// When told to end, let connections go over this time
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5s")]
    pub(super) drain: Duration,
    /// Of an agent: only this network
    #[arg(long, value_name = "NET")]
    pub(super) network: Option<String>,
    /// Of an agent: only this table
    #[arg(long)]
    pub(super) table: Option<String>,
    /// Of an agent: what the keys of its rows begin with
    #[arg(long, default_value = "/networkdb")]
    pub(super) prefix: String,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
}

/// Whom to connect to, and as what.
#[derive(Clone, Debug, Args)]
pub(super) struct ServerArgs {
    /// The servers, one of which is connected to; each address of a name is one
    #[arg(required = true, value_name = "HOST[:PORT]", value_parser = parse_server)]
    pub(super) servers: Vec<Endpoint>,
    /// What to ask for
    #[arg(long = "syncer", value_name = "TYPE", default_value = DEFAULT_SYNCER_TYPE)]
    pub(super) syncer: String,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(super) server: ServerArgs,
    /// End once everything is there that the server has now
    #[arg(long)]
    pub(super) snapshot: bool,
    /// Do not print the keys and values, only how fast they come
    #[arg(long)]
    pub(super) quiet: bool,
    /// Host name told to the server [default: the host name]
    #[arg(long)]
    pub(super) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(super) server: ServerArgs,
    /// Clients at once
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) clients: u32,
    /// How long to measure
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration, default_value = "10s")]
    pub(super) duration: Duration,
    /// Decode what comes, as a real client does; else it is only read, uncompressed, and counted
    #[arg(long)]
    pub(super) decode: bool,
}
