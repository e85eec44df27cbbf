//! Where a host's accepted streams come from: its own listener, or a share of one that several hosts have.

use std::{future::pending, io, net::SocketAddr, num::NonZeroUsize, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use crate::{bind::Listener, ports::Ports};

/// How long to accept nothing after the system refused: it has no descriptor left, and asking again spins.
const PAUSE: Duration = Duration::from_millis(100);
/// Streams dealt to a host that it has not taken yet; then the others wait for it.
const DEALT: usize = 64;

/// A stream and who dialled it.
pub(crate) type Accepted = (TcpStream, SocketAddr);

/// What a host accepts from.
#[derive(Debug)]
pub(crate) enum Incoming {
    Nowhere,
    Listener(Door),
    Dealt(mpsc::Receiver<Accepted>),
}

impl Incoming {
    /// The next stream; waits for ever if there will be none. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Accepted {
        let next = match self {
            Self::Nowhere => None,
            Self::Listener(door) => Some(door.next().await),
            Self::Dealt(streams) => streams.recv().await,
        };
        match next {
            Some(accepted) => accepted,
            None => pending().await,
        }
    }
}

/// A listener that rests when the system refuses.
#[derive(Debug)]
pub(crate) struct Door {
    tcp: TcpListener,
    rests_until: Option<Instant>,
}

impl Door {
    pub(crate) fn new(tcp: std::net::TcpListener) -> io::Result<Self> {
        Ok(Self { tcp: TcpListener::from_std(tcp)?, rests_until: None })
    }

    async fn next(&mut self) -> Accepted {
        loop {
            if let Some(until) = self.rests_until {
                sleep_until(until).await;
                self.rests_until = None;
            }
            match self.tcp.accept().await {
                Ok(accepted) => return accepted,
                Err(_) => self.rests_until = Some(Instant::now() + PAUSE),
            }
        }
    }
}

/// Accepts for several hosts and deals the streams to them in turn. Dropping it, or [`Acceptor::stop`], ends that and
/// closes the listener; streams already dealt go on.
#[derive(Debug)]
pub struct Acceptor {
    task: JoinHandle<()>,
}

impl Acceptor {
    /// Begins to accept, inside a tokio runtime. Each of the ports is for one host; a host that has stopped loses its
    /// share, so stop the acceptor first.
    ///
    /// # Errors
    /// The runtime refuses the listener.
    pub fn start(listener: Listener, hosts: NonZeroUsize) -> io::Result<(Self, Vec<Ports>)> {
        let door = Door::new(listener.tcp)?;
        let (senders, ports) =
            (0..hosts.get()).map(|_| mpsc::channel(DEALT)).map(|(to, from)| (to, Ports::dealt(from))).unzip();
        Ok((Self { task: tokio::spawn(deal(door, senders)) }, ports))
    }

    /// Ends it, and returns once the port is free.
    pub async fn stop(mut self) {
        self.task.abort();
        // It says that it was ended.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn deal(mut door: Door, hosts: Vec<mpsc::Sender<Accepted>>) {
    for host in hosts.iter().cycle() {
        // A host that has stopped drops it.
        let _ = host.send(door.next().await).await;
    }
}
