//! The programs measured, built from the sources beside this crate.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Failure;

/// Which implementation of NetworkDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Go28,
    Go2,
    Ours,
}

impl Kind {
    /// In the order of the table's columns.
    pub(crate) const ALL: [Self; 3] = [Self::Go28, Self::Go2, Self::Ours];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Go28 => "Go 28.5.2",
            Self::Go2 => "Go moby v2",
            Self::Ours => "ours",
        }
    }
}

/// Where the programs lie.
#[derive(Debug)]
pub(crate) struct Programs {
    peers: PathBuf,
    ours: PathBuf,
}

impl Programs {
    /// Builds what is not there yet.
    pub(crate) fn prepare() -> Result<Self, Failure> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the workspace is missing")?;
        let folder = env::current_exe()?.parent().ok_or("this program lies nowhere")?.to_owned();
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let target = folder.parent().ok_or("the target folder is missing")?;
        let build = ["build", "--quiet", "--release", "--package", "networkdb-cli", "--target-dir"];
        eprintln!("building networkdb, and the Go peers unless NETWORKDB_PEERS is set");
        finish(Command::new(cargo).args(build).arg(target).current_dir(workspace))?;
        let ours = target.join("release").join("networkdb");
        let peers = match env::var_os("NETWORKDB_PEERS") {
            Some(given) => given.into(),
            None => build_peers(workspace, folder.join("peers"))?,
        };
        let programs = Self { peers, ours };
        programs.check()?;
        Ok(programs)
    }

    pub(crate) fn path(&self, kind: Kind) -> PathBuf {
        match kind {
            Kind::Go28 => self.peers.join("networkdb28"),
            Kind::Go2 => self.peers.join("networkdb2"),
            Kind::Ours => self.ours.clone(),
        }
    }

    fn check(&self) -> Result<(), Failure> {
        let missing = Kind::ALL.map(|kind| self.path(kind)).into_iter().find(|path| !path.is_file());
        missing.map_or(Ok(()), |path| Err(format!("{} is missing", path.display()).into()))
    }

    /// Bytes of a program without its symbols.
    pub(crate) fn stripped_size(&self, kind: Kind) -> Result<u64, Failure> {
        let folder = tempfile::tempdir()?;
        let stripped = folder.path().join("stripped");
        finish(Command::new("strip").arg("-o").arg(&stripped).arg(self.path(kind)))?;
        Ok(fs::metadata(stripped)?.len())
    }
}

fn build_peers(workspace: &Path, into: PathBuf) -> Result<PathBuf, Failure> {
    finish(Command::new(workspace.join("tests/peers/build")).arg(&into))?;
    Ok(into)
}

/// Runs a command to its end; what it prints is an error's text if it fails.
pub(crate) fn finish(command: &mut Command) -> Result<String, Failure> {
    let program = command.get_program().display().to_string();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        return Err(
            format!("{program}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
