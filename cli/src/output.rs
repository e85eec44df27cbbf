//! Printing: tables for people, one JSON object a line for programs.

use std::io::{self, Write};

use serde_json::{Map, Value};

use crate::{args::Form, failure::Failure};

/// The fields of a table, in order.
pub(crate) type Columns = &'static [&'static str];

pub(crate) const MEMBERS: Columns = &["name", "addr", "state", "incarnation"];
pub(crate) const NETWORKS: Columns =
    &["network", "state", "peers", "entries", "queue", "relay_queue", "in_sync"];
pub(crate) const PEERS: Columns = &["name", "addr"];
pub(crate) const ROWS: Columns = &["network", "table", "key", "value", "owner", "time", "state"];

/// Prints to stdout. When nobody reads it any more the program ends quietly.
#[derive(Debug)]
pub(crate) struct Printer {
    form: Form,
    out: io::Stdout,
}

impl Printer {
    pub(crate) fn new(form: Form) -> Self {
        Self { form, out: io::stdout() }
    }

    /// Prints a list of objects.
    pub(crate) fn list(&mut self, items: Vec<Value>, columns: Columns) -> Result<(), Failure> {
        let text = match self.form {
            Form::Json => items.into_iter().map(|item| json_line(item) + "\n").collect(),
            Form::Table => table(&items, columns),
        };
        self.print(&text)
    }

    /// Prints the fields of one object.
    pub(crate) fn fields(&mut self, answer: Value) -> Result<(), Failure> {
        let text = match (self.form, &answer) {
            (Form::Table, Value::Object(fields)) => {
                let shown = fields.iter().filter(|(name, _)| !["id", "ok"].contains(&name.as_str()));
                let lines: Vec<_> = shown.map(|(name, value)| format!("{name}: {}\n", cell(value))).collect();
                lines.concat()
            }
            _ => json_line(answer) + "\n",
        };
        self.print(&text)
    }

    /// Prints one change at once.
    pub(crate) fn change(&mut self, change: Value) -> Result<(), Failure> {
        let text = match self.form {
            Form::Json => json_line(change),
            Form::Table => {
                let place = ["network", "table", "key"].map(|name| column(&change, name)).join("/");
                format!("{} {place} {}", column(&change, "kind"), value_of(&change)).trim_end().to_owned()
            }
        };
        self.print(&(text + "\n"))
    }

    /// Prints updates of keys at once, all with one write.
    pub(crate) fn updates(&mut self, updates: Vec<Value>) -> Result<(), Failure> {
        let line = |update: Value| match self.form {
            Form::Json => json_line(update),
            Form::Table => {
                let words = ["type", "key", "value", "status"].map(|name| column(&update, name));
                words.join(" ").trim().to_owned()
            }
        };
        let text: String = updates.into_iter().map(|update| line(update) + "\n").collect();
        self.print(&text)
    }

    fn print(&mut self, text: &str) -> Result<(), Failure> {
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            Err(error) => Err(Failure::agent(format!("cannot print: {error}"))),
            Ok(()) => Ok(()),
        }
    }
}

/// An object without what belongs to the protocol, and with hex only where there is no text.
fn json_line(mut item: Value) -> String {
    if let Value::Object(fields) = &mut item {
        for name in ["id", "ok", "event"] {
            fields.remove(name);
        }
        drop_hex(fields, "value", "value_hex");
        drop_hex(fields, "prev", "prev_hex");
    }
    item.to_string()
}

fn drop_hex(fields: &mut Map<String, Value>, text: &str, hex: &str) {
    if fields.contains_key(text) {
        fields.remove(hex);
    }
}

fn table(items: &[Value], columns: Columns) -> String {
    let heads = columns.iter().map(|name| name.to_uppercase().replace('_', " ")).collect();
    let mut lines: Vec<Vec<String>> = vec![heads];
    lines.extend(items.iter().map(|item| columns.iter().map(|name| column(item, name)).collect()));
    let width = |i: usize| lines.iter().filter_map(|line| line.get(i)).map(|text| text.chars().count()).max();
    let widths: Vec<_> = (0..columns.len()).map(|i| width(i).unwrap_or(0)).collect();
    lines.iter().map(|line| padded(line, &widths) + "\n").collect()
}

fn padded(line: &[String], widths: &[usize]) -> String {
    let cells: Vec<_> = line.iter().zip(widths).map(|(text, width)| format!("{text:width$}")).collect();
    cells.join("  ").trim_end().to_owned()
}

/// A field; a name that is no text is there in hex too, and shown so.
fn column(item: &Value, name: &str) -> String {
    if name == "value" {
        return value_of(item);
    }
    match item.get(format!("{name}_hex")).and_then(Value::as_str) {
        Some(hex) => format!("hex:{hex}"),
        None => item.get(name).map(cell).unwrap_or_default(),
    }
}

fn value_of(item: &Value) -> String {
    match (item.get("value"), item.get("value_hex").and_then(Value::as_str)) {
        (Some(text), _) => cell(text),
        (None, Some(hex)) => format!("hex:{hex}"),
        (None, None) => String::new(),
    }
}

/// A value on one line; control characters, which could command the terminal, are escaped.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text
            .chars()
            .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
            .collect(),
        Value::Null => "unknown".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_aligned_and_cannot_command_the_terminal() {
        let rows = [
            json!({"key": "k", "value": "a\u{1b}[2J", "value_hex": "00"}),
            json!({"key": "long", "value_hex": "ff"}),
            json!({"key": "\u{fffd}", "key_hex": "c3", "value": "v"}),
        ];
        let expected = "KEY     VALUE\nk       a\\u{1b}[2J\nlong    hex:ff\nhex:c3  v\n";
        assert_eq!(table(&rows, &["key", "value"]), expected);
    }

    #[test]
    fn json_has_the_text_or_the_hex() {
        assert_eq!(
            json_line(json!({"id": 1, "ok": true, "value": "v", "value_hex": "76"})),
            r#"{"value":"v"}"#
        );
        assert_eq!(json_line(json!({"event": "watch", "value_hex": "ff"})), r#"{"value_hex":"ff"}"#);
    }
}
