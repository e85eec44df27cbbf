//! The files of a certificate, and what may be wrong with them.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use rustls::{
    ClientConfig, Error, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use tokio::sync::broadcast;

use super::{
    BACKLOG, Inner, Tls,
    name::PeerName,
    verify::{ClientCheck, ServerCheck},
};

/// The settings of mutual TLS. If any is set, all have to be, except that one of the two names suffices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM file of our private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: Option<PathBuf>,
    /// PEM file of our certificate, and of those between it and the CA.
    pub cert: Option<PathBuf>,
    /// PEM file of the CAs that vouch for the other side.
    pub ca: Option<PathBuf>,
    /// The common name (CN) in the other side's certificate.
    pub peer_cn: Option<String>,
    /// A URI among the alternative names (SAN) of the other side's certificate.
    pub peer_uri_san: Option<String>,
    /// How long a handshake may take. Default: 10 s, as a Typha waits for the first message.
    pub handshake_timeout: Duration,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            key: None,
            cert: None,
            ca: None,
            peer_cn: None,
            peer_uri_san: None,
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

impl TlsSettings {
    /// Reads the files; `None` if nothing is set. TLS 1.2 is the oldest version spoken.
    ///
    /// # Errors
    /// A setting or a file that is missing or wrong.
    pub fn load(&self) -> Result<Option<Tls>, TlsError> {
        let wanted = PeerName {
            common_name: self.peer_cn.clone().filter(|name| !name.is_empty()),
            uri_san: self.peer_uri_san.clone().filter(|name| !name.is_empty()),
        };
        let named = wanted != PeerName::default();
        match (&self.key, &self.cert, &self.ca, named) {
            (None, None, None, false) => Ok(None),
            (Some(key), Some(cert), Some(ca), true) => {
                Files { key, cert, ca }.read(wanted, self.handshake_timeout).map(Some)
            }
            _ => Err(self.missing(named)),
        }
    }

    fn missing(&self, named: bool) -> TlsError {
        let parts = [
            ("the key", self.key.is_none()),
            ("the certificate", self.cert.is_none()),
            ("the CA", self.ca.is_none()),
            ("the CN or URI SAN of the other side", !named),
        ];
        TlsError::Incomplete(parts.iter().filter(|(_, missing)| *missing).map(|(name, _)| *name).collect())
    }
}

struct Files<'a> {
    key: &'a Path,
    cert: &'a Path,
    ca: &'a Path,
}

impl Files<'_> {
    fn read(&self, wanted: PeerName, handshake_timeout: Duration) -> Result<Tls, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(self.roots()?);
        Ok(Tls(Arc::new(Inner {
            server: Arc::new(self.server(&provider, &roots, &wanted)?),
            client: Arc::new(self.client(&provider, &roots, wanted)?),
            handshake_timeout,
            refusals: broadcast::Sender::new(BACKLOG),
            refused: AtomicU64::new(0),
        })))
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for root in certificates(Kind::Ca, self.ca)? {
            roots.add(root).map_err(|error| TlsError::file(Kind::Ca, self.ca, error))?;
        }
        Ok(roots)
    }

    fn server(
        &self,
        provider: &Arc<CryptoProvider>,
        roots: &Arc<RootCertStore>,
        wanted: &PeerName,
    ) -> Result<ServerConfig, TlsError> {
        let chain = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
            .build()
            .map_err(|error| TlsError::file(Kind::Ca, self.ca, error))?;
        let check = ClientCheck { chain, wanted: wanted.clone() };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| self.unusable(error))?
            .with_client_cert_verifier(Arc::new(check))
            .with_single_cert(self.chain()?, self.private_key()?)
            .map_err(|error| self.unusable(error))?;
        // Streams live long: a session kept to be resumed would serve nobody.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    fn client(
        &self,
        provider: &Arc<CryptoProvider>,
        roots: &Arc<RootCertStore>,
        wanted: PeerName,
    ) -> Result<ClientConfig, TlsError> {
        let algorithms = provider.signature_verification_algorithms;
        let check = ServerCheck { roots: Arc::clone(roots), algorithms, wanted };
        let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| self.unusable(error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(check))
            .with_client_auth_cert(self.chain()?, self.private_key()?)
            .map_err(|error| self.unusable(error))?;
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        certificates(Kind::Certificate, self.cert)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_file(self.key).map_err(|error| TlsError::pem(Kind::Key, self.key, &error))
    }

    fn unusable(&self, error: Error) -> TlsError {
        match error {
            Error::InconsistentKeys(_) => {
                TlsError::Mismatch { key: self.key.to_owned(), cert: self.cert.to_owned() }
            }
            Error::InvalidCertificate(error) => TlsError::file(Kind::Certificate, self.cert, error),
            other => TlsError::file(Kind::Key, self.key, other),
        }
    }
}

fn certificates(kind: Kind, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |error| TlsError::pem(kind, file, &error);
    let found: Vec<_> =
        CertificateDer::pem_file_iter(file).map_err(wrong)?.collect::<Result<_, _>>().map_err(wrong)?;
    if found.is_empty() { Err(wrong(pem::Error::NoItemsFound)) } else { Ok(found) }
}

/// What a file is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Key,
    Certificate,
    Ca,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "the TLS key",
            Self::Certificate => "the TLS certificate",
            Self::Ca => "the certificate of the CA",
        })
    }
}

/// Why TLS cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// Some settings are there, and these are not.
    Incomplete(Vec<&'static str>),
    /// A file is not there or not what it should be; the text names it and says what to do.
    File(String),
    /// The private key is not that of the certificate.
    Mismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        cert: PathBuf,
    },
}

impl TlsError {
    fn file(kind: Kind, file: &Path, reason: impl fmt::Display) -> Self {
        Self::File(format!("cannot use {kind} in {}: {reason}", file.display()))
    }

    fn pem(kind: Kind, file: &Path, error: &pem::Error) -> Self {
        let label = if kind == Kind::Key { "PRIVATE KEY" } else { "CERTIFICATE" };
        match error {
            pem::Error::Io(error) => {
                Self::File(format!("cannot read {kind} from {}: {error}", file.display()))
            }
            pem::Error::NoItemsFound => Self::file(
                kind,
                file,
                format_args!("no `BEGIN {label}` in it; give a file in PEM form, or another"),
            ),
            other => Self::file(kind, file, format_args!("it is not PEM: {other}")),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete(missing) => {
                write!(f, "TLS is not complete: also give {}", missing.join(" and "))
            }
            Self::File(reason) => f.write_str(reason),
            Self::Mismatch { key, cert } => write!(
                f,
                "the TLS key in {} is not that of the certificate in {}: give the pair that was made together, the own \
                 certificate first in its file",
                key.display(),
                cert.display()
            ),
        }
    }
}

impl std::error::Error for TlsError {}
