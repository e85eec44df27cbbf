//! The keys in a file, for whoever dissects the traffic; only if the environment asks for it.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

use crate::{failure::Failure, input::Key};

/// The environment variable that names the file: Docker's own.
const VARIABLE: &str = "NETWORKDBKEYLOGFILE";

/// Where keys are written, if anywhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyLog(Option<Arc<File>>);

impl KeyLog {
    /// Opens the file that the environment names.
    pub(crate) fn of_environment() -> Result<Self, Failure> {
        let Some(path) = env::var_os(VARIABLE).filter(|path| !path.is_empty()) else {
            return Ok(Self::default());
        };
        let path = Path::new(&path);
        let log = Self::open(path).map_err(|error| {
            Failure::agent(format!(
                "cannot write keys to {}, which {VARIABLE} names: {error}",
                path.display()
            ))
        })?;
        tracing::warn!(file = %path.display(), "keys are written to a file because {VARIABLE} is set");
        Ok(log)
    }

    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        if file.metadata()?.mode() & 0o077 != 0 {
            return Err(io::Error::other("others may read it; its mode must be 0600"));
        }
        Ok(Self(Some(Arc::new(file))))
    }

    /// Appends a key in hex, on a line of its own.
    pub(crate) fn append(&self, key: &Key) {
        let Some(mut file) = self.0.as_deref() else { return };
        let line = key.to_hex() + "\n";
        // In one piece, so that the lines of several agents do not mix.
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::warn!("a key could not be written to the file that {VARIABLE} names: {error}");
        }
    }
}
