//! The agent: a node, its control socket and its HTTP listener, until it is told to leave.

use std::{future::pending, io::IsTerminal, sync::Arc};

use networkdb_core::memberlist::Keyring;
use networkdb_host::{Node, NodeConfig};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
};
use tracing_subscriber::EnvFilter;

use crate::{
    args::AgentArgs,
    config::{Http, Settings},
    control::{self, Agent},
    failure::Failure,
    http,
    input::Key,
    keylog::KeyLog,
    report, socket,
};

/// Runs an agent to its end.
pub(crate) async fn run(args: Box<AgentArgs>, socket: Option<std::path::PathBuf>) -> Result<(), Failure> {
    log_to_stderr();
    let settings = Settings::new(*args, socket)?;
    let mut signals = Signals::new()?;
    let key_log = KeyLog::of_environment()?;
    settings.keys.iter().for_each(|key| key_log.append(key));
    let control = socket::bind(&settings.socket)?;
    let listener = listen(settings.http.clone()).await?;
    let node = start(&settings)?;
    let agent = Agent { node: node.clone(), key_log, left: Arc::new(Notify::new()) };
    tracing::info!(
        name = settings.name,
        address = %node.advertise(),
        members = node.members().len(),
        socket = %settings.socket.display(),
        encrypted = !settings.keys.is_empty(),
        "agent started"
    );
    let result = tokio::select! {
        () = control::serve(&control.listener, agent.clone()) => Ok(()),
        () = serve_http(listener, &node) => Ok(()),
        () = first_joins(&node, &settings) => Ok(()),
        () = report::log(&node, &settings.name) => Err(Failure::agent("the node has stopped")),
        () = agent.left.notified() => Ok(()),
        () = signals.next() => leave(&node, &mut signals).await,
    };
    node.stop().await;
    result
}

/// The node of these settings.
fn start(settings: &Settings) -> Result<Node, Failure> {
    let mut config = NodeConfig::new(settings.name.as_str(), settings.bind);
    if let Some(advertise) = settings.advertise {
        config.database.memberlist.advertise = advertise;
    }
    config.database.memberlist.keyring = keyring(&settings.keys)?;
    Node::start(config).map_err(|error| Failure::agent(error.to_string()))
}

/// A keyring whose first key is the one used for sending.
pub(crate) fn keyring(keys: &[Key]) -> Result<Keyring, Failure> {
    let keys: Vec<_> = keys.iter().map(Key::as_bytes).collect();
    Keyring::new(&keys).map_err(|error| Failure::usage(error.to_string()))
}

/// Joins the cluster and the networks of the settings; core goes on trying what fails. Never ends.
async fn first_joins(node: &Node, settings: &Settings) {
    if !settings.join.is_empty() {
        match node.join(settings.join.clone()).await {
            Ok(report) => {
                tracing::info!(reached = report.reached.len(), members = node.members().len(), "joined");
            }
            Err(error) => tracing::warn!("no node to join has answered, trying on: {error}"),
        }
    }
    for network in &settings.networks {
        match node.join_network(network.as_bytes()).await {
            Ok(_) => tracing::info!(network, "network joined"),
            Err(error) => tracing::warn!(network, "network not joined: {error}"),
        }
    }
    pending::<()>().await;
}

async fn listen(http: Option<Http>) -> Result<Option<(TcpListener, Http)>, Failure> {
    let Some(http) = http else { return Ok(None) };
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Failure::agent(format!(
            "port in use: HTTP {}; stop the program that has it or choose another",
            http.addr
        )),
        _ => Failure::agent(format!("cannot listen for HTTP on {}: {error}", http.addr)),
    };
    let listener = TcpListener::bind(http.addr).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(%address, changes = http.allow_changes, "diagnostics over HTTP");
    Ok(Some((listener, http)))
}

/// Serves HTTP, if asked for. Never ends.
async fn serve_http(listener: Option<(TcpListener, Http)>, node: &Node) {
    let Some((listener, http)) = listener else { return pending().await };
    http::serve(&listener, http::router(node.clone(), http.allow_changes), http.hosts).await;
}

/// Says goodbye; a second signal ends it at once.
async fn leave(node: &Node, signals: &mut Signals) -> Result<(), Failure> {
    tracing::info!("leaving");
    tokio::select! {
        left = node.leave() => left.map_err(|error| Failure::agent(error.to_string())),
        () = signals.next() => Err(Failure::agent("ended before goodbye was said: told twice")),
    }
}

pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::agent(format!("cannot listen for signals: {error}")))
        };
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

pub(crate) fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("NETWORKDB_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_ansi(std::io::stderr().is_terminal()).with_target(false).init();
}
