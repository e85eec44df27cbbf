//! `cap-NAME.client-view.txt`: the callbacks the real client made, and ours in the same form.

use networkdb_core::syncproto::{
    SerializedUpdate,
    client::Event,
    key::{Encoding, Generation},
    to_update,
};

use crate::keys;

/// What a client's user is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Callback {
    Status(String),
    Updates(Vec<Row>),
    Finished,
}

/// One update.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub key: String,
    pub revision: String,
    pub ttl: i64,
    pub update_type: u8,
    /// What the value is made of, `None` for none.
    pub value: Option<Encoding>,
}

pub fn parse(view: &str) -> Result<Vec<Callback>, String> {
    let (mut callbacks, mut lines, mut total) = (Vec::new(), view.lines(), 0);
    while let Some(line) = lines.next() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "STATUS" => callbacks.push(Callback::Status(rest.into())),
            "UPDATES" => {
                let count: usize = rest.parse().map_err(|_| format!("how many: {line}"))?;
                let rows: Vec<Row> = lines.by_ref().take(count).map(row).collect::<Result<_, _>>()?;
                if rows.len() != count {
                    return Err(format!("{} rows, not {count}", rows.len()));
                }
                total += count;
                callbacks.push(Callback::Updates(rows));
            }
            "FINISHED" => callbacks.push(Callback::Finished),
            // The recorder's own summaries.
            "INSYNC" if rest.contains(&format!("total_updates={total} ")) => {}
            "END" if rest == format!("total_updates {total}") => {}
            _ => return Err(format!("unknown line or wrong sum: {line}")),
        }
    }
    Ok(callbacks)
}

fn row(line: &str) -> Result<Row, String> {
    let bad = || format!("no update: {line}");
    let (rest, value) = line.rsplit_once(" value=").ok_or_else(bad)?;
    let (rest, update_type) = rest.rsplit_once(" type=").ok_or_else(bad)?;
    let (rest, ttl) = rest.rsplit_once(" ttl=").ok_or_else(bad)?;
    let (key, revision) = rest.rsplit_once(" rev=").ok_or_else(bad)?;
    Ok(Row {
        key: key.strip_prefix("  ").ok_or_else(bad)?.into(),
        revision: serde_json::from_str(revision).map_err(|_| bad())?,
        ttl: ttl.parse().map_err(|_| bad())?,
        update_type: update_type.parse().map_err(|_| bad())?,
        value: if value == "nil" { None } else { Some(encoding(value).ok_or_else(bad)?) },
    })
}

/// What stands on the wire for a Go value of this type.
fn encoding(go_type: &str) -> Option<Encoding> {
    Some(match go_type {
        "bool" => Encoding::Bool,
        "string" => Encoding::Text,
        "[]string" => Encoding::List,
        "*net.IP" => Encoding::Ip,
        "map[string]string" => Encoding::Object,
        other if other.starts_with('*') => Encoding::Object,
        _ => return None,
    })
}

/// The callback for one of our events; `None` where the peer has none.
pub fn of_event(event: &Event, parser: Generation) -> Result<Option<Callback>, String> {
    Ok(Some(match event {
        Event::Connected(_) => return Ok(None),
        Event::Status(status) => Callback::Status(status.to_string()),
        Event::Updates(updates) => {
            // Those whose key the peer does not know it skips.
            Callback::Updates(updates.iter().filter_map(|update| of_update(&update, parser)).collect())
        }
        Event::Finished { .. } => Callback::Finished,
        other => return Err(format!("the peer has nothing like {other:?}")),
    }))
}

fn of_update(update: &SerializedUpdate<'_>, parser: Generation) -> Option<Row> {
    let (update, _) = to_update(update, parser).ok()?;
    Some(Row {
        key: keys::shown(&update.key, parser),
        revision: String::from_utf8_lossy(&update.revision.text()).into_owned(),
        ttl: update.ttl,
        update_type: update.update_type.0,
        value: update.value.as_ref().map(|_| update.key.kind().encoding()),
    })
}
