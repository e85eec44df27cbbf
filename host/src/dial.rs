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

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn all_addresses_of_a_name_are_tried() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let live = listener.local_addr().expect("its address");
        let dead = |ip: &str| SocketAddr::new(ip.parse().expect("an address"), live.port());
        // Where only one of both kinds of a name's addresses is listened on, as with `localhost`.
        for addrs in [vec![live], vec![dead("::1"), live], vec![dead("127.0.0.2"), dead("127.0.0.3"), live]] {
            let stream = dial_any(addrs).await.expect("one of them answers");
            assert_eq!(stream.peer_addr().expect("its address"), live);
        }
        let error = dial_any(vec![dead("127.0.0.2"), dead("127.0.0.3")]).await.expect_err("nobody is there");
        assert_eq!(error, Fault::Refused);
        assert_eq!(dial_any(Vec::new()).await.expect_err("nowhere"), Fault::Unreachable);
    }
}
