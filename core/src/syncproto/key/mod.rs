//! Keys and their paths, the `default path` of `libcalico-go`.
//!
//! [`table`] is the list of them. Source: `lib/backend/model/keys.go` of `projectcalico/libcalico-go` as Typha 3.2.5
//! has it, and of `projectcalico/calico`.

mod cidr;
mod form;
mod policy;
mod resource;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

use form::{Form, Rule};

pub use cidr::Cidr;
pub use resource::ResourceKind;
pub use table::{Key, Kind};
pub use text::Text;

/// Whose parser of paths: they know other keys and differ in detail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Generation {
    /// Typha and Felix 3.2.5.
    V3_2_5,
    /// Those of today, 3.32 and later.
    #[default]
    Today,
}

/// What the value of a key is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A JSON object.
    Object,
    /// A JSON list.
    List,
    /// Plain text.
    Text,
    /// `true`; all else is false.
    Bool,
    /// An IP address as text.
    Ip,
}

/// Why a path is no key, or a key has no path: the part that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKey {
    /// No key has such a path: it goes astray in the segment that begins at this byte, or ends too early there.
    Unknown {
        /// Offset in the path.
        at: usize,
    },
    /// This part is empty and may not be, or cannot be read.
    Missing(&'static str),
    /// The range of addresses cannot be read.
    Cidr,
    /// A v3 resource whose plural is not known.
    Resource,
    /// A global v3 resource with a namespace, or a namespaced one without, or one without a name.
    Scope(ResourceKind),
}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { at } => write!(f, "not the path of a known key from byte {at} on"),
            Self::Missing(part) => write!(f, "the {part} is missing"),
            Self::Cidr => f.write_str("not a range of addresses"),
            Self::Resource => f.write_str("not a known kind of resource"),
            Self::Scope(kind) => {
                let article = if kind.is_namespaced() { "a" } else { "no" };
                write!(f, "a {kind} has {article} namespace, and one name")
            }
        }
    }
}

impl std::error::Error for BadKey {}

impl Kind {
    fn form(self) -> Option<&'static Form> {
        table::FORMS.iter().find(|form| form.kind == self)
    }

    /// What the values of such keys are made of.
    pub fn encoding(self) -> Encoding {
        self.form().map_or(Encoding::Object, |form| form.encoding)
    }
}

impl<'a> Key<'a> {
    /// Reads a path as that parser does. What is no key for it is for the caller to pass on or to drop.
    ///
    /// 3.2.5 forgets the tier of a policy; it is `default` then.
    pub fn parse(path: &'a (impl AsRef<[u8]> + ?Sized), parser: Generation) -> Result<Self, BadKey> {
        let path = path.as_ref();
        if parser == Generation::Today
            && let Some(resource) = resource::parse(path)
        {
            return resource;
        }
        let (bare, slash) = without_slash(path);
        for form in forms(parser, slash) {
            if let Ok(captures) = form.captures(bare, parser) {
                form.check(&captures, parser)?;
                return Self::build(form.kind, captures, parser)?.settle(path, parser);
            }
        }
        Err(BadKey::Unknown { at: astray(path, parser) })
    }

    fn settle(self, path: &[u8], parser: Generation) -> Result<Self, BadKey> {
        match self {
            Self::LegacyPolicy { name, .. } if parser == Generation::V3_2_5 => {
                Ok(Self::LegacyPolicy { tier: "default".into(), name })
            }
            // What is no key below these is no policy of such a kind either.
            Self::Policy { kind, .. } if kind == "tier" || kind == "profile" => {
                Err(BadKey::Unknown { at: astray(path, parser) })
            }
            key => Ok(key),
        }
    }

    /// The path of the key. It is the peer's, so names that are not escaped there can make it the path of another key.
    ///
    /// # Errors
    /// [`BadKey::Missing`] if a name is empty that may not be.
    pub fn to_path(&self) -> Result<Vec<u8>, BadKey> {
        if let Self::Policy { kind, namespace, .. } = self {
            policy::check_namespace(kind, namespace)?;
        }
        if let Some(form) = self.kind().form() {
            for ((name, segment), part) in form.parts.iter().zip(self.parts()) {
                if part.is_missing(*segment) {
                    return Err(BadKey::Missing(name));
                }
            }
        }
        Ok(self.path())
    }

    fn path(&self) -> Vec<u8> {
        let mut path = Vec::with_capacity(80);
        match (self, self.kind().form()) {
            (Self::Resource { kind, namespace, name }, _) => {
                resource::write(*kind, namespace, name, &mut path);
            }
            (_, Some(form)) => form.write(&self.parts(), &mut path),
            (_, None) => {}
        }
        path
    }

    /// The key by kind, namespace and name of a legacy policy key, as today's clients make it; the tier, which is to
    /// move into the value, beside it. Other keys stay as they are.
    pub fn upgrade(self) -> (Self, Option<Text<'a>>) {
        match self {
            Self::LegacyPolicy { tier, name } => (policy::upgrade(name), Some(tier)),
            key => (key, None),
        }
    }
}

/// The path, also where [`Key::to_path`] would refuse; what is not UTF-8 is replaced.
impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.path()))
    }
}

fn without_slash(path: &[u8]) -> (&[u8], bool) {
    path.strip_prefix(b"/").map_or((path, false), |bare| (bare, true))
}

fn forms(parser: Generation, slash: bool) -> impl Iterator<Item = &'static Form> {
    table::FORMS.iter().filter(move |form| form.parsers.include(parser) && (slash || !form.has(Rule::Slash)))
}

/// Where the path leaves the last of the forms: the start of a segment.
fn astray(path: &[u8], parser: Generation) -> usize {
    let (bare, slash) = without_slash(path);
    let mut furthest = 0;
    for form in forms(parser, slash) {
        let Err(mismatch) = form.captures(bare, parser) else { continue };
        let rest = bare.get(mismatch.at..).unwrap_or_default();
        let common = rest.iter().zip(mismatch.expected.bytes()).take_while(|(a, b)| *a == b).count();
        furthest = furthest.max(mismatch.at + common);
    }
    let before = bare.get(..furthest).unwrap_or_default();
    let segment = before.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
    segment + usize::from(slash)
}
