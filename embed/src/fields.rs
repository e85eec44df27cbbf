//! What users write, read field by field: settings, and the requests of commands.

use std::{fmt, net::SocketAddr};

use networkdb_core::{machine::Endpoint, memberlist::Keyring};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// Characters of a text that an error repeats at most.
const SHOWN: usize = 64;

/// The fields of one object. Each is asked for by its name, and is `None` where it was left out. What is wrong is gathered
/// until the end, as is what nobody asked for.
pub(crate) struct Fields {
    object: Map<String, Value>,
    /// Where the object is, as its names begin in errors: `gossip.`.
    path: String,
    known: Vec<&'static str>,
    /// The first that is wrong.
    wrong: Option<String>,
    /// Whether others may be there.
    open: bool,
}

impl Fields {
    pub(crate) fn new(object: Map<String, Value>) -> Self {
        Self { object, path: String::new(), known: Vec::new(), wrong: None, open: false }
    }

    /// All fields have been asked for.
    ///
    /// # Errors
    /// What is wrong, by its full name: with what was found and what is wanted, but never with a key.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        let unknown = self.object.keys().find(|name| !self.known.contains(&name.as_str()));
        match unknown.filter(|_| !self.open) {
            Some(name) => {
                let what = format!("field `{}{name}`", self.path);
                Err(unknown_name(&what, &mut self.known.iter().copied()))
            }
            None => self.checked(),
        }
    }

    /// Those asked for so far.
    pub(crate) fn checked(&mut self) -> Result<(), String> {
        self.wrong.take().map_or(Ok(()), Err)
    }

    /// Others may be there, and are not read.
    pub(crate) fn ignore_others(&mut self) {
        self.open = true;
    }

    /// A field that must be there.
    pub(crate) fn need<T: Default>(
        &mut self,
        name: &'static str,
        read: fn(&mut Self, &'static str) -> Option<T>,
    ) -> T {
        if self.object.get(name).is_none_or(Value::is_null) {
            self.fail(name, &"is missing");
        }
        read(self, name).unwrap_or_default()
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            other => self.expected(name, "a text", &other),
        }
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(on) => Some(on),
            other => self.expected(name, "true or false", &other),
        }
    }

    /// A whole number that is not negative.
    pub(crate) fn number<N: TryFrom<u64>>(&mut self, name: &'static str) -> Option<N> {
        let number = self.whole(name)?;
        N::try_from(number).ok().or_else(|| {
            self.fail(name, &format_args!("is {number}, which is too large"));
            None
        })
    }

    fn whole(&mut self, name: &'static str) -> Option<u64> {
        let found = self.take(name)?;
        found.as_u64().or_else(|| self.expected(name, "a whole number that is not negative", &found))
    }

    /// A whole number, which may be negative.
    pub(crate) fn signed(&mut self, name: &'static str) -> Option<i64> {
        let found = self.take(name)?;
        found.as_i64().or_else(|| self.expected(name, "a whole number", &found))
    }

    /// One of some words.
    pub(crate) fn choice<T: Copy>(&mut self, name: &'static str, all: &[(&'static str, T)]) -> Option<T> {
        let word = self.text(name)?;
        let found = all.iter().find(|(known, _)| *known == word);
        if found.is_none() {
            let all = listed(&mut all.iter().map(|(known, _)| *known));
            self.fail(name, &format_args!("is `{word}`, expected one of {all}"));
        }
        found.map(|(_, meant)| *meant)
    }

    /// The address of a socket.
    pub(crate) fn socket(&mut self, name: &'static str) -> Option<SocketAddr> {
        let text = self.text(name)?;
        text.parse().ok().or_else(|| {
            self.expected(name, "an address and a port, as in 10.0.0.1:7946 or [::1]:7946", &text.into())
        })
    }

    pub(crate) fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        let mut texts = Vec::new();
        for found in self.list(name)? {
            match found {
                Value::String(text) => texts.push(text),
                other => return self.expected(name, "a list of texts", &other),
            }
        }
        Some(texts)
    }

    /// `HOST:PORT` texts.
    pub(crate) fn endpoints(&mut self, name: &'static str) -> Option<Vec<Endpoint>> {
        let mut endpoints = Vec::new();
        for text in self.texts(name)? {
            match text.parse() {
                Ok(endpoint) => endpoints.push(endpoint),
                Err(reason) => self.fail(name, &format_args!("holds what cannot be: {reason}")),
            }
        }
        Some(endpoints)
    }

    /// Bytes in hex.
    pub(crate) fn bytes(&mut self, name: &'static str) -> Option<Vec<u8>> {
        let text = self.text(name)?;
        hex::decode(&text).ok().or_else(|| self.expected(name, "bytes in hex", &text.into()))
    }

    /// A key in hex. Errors do not repeat it.
    pub(crate) fn key(&mut self, name: &'static str) -> Option<Zeroizing<Vec<u8>>> {
        let found = self.take(name)?;
        secret(found).or_else(|| {
            self.fail(name, &"is no key in hex");
            None
        })
    }

    /// Keys in hex, the first of which seals. Errors do not repeat them. Here `null` is wrong: whoever has keys to give must
    /// not become plain.
    pub(crate) fn keys(&mut self, name: &'static str) -> Option<Keyring> {
        self.known.push(name);
        let found = self.object.get_mut(name).map(Value::take)?;
        keyring(found).or_else(|| {
            self.fail(name, &"is no list of keys of 16, 24 or 32 bytes in hex");
            None
        })
    }

    /// An object.
    pub(crate) fn nested<T>(&mut self, name: &'static str, read: fn(&mut Self) -> T) -> Option<T> {
        let found = self.take(name)?;
        let mut inner = self.inner(name, found)?;
        let value = read(&mut inner);
        self.absorb(inner);
        Some(value)
    }

    /// A list of objects.
    pub(crate) fn each<T>(&mut self, name: &'static str, read: fn(&mut Self) -> T) -> Option<Vec<T>> {
        let mut all = Vec::new();
        for (number, found) in self.list(name)?.into_iter().enumerate() {
            let mut inner = self.inner(&format!("{name}[{number}]"), found)?;
            all.push(read(&mut inner));
            self.absorb(inner);
        }
        Some(all)
    }

    fn inner(&mut self, name: &str, found: Value) -> Option<Self> {
        match found {
            Value::Object(object) => {
                Some(Self { path: format!("{}{name}.", self.path), ..Self::new(object) })
            }
            other => self.expected(name, "an object", &other),
        }
    }

    fn absorb(&mut self, mut inner: Self) {
        if let Err(wrong) = inner.end() {
            self.wrong.get_or_insert(wrong);
        }
    }

    fn list(&mut self, name: &'static str) -> Option<Vec<Value>> {
        match self.take(name)? {
            Value::Array(list) => Some(list),
            other => self.expected(name, "a list", &other),
        }
    }

    /// What was found. `null` is the same as nothing.
    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.object.get_mut(name).map(Value::take).filter(|value| !value.is_null())
    }

    fn expected<T>(&mut self, name: &str, wanted: &str, found: &Value) -> Option<T> {
        self.fail(name, &format_args!("is {}, expected {wanted}", shown(found)));
        None
    }

    fn fail(&mut self, name: &str, reason: &dyn fmt::Display) {
        if self.wrong.is_none() {
            self.wrong = Some(format!("`{}{name}` {reason}", self.path));
        }
    }
}

/// What is not one of the names that are known.
pub(crate) fn unknown_name(what: &str, known: &mut dyn Iterator<Item = &str>) -> String {
    format!("unknown {what}, expected one of {}", listed(known))
}

fn listed(names: &mut dyn Iterator<Item = &str>) -> String {
    let mut list = String::new();
    for name in names {
        list.extend([if list.is_empty() { "`" } else { ", `" }, name, "`"]);
    }
    list
}

/// What was found, as far as it is short.
fn shown(found: &Value) -> String {
    match found {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) if text.chars().nth(SHOWN).is_some() => "a long text".to_owned(),
        other => other.to_string(),
    }
}

fn keyring(found: Value) -> Option<Keyring> {
    let Value::Array(list) = found else { return None };
    let mut ring = Keyring::default();
    for found in list {
        ring.add(&secret(found)?).ok()?;
    }
    Some(ring)
}

fn secret(found: Value) -> Option<Zeroizing<Vec<u8>>> {
    let Value::String(text) = found else { return None };
    hex::decode(Zeroizing::new(text).as_bytes()).ok().map(Zeroizing::new)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn fields(text: &str) -> Fields {
        Fields::new(serde_json::from_str(text).unwrap())
    }

    fn wrong(text: &str, read: fn(&mut Fields)) -> String {
        let mut fields = fields(text);
        read(&mut fields);
        fields.end().unwrap_err()
    }

    fn size(from: &mut Fields) {
        from.number::<u8>("size");
    }

    #[test]
    fn what_is_left_out_or_null_is_not_there_and_what_is_needed_must_be() {
        let mut fields = fields(r#"{"a":null}"#);
        assert_eq!((fields.text("a"), fields.flag("b")), (None, None));
        assert_eq!(fields.need("c", Fields::text), "");
        assert_eq!(fields.end().unwrap_err(), "`c` is missing");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place_what_was_found_and_what_is_wanted() {
        let nested: fn(&mut Fields) = |from| assert_eq!(from.nested("inner", size), Some(()));
        let deep: fn(&mut Fields) =
            |from| assert_eq!(from.nested("outer", |from| from.nested("inner", size)), Some(Some(())));
        let listed: fn(&mut Fields) = |from| drop(from.each("inner", size));
        let number = "expected a whole number that is not negative";
        for (text, read, told) in [
            (r#"{"size":-1}"#, size as fn(&mut Fields), format!("`size` is -1, {number}")),
            (r#"{"size":1.5}"#, size, format!("`size` is 1.5, {number}")),
            (r#"{"size":256}"#, size, "`size` is 256, which is too large".to_owned()),
            (r#"{"inner":{"size":"9"}}"#, nested, format!("`inner.size` is \"9\", {number}")),
            (r#"{"outer":{"inner":{"size":"9"}}}"#, deep, format!("`outer.inner.size` is \"9\", {number}")),
            (r#"{"inner":[{},{"size":[]}]}"#, listed, format!("`inner[1].size` is a list, {number}")),
            (r#"{"inner":[1]}"#, listed, "`inner[0]` is 1, expected an object".to_owned()),
            (
                r#"{"inner":{"sise":1}}"#,
                nested,
                "unknown field `inner.sise`, expected one of `size`".to_owned(),
            ),
        ] {
            assert_eq!(wrong(text, read), told);
        }
    }

    #[test]
    fn keys_that_are_none_are_refused_and_not_repeated() {
        let told = "`keys` is no list of keys of 16, 24 or 32 bytes in hex";
        for keys in ["null", r#""00ff""#, r#"["00ff"]"#, r#"["00112233445566778899aabbccddeefg"]"#] {
            let text = format!(r#"{{"keys":{keys}}}"#);
            assert_eq!(wrong(&text, |from| assert!(from.keys("keys").is_none())), told);
        }
    }

    #[test]
    fn words_and_addresses_tell_how_they_are_written() {
        let told = wrong(r#"{"how":"fast"}"#, |from| {
            assert_eq!(from.choice("how", &[("slow", 1), ("still", 2)]), None);
        });
        assert_eq!(told, "`how` is `fast`, expected one of `slow`, `still`");
        let told = wrong(r#"{"bind":"localhost:1"}"#, |from| assert_eq!(from.socket("bind"), None));
        assert!(told.starts_with("`bind` is \"localhost:1\", expected an address and a port"), "{told}");
        let told = wrong(r#"{"to":["a:1","b"]}"#, |from| drop(from.endpoints("to")));
        assert!(told.starts_with("`to` holds what cannot be: `b` is not HOST:PORT"), "{told}");
        let long = format!(r#"{{"hex":"{}"}}"#, "xy".repeat(100));
        assert_eq!(
            wrong(&long, |from| drop(from.bytes("hex"))),
            "`hex` is a long text, expected bytes in hex"
        );
    }
}
