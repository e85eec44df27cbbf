//! Whom a request says it speaks to. A page whose name an attacker makes point here (DNS rebinding) is the same to a
//! browser as one of ours; only the name gives it away.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    http::{StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// The hosts a connection may ask for.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    /// Where it has come to.
    pub(super) local: IpAddr,
    /// Further names, as the settings have them.
    pub(super) allowed: Arc<[String]>,
}

impl Hosts {
    pub(super) fn new(local: SocketAddr, allowed: Arc<[String]>) -> Self {
        Self { local: local.ip().to_canonical(), allowed }
    }

    /// Whether `host`, with or without a port, is loopback, the address connected to, or a name allowed.
    fn admits(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        let name = authority.host().trim_end_matches('.');
        if let Ok(ip) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
            return ip.to_canonical().is_loopback() || ip.to_canonical() == self.local;
        }
        name.eq_ignore_ascii_case("localhost")
            || self.allowed.iter().any(|one| name.eq_ignore_ascii_case(one))
    }
}

/// Refuses requests that name another host. One without a name is no browser's.
pub(super) async fn check(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let mut named = request.headers().get_all(header::HOST).iter();
    if named.all(|host| host.to_str().is_ok_and(|host| hosts.admits(host))) {
        return next.run(request).await;
    }
    let text = "this listener does not answer to that Host: ask for its address or localhost, or start the agent \
                with --http-host NAME\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_the_address_connected_to_and_names_allowed_are_admitted() {
        let allowed = Arc::from(["node.example".to_owned()]);
        let hosts = Hosts::new(([10, 0, 0, 5], 8080).into(), allowed);
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "localhost.",
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]:8080",
            "[::ffff:127.0.0.1]",
            "10.0.0.5:8080",
            "Node.Example:8080",
        ] {
            assert!(hosts.admits(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.6",
            "0.0.0.0",
            "[::]",
            "[fd00::1]:8080",
            "localhost@evil.example",
            "not a host",
        ] {
            assert!(!hosts.admits(host), "{host}");
        }
    }
}
