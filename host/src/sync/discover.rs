//! Finding servers: each address of each name is a server of its own.

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use networkdb_core::machine::Endpoint;
use tokio::{net::lookup_host, time::timeout};

/// How long the system may take for a name.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether any of them has to be looked up.
pub(super) fn has_names(endpoints: &[Endpoint]) -> bool {
    endpoints.iter().any(|endpoint| matches!(endpoint, Endpoint::Name { .. }))
}

/// All addresses of these endpoints in their order, each once. A name that cannot be resolved now stays a name, to be
/// resolved at the dial.
pub(super) async fn discover(endpoints: &[Endpoint]) -> Vec<Endpoint> {
    let found = join_all(endpoints.iter().map(addresses)).await;
    let mut seen = BTreeSet::new();
    found.into_iter().flatten().filter(|endpoint| seen.insert(endpoint.clone())).collect()
}

async fn addresses(endpoint: &Endpoint) -> Vec<Endpoint> {
    let Endpoint::Name { host, port } = endpoint else { return vec![endpoint.clone()] };
    let found = timeout(PATIENCE, lookup_host((&**host, *port))).await;
    let found: Vec<_> = found.into_iter().flatten().flatten().map(Endpoint::Addr).collect();
    if found.is_empty() { vec![endpoint.clone()] } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_order_is_kept() {
        let wanted = ["127.0.0.2:1", "127.0.0.1:2", "127.0.0.1:1", "127.0.0.2:1"];
        let wanted = wanted.map(|text| text.parse::<Endpoint>().expect("an endpoint"));
        assert_eq!(discover(&wanted).await, wanted[..3]);
    }

    #[tokio::test]
    async fn each_address_is_found_once_and_an_unknown_name_stays() {
        let endpoint = |text: &str| text.parse::<Endpoint>().expect("an endpoint");
        let wanted =
            [endpoint("localhost:5473"), endpoint("127.0.0.1:5473"), endpoint("no-such-host.invalid:1")];
        let found = discover(&wanted).await;
        assert_eq!(found.iter().filter(|at| **at == wanted[1]).count(), 1, "{found:?}");
        assert!(found.contains(&wanted[2]) && !found.contains(&wanted[0]), "{found:?}");
        assert!(has_names(&wanted) && !has_names(&wanted[1..2]));
    }
}
