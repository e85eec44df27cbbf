//! Small edits of JSON text that leave all other bytes as they are.
//!
//! [`check`] says whether a text is JSON; everything else here expects that it is, and finds nothing if not. Names are
//! compared as Go does, in any case of ASCII letters.

use std::ops::Range;

use serde::de::IgnoredAny;

/// Where something stands in the text.
pub(super) type Span = Range<usize>;

/// A member of an object.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// From the name's quote to the end of the value.
    pub(super) all: Span,
    name: Span,
    pub(super) value: Span,
}

impl Member {
    /// Its name, in small letters.
    pub(super) fn name(&self, text: &[u8]) -> String {
        let raw = part(text, &self.name);
        let plain = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
        let mut name = match std::str::from_utf8(plain) {
            Ok(plain) if !plain.contains('\\') => plain.to_owned(),
            _ => string(raw).unwrap_or_default(),
        };
        name.make_ascii_lowercase();
        name
    }
}

/// Whether the text is JSON, of any depth, and the span of its value.
///
/// # Errors
/// The line and column, from 1, where it is not.
pub(super) fn check(text: &[u8]) -> Result<Span, (usize, usize)> {
    // An ignored value is read without recursion, with a byte of memory for each level.
    match serde_json::from_slice::<IgnoredAny>(text) {
        Ok(_) => Ok(value(text, 0)),
        Err(error) => Err((error.line(), error.column())),
    }
}

pub(super) fn part<'a>(text: &'a [u8], span: &Span) -> &'a [u8] {
    text.get(span.clone()).unwrap_or_default()
}

/// The text of a string; what is not Unicode in it is replaced, as in Go.
pub(super) fn string(raw: &[u8]) -> Option<String> {
    serde_json::from_str(&String::from_utf8_lossy(raw)).ok()
}

/// A string as JSON; what is not Unicode in it is replaced, as in Go.
pub(super) fn quoted(text: &[u8]) -> String {
    serde_json::Value::from(String::from_utf8_lossy(text)).to_string()
}

/// The members of the object at `object`; there are none in a value of another kind.
pub(super) fn members(text: &[u8], object: &Span) -> Vec<Member> {
    let mut members = Vec::new();
    let mut at = object.start + 1;
    while part(text, object).starts_with(b"{") && at < object.end {
        let name = value(text, at);
        if !part(text, &name).starts_with(b"\"") {
            break;
        }
        let colon = space(text, name.end);
        let value = value(text, colon + 1);
        at = space(text, value.end) + 1;
        members.push(Member { all: name.start..value.end, name, value });
    }
    members
}

/// The elements of the list at `list`.
pub(super) fn elements(text: &[u8], list: &Span) -> Vec<Span> {
    let mut elements = Vec::new();
    let mut at = list.start + 1;
    while part(text, list).starts_with(b"[") && at < list.end {
        let element = value(text, at);
        if element.is_empty() {
            break;
        }
        at = space(text, element.end) + 1;
        elements.push(element);
    }
    elements
}

/// The span of the value that begins at or after `at`; empty where a list or object ends.
fn value(text: &[u8], at: usize) -> Span {
    let start = space(text, at);
    let (mut end, mut depth) = (start, 0_usize);
    while let Some(&byte) = text.get(end) {
        match byte {
            b'"' => end = string_end(text, end),
            b'{' | b'[' => (end, depth) = (end + 1, depth + 1),
            b'}' | b']' if depth > 0 => (end, depth) = (end + 1, depth - 1),
            b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => break,
            _ => end += 1,
        }
        if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
            break;
        }
    }
    start..end
}

fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

fn space(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count()
}

/// Replacements in a text.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<(Span, String)>);

impl Edits {
    pub(super) fn replace(&mut self, span: Span, by: impl Into<String>) {
        self.0.push((span, by.into()));
    }

    /// Takes members out of their object, with the commas they leave behind.
    pub(super) fn remove(&mut self, members: &[Member], doomed: impl Fn(&Member) -> bool) {
        let last_kept = members.iter().rposition(|member| !doomed(member));
        let (before, tail) = members.split_at(last_kept.map_or(0, |last| last + 1));
        for pair in before.windows(2) {
            let [member, next] = pair else { continue };
            if doomed(member) {
                self.replace(member.all.start..next.all.start, "");
            }
        }
        let Some(end) = tail.last().map(|member| member.all.end) else { return };
        let start = match (before.last(), tail.first()) {
            (Some(kept), _) => kept.all.end,
            (None, first) => first.map_or(end, |first| first.all.start),
        };
        self.replace(start..end, "");
    }

    /// Gives the object at `object` (or the `null` in place of one) a member. A new one stands behind the last of
    /// those named in `after`, or first.
    pub(super) fn set(&mut self, text: &[u8], object: &Span, name: &str, value: &str, after: &[&str]) {
        let members = members(text, object);
        let named = |wanted: &dyn Fn(&str) -> bool| members.iter().rfind(|member| wanted(&member.name(text)));
        let same = |have: &str| have.eq_ignore_ascii_case(name);
        let earlier = |have: &str| after.iter().any(|name| name.eq_ignore_ascii_case(have));
        if let Some(member) = named(&same) {
            self.replace(member.value.clone(), value);
        } else if let Some(member) = named(&earlier) {
            self.replace(member.all.end..member.all.end, format!(",\"{name}\":{value}"));
        } else if let Some(first) = members.first() {
            self.replace(first.all.start..first.all.start, format!("\"{name}\":{value},"));
        } else {
            self.replace(object.clone(), format!("{{\"{name}\":{value}}}"));
        }
    }

    /// The text after all replacements, which do not overlap; `None` if there are none.
    pub(super) fn apply(mut self, text: &[u8]) -> Option<Vec<u8>> {
        self.0.sort_by_key(|(span, _)| span.start);
        let mut edited =
            Vec::with_capacity(text.len() + self.0.iter().map(|(_, by)| by.len()).sum::<usize>());
        let mut done = 0;
        for (span, by) in &self.0 {
            edited.extend_from_slice(part(text, &(done..span.start)));
            edited.extend_from_slice(by.as_bytes());
            done = span.end;
        }
        edited.extend_from_slice(part(text, &(done..text.len())));
        (!self.0.is_empty()).then_some(edited)
    }
}
