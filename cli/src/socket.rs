//! The agent's Unix socket: where it is, and binding it so that only its owner can use it.

use std::{
    fs, io,
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixStream as StdUnixStream,
    },
    path::{Path, PathBuf},
};

use tokio::net::UnixListener;

use crate::failure::Failure;

/// `networkdb.sock` in `$XDG_RUNTIME_DIR`, else in a folder of this user's own in `/tmp`.
pub(crate) fn default_path() -> PathBuf {
    let folder =
        std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| Path::new(folder).is_dir()).map(PathBuf::from);
    folder.unwrap_or_else(own_folder).join("networkdb.sock")
}

/// A socket that is bound; the file goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) listener: UnixListener,
    path: PathBuf,
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Somebody may have removed it already.
        let _ = fs::remove_file(&self.path);
    }
}

/// Binds `path` with mode 0600. A file left by an agent that has ended is replaced; anything else is left alone.
///
/// The socket is made in a new folder that only its owner can enter, and moved to its place when its mode is set:
/// at no moment can another user connect.
pub(crate) fn bind(path: &Path) -> Result<Bound, Failure> {
    let failed = |error: io::Error| {
        Failure::agent(format!(
            "cannot make the socket {}: {error}; choose another with --socket",
            path.display()
        ))
    };
    make_own_folder(path)?;
    remove_stale(path)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = parent.join(format!(".ndb-{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
    let made = bind_in(&folder, path);
    // Nothing is left in it.
    let _ = fs::remove_dir(&folder);
    Ok(Bound { listener: made.map_err(failed)?, path: path.to_owned() })
}

fn bind_in(folder: &Path, path: &Path) -> io::Result<UnixListener> {
    let inside = folder.join("s");
    let listener = UnixListener::bind(&inside)?;
    let moved = fs::set_permissions(&inside, fs::Permissions::from_mode(0o600))
        .and_then(|()| fs::rename(&inside, path));
    if moved.is_err() {
        let _ = fs::remove_file(&inside);
    }
    moved.map(|()| listener)
}

fn remove_stale(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let Ok(there) = fs::symlink_metadata(path) else { return Ok(()) };
    if !there.file_type().is_socket() {
        return Err(Failure::agent(format!(
            "{shown} exists and is no socket; choose another place with --socket"
        )));
    }
    match StdUnixStream::connect(path) {
        Ok(_) => Err(Failure::agent(format!(
            "socket in use: another agent answers on {shown}; stop it, or choose another socket with --socket"
        ))),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| {
                Failure::agent(format!("cannot remove the socket {shown} left by an ended agent: {error}"))
            })
        }
        Err(error) => Err(Failure::agent(format!(
            "cannot use the socket {shown}: {error}; choose another with --socket"
        ))),
    }
}

fn own_folder() -> PathBuf {
    // The owner of one's own entry in /proc is oneself.
    let user = fs::metadata("/proc/self").map_or(0, |entry| entry.uid());
    PathBuf::from(format!("/tmp/networkdb-{user}"))
}

/// Makes the default folder, and makes sure that it is ours alone: anybody may write to `/tmp`.
fn make_own_folder(path: &Path) -> Result<(), Failure> {
    let folder = own_folder();
    if path.parent() != Some(&folder) {
        return Ok(());
    }
    let _ = fs::DirBuilder::new().mode(0o700).create(&folder);
    let user = fs::metadata("/proc/self").map_or(0, |entry| entry.uid());
    match fs::symlink_metadata(&folder) {
        Ok(there) if there.is_dir() && there.uid() == user && there.mode() & 0o777 == 0o700 => Ok(()),
        _ => Err(Failure::agent(format!(
            "{} is not a folder of this user's own; remove it, or choose a socket with --socket",
            folder.display()
        ))),
    }
}
