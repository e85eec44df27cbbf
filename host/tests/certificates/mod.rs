//! Certificates made for a test.

#![allow(dead_code, reason = "each test program uses its part")]

use std::path::{Path, PathBuf};

use networkdb_host::{Tls, TlsSettings};
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, SanType};
use tempfile::TempDir;

/// A CA, and the folder in which it leaves its files.
pub(crate) struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("written");
        Self { folder, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.file("ca.pem")
    }

    pub(crate) fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes `NAME.pem` and `NAME.key` for one whose common name is `name`.
    pub(crate) fn issue(&self, name: &str, uri: Option<&str>) {
        self.issue_with(name, uri.map(|uri| SanType::URI(uri.try_into().expect("a URI"))));
    }

    /// The same for a host, for clients that look for its name.
    pub(crate) fn issue_for_host(&self, name: &str) {
        self.issue_with(name, Some(SanType::DnsName(name.try_into().expect("a name"))));
    }

    fn issue_with(&self, name: &str, alternative: Option<SanType>) {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names.extend(alternative);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        std::fs::write(self.file(format!("{name}.pem")), certificate.pem()).expect("written");
        std::fs::write(self.file(format!("{name}.key")), key.serialize_pem()).expect("written");
    }

    /// The settings of the one called `name`, who wants the other side to be `peer_cn`.
    pub(crate) fn settings(&self, name: &str, peer_cn: &str) -> TlsSettings {
        TlsSettings {
            key: Some(self.file(format!("{name}.key"))),
            cert: Some(self.file(format!("{name}.pem"))),
            ca: Some(self.ca()),
            peer_cn: Some(peer_cn.to_owned()),
            ..TlsSettings::default()
        }
    }
}

pub(crate) fn load(settings: &TlsSettings) -> Tls {
    settings.load().expect("good settings").expect("that are not empty")
}
