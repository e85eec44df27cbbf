//! Typha's sync protocol: the Go peer's servers and clients and ours, driven alike.
//!
//! | file | what |
//! |---|---|
//! | `kvs` | updates, and the keys and values they come to |
//! | `go` | the Go peer: servers, clients, encoder, certificates |
//! | `ours` | our server and client, and what they have told |
//! | `wire` | either side by hand, for what no peer says |

mod go;
mod kvs;
mod ours;
mod wire;

pub use go::{GoClient, GoServer, certificates, encode};
pub use kvs::{Kvs, Update};
pub use ours::{OurClient, OurServer, Told, client_config, server_config};
pub use wire::{Script, Wire};

use std::{net::SocketAddr, time::Duration};

/// How long anything may take before the test has failed. On an idle machine nothing takes a second.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// The key that is published last, so that who has seen it has seen all.
pub const LAST: &str = "/calico/v1/config/Last";

/// Status of a datastore that is being read, and of one that has been.
pub const RESYNC: u8 = 1;
/// See [`RESYNC`].
pub const IN_SYNC: u8 = 2;

/// A server, whoever's.
pub trait Server {
    /// Where it listens.
    fn addr(&self) -> SocketAddr;
    /// Publishes updates to the clients of a syncer type.
    fn publish(&self, syncer: &str, updates: &[Update]);
    /// Publishes a status.
    fn status(&self, syncer: &str, status: u8);
}

/// A client, whoever's.
pub trait Client {
    /// Waits until it is in sync on its present connection.
    fn in_sync(&self);
    /// Waits for an update of this key, and returns the last as it came; the Go client's without its value.
    fn sees(&self, key: &str) -> Update;
    /// How many keys it has, and their digest. It may end with that.
    fn state(&self) -> (usize, String);
}

/// What a datastore of some kind and size might hold: one key beyond all plain limits of a message, one with its
/// own version, values that compress and such that do not.
pub fn contents(count: usize, name: &str) -> Vec<Update> {
    let config = |number: usize| {
        let value = format!("{name} {number} ").repeat(1 + number % 40);
        Update::new(format!("/calico/v1/config/{name}-{number:05}"), value)
            .revision(format!("{}", 1000 + number))
    };
    let noise = (0..300_000u32).map(|i| char::from(b' ' + (i.wrapping_mul(2_654_435_761) >> 24) as u8 % 94));
    let large = Update::new(format!("/calico/v1/policy/profile/{name}/rules"), noise.collect::<String>());
    let resource = Update::new(
        format!("/calico/resources/v3/projectcalico.org/nodes/{name}"),
        r#"{"kind":"Node","metadata":{"name":"n"}}"#,
    );
    let resource = Update { v3_version: "4711".to_owned(), ..resource };
    (0..count).map(config).chain([large.revision("9"), resource.revision("10")]).collect()
}

/// What happens to [`contents`]: changes, a change to what is there already, a deletion, new keys; then [`LAST`].
pub fn changes(name: &str) -> Vec<Update> {
    let key = |number: usize| format!("/calico/v1/config/{name}-{number:05}");
    let mut all: Vec<_> =
        (0..150).map(|n| Update::changed(key(n), format!("changed {n}")).revision("2000")).collect();
    all.push(Update::changed(key(0), "changed 0").revision("2001"));
    all.push(Update::deletion(key(7)));
    all.push(Update::deletion("/calico/v1/config/never-there"));
    all.push(Update::new(key(90_000), "new").revision("2002"));
    all.push(Update { ttl: 5_000_000_000, ..Update::new(LAST, name).revision("2003") });
    all
}
