//! The built-in host: tokio on a thread of its own, with the node's machine in the place of one of its own.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use networkdb_core::machine::{Input, Instant, Machine, Output};
use networkdb_host::{Clock, Listener, Ports, Refusal, Shared, Sockets, Tls, TlsSettings, advertised};
use tokio::sync::{
    broadcast::{self, error::RecvError},
    oneshot,
};

use crate::{
    Code, Error, Event, EventKind, Settings, Signal,
    inner::Inner,
    settings::{Bind, set_ms},
};

/// The sockets of a node until it runs, and then its thread.
pub(crate) struct Host {
    bound: Option<SocketAddr>,
    tls: Option<Tls>,
    stage: Mutex<Stage>,
}

enum Stage {
    Ready(Ports),
    Running {
        stop: oneshot::Sender<()>,
        thread: JoinHandle<()>,
    },
    /// It cannot run, or runs no more.
    Over,
}

impl Host {
    /// Binds what the settings name, and completes what the node tells others of its address.
    pub(crate) fn bind(settings: &mut Settings) -> Result<Self, Error> {
        let tls = secured(settings)?;
        let refused = |error| Error::new(Code::System, error);
        let (bound, stage) = match settings.bind() {
            Bind::Unnamed => (None, Stage::Over),
            Bind::Nothing => (None, Stage::Ready(Ports::default())),
            Bind::Both(addr) => {
                let sockets = Sockets::bind(addr).map_err(refused)?;
                (Some(sockets.local_addr()), Stage::Ready(sockets.into()))
            }
            Bind::Listener(addr) => {
                let listener = Listener::bind(addr).map_err(refused)?;
                (Some(listener.local_addr()), Stage::Ready(listener.into()))
            }
        };
        if let (Some(bound), Some(advertise)) = (bound, settings.advertise()) {
            *advertise = Some(advertised(advertise.unwrap_or(bound), bound.port()));
        }
        Ok(Self { bound, tls, stage: Mutex::new(stage) })
    }

    pub(crate) fn bound(&self) -> Option<SocketAddr> {
        self.bound
    }

    /// Whether the streams of the node are to be secured.
    pub(crate) fn secures(&self) -> bool {
        self.tls.is_some()
    }

    /// Starts the thread.
    pub(crate) fn run(&self, inner: &Arc<Inner>) -> Result<(), Error> {
        let mut stage = self.stage();
        let Stage::Ready(ports) = std::mem::replace(&mut *stage, Stage::Over) else {
            return Err(Error::new(Code::Unsupported, "nothing is bound: the settings name no `bind`"));
        };
        let (ports, clock) = (ports.secured(self.tls.clone()), Clock::default());
        let refusals = self.tls.as_ref().map(Tls::refusals);
        let base = inner.lock()?.now;
        let machine = Driven { inner: Arc::clone(inner), base };
        let (stop, stopped) = oneshot::channel();
        let (started, start) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("networkdb".to_owned())
            .spawn(move || serve(clock, ports, machine, refusals, (&started, stopped)))
            .map_err(|error| Error::new(Code::System, error))?;
        let shared = start.recv().unwrap_or_else(|_| Err(io::Error::other("its thread ended")));
        let shared = shared.map_err(|error| Error::new(Code::System, error))?;
        inner.adopt(shared, move || base + clock.now().since(Instant::ORIGIN))?;
        *stage = Stage::Running { stop, thread };
        Ok(())
    }

    /// Ends the thread and closes the sockets.
    pub(crate) fn stop(&self) {
        let stage = std::mem::replace(&mut *self.stage(), Stage::Over);
        if let Stage::Running { stop, thread } = stage {
            // It may have ended by itself.
            let _ = stop.send(());
            let _ = thread.join();
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files that the settings name, read.
fn secured(settings: &Settings) -> Result<Option<Tls>, Error> {
    let Some(given) = settings.tls().cloned() else { return Ok(None) };
    let mut wanted = TlsSettings {
        key: given.key,
        cert: given.cert,
        ca: given.ca,
        peer_cn: given.peer_cn,
        peer_uri_san: given.peer_uri_san,
        ..TlsSettings::default()
    };
    set_ms(&mut wanted.handshake_timeout, given.handshake_timeout_ms);
    let tls = wanted.load().map_err(|error| Error::new(Code::Config, error))?;
    tls.map_or_else(|| Err(Error::new(Code::Config, "`tls` is empty")), |tls| Ok(Some(tls)))
}

type Started = io::Result<Arc<Shared<Driven>>>;

/// The thread: runs until it is told to stop.
fn serve(
    clock: Clock,
    ports: Ports,
    machine: Driven,
    refusals: Option<broadcast::Receiver<Refusal>>,
    (started, stopped): (&mpsc::Sender<Started>, oneshot::Receiver<()>),
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(started.send(Err(error))),
    };
    if let Some(refusals) = refusals {
        runtime.spawn(warn(refusals, Arc::clone(&machine.inner)));
    }
    runtime.block_on(async {
        match networkdb_host::Host::start_by(clock, ports, |_| Ok::<_, io::Error>(machine)) {
            Ok(host) => {
                // Whoever started it waits for this.
                let _ = started.send(Ok(Arc::clone(host.shared())));
                let _ = stopped.await;
                host.stop().await;
            }
            Err(error) => drop(started.send(Err(error))),
        }
    });
    // Name resolution may hang in the system.
    runtime.shutdown_timeout(Duration::from_millis(100));
}

/// Tells the user of whom TLS refused, or who refused us.
async fn warn(mut refusals: broadcast::Receiver<Refusal>, inner: Arc<Inner>) {
    loop {
        inner.note(match refusals.recv().await {
            Ok(refusal) => Event::new(EventKind::Warning).addr(refusal.peer).text(&refusal),
            Err(RecvError::Lagged(count)) => Event { number: count, ..Event::new(EventKind::Missed) },
            Err(RecvError::Closed) => return,
        });
    }
}

impl Inner {
    /// From now on commands take their time from the host's clock and wake the host.
    fn adopt(
        &self,
        shared: Arc<Shared<Driven>>,
        clock: impl Fn() -> Instant + Send + 'static,
    ) -> Result<(), Code> {
        let wake = Arc::new(Wake(shared));
        self.lock()?.clock = Some(Box::new(clock));
        self.set_wake(wake)
    }
}

/// Wakes the driver.
struct Wake(Arc<Shared<Driven>>);

impl Signal for Wake {
    fn raise(&self) {
        self.0.with(|_, _| ());
    }

    fn clear(&self) {}
}

/// The node's machine as the driver sees it.
struct Driven {
    inner: Arc<Inner>,
    /// The node's time when the host's clock began.
    base: Instant,
}

impl Driven {
    fn node_time(&self, now: Instant) -> Instant {
        self.base + now.since(Instant::ORIGIN)
    }

    /// A fault ends the node, not the process: its users are told.
    fn guarded<R: Default>(&self, act: impl FnOnce(&Inner) -> R) -> R {
        catch_unwind(AssertUnwindSafe(|| act(&self.inner))).unwrap_or_default()
    }
}

impl Machine for Driven {
    type Event = Infallible;

    fn handle(&mut self, now: Instant, input: Input<'_>) {
        let now = self.node_time(now);
        self.guarded(|inner| inner.feed(now, input));
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.guarded(Inner::pull)
    }

    fn poll_event(&mut self) -> Option<Infallible> {
        None
    }

    fn next_deadline(&self) -> Option<Instant> {
        let deadline = self.guarded(Inner::deadline)?;
        Some(Instant::ORIGIN + deadline.since(self.base))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::{Kind, Node};

    #[test]
    fn nothing_is_left_of_a_hosted_node_that_was_closed() {
        let settings = "name = 'a'\nbind = '127.0.0.1:0'";
        let node = Node::create(Kind::Memberlist, settings, [1; 32], Instant::ORIGIN).unwrap();
        node.run().unwrap();
        let inner = Arc::downgrade(&node.inner);
        drop(node);
        assert!(inner.upgrade().is_none());
    }
}
