//! networkdb-embed: every machine of networkdb behind one plain-data handle, for languages that know neither generics
//! nor lifetimes.
//!
//! A [`Node`] is created from a [`Kind`] and a configuration text (JSON or TOML), or from [`Settings`]. Its host gives it
//! [`Node::step`] batches of inputs and carries out the outputs; its user gives commands ([`Node::command`] in JSON,
//! [`Node::write`], [`Node::read`], [`Node::publish`] and [`Node::sync_decode`] for what is frequent) and takes [`Event`]s. With the feature
//! `hosted`, `Node::run` puts the built-in tokio host in the place of the steps; all else stays the same.
//!
//! | file | what |
//! |---|---|
//! | `node`, `inner` | the handle: steps, commands, events; its lock and how others are woken |
//! | `code`, `event`, `settings`, `json` | the plain data |
//! | `fields` | how what users write is read |
//! | `object` | what a machine brings to the handle |
//! | `networkdb`, `memberlist`, `sync_server`, `sync_client`, `codec` | the machines, one file each |
//! | `member` | what every member of a cluster is created with |
//! | `sync_stream` | a sync connection's bytes as messages |
//! | `hosted` | the tokio host on its own thread |
//!
//! A new machine is a file that implements `Object`, a [`Kind`] and a line in [`Settings`].

mod code;
mod codec;
mod event;
mod fields;
#[cfg(feature = "hosted")]
mod hosted;
mod inner;
mod json;
mod member;
mod memberlist;
mod networkdb;
mod node;
mod object;
mod settings;
mod sync_client;
mod sync_server;
mod sync_stream;

pub use code::{Code, Error};
pub use codec::CodecSettings;
pub use event::{Event, EventKind};
pub use member::{Gossip, Member};
pub use memberlist::MemberlistSettings;
pub use networkdb::NetworkDbSettings;
pub use node::{Node, Signal};
pub use object::Write;
pub use settings::{Kind, Settings, Tls};
pub use sync_client::SyncClientSettings;
pub use sync_server::SyncServerSettings;
pub use sync_stream::{SyncStream, sync_stream};

pub use networkdb_core::{
    machine::{Endpoint, Fault, How, Input, Instant, Output, StreamId, StreamInput},
    networkdb::EntryKey,
    syncproto::{
        ClientHello, DecoderRestart, Kvs, Message, Pong, Revision, SerializedUpdate, ServerHello, SyncStatus,
        UpdateType, encode,
    },
    wire::gob::Time,
};
