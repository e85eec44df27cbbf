//! Whether a certificate is that of the peer wanted.

use std::fmt;

use rustls::pki_types::CertificateDer;
use x509_cert::{
    Certificate,
    der::{
        Decode, Tag, Tagged,
        asn1::{Ia5StringRef, ObjectIdentifier, PrintableStringRef, TeletexStringRef, Utf8StringRef},
    },
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// `id-at-commonName` of X.520.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// What the peer's certificate has to name. With both set, either suffices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PeerName {
    pub(super) common_name: Option<String>,
    pub(super) uri_san: Option<String>,
}

/// The certificate names somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrongName {
    wanted: PeerName,
    common_name: Option<String>,
    uri_sans: Vec<String>,
}

impl PeerName {
    /// Looks for the name in the peer's own certificate.
    pub(super) fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), CheckError> {
        let certificate = Certificate::from_der(certificate).map_err(|_| CheckError::Unreadable)?;
        let common_name = common_name(&certificate);
        let uri_sans = uri_sans(&certificate);
        let by_common_name = self.common_name.is_some() && self.common_name == common_name;
        let by_uri_san = self.uri_san.as_ref().is_some_and(|wanted| uri_sans.contains(wanted));
        if by_common_name || by_uri_san {
            return Ok(());
        }
        Err(CheckError::Wrong(WrongName { wanted: self.clone(), common_name, uri_sans }))
    }
}

/// The last common name, as Go takes it; `None` if there is none or it is not text.
fn common_name(certificate: &Certificate) -> Option<String> {
    let subject = &certificate.tbs_certificate.subject.0;
    let last = subject.iter().flat_map(|names| names.0.iter()).rfind(|name| name.oid == COMMON_NAME)?;
    let value = &last.value;
    match value.tag() {
        Tag::Utf8String => value.decode_as::<Utf8StringRef<'_>>().ok().map(|text| text.as_str().to_owned()),
        Tag::PrintableString => {
            value.decode_as::<PrintableStringRef<'_>>().ok().map(|text| text.as_str().to_owned())
        }
        Tag::TeletexString => {
            value.decode_as::<TeletexStringRef<'_>>().ok().map(|text| text.as_str().to_owned())
        }
        Tag::Ia5String => value.decode_as::<Ia5StringRef<'_>>().ok().map(|text| text.as_str().to_owned()),
        _ => None,
    }
}

fn uri_sans(certificate: &Certificate) -> Vec<String> {
    let Ok(Some((_, SubjectAltName(names)))) = certificate.tbs_certificate.get::<SubjectAltName>() else {
        return Vec::new();
    };
    let uris = names.into_iter().filter_map(|name| match name {
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str().to_owned()),
        _ => None,
    });
    uris.collect()
}

/// Why a certificate is not taken, though its chain is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CheckError {
    /// It cannot be parsed.
    Unreadable,
    /// It names somebody else.
    Wrong(WrongName),
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("its subject cannot be read"),
            Self::Wrong(wrong) => wrong.fmt(f),
        }
    }
}

impl std::error::Error for CheckError {}

impl fmt::Display for WrongName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.common_name {
            Some(name) => write!(f, "it has CN `{name}`")?,
            None => f.write_str("it has no CN")?,
        }
        match self.uri_sans.join("`, `") {
            uris if uris.is_empty() => f.write_str(" and no URI SAN")?,
            uris => write!(f, " and URI SAN `{uris}`")?,
        }
        f.write_str("; wanted is ")?;
        match (&self.wanted.common_name, &self.wanted.uri_san) {
            (Some(name), Some(uri)) => write!(f, "CN `{name}` or URI SAN `{uri}`"),
            (Some(name), None) => write!(f, "CN `{name}`"),
            (None, Some(uri)) => write!(f, "URI SAN `{uri}`"),
            (None, None) => f.write_str("no name at all"),
        }
    }
}
