//! The command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::{
    input::{parse_duration, parse_endpoint},
    sync::SyncCommand,
};
use networkdb_core::machine::Endpoint;

/// A node in a cluster of Docker's NetworkDB, and the commands that speak to it.
#[derive(Debug, Parser)]
#[command(name = "networkdb", version, arg_required_else_help = true)]
pub(crate) struct Args {
    /// Unix socket of the agent [default: networkdb.sock in the runtime folder of this user, else in one of its own in /tmp]
    #[arg(long, global = true, env = "NETWORKDB_SOCKET", value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// How lists are printed: a table, or one JSON object a line
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) output: Form,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    #[default]
    Table,
    Json,
}

const KEY_LOG: &str = "If the environment variable NETWORKDBKEYLOGFILE names a file, each encryption key is appended \
to it in hex, one a line, for tools that dissect the traffic. The file is made with mode 0600.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node until it is told to leave (SIGTERM, ctrl-c or `networkdb leave`)
    #[command(after_help = KEY_LOG)]
    Agent(Box<AgentArgs>),
    /// Watch three nodes on this machine share two networks
    Demo(DemoArgs),
    /// Keys and values over Typha's sync protocol: serve them, watch a server, measure one
    #[command(subcommand)]
    Sync(Box<SyncCommand>),
    #[command(flatten)]
    Client(ClientCommand),
}

/// Settings of the agent. Those given here win over the environment, and that over the file.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct AgentArgs {
    /// Name of this node, unique in the cluster [default: the host name]
    #[arg(long, env = "NETWORKDB_NAME")]
    pub(crate) name: Option<String>,
    /// Address to listen on, UDP and TCP [default: 0.0.0.0:7946]
    #[arg(long, env = "NETWORKDB_BIND", value_name = "IP:PORT")]
    pub(crate) bind: Option<SocketAddr>,
    /// Address others reach this node at [default: that of --bind, or the one this machine sends from]
    #[arg(long, env = "NETWORKDB_ADVERTISE", value_name = "IP:PORT")]
    pub(crate) advertise: Option<SocketAddr>,
    /// Nodes to join, tried all at once and again until one answers
    #[arg(long, env = "NETWORKDB_JOIN", value_name = "HOST:PORT", value_delimiter = ',', value_parser = parse_endpoint)]
    pub(crate) join: Vec<Endpoint>,
    /// Networks to join at the start
    #[arg(long = "network", env = "NETWORKDB_NETWORKS", value_name = "NET", value_delimiter = ',')]
    pub(crate) networks: Vec<String>,
    /// Encryption key, 16, 24 or 32 bytes in hex; the first one given is used for sending. Others on this machine can
    /// see it in the list of processes: prefer --key-file or the environment
    #[arg(
        long = "key",
        env = "NETWORKDB_KEY",
        value_name = "HEX",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) keys: Vec<String>,
    /// File with encryption keys in hex, one a line
    #[arg(long, env = "NETWORKDB_KEY_FILE", value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Serve Docker's diagnostic paths and /metrics here
    #[arg(long, env = "NETWORKDB_HTTP", value_name = "IP:PORT")]
    pub(crate) http: Option<SocketAddr>,
    /// Let --http listen on an address that is not loopback: whoever reaches it reads all rows
    #[arg(long)]
    pub(crate) http_allow_remote: bool,
    /// Serve the diagnostic paths that change things: whoever reaches them changes rows
    #[arg(long)]
    pub(crate) http_allow_changes: bool,
    /// Host names that HTTP requests may ask for beside localhost and addresses of this machine; any other is refused,
    /// for it may be a web page's
    #[arg(long = "http-host", env = "NETWORKDB_HTTP_HOSTS", value_name = "NAME", value_delimiter = ',')]
    pub(crate) http_hosts: Vec<String>,
    /// TOML file with these settings
    #[arg(long, env = "NETWORKDB_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// Stop by itself after this time, such as 10s or 2m
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// Rows written in a second, by all nodes together
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub(crate) rate: u32,
}

/// What is asked of a running agent.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// The nodes of the cluster
    #[command(subcommand)]
    Member(MemberCommand),
    /// The networks of the agent
    #[command(subcommand)]
    Network(NetworkCommand),
    /// The rows of a table
    #[command(subcommand)]
    Table(TableCommand),
    /// The encryption keys, changed on each node in turn: add everywhere, use everywhere, remove everywhere
    #[command(subcommand)]
    Key(KeyCommand),
    /// Print what other nodes change, as it comes; the rows already there first
    Watch {
        /// Only this network
        #[arg(long, value_name = "NET")]
        network: Option<String>,
        /// Only this table; `NodeTable` tells of members
        #[arg(long)]
        table: Option<String>,
    },
    /// Counters, queues and health of the agent
    Stats,
    /// Say goodbye to the cluster and end the agent
    Leave,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// All members the agent knows
    List,
    /// Join a cluster over any of these nodes
    Join {
        #[arg(required = true, value_name = "HOST:PORT", value_delimiter = ',', value_parser = parse_endpoint)]
        members: Vec<Endpoint>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum NetworkCommand {
    /// Join a network: its rows come to this node
    Join {
        #[arg(value_name = "NET")]
        network: String,
    },
    /// Leave a network and forget its rows
    Leave {
        #[arg(value_name = "NET")]
        network: String,
    },
    /// The networks joined
    List,
    /// The nodes in a network
    Peers {
        #[arg(value_name = "NET")]
        network: String,
    },
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct TableOf {
    #[arg(value_name = "NET")]
    pub(crate) network: String,
    pub(crate) table: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TableCommand {
    /// Create a row, or update the one there is
    Put {
        #[command(flatten)]
        of: TableOf,
        key: String,
        /// Text, hex:BYTES, or @FILE for what a file holds
        value: String,
    },
    /// Delete a row
    Delete {
        #[command(flatten)]
        of: TableOf,
        key: String,
    },
    /// Print one row
    Get {
        #[command(flatten)]
        of: TableOf,
        key: String,
    },
    /// Print all rows
    List {
        #[command(flatten)]
        of: TableOf,
        /// Also the hidden rows of failed nodes, and deleted ones not yet forgotten
        #[arg(long)]
        all: bool,
    },
    /// Create many rows with a pattern in them, for measuring
    Load {
        #[command(flatten)]
        of: TableOf,
        /// Rows to create
        #[arg(long, default_value_t = 1000)]
        count: u32,
        /// Bytes of each value
        #[arg(long, default_value_t = 100)]
        size: u32,
        /// What their keys begin with
        #[arg(long, default_value = "row-")]
        prefix: String,
    },
    /// Number of all live rows, SHA-256 of their keys and values, and a digest that counts owners and times too: equal
    /// on nodes that agree
    Digest {
        #[command(flatten)]
        of: TableOf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Install a key for reading
    Add { hex: String },
    /// Send under this key from now on
    Use { hex: String },
    /// Forget a key that is not in use
    Remove { hex: String },
}
