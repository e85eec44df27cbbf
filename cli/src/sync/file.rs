//! Lines of a file that grows, or of stdin.

use std::{future::pending, io, path::PathBuf, time::Duration};

use tokio::{
    fs::File,
    io::{AsyncBufRead, AsyncBufReadExt, BufReader, stdin},
    time::sleep,
};

use super::{
    line::{self, Line},
    serve::Feed,
};
use crate::failure::Failure;

/// How often a file is looked at for more.
const LOOK: Duration = Duration::from_millis(200);
/// Bytes read at once: each read is another thread's work.
const READ: usize = 1 << 20;

/// Where lines come from.
pub(super) enum Lines {
    File(PathBuf, BufReader<File>),
    Stdin,
}

impl Lines {
    /// Opens a file, or stdin for `-`.
    pub(super) async fn open(from: &str) -> Result<Self, Failure> {
        if from == "-" {
            return Ok(Self::Stdin);
        }
        let path = PathBuf::from(from);
        let file = File::open(&path).await.map_err(|error| {
            Failure::usage(format!(
                "cannot read keys and values from {from}: {error}; give a file of JSON lines, `-` or `agent`"
            ))
        })?;
        Ok(Self::File(path, BufReader::with_capacity(READ, file)))
    }

    /// Publishes all lines, now and later.
    pub(super) async fn publish(self, feed: &mut Feed) -> Result<(), Failure> {
        match self {
            Self::Stdin => {
                let mut reader = Reader::new("stdin");
                reader.read_all(&mut BufReader::with_capacity(READ, stdin()), feed).await?;
                reader.last(feed).await?;
                pending().await
            }
            Self::File(path, mut file) => {
                let mut reader = Reader::new(&path.display().to_string());
                loop {
                    reader.read_all(&mut file, feed).await?;
                    sleep(LOOK).await;
                    if reader.was_cut(&file).await {
                        tracing::warn!("{} was cut: it is read from its beginning", path.display());
                        file = reopen(&path).await?;
                        reader = Reader::new(&path.display().to_string());
                    }
                }
            }
        }
    }
}

async fn reopen(path: &PathBuf) -> Result<BufReader<File>, Failure> {
    let failed = |error| Failure::agent(format!("cannot read {} any more: {error}", path.display()));
    let file = File::open(path).await.map_err(failed)?;
    Ok(BufReader::with_capacity(READ, file))
}

/// How far the lines are read.
struct Reader {
    name: String,
    number: u64,
    /// Bytes read.
    position: u64,
    /// What there is of the last line.
    line: Vec<u8>,
}

impl Reader {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), number: 0, position: 0, line: Vec::new() }
    }

    /// Publishes the whole lines there are.
    async fn read_all(
        &mut self,
        from: &mut (impl AsyncBufRead + Unpin),
        feed: &mut Feed,
    ) -> Result<(), Failure> {
        loop {
            let count = from.read_until(b'\n', &mut self.line).await.map_err(|error| self.broken(&error))?;
            self.position += count as u64;
            if self.line.last() != Some(&b'\n') {
                return feed.reached_end().await;
            }
            self.take(feed).await?;
        }
    }

    /// Nothing will be added to the last line.
    async fn last(&mut self, feed: &mut Feed) -> Result<(), Failure> {
        if self.line.is_empty() { Ok(()) } else { self.take(feed).await }
    }

    async fn take(&mut self, feed: &mut Feed) -> Result<(), Failure> {
        self.number += 1;
        let line = std::mem::take(&mut self.line);
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let told = match line::parse(&line) {
            Ok(Line::Put(update)) => feed.put(&update).await,
            Ok(Line::Status(status)) => feed.status(status).await,
            Err(error) => Ok(Err(error)),
        };
        if let Err(error) = told? {
            tracing::warn!("{} line {} is skipped: {error}", self.name, self.number);
        }
        Ok(())
    }

    async fn was_cut(&self, file: &BufReader<File>) -> bool {
        file.get_ref().metadata().await.is_ok_and(|now| now.len() < self.position)
    }

    fn broken(&self, error: &io::Error) -> Failure {
        Failure::agent(format!("cannot read {} any more: {error}", self.name))
    }
}
