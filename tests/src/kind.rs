//! Which programs there are, and how each is started.

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use crate::ports::spawn;

/// A program that runs a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// NetworkDB of `docker/docker` 28.5.2.
    Go28,
    /// NetworkDB of `moby/moby/v2`.
    Go2,
    /// Our agent.
    Ours,
    /// `hashicorp/memberlist` 0.4.0.
    Memberlist04,
    /// `hashicorp/memberlist` 0.6.0.
    Memberlist06,
    /// Our memberlist.
    OurMemberlist,
}

impl Kind {
    /// Whether a line of the log says that this member has failed.
    pub(crate) fn tells_of_a_failure(self, line: &str, name: &str) -> bool {
        match self {
            Self::Ours => line.contains(&format!("node has failed name={name} ")),
            _ => line.contains(&format!("Node {name}/")) && line.contains(", added to failed nodes list"),
        }
    }

    /// Whether the node is one of the Go packages.
    pub(crate) fn is_go(self) -> bool {
        !matches!(self, Self::Ours | Self::OurMemberlist)
    }

    /// How a row is written again that was deleted a moment ago: 28.5.2 counts it as existing, and revives it.
    pub fn write_again(self) -> &'static str {
        if self == Self::Go28 { "update" } else { "create" }
    }

    /// Whether a line of the log says that a peer did not answer a bulk sync.
    pub(crate) fn tells_of_a_slow_sync(self, line: &str) -> bool {
        match self {
            Self::Ours => line.contains("a node did not send its rows in time"),
            _ => line.contains("Bulk sync to node ") && line.contains(" timed out"),
        }
    }

    /// Whether a line of the log says that this member has failed or left.
    pub(crate) fn tells_of_the_end(self, line: &str, name: &str) -> bool {
        match self {
            Self::Ours => {
                ["failed", "left"].iter().any(|end| line.contains(&format!("node has {end} name={name} ")))
            }
            _ => line.contains(&format!("Node {name}/")) && line.contains(", left gossip cluster"),
        }
    }

    /// A short name, to build names of nodes from.
    pub fn word(self) -> &'static str {
        match self {
            Self::Go28 => "docker",
            Self::Go2 => "moby",
            Self::Ours => "ours",
            Self::Memberlist04 => "list04",
            Self::Memberlist06 => "list06",
            Self::OurMemberlist => "ourlist",
        }
    }

    /// The command that starts a node with these settings.
    pub(crate) fn command(self, name: &str, addr: SocketAddr, keys: &[String], socket: &Path) -> Command {
        let mut command = Command::new(self.program());
        let (dash, at) = if self == Self::Ours { ("--", "bind") } else { ("-", "addr") };
        if self == Self::Ours {
            command.arg("agent").arg("--socket").arg(socket);
        }
        command.args([format!("{dash}name"), name.to_owned(), format!("{dash}{at}"), addr.to_string()]);
        for key in keys {
            command.args([format!("{dash}key"), key.clone()]);
        }
        command
    }

    fn program(self) -> PathBuf {
        match self {
            Self::Go28 => GO_PEERS.join("networkdb28"),
            Self::Go2 => GO_PEERS.join("networkdb2"),
            Self::Memberlist04 => GO_PEERS.join("memberlist04"),
            Self::Memberlist06 => GO_PEERS.join("memberlist06"),
            Self::Ours => env::var_os("NETWORKDB_BIN").map_or_else(|| built("networkdb"), PathBuf::from),
            Self::OurMemberlist => built("memberlist-node"),
        }
    }
}

/// The folder of the Go programs. They are built if any is missing.
pub(crate) static GO_PEERS: LazyLock<PathBuf> = LazyLock::new(|| {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let folder = env::var_os("NETWORKDB_PEERS").map_or_else(|| sources.join("bin"), PathBuf::from);
    let programs = ["networkdb28", "networkdb2", "memberlist04", "memberlist06", "gob", "differential"];
    if !programs.iter().all(|program| folder.join(program).is_file()) {
        let mut build = Command::new(sources.join("build"));
        let build = spawn(build.arg(&folder).stdout(Stdio::piped()).stderr(Stdio::piped()));
        let build = build.wait_with_output().expect("tests/peers/build ends");
        let errors = String::from_utf8_lossy(&build.stderr);
        assert!(build.status.success(), "tests/peers/build failed, is Go installed? {errors}");
    }
    folder
});

/// A program that cargo has put beside the running test.
fn built(program: &str) -> PathBuf {
    let test = env::current_exe().expect("a test knows where it is");
    let folder = test.parent().and_then(Path::parent).expect("a test lies in target/<profile>/deps");
    let path = folder.join(program);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --workspace --bins` first, same profile",
        path.display()
    );
    path
}
