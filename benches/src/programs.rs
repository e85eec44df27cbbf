//! The programs measured, built from the sources beside this crate.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Failure;

/// What is implemented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Docker's NetworkDB.
    NetworkDb,
    /// Typha's sync protocol.
    Sync,
}

/// Which implementation: two generations in Go, and ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Older,
    Newer,
    Ours,
}

impl Family {
    /// In the order of their tables.
    pub(crate) const ALL: [Self; 2] = [Self::NetworkDb, Self::Sync];

    /// Our program that is measured, and its package.
    fn program(self) -> (&'static str, &'static str) {
        match self {
            Self::NetworkDb => ("networkdb", "networkdb-cli"),
            Self::Sync => ("networkdb-sync-codec", "networkdb-benches"),
        }
    }
}

impl Kind {
    /// In the order of the table's columns.
    pub(crate) const ALL: [Self; 3] = [Self::Older, Self::Newer, Self::Ours];

    pub(crate) fn title(self, family: Family) -> &'static str {
        match (family, self) {
            (Family::NetworkDb, Self::Older) => "Go 28.5.2",
            (Family::NetworkDb, Self::Newer) => "Go moby v2",
            (Family::Sync, Self::Older) => "Go 3.2.5",
            (Family::Sync, Self::Newer) => "Go today",
            (_, Self::Ours) => "ours",
        }
    }
}

/// Where the programs lie.
#[derive(Debug)]
pub(crate) struct Programs {
    peers: PathBuf,
    ours: PathBuf,
    /// This one, which is also our server of the sync protocol.
    own: PathBuf,
    sync_codec: PathBuf,
}

impl Programs {
    /// Builds what these need and is not there yet.
    pub(crate) fn prepare(families: &[Family]) -> Result<Self, Failure> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the workspace is missing")?;
        let own = env::current_exe()?;
        let folder = own.parent().ok_or("this program lies nowhere")?;
        let target = folder.parent().ok_or("the target folder is missing")?;
        let (ours, sync_codec) =
            (target.join("release/networkdb"), target.join("release/networkdb-sync-codec"));
        for family in families {
            build(workspace, target, *family)?;
        }
        let peers = match env::var_os("NETWORKDB_PEERS") {
            Some(given) => given.into(),
            None => build_peers(workspace, folder.join("peers"))?,
        };
        let programs = Self { peers, ours, own, sync_codec };
        programs.check(families)?;
        Ok(programs)
    }

    pub(crate) fn path(&self, kind: Kind) -> PathBuf {
        match kind {
            Kind::Older => self.peers.join("networkdb28"),
            Kind::Newer => self.peers.join("networkdb2"),
            Kind::Ours => self.ours.clone(),
        }
    }

    /// The Go peer that speaks the sync protocol in both generations.
    pub(crate) fn gob(&self) -> PathBuf {
        self.peers.join("gob")
    }

    /// Our codec of the sync protocol, which measures itself.
    pub(crate) fn sync_codec(&self) -> &Path {
        &self.sync_codec
    }

    pub(crate) fn own(&self) -> &Path {
        &self.own
    }

    fn check(&self, families: &[Family]) -> Result<(), Failure> {
        let needed = families.iter().flat_map(|family| match family {
            Family::NetworkDb => Kind::ALL.map(|kind| self.path(kind)).to_vec(),
            Family::Sync => vec![self.gob(), self.sync_codec.clone()],
        });
        let missing = needed.into_iter().find(|path| !path.is_file());
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

fn build(workspace: &Path, target: &Path, family: Family) -> Result<(), Failure> {
    let (program, package) = family.program();
    eprintln!("building {program}");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["build", "--quiet", "--release", "--package", package, "--bin", program, "--target-dir"];
    finish(Command::new(cargo).args(build).arg(target).current_dir(workspace))?;
    Ok(())
}

fn build_peers(workspace: &Path, into: PathBuf) -> Result<PathBuf, Failure> {
    eprintln!("building the Go peers, since NETWORKDB_PEERS is not set");
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
