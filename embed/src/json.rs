//! Answers of commands as JSON: names as text as far as possible, and in hex beside it if they are not.

use std::fmt::{self, Write};

use networkdb_core::{
    memberlist::{JoinReport, Member},
    networkdb::{NetworkInfo, Peer, Row, RowState},
};
use serde::Serialize;
use serde_json::Value;

/// An object of JSON while it is written, field by field, in the order of their names.
#[derive(Debug)]
pub(crate) struct Answer(String);

impl Answer {
    pub(crate) fn new() -> Self {
        Self("{".to_owned())
    }

    /// The whole text.
    pub(crate) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    pub(crate) fn number(&mut self, name: &str, number: u64) {
        self.plain(name, &number);
    }

    pub(crate) fn count(&mut self, name: &str, count: usize) {
        self.plain(name, &count);
    }

    pub(crate) fn signed(&mut self, name: &str, number: i64) {
        self.plain(name, &number);
    }

    pub(crate) fn flag(&mut self, name: &str, on: bool) {
        self.plain(name, &on);
    }

    pub(crate) fn text(&mut self, name: &str, text: &dyn fmt::Display) {
        self.name(name);
        self.quoted(&text.to_string());
    }

    /// A text, or `null`.
    pub(crate) fn text_or_null<T: fmt::Display>(&mut self, name: &str, text: Option<T>) {
        match text {
            Some(text) => self.text(name, &text),
            None => self.plain(name, &"null"),
        }
    }

    /// Bytes in hex.
    pub(crate) fn hex(&mut self, name: &str, bytes: &[u8]) {
        self.name(name);
        self.quoted(&hex::encode(bytes));
    }

    /// Bytes as text, and in hex too if they are none.
    pub(crate) fn bytes(&mut self, name: &str, bytes: &[u8]) {
        self.name(name);
        self.quoted(&String::from_utf8_lossy(bytes));
        if std::str::from_utf8(bytes).is_err() {
            self.hex(&format!("{name}_hex"), bytes);
        }
    }

    /// An object.
    pub(crate) fn object(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.name(name);
        self.braced(write);
    }

    /// A list of objects.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        all: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Self, T),
    ) {
        self.items(name, |list| all.into_iter().for_each(|one| list.item(|answer| write(answer, one))));
    }

    /// The same, of which `write` writes each item.
    pub(crate) fn items<R>(&mut self, name: &str, write: impl FnOnce(&mut Self) -> R) -> R {
        self.name(name);
        self.0.push('[');
        let result = write(self);
        self.0.push(']');
        result
    }

    /// An object of a list.
    pub(crate) fn item(&mut self, write: impl FnOnce(&mut Self)) {
        self.comma();
        self.braced(write);
    }

    fn braced(&mut self, write: impl FnOnce(&mut Self)) {
        self.0.push('{');
        write(self);
        self.0.push('}');
    }

    /// The fields of what has been counted.
    pub(crate) fn figures(&mut self, figures: &impl Serialize) {
        self.sorted(&serde_json::to_string(figures).unwrap_or_default());
    }

    /// The fields of an object that was written in another order.
    fn sorted(&mut self, object: &str) {
        let object: Value = serde_json::from_str(object).unwrap_or_default();
        let written = object.to_string();
        self.comma();
        self.0 += written.strip_prefix('{').and_then(|fields| fields.strip_suffix('}')).unwrap_or_default();
    }

    fn plain(&mut self, name: &str, value: &dyn fmt::Display) {
        self.name(name);
        // A `String` takes everything.
        let _ = write!(self.0, "{value}");
    }

    fn name(&mut self, name: &str) {
        self.comma();
        self.quoted(name);
        self.0.push(':');
    }

    /// Between two fields, or two of a list.
    fn comma(&mut self) {
        if !self.0.ends_with(['{', '[']) {
            self.0.push(',');
        }
    }

    fn quoted(&mut self, text: &str) {
        self.0 += &serde_json::to_string(text).unwrap_or_default();
    }
}

pub(crate) fn row(answer: &mut Answer, row: &Row) {
    let state = match row.state {
        RowState::Live => "live",
        RowState::Hidden => "hidden",
        RowState::Deleted => "deleted",
    };
    answer.bytes("key", &row.key);
    answer.bytes("network", &row.network);
    answer.bytes("owner", &row.owner);
    answer.text("state", &state);
    answer.bytes("table", &row.table);
    answer.number("time", row.time);
    answer.hex("value_hex", &row.value);
}

pub(crate) fn member(answer: &mut Answer, member: &Member) {
    answer.text("addr", &member.addr);
    answer.number("incarnation", member.incarnation.into());
    answer.hex("meta_hex", &member.meta);
    answer.bytes("name", &member.name);
    answer.text("state", &member.state);
}

pub(crate) fn peer(answer: &mut Answer, peer: &Peer) {
    answer.text_or_null("addr", peer.addr);
    answer.bytes("name", &peer.name);
}

pub(crate) fn network(answer: &mut Answer, network: &NetworkInfo) {
    answer.signed("entries", network.entries);
    answer.flag("in_sync", network.in_sync);
    answer.flag("leaving", network.leaving);
    answer.bytes("name", &network.name);
    answer.count("own_queue", network.own_queue);
    answer.count("peers", network.peers);
    answer.count("relay_queue", network.relay_queue);
    answer.count("rows", network.rows);
    answer.number("sent", network.sent);
}

/// Why seeds were not reached, in words; empty if all were.
pub(crate) fn failures(report: &JoinReport) -> String {
    let all: Vec<_> = report.failed.iter().map(|(endpoint, fault)| format!("{endpoint}: {fault}")).collect();
    all.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Counted {
        seen: u64,
        lost: u64,
    }

    #[test]
    fn fields_lists_and_objects_are_one_text() {
        let mut answer = Answer::new();
        answer.list("a", [1, 2], |answer, number| answer.number("n", number));
        answer.list("b", [], |answer, number| answer.number("n", number));
        answer.object("c", |_| ());
        answer.object("d", |answer| answer.figures(&Counted { seen: 2, lost: 1 }));
        answer.text_or_null("e", None::<&str>);
        let text = r#"{"a":[{"n":1},{"n":2}],"b":[],"c":{},"d":{"lost":1,"seen":2},"e":null}"#;
        assert_eq!(answer.end(), text);
        assert_eq!(Answer::new().end(), "{}");
    }

    #[test]
    fn what_ends_as_an_object_begins_or_is_no_text_is_quoted_too() {
        let mut answer = Answer::new();
        answer.bytes("a", b"{");
        answer.bytes("b", b"\"\n[");
        answer.bytes("c", b"\xff");
        assert_eq!(answer.end(), r#"{"a":"{","b":"\"\n[","c":"�","c_hex":"ff"}"#);
    }
}
