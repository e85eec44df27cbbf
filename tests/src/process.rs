//! A child whose output is always read, and that never outlives its owner.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use crate::{ports::spawn, wait::eventually};

/// What a process has said on stderr, line by line. Clones are the same log.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Reads `from` to its end in a thread of its own.
    fn follow(&self, from: impl Read + Send + 'static) {
        let log = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                log.lines(|lines| lines.push(String::from_utf8_lossy(&line).into_owned()));
            }
        });
    }

    /// Looks at the lines so far.
    pub fn lines<R>(&self, look: impl FnOnce(&mut Vec<String>) -> R) -> R {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A running child. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `command`; what it says on stderr goes to `log`.
    pub fn start(command: &mut Command, log: &Log) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn(piped);
        log.follow(child.stderr.take().expect("stderr is piped"));
        Self { child }
    }

    /// Its stdin and stdout, once.
    pub fn pipes(&mut self) -> (ChildStdin, ChildStdout) {
        (self.child.stdin.take().expect("taken once"), self.child.stdout.take().expect("taken once"))
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        eventually(deadline, "the process ends", || self.ended().map(drop).ok_or("it runs"));
        self.ended().expect("it has ended")
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let status = spawn(Command::new("kill").args(["-TERM", &self.child.id().to_string()])).wait();
        assert!(status.expect("kill ends").success(), "the process runs");
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
