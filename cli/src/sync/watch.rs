//! `networkdb sync watch`.

use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, ProgressBar};
use networkdb_core::machine::Fault;
use networkdb_host::{
    Refusal,
    sync::{SyncClient, SyncClientConfig, SyncEnd, SyncEvent, SyncStatus, Updates, follow},
};
use tokio::sync::broadcast::Receiver;

use super::{
    args::{ServerArgs, WatchArgs},
    line,
};
use crate::{args::Form, config, failure::Failure, output::Printer};

/// Connections that may fail in a row: upstream's number.
const TRIES: usize = 6;

/// Prints what a server sends until interrupted, or until there is no use in trying on.
pub(super) async fn run(args: WatchArgs, form: Form) -> Result<(), Failure> {
    let name = args.name.clone().or_else(config::host_name).unwrap_or_default();
    let (client, refusals) = connect(&args.server, &name).await?;
    let mut watch = Watch {
        client,
        refusals,
        refusal: None,
        printer: Printer::new(form),
        bar: bar(),
        begun: Instant::now(),
        snapshot: args.snapshot,
        quiet: args.quiet,
    };
    let interrupt = tokio::signal::ctrl_c();
    let result = tokio::select! {
        interrupted = interrupt => {
            interrupted.map_err(|error| Failure::agent(format!("cannot wait for ctrl-c: {error}")))
        }
        result = watch.follow() => result,
    };
    watch.bar.finish_and_clear();
    watch.client.stop().await;
    result
}

async fn connect(
    server: &ServerArgs,
    name: &str,
) -> Result<(SyncClient, Option<Receiver<Refusal>>), Failure> {
    let tls = server.tls.clone().load()?;
    let refusals = tls.as_ref().map(networkdb_host::Tls::refusals);
    let mut client = follow::Config::new(name, server.servers.clone());
    client.syncer_type.clone_from(&server.syncer);
    client.accept_old_servers = true;
    let tries = TRIES.max(2 * server.servers.len());
    client.retry.tries = Some(u32::try_from(tries).unwrap_or(u32::MAX));
    let client = SyncClient::start(SyncClientConfig { client, tls }).await;
    Ok((client.map_err(|error| Failure::usage(error.to_string()))?, refusals))
}

/// It draws on stderr, and only if that is a terminal.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message("connecting");
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

struct Watch {
    client: SyncClient,
    refusals: Option<Receiver<Refusal>>,
    /// The last one.
    refusal: Option<Refusal>,
    printer: Printer,
    bar: ProgressBar,
    /// When the present connection began to send.
    begun: Instant,
    snapshot: bool,
    quiet: bool,
}

impl Watch {
    async fn follow(&mut self) -> Result<(), Failure> {
        while let Some(event) = self.client.event().await {
            match event {
                SyncEvent::Updates(updates) => self.updates(&updates)?,
                SyncEvent::Status(status) => {
                    self.status(status)?;
                    if self.snapshot && status == SyncStatus::IN_SYNC {
                        return Ok(());
                    }
                }
                SyncEvent::Connected(server) => {
                    self.begun = Instant::now();
                    let version = String::from_utf8_lossy(&server.version).into_owned();
                    self.say(&format!("connected to {}, version {version:?}", server.at));
                }
                SyncEvent::Unreached { endpoint, reason } => {
                    let reason = self.reason(&reason);
                    self.say(&format!("{endpoint}: {reason}"));
                }
                SyncEvent::Disconnected { reason } => {
                    let reason = self.reason(&reason);
                    self.say(&format!("connection lost: {reason}; connecting again"));
                }
                SyncEvent::Finished { reason } => return Err(self.failure(&reason)),
            }
        }
        Ok(())
    }

    fn updates(&mut self, updates: &Updates) -> Result<(), Failure> {
        let stats = self.client.stats();
        let seconds = self.begun.elapsed().as_secs_f64().max(1e-3);
        self.bar.set_message(format!(
            "{} updates, {}, {}/s",
            HumanCount(stats.kvs),
            HumanBytes(stats.bytes_in),
            HumanCount((stats.kvs as f64 / seconds) as u64)
        ));
        if self.quiet {
            return Ok(());
        }
        let lines = updates.iter().map(|update| line::update(&update)).collect();
        let Self { bar, printer, .. } = self;
        bar.suspend(|| printer.updates(lines))
    }

    fn status(&mut self, status: SyncStatus) -> Result<(), Failure> {
        if status == SyncStatus::IN_SYNC {
            let (stats, seconds) = (self.client.stats(), self.begun.elapsed().as_secs_f64());
            self.say(&format!(
                "in sync after {seconds:.2} s: {} keys, {} received, {} updates/s",
                HumanCount(stats.known_keys as u64),
                HumanBytes(stats.bytes_in),
                HumanCount((stats.kvs as f64 / seconds.max(1e-3)) as u64)
            ));
        }
        let Self { bar, printer, .. } = self;
        bar.suspend(|| printer.updates(vec![line::status_line(status)]))
    }

    /// To stderr: what is printed to stdout are keys and values.
    fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("networkdb: {text}"));
    }

    /// Why a connection ended; with TLS, what TLS says.
    fn reason(&mut self, reason: &SyncEnd) -> String {
        while let Some(refusal) = self.refusals.as_mut().and_then(|refusals| refusals.try_recv().ok()) {
            self.refusal = Some(refusal);
        }
        match (reason, &self.refusal) {
            (SyncEnd::Dial(Fault::Untrusted) | SyncEnd::Broken(Fault::Untrusted), Some(refusal)) => {
                refusal.to_string()
            }
            _ => reason.to_string(),
        }
    }

    fn failure(&mut self, reason: &SyncEnd) -> Failure {
        let text = format!("no connection any more: {}", self.reason(reason));
        match reason {
            SyncEnd::Dial(Fault::Untrusted) => Failure::agent(text),
            SyncEnd::Dial(_) | SyncEnd::ConnectTimeout => Failure::Unreachable(text),
            _ => Failure::agent(text),
        }
    }
}
