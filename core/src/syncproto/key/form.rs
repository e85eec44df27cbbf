//! How one form of path is matched and written.

use super::{BadKey, Cidr, Encoding, Generation, Kind, Text};

/// How a part of a key stands in its segment of the path. What is unescaped when read but not escaped when written
/// is so in the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// Unescaped when read, escaped when written.
    Escaped,
    /// Unescaped when read, written as it is.
    Plain,
    /// The same, and it may be empty.
    Namespace,
    /// The same as `Plain`; 3.2.5 reads it as it is.
    Host,
    /// As it is.
    Raw,
    /// As it is, with everything that follows.
    Rest,
    /// A range of addresses, its `/` written `-`.
    Cidr,
}

/// Which parsers know a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsers {
    Both,
    Old,
    New,
}

impl Parsers {
    pub(super) fn include(self, parser: Generation) -> bool {
        match self {
            Self::Both => true,
            Self::Old => parser == Generation::V3_2_5,
            Self::New => parser == Generation::Today,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// The leading `/` may not be missing.
    Slash,
    /// Today's parser takes no empty segments, as 3.2.5 takes none anywhere.
    Full,
    /// Today's parser ignores further segments.
    Open,
}

/// One line of the table.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) kind: Kind,
    /// `{}` is a part of the key, `?` any one character.
    pub(super) path: &'static str,
    /// The name of each part and how it stands there.
    pub(super) parts: &'static [(&'static str, Segment)],
    pub(super) encoding: Encoding,
    pub(super) parsers: Parsers,
    pub(super) rules: &'static [Rule],
}

/// The most parts a path has.
pub(super) const PARTS: usize = 5;

/// Where a path leaves a form, and how the form would go on there.
pub(super) struct Mismatch {
    pub(super) at: usize,
    pub(super) expected: &'static str,
}

impl Form {
    /// The segments at the form's `{}`. `path` is without its leading `/`; `at` counts from there.
    pub(super) fn captures<'a>(
        &self,
        path: &'a [u8],
        parser: Generation,
    ) -> Result<[&'a [u8]; PARTS], Mismatch> {
        let lenient = parser == Generation::Today;
        let mut rest = path;
        let mut found = [&[][..]; PARTS];
        let mut literals = literals(self.path.trim_start_matches('/'));
        for ((_, segment), slot) in self.parts.iter().zip(&mut found) {
            let literal = literals.next().unwrap_or_default();
            let mismatch = Mismatch { at: path.len() - rest.len(), expected: literal };
            let last = *segment == Segment::Rest;
            if last && lenient && rest == literal.trim_end_matches('/').as_bytes() {
                return Ok(found);
            }
            rest = strip(rest, literal).ok_or(mismatch)?;
            let end = rest.iter().position(|&byte| byte == b'/' && !last).unwrap_or(rest.len());
            (*slot, rest) = rest.split_at(end);
        }
        let mismatch =
            Mismatch { at: path.len() - rest.len(), expected: literals.next().unwrap_or_default() };
        let end = strip(rest, mismatch.expected).ok_or(mismatch)?;
        let ends = end.is_empty() || lenient && self.has(Rule::Open) && end.starts_with(b"/");
        if ends { Ok(found) } else { Err(Mismatch { at: path.len() - end.len(), expected: "" }) }
    }

    /// Refuses what the regular expressions of 3.2.5, and some that are left today, do not match.
    pub(super) fn check(&self, captures: &[&[u8]], parser: Generation) -> Result<(), BadKey> {
        if parser == Generation::Today && !self.has(Rule::Full) {
            return Ok(());
        }
        for ((name, segment), found) in self.parts.iter().zip(captures) {
            if found.is_empty() || *segment == Segment::Rest && found.contains(&b'\n') {
                return Err(BadKey::Missing(name));
            }
        }
        Ok(())
    }

    pub(super) fn has(&self, rule: Rule) -> bool {
        self.rules.contains(&rule)
    }

    pub(super) fn write(&self, parts: &[Part<'_>], out: &mut Vec<u8>) {
        let version = parts.iter().find_map(Part::version).unwrap_or_default();
        let mut literals = literals(self.path);
        let first = literals.next().unwrap_or_default();
        out.extend(first.bytes().map(|byte| if byte == b'?' { version } else { byte }));
        for (((_, segment), part), literal) in self.parts.iter().zip(parts).zip(literals) {
            part.write(*segment, out);
            out.extend(literal.bytes().map(|byte| if byte == b'?' { version } else { byte }));
        }
    }
}

/// What stands before, between and after the `{}`.
fn literals(path: &'static str) -> impl Iterator<Item = &'static str> {
    // Cut at a byte, which is faster than at a pattern; this is done for each form until one fits.
    path.split('{').map(|literal| literal.strip_prefix('}').unwrap_or(literal))
}

/// What follows `literal`, whose `?` is any character but the end of a line.
fn strip<'a>(path: &'a [u8], literal: &str) -> Option<&'a [u8]> {
    let Some((before, after)) = literal.split_once('?') else {
        return path.strip_prefix(literal.as_bytes());
    };
    let path = path.strip_prefix(before.as_bytes())?;
    let first = path.utf8_chunks().next()?.valid().chars().next();
    let rest = path.get(first.map_or(1, char::len_utf8)..)?;
    if first == Some('\n') { None } else { rest.strip_prefix(after.as_bytes()) }
}

/// What can be a part of a key.
pub(super) trait Field<'a>: Sized {
    fn read(raw: &'a [u8], segment: Segment, parser: Generation) -> Result<Self, BadKey>;
}

impl<'a> Field<'a> for Text<'a> {
    fn read(raw: &'a [u8], segment: Segment, parser: Generation) -> Result<Self, BadKey> {
        let as_it_is = match segment {
            Segment::Raw | Segment::Rest | Segment::Cidr => true,
            Segment::Host => parser == Generation::V3_2_5,
            Segment::Escaped | Segment::Plain | Segment::Namespace => false,
        };
        Ok(if as_it_is { raw.into() } else { Text::unescape(raw) })
    }
}

impl Field<'_> for Cidr {
    fn read(raw: &[u8], _: Segment, parser: Generation) -> Result<Self, BadKey> {
        Cidr::read(raw, parser).ok_or(BadKey::Cidr)
    }
}

/// A part of a key that is to be written.
#[derive(Clone, Copy)]
pub(super) enum Part<'k> {
    Text(&'k Text<'k>),
    Cidr(Cidr),
}

impl<'k> From<&'k Text<'_>> for Part<'k> {
    fn from(text: &'k Text<'_>) -> Self {
        Self::Text(text)
    }
}

impl From<&Cidr> for Part<'_> {
    fn from(cidr: &Cidr) -> Self {
        Self::Cidr(*cidr)
    }
}

impl Part<'_> {
    pub(super) fn is_missing(&self, segment: Segment) -> bool {
        matches!(self, Self::Text(text) if text.is_empty() && segment != Segment::Namespace)
    }

    fn version(&self) -> Option<u8> {
        match self {
            Self::Cidr(cidr) => Some(b'0' + cidr.version()),
            Self::Text(_) => None,
        }
    }

    fn write(&self, segment: Segment, out: &mut Vec<u8>) {
        match (self, segment) {
            (Self::Text(text), Segment::Escaped) => text.escape(out),
            (Self::Text(text), _) => out.extend_from_slice(text),
            (Self::Cidr(cidr), _) => out.extend_from_slice(cidr.to_string().replace('/', "-").as_bytes()),
        }
    }
}
