//! The bodies of replies: Docker's JSON and Docker's text.

use std::fmt::Write;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// A message and its details; the fields are in Docker's order.
#[derive(Serialize)]
pub(super) struct Reply {
    message: &'static str,
    details: Details,
}

/// What follows the message.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Details {
    Nothing,
    Info {
        info: String,
    },
    Error {
        error: String,
    },
    Usage {
        usage: String,
    },
    Peers(List<Peer>),
    Table(List<Entry>),
    Entry(Entry),
    /// -1 each for a network that is not joined.
    Stats {
        entries: i64,
        #[serde(rename = "QueueLen")]
        queue: i64,
    },
}

/// A list and its length; an empty one is null.
#[derive(Serialize)]
pub(super) struct List<T> {
    size: usize,
    entries: Option<Vec<T>>,
}

#[derive(Serialize)]
pub(super) struct Peer {
    /// Docker's own spelling of the field.
    #[serde(rename = "-=name")]
    pub(super) name: String,
    pub(super) ip: String,
}

#[derive(Serialize)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) owner: String,
}

impl Reply {
    pub(super) fn ok(details: Details) -> Self {
        Self { message: "OK", details }
    }

    pub(super) fn fail(error: impl Into<String>) -> Self {
        Self { message: "FAIL", details: Details::Error { error: error.into() } }
    }

    pub(super) fn missing(usage: &'static str) -> Self {
        Self { message: "missing parameter", details: Details::Usage { usage: usage.to_owned() } }
    }

    pub(super) fn not_implemented(path: &str) -> Self {
        let usage = format!("URL path: {path} no method implemented check /help\n");
        Self { message: "not implemented", details: Details::Usage { usage } }
    }

    /// As JSON if the parameter `json` is there, indented if it says `pretty`; else as text.
    pub(super) fn render(&self, json: Option<&str>) -> Response {
        let (kind, body) = match json {
            None => ("text/plain; charset=utf-8", self.text()),
            // Texts and numbers can always be written.
            Some("pretty") => ("application/json", serde_json::to_string_pretty(self).unwrap_or_default()),
            Some(_) => ("application/json", serde_json::to_string(self).unwrap_or_default()),
        };
        ([(header::CONTENT_TYPE, kind)], body).into_response()
    }

    fn text(&self) -> String {
        match self.details.text() {
            None => self.message.to_owned(),
            Some(details) => format!("{}\n{details}", self.message),
        }
    }
}

impl Details {
    pub(super) fn info(info: impl Into<String>) -> Self {
        Self::Info { info: info.into() }
    }

    fn text(&self) -> Option<String> {
        Some(match self {
            Self::Nothing => return None,
            Self::Info { info } => info.clone(),
            Self::Error { error } => format!("Error: {error}"),
            Self::Usage { usage } => format!("Usage: {usage}"),
            Self::Peers(peers) => peers.text(|peer| format!("{} -> {}", peer.name, peer.ip)),
            Self::Table(rows) => rows.text(Entry::text),
            Self::Entry(entry) => format!("0) {}\n", entry.text()),
            Self::Stats { entries, queue } => format!("entries: {entries}, qlen: {queue}\n"),
        })
    }
}

impl<T> List<T> {
    pub(super) fn new(entries: Vec<T>) -> Self {
        Self { size: entries.len(), entries: Some(entries).filter(|entries| !entries.is_empty()) }
    }

    fn text(&self, line: impl Fn(&T) -> String) -> String {
        let mut text = format!("total entries: {}\n", self.size);
        for (i, entry) in self.entries.iter().flatten().enumerate() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{i}) {}", line(entry));
        }
        text
    }
}

impl Entry {
    fn text(&self) -> String {
        format!("k:`{}` -> v:`{}` owner:`{}`", self.key, self.value, self.owner)
    }
}
