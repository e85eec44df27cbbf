//! Real agents as child processes, and the commands that speak to them.

#![allow(dead_code, reason = "each test program uses its part")]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value;

/// A test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The binary, without settings of the environment it is tested in.
pub(crate) fn networkdb() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_networkdb"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NETWORKDB")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// A port of loopback free for UDP and TCP. Another program may take it before it is used; agents that lose this
/// race are started again.
pub(crate) fn free_addr() -> SocketAddr {
    free_addr_of(Ipv4Addr::LOCALHOST.into())
}

fn free_addr_of(ip: IpAddr) -> SocketAddr {
    loop {
        let tcp = TcpListener::bind((ip, 0));
        let tcp = tcp.unwrap_or_else(|error| panic!("{ip}, which the tests need, cannot be bound: {error}"));
        let addr = tcp.local_addr().expect("its address");
        if UdpSocket::bind(addr).is_ok() {
            return addr;
        }
    }
}

/// A running agent; killed when dropped.
pub(crate) struct Agent {
    pub(crate) addr: SocketAddr,
    pub(crate) socket: PathBuf,
    child: Child,
    log: Option<JoinHandle<String>>,
    folder: tempfile::TempDir,
}

impl Agent {
    /// Starts an agent on a free port; returns when it answers on its socket.
    pub(crate) fn start(name: &str, more: &[&str]) -> Self {
        Self::start_with(name, more, &[])
    }

    /// The same with variables of the environment.
    pub(crate) fn start_with(name: &str, more: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), name, more, variables)
    }

    /// The same on another address.
    pub(crate) fn start_at(ip: IpAddr, name: &str, more: &[&str], variables: &[(&str, &str)]) -> Self {
        for _ in 0..5 {
            match Self::try_start(name, free_addr_of(ip), more, variables) {
                Ok(agent) => return agent,
                Err(log) => assert!(log.contains("port in use"), "{name} did not start: {log}"),
            }
        }
        panic!("{name} found no free port");
    }

    fn try_start(
        name: &str,
        addr: SocketAddr,
        more: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("agent.sock");
        let mut command = networkdb();
        command
            .args(["agent", "--name", name, "--bind", &addr.to_string(), "--socket"])
            .arg(&socket)
            .args(more)
            .envs(variables.iter().copied());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
        let mut stderr = child.stderr.take().expect("its log");
        let log = std::thread::spawn(move || {
            let mut log = Vec::new();
            // What came before an error is the log.
            let _ = stderr.read_to_end(&mut log);
            String::from_utf8_lossy(&log).into_owned()
        });
        let mut agent = Self { addr, socket, child, log: Some(log), folder };
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(&agent.socket).is_err() {
            if agent.child.try_wait().expect("its state").is_some() || Instant::now() > deadline {
                return Err(agent.kill());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        if agent.run(&["member", "list"]).status.success() { Ok(agent) } else { Err(agent.kill()) }
    }

    /// A folder of the agent's own.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command to this agent.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = networkdb();
        command.arg("--socket").arg(&self.socket).args(args);
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the binary runs")
    }

    /// Runs a command that must succeed; returns what it prints.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs a command that must fail with `code`; returns its error.
    pub(crate) fn fails(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        stderr(&output)
    }

    /// The objects a list prints as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Vec<Value> {
        let text = self.ok(&[&["--output", "json"], args].concat());
        text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
    }

    /// Repeats a list until it is as wanted.
    pub(crate) fn until(&self, args: &[&str], wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let list = self.json(args);
            if wanted(&list) {
                return list;
            }
            assert!(Instant::now() < deadline, "{args:?} stayed {list:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends a signal by its name, such as TERM.
    pub(crate) fn signal(&self, name: &str) {
        kill(name, self.child.id());
    }

    /// Waits for the agent to end by itself; returns its exit code and log.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let status = wait(&mut self.child);
        (status, self.take_log())
    }

    fn kill(&mut self) -> String {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.take_log()
    }

    fn take_log(&mut self) -> String {
        self.log.take().map(|log| log.join().expect("the log is read")).unwrap_or_default()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal by its name, such as TERM.
pub(crate) fn kill(name: &str, process: u32) {
    let status = Command::new("kill").args([format!("-{name}"), process.to_string()]).status();
    assert!(status.expect("kill runs").success());
}

/// Waits for a child, not for ever.
pub(crate) fn wait(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("its state") {
            return status.code();
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("the child does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A command that goes on printing lines; killed when dropped.
pub(crate) struct Lines {
    pub(crate) child: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Lines {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary runs");
        let stdout = BufReader::new(child.stdout.take().expect("its output"));
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    pub(crate) fn next(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("a line in time");
        serde_json::from_str(&line).expect("an object")
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Writes a file for a test.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> String {
    fs::write(path, bytes).expect("a file is written");
    path.to_str().expect("a path in text").to_owned()
}
