//! The diagnostic paths that change things.

use base64::{
    DecodeError, Engine,
    alphabet::STANDARD,
    engine::general_purpose::{GeneralPurpose, PAD},
};
use networkdb_core::networkdb::EntryKey;
use networkdb_host::{Error, Node};

use super::{
    Parameters,
    reply::{Details, Reply},
};
use crate::input;

/// Go's decoder, which the peers use, lets the last bits be anything.
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, PAD.with_decode_allow_trailing_bits(true));

/// A path that changes things.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Join,
    JoinNetwork,
    LeaveNetwork,
    CreateEntry,
    UpdateEntry,
    DeleteEntry,
}

impl Change {
    /// The change behind a path.
    pub(super) fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/join" => Self::Join,
            "/joinnetwork" => Self::JoinNetwork,
            "/leavenetwork" => Self::LeaveNetwork,
            "/createentry" => Self::CreateEntry,
            "/updateentry" => Self::UpdateEntry,
            "/deleteentry" => Self::DeleteEntry,
            _ => return None,
        })
    }

    /// Makes the change, if `node` is there to be changed.
    pub(super) async fn run(self, node: Option<&Node>, parameters: &Parameters) -> Reply {
        if self.needs().iter().any(|name| parameters.get(name).is_none()) {
            return Reply::missing(self.usage());
        }
        let Some(node) = node else {
            return Reply::fail("this agent's diagnostics are read-only; start it with --http-allow-changes");
        };
        match self.carry_out(node, parameters).await {
            Ok(()) => Reply::ok(Details::Nothing),
            Err(error) => Reply::fail(error),
        }
    }

    fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Join => &["members"],
            Self::JoinNetwork | Self::LeaveNetwork => &["nid"],
            Self::CreateEntry | Self::UpdateEntry => &["tname", "nid", "key", "value"],
            Self::DeleteEntry => &["tname", "nid", "key"],
        }
    }

    fn usage(self) -> &'static str {
        match self {
            Self::Join => "/join?members=ip1,ip2,...",
            Self::JoinNetwork => "/joinnetwork?nid=network_id",
            Self::LeaveNetwork => "/leavenetwork?nid=network_id",
            Self::CreateEntry => "/createentry?tname=table_name&nid=network_id&key=k&value=v",
            Self::UpdateEntry => "/updateentry?tname=table_name&nid=network_id&key=k&value=v",
            Self::DeleteEntry => "/deleteentry?tname=table_name&nid=network_id&key=k",
        }
    }

    async fn carry_out(self, node: &Node, parameters: &Parameters) -> Result<(), String> {
        let network = parameters.get("nid").unwrap_or_default().as_bytes();
        match self {
            Self::Join => join(node, parameters.get("members").unwrap_or_default()).await,
            Self::JoinNetwork => told(node.join_network(network).await.map(drop)),
            Self::LeaveNetwork => told(node.leave_network(network).await),
            Self::CreateEntry => told(node.create_entry(&entry_key(parameters), value(parameters)?).await),
            Self::UpdateEntry => told(node.update_entry(&entry_key(parameters), value(parameters)?).await),
            Self::DeleteEntry => told(node.delete_entry(&entry_key(parameters)).await),
        }
    }
}

/// The row that `nid`, `tname` and `key` name.
pub(super) fn entry_key(parameters: &Parameters) -> EntryKey {
    let part = |name| parameters.get(name).unwrap_or_default();
    EntryKey::new(part("nid"), part("tname"), part("key"))
}

async fn join(node: &Node, members: &str) -> Result<(), String> {
    let seeds = members.split(',').map(input::parse_endpoint).collect::<Result<_, _>>();
    let joined = match seeds {
        Ok(seeds) => told(node.join(seeds).await.map(drop)),
        Err(error) => Err(error),
    };
    joined.map_err(|error| format!("/join error in the DB join {error}"))
}

fn told(result: Result<(), Error>) -> Result<(), String> {
    result.map_err(|error| error.to_string())
}

/// The value, out of base64 unless it comes as it is.
fn value(parameters: &Parameters) -> Result<Vec<u8>, String> {
    let text = parameters.get("value").unwrap_or_default();
    if parameters.plain() {
        return Ok(text.as_bytes().to_vec());
    }
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    BASE64.decode(&text).map_err(|error| {
        let at = match error {
            DecodeError::InvalidByte(at, _) => at,
            // The group of four that is not whole.
            _ => text.len() / 4 * 4,
        };
        format!("illegal base64 data at input byte {at}")
    })
}
