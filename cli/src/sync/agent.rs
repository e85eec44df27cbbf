//! The rows of a running agent as keys and values.

use std::path::Path;

use networkdb_host::sync::SyncStatus;
use serde_json::Value;

use super::{line::Update, serve::Feed};
use crate::{
    client::Client,
    failure::Failure,
    protocol::{Op, Watch},
};

/// A watch of an agent.
pub(super) struct Rows {
    client: Client,
    prefix: String,
}

impl Rows {
    /// Begins to watch.
    pub(super) async fn open(
        socket: &Path,
        network: Option<String>,
        table: Option<String>,
        prefix: &str,
    ) -> Result<Self, Failure> {
        let mut client = Client::connect(socket).await?;
        client.ask(&Op::Watch(Watch { network, table, mark: true, own: true })).await?;
        Ok(Self { client, prefix: prefix.trim_end_matches('/').to_owned() })
    }

    /// Publishes all rows, then what changes.
    pub(super) async fn publish(mut self, feed: &mut Feed) -> Result<(), Failure> {
        while let Some(line) = self.client.line().await? {
            let told = match line.get("event").and_then(Value::as_str) {
                Some("caught_up") => feed.status(SyncStatus::IN_SYNC).await?,
                Some("watch") => feed.put(&self.update(&line)).await?,
                _ => Ok(()),
            };
            if let Err(error) = told {
                tracing::warn!("a row is skipped: {error}: {}", self.update(&line).key);
            }
        }
        Err(Failure::Unreachable("the agent has ended, and its rows with it".to_owned()))
    }

    fn update(&self, change: &Value) -> Update {
        let text = |name: &str| change.get(name).and_then(Value::as_str).unwrap_or_default();
        let names = ["network", "table", "key"].map(|name| escaped(text(name)));
        let deleted = text("kind") == "delete";
        let value = hex::decode(text("value_hex")).unwrap_or_default();
        Update {
            key: format!("{}/{}", self.prefix, names.join("/")),
            value: (!deleted).then_some(value),
            ..Update::default()
        }
    }
}

/// A name as one part of a path: Typha's own escapes.
fn escaped(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2f")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parts_of_a_path() {
        assert_eq!(escaped("a/b%2f"), "a%2fb%252f");
    }
}
