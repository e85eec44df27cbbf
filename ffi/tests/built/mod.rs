//! The library as it is installed, and C programs built with it.
//!
//! `NETWORKDB_PREFIX` names where `make install` has put a library; without it the one this test was built with is installed
//! beside the test.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// How a program is compiled, linked and run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    C99,
    C99Static,
    Cpp17,
    Cpp17Static,
    /// With gcc's `AddressSanitizer`, which also looks for leaks.
    Address,
    /// Under valgrind, with a full search for leaks.
    Valgrind,
}

impl Way {
    pub const ALL: [Self; 6] =
        [Self::C99, Self::C99Static, Self::Cpp17, Self::Cpp17Static, Self::Address, Self::Valgrind];

    fn compiler(self) -> &'static [&'static str] {
        match self {
            Self::Cpp17 | Self::Cpp17Static => &["c++", "-std=c++17", "-xc++"],
            Self::Address => &["cc", "-std=c99", "-fsanitize=address", "-g", "-xc"],
            _ => &["cc", "-std=c99", "-g", "-xc"],
        }
    }

    fn is_static(self) -> bool {
        matches!(self, Self::C99Static | Self::Cpp17Static)
    }

    /// What the program is run by.
    fn runner(self) -> &'static [&'static str] {
        match self {
            // "Possibly lost" is what only a pointer into it leads to, as Rust keeps what belongs to a thread.
            Self::Valgrind => &[
                "valgrind",
                "--quiet",
                "--leak-check=full",
                "--show-leak-kinds=definite,indirect",
                "--errors-for-leak-kinds=definite,indirect",
                "--error-exitcode=99",
            ],
            _ => &[],
        }
    }
}

/// Of this test alone.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME"));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The libraries this test was built with.
pub fn libraries() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().to_owned()
}

/// Where the library is installed.
pub fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        if let Some(given) = env::var_os("NETWORKDB_PREFIX") {
            return given.into();
        }
        let prefix = folder().join("prefix");
        let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("install");
        succeeded(&Command::new(install).arg(libraries()).arg(&prefix).output().unwrap());
        prefix
    })
}

pub fn shared() -> PathBuf {
    prefix().join("lib/libnetworkdb.so")
}

/// What pkg-config says of the library.
pub fn pkg_config(arguments: &[&str]) -> String {
    let mut command = Command::new("pkg-config");
    command.args(arguments).arg("networkdb").env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig"));
    succeeded(&command.output().unwrap())
}

/// A program, built without a warning.
pub struct Program {
    line: Vec<PathBuf>,
    way: Way,
}

impl Program {
    pub fn build(source: &Path, way: Way) -> Self {
        static BUILT: AtomicUsize = AtomicUsize::new(0);
        let program = folder().join(format!("program{}", BUILT.fetch_add(1, Ordering::Relaxed)));
        let (compiler, arguments) = way.compiler().split_first().unwrap();
        let mut build = Command::new(compiler);
        build.args(arguments).args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"]);
        build.arg(source).args(["-xnone", "-o"]).arg(&program).args(flags(way));
        succeeded(&build.output().unwrap());
        let line = way.runner().iter().map(PathBuf::from).chain([program]).collect();
        Self { line, way }
    }

    /// Ready to run.
    pub fn command(&self) -> Command {
        let (program, arguments) = self.line.split_first().unwrap();
        let mut run = Command::new(program);
        run.args(arguments);
        if !self.way.is_static() {
            run.env("LD_LIBRARY_PATH", prefix().join("lib"));
        }
        run
    }
}

fn flags(way: Way) -> Vec<String> {
    let asked = ["--cflags", "--libs", "--static"];
    let found = pkg_config(if way.is_static() { &asked } else { &asked[..2] });
    let found = if way.is_static() { found.replace("-lnetworkdb", "-l:libnetworkdb.a") } else { found };
    found.split_whitespace().map(str::to_owned).chain(["-pthread".to_owned()]).collect()
}

/// What a program printed, if it ended well.
pub fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}
