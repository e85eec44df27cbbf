//! Requests and replies, one JSON object a line.

use std::{
    collections::HashMap,
    fmt,
    io::{BufRead, BufReader, Read, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// The two ends of a conversation, and what has been heard so far.
pub(crate) struct Lines {
    write: Mutex<Box<dyn Write + Send>>,
    heard: Arc<Heard>,
    last: AtomicU64,
}

#[derive(Default)]
struct Heard {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    replies: HashMap<u64, Value>,
    events: Vec<Value>,
    over: bool,
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, line: Value) {
        let mut state = self.lock();
        match line.get("id").and_then(Value::as_u64) {
            Some(id) => {
                state.replies.insert(id, line);
            }
            None => state.events.push(line),
        }
        self.news.notify_all();
    }

    fn end(&self) {
        self.lock().over = true;
        self.news.notify_all();
    }
}

impl Lines {
    pub(crate) fn new(read: impl Read + Send + 'static, write: impl Write + Send + 'static) -> Self {
        let heard = Arc::<Heard>::default();
        let listener = Arc::clone(&heard);
        thread::spawn(move || {
            for line in BufReader::new(read).split(b'\n').map_while(Result::ok) {
                listener.take(serde_json::from_slice(&line).expect("a line is JSON"));
            }
            listener.end();
        });
        Self { write: Mutex::new(Box::new(write)), heard, last: AtomicU64::new(0) }
    }

    /// Sends a request and waits for its reply.
    pub(crate) fn request(&self, deadline: Duration, mut fields: Value) -> Result<Value, String> {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        fields["id"] = id.into();
        self.say(&fields).map_err(|error| format!("{fields} was not taken: {error}"))?;
        let reply = self
            .wait(deadline, |state| state.replies.remove(&id))
            .ok_or_else(|| format!("{fields} was not answered within {deadline:?}"))?;
        if reply["ok"] == true { Ok(reply) } else { Err(reply["error"].to_string()) }
    }

    /// Waits for the first event like this.
    pub(crate) fn event(&self, deadline: Duration, like: impl Fn(&Value) -> bool) -> Option<Value> {
        self.wait(deadline, |state| state.events.iter().find(|event| like(event)).cloned())
    }

    /// All events so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.heard.lock().events.clone()
    }

    fn say(&self, line: &Value) -> std::io::Result<()> {
        let mut write = self.write.lock().unwrap_or_else(PoisonError::into_inner);
        write.write_all(format!("{line}\n").as_bytes())?;
        write.flush()
    }

    fn wait<R>(&self, deadline: Duration, mut take: impl FnMut(&mut State) -> Option<R>) -> Option<R> {
        let end = Instant::now() + deadline;
        let mut state = self.heard.lock();
        loop {
            let found = take(&mut state);
            let left = end.saturating_duration_since(Instant::now());
            if found.is_some() || state.over || left.is_zero() {
                return found;
            }
            state = self.heard.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}
