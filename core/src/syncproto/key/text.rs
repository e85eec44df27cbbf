//! A name of a key, and how it is escaped in a path.

use std::{borrow::Cow, fmt, ops::Deref};

/// A name in a key: bytes, since peers do not promise UTF-8. It borrows from the path unless it had to be unescaped.
///
/// `Display` shows it as text as far as possible.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(Cow<'a, [u8]>);

impl<'a> Text<'a> {
    /// The bytes of the name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether the name still stands in the path it was read from.
    pub fn is_borrowed(&self) -> bool {
        matches!(self.0, Cow::Borrowed(_))
    }

    /// The same name with bytes of its own.
    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }

    /// The part of the name behind its first `count` bytes.
    pub(super) fn skip(self, count: usize) -> Self {
        match self.0 {
            Cow::Borrowed(bytes) => Self(Cow::Borrowed(bytes.get(count..).unwrap_or_default())),
            Cow::Owned(bytes) => Self(Cow::Owned(bytes.get(count..).unwrap_or_default().to_vec())),
        }
    }

    /// What stands before and after the first `/`, if there is one.
    pub(super) fn split(&self) -> Option<(Self, Self)> {
        let slash = self.0.iter().position(|&byte| byte == b'/')?;
        let before = match &self.0 {
            Cow::Borrowed(bytes) => Self(Cow::Borrowed(bytes.get(..slash)?)),
            Cow::Owned(bytes) => Self(Cow::Owned(bytes.get(..slash)?.to_vec())),
        };
        Some((before, self.clone().skip(slash + 1)))
    }

    /// `%2f` is a `/` and `%25` a `%`; everything else is what it is, `%2F` too.
    pub(super) fn unescape(segment: &'a [u8]) -> Self {
        if !segment.windows(3).any(|three| replaced(three).is_some()) {
            return Self(Cow::Borrowed(segment));
        }
        let (mut plain, mut rest) = (Vec::with_capacity(segment.len()), segment);
        while let Some((&first, after)) = rest.split_first() {
            let escape = rest.get(..3).and_then(replaced);
            plain.push(escape.unwrap_or(first));
            rest = if escape.is_some() { rest.get(3..).unwrap_or_default() } else { after };
        }
        Self(Cow::Owned(plain))
    }

    /// Appends the name so that [`Self::unescape`] reads it back from one segment.
    pub(super) fn escape(&self, out: &mut Vec<u8>) {
        for &byte in self.0.iter() {
            match byte {
                b'%' => out.extend_from_slice(b"%25"),
                b'/' => out.extend_from_slice(b"%2f"),
                _ => out.push(byte),
            }
        }
    }
}

fn replaced(three: &[u8]) -> Option<u8> {
    match three {
        b"%2f" => Some(b'/'),
        b"%25" => Some(b'%'),
        _ => None,
    }
}

impl Default for Text<'_> {
    fn default() -> Self {
        Self(Cow::Borrowed(&[]))
    }
}

impl Deref for Text<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<'a> From<&'a [u8]> for Text<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<Vec<u8>> for Text<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Cow::Owned(bytes))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text.into_bytes()))
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(&self.0).fmt(f)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}
