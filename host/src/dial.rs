//! Opening connections, and what their errors mean to a machine.

use std::{io, net::SocketAddr, time::Duration};

use networkdb_core::machine::{Endpoint, Fault};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

/// How long one of several addresses of a name may keep the others waiting.
const PER_ADDRESS: Duration = Duration::from_secs(3);

/// Dials `endpoint`; a name is resolved now, and all its addresses are tried in turn.
pub(crate) async fn dial(endpoint: &Endpoint) -> Result<TcpStream, Fault> {
    match endpoint {
        Endpoint::Addr(addr) => TcpStream::connect(addr).await.map_err(|error| fault(&error)),
        Endpoint::Name { host, port } => {
            let addrs = lookup_host((&**host, *port)).await.map_err(|_| Fault::Unreachable)?;
            dial_any(addrs.collect()).await
        }
    }
}

async fn dial_any(addrs: Vec<SocketAddr>) -> Result<TcpStream, Fault> {
    let mut last = Fault::Unreachable;
    for addr in addrs {
        last = match timeout(PER_ADDRESS, TcpStream::connect(addr)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => fault(&error),
            Err(_) => Fault::TimedOut,
        };
    }
    Err(last)
}

/// What an error of the system means to a machine.
pub(crate) fn fault(error: &io::Error) -> Fault {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => Fault::Refused,
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::AddrNotAvailable => Fault::Unreachable,
        Kind::TimedOut => Fault::TimedOut,
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::NotConnected => {
            Fault::Reset
        }
        _ => Fault::Other,
    }
}
