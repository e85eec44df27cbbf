//! What a host is given to reach the network.

use std::{
    io,
    net::{TcpListener, UdpSocket},
};

use tokio::sync::mpsc;

use crate::{
    accept::{Accepted, Door, Incoming},
    bind::{Listener, Sockets},
    tls::Tls,
};

/// The sockets of one host, and how its streams are secured. A machine may always dial; made from [`Sockets`] it also
/// accepts and speaks by datagrams, from a [`Listener`] it also accepts, from an [`crate::Acceptor`] it accepts its share.
#[derive(Debug, Default)]
pub struct Ports {
    pub(crate) udp: Option<UdpSocket>,
    pub(crate) accepts: Accepts,
    pub(crate) tls: Option<Tls>,
}

#[derive(Debug, Default)]
pub(crate) enum Accepts {
    #[default]
    Nothing,
    From(TcpListener),
    Share(mpsc::Receiver<Accepted>),
}

impl Ports {
    /// Secures all streams, those dialled and those accepted; `None` leaves them plain.
    #[must_use]
    pub fn secured(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }

    pub(crate) fn dealt(streams: mpsc::Receiver<Accepted>) -> Self {
        Self { accepts: Accepts::Share(streams), ..Self::default() }
    }
}

impl Accepts {
    /// Hands the listener to the runtime.
    pub(crate) fn begin(self) -> io::Result<Incoming> {
        Ok(match self {
            Self::Nothing => Incoming::Nowhere,
            Self::From(tcp) => Incoming::Listener(Door::new(tcp)?),
            Self::Share(streams) => Incoming::Dealt(streams),
        })
    }
}

impl From<Sockets> for Ports {
    fn from(sockets: Sockets) -> Self {
        Self { udp: Some(sockets.udp), accepts: Accepts::From(sockets.tcp), tls: None }
    }
}

impl From<Listener> for Ports {
    fn from(listener: Listener) -> Self {
        Self { accepts: Accepts::From(listener.tcp), ..Self::default() }
    }
}
