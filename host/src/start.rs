//! Starting a node: its settings, its sockets, and what may go wrong.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use networkdb_core::{
    Name,
    memberlist::ConfigError,
    networkdb::{Config, NetworkDb},
};

use crate::{
    bind::{BindError, Sockets},
    driver::Host,
};

/// What a node is started with.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The address of its UDP and TCP sockets; port 0 for any that is free for both.
    pub bind: SocketAddr,
    /// Everything else. An advertised address that is unspecified (`0.0.0.0`) or has port 0 is completed at the
    /// start: by the address this machine sends from, and by the port bound.
    pub database: Config,
}

impl NodeConfig {
    /// A node called `name`, bound to `bind` and advertising the same.
    pub fn new(name: impl Into<Name>, bind: SocketAddr) -> Self {
        Self { bind, database: Config::new(name, bind) }
    }

    /// Binds the sockets and starts the machine on them; also tells the address advertised.
    pub(crate) fn start(self) -> Result<(Host<NetworkDb>, SocketAddr), StartError> {
        let Self { bind, mut database } = self;
        let sockets = Sockets::bind(bind)?;
        let list = &mut database.memberlist;
        list.bind_port = sockets.local_addr().port();
        let advertise = advertised(list.advertise, list.bind_port);
        list.advertise = advertise;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| StartError::System(error.to_string()))?;
        let host = Host::start(sockets, |now| NetworkDb::new(database, seed, now).map_err(StartError::from))?;
        Ok((host, advertise))
    }
}

/// `wanted` with what is left open filled in: an unspecified address by the one this machine sends from, port 0 by the
/// port bound.
pub fn advertised(wanted: SocketAddr, bound_port: u16) -> SocketAddr {
    let ip = if wanted.ip().is_unspecified() { own_address(wanted.is_ipv4()) } else { wanted.ip() };
    let port = if wanted.port() == 0 { bound_port } else { wanted.port() };
    SocketAddr::new(ip, port)
}

/// The address this machine sends from to the outside; loopback if there is no route. Nothing is sent.
fn own_address(v4: bool) -> IpAddr {
    let (any, outside, loopback): (IpAddr, IpAddr, IpAddr) = if v4 {
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into(), Ipv4Addr::LOCALHOST.into())
    } else {
        let documentation = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        (Ipv6Addr::UNSPECIFIED.into(), documentation.into(), Ipv6Addr::LOCALHOST.into())
    };
    let source = || -> io::Result<IpAddr> {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((outside, 9))?;
        Ok(socket.local_addr()?.ip())
    };
    source().unwrap_or(loopback)
}

/// Why a node did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartError {
    /// Its address cannot be used.
    Bind(BindError),
    /// A setting is wrong.
    Config(ConfigError),
    /// The operating system refused something else.
    System(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(error) => error.fmt(f),
            Self::Config(error) => error.fmt(f),
            Self::System(reason) => write!(f, "the operating system refused: {reason}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<BindError> for StartError {
    fn from(error: BindError) -> Self {
        Self::Bind(error)
    }
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::System(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_open_of_the_advertised_address_is_filled_in() {
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        let filled = advertised(any, 7946);
        assert!(!filled.ip().is_unspecified());
        assert_eq!(filled.port(), 7946);
        let told = SocketAddr::from(([10, 0, 0, 7], 9000));
        assert_eq!(advertised(told, 7946), told);
    }
}
