//! One UDP and one TCP socket on the same port, or TCP alone.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections the system may hold before they are accepted.
const BACKLOG: i32 = 1024;
/// Bytes of datagrams the system may hold before they are read: what the peer asks for.
const RECEIVE_BUFFER: usize = 2 << 20;
/// Ports tried when any port will do.
const TRIES: usize = 32;
/// What Linux says to an address of a kind it does not know (`EAFNOSUPPORT`): most often it runs without IPv6.
const NO_FAMILY: i32 = 97;

/// The sockets of a node, bound and not yet used.
#[derive(Debug)]
pub struct Sockets {
    pub(crate) udp: UdpSocket,
    pub(crate) tcp: TcpListener,
    addr: SocketAddr,
}

impl Sockets {
    /// Binds UDP and TCP to `addr`. With port 0, to one port that is free for both.
    ///
    /// # Errors
    /// Names the address and why it cannot be used.
    pub fn bind(addr: SocketAddr) -> Result<Self, BindError> {
        let mut result = Self::bind_once(addr);
        for _ in 1..TRIES {
            match &result {
                Err(error) if addr.port() == 0 && error.port_in_use() => result = Self::bind_once(addr),
                _ => break,
            }
        }
        result
    }

    /// The address both sockets are bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    fn bind_once(wanted: SocketAddr) -> Result<Self, BindError> {
        let Listener { tcp, addr } = Listener::bind(wanted)?;
        let udp = bind_udp(addr).map_err(|error| BindError::new("UDP", addr, &error))?;
        Ok(Self { udp, tcp, addr })
    }
}

/// A TCP listener, bound and not yet used: for a machine that sends no datagrams.
#[derive(Debug)]
pub struct Listener {
    pub(crate) tcp: TcpListener,
    addr: SocketAddr,
}

impl Listener {
    /// Binds TCP to `addr`; with port 0 to any that is free.
    ///
    /// # Errors
    /// Names the address and why it cannot be used.
    pub fn bind(addr: SocketAddr) -> Result<Self, BindError> {
        let tcp = bind_tcp(addr).map_err(|error| BindError::new("TCP", addr, &error))?;
        let addr = tcp.local_addr().map_err(|error| BindError::new("TCP", addr, &error))?;
        Ok(Self { tcp, addr })
    }

    /// The address it is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }
}

fn bind_tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_udp(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // The system may grant less; a small buffer costs datagrams under load, nothing else.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

/// Why an address cannot be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindError {
    protocol: &'static str,
    addr: SocketAddr,
    kind: io::ErrorKind,
    /// The system knows no addresses of this kind.
    no_family: bool,
    reason: String,
}

impl BindError {
    fn new(protocol: &'static str, addr: SocketAddr, error: &io::Error) -> Self {
        let no_family = error.raw_os_error() == Some(NO_FAMILY);
        Self { protocol, addr, kind: error.kind(), no_family, reason: error.to_string() }
    }

    /// Whether another program has the port.
    pub fn port_in_use(&self) -> bool {
        self.kind == io::ErrorKind::AddrInUse
    }

    /// The address that was tried.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, addr, reason, .. } = self;
        match self.kind {
            _ if self.no_family && addr.is_ipv6() => {
                write!(f, "cannot bind {protocol} {addr}: this machine runs without IPv6")
            }
            io::ErrorKind::AddrInUse => {
                let port = addr.port();
                write!(
                    f,
                    "port in use: {protocol} {addr}; stop the program that has port {port} or bind to another"
                )
            }
            io::ErrorKind::AddrNotAvailable => {
                write!(f, "cannot bind {protocol} {addr}: no interface of this machine has that address")
            }
            _ => write!(f, "cannot bind {protocol} {addr}: {reason}"),
        }
    }
}

impl std::error::Error for BindError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn port_zero_finds_one_port_for_both() -> Result<(), BindError> {
        let sockets = Sockets::bind(loopback(0))?;
        assert_ne!(sockets.local_addr().port(), 0);
        assert_eq!(sockets.udp.local_addr().ok(), sockets.tcp.local_addr().ok());
        Ok(())
    }

    #[test]
    fn a_machine_without_ipv6_is_named_as_such() {
        let addr = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 1));
        let text = |code| BindError::new("TCP", addr, &io::Error::from_raw_os_error(code)).to_string();
        assert_eq!(text(NO_FAMILY), "cannot bind TCP [::1]:1: this machine runs without IPv6");
        // EADDRNOTAVAIL
        assert_eq!(text(99), "cannot bind TCP [::1]:1: no interface of this machine has that address");
    }

    #[test]
    fn a_port_in_use_is_named() -> Result<(), BindError> {
        let first = Sockets::bind(loopback(0))?;
        let second = Sockets::bind(first.local_addr());
        let Err(error) = second else {
            return Err(BindError::new("?", first.addr, &io::Error::other("bound twice")));
        };
        assert!(error.port_in_use());
        assert!(error.to_string().contains(&format!("port in use: TCP {}", first.local_addr())), "{error}");
        Ok(())
    }
}
