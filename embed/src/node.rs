//! The handle: one machine of any kind, its steps, its commands and its events.

use std::{
    fmt,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant as StdInstant},
};

use bytes::Bytes;
use networkdb_core::{
    machine::{Input, Instant, Output},
    networkdb::EntryKey,
    syncproto::SerializedUpdate,
};

#[cfg(not(feature = "hosted"))]
use crate::settings::Bind;
use crate::{
    Code, Error, Event, Kind, Settings, Write,
    inner::{Inner, Turn},
    json::Answer,
    object::Request,
};

/// Something that another loop can wait for: an `eventfd`, a channel, a callback. Neither call may call the node back.
pub trait Signal: Send + Sync {
    /// There is something; again and again does no harm.
    fn raise(&self);
    /// There is nothing any more.
    fn clear(&self);
}

/// A node: one machine of any kind.
///
/// All methods may be called from any thread; a lock is held for as long as the machine computes. Only what drives the node
/// is exclusive: [`Node::step`], or the built-in host. A second one at the same time is told `Busy`.
pub struct Node {
    kind: Kind,
    pub(crate) inner: Arc<Inner>,
    #[cfg(feature = "hosted")]
    host: crate::hosted::Host,
}

impl Node {
    /// A node of a kind, by a configuration text: JSON if it begins with `{`, else TOML. `seed` decides everything left to
    /// chance: draw it from the operating system. `now` is nanoseconds since an origin the host picked.
    ///
    /// # Errors
    /// `Config`, or `System` if `bind` is given and cannot be bound.
    pub fn create(kind: Kind, config: &str, seed: [u8; 32], now: Instant) -> Result<Self, Error> {
        Self::new(Settings::read(kind, config)?, seed, now)
    }

    /// The same by settings.
    ///
    /// # Errors
    /// As [`Node::create`].
    #[cfg_attr(not(feature = "hosted"), expect(unused_mut, reason = "sockets complete what others are told"))]
    pub fn new(mut settings: Settings, seed: [u8; 32], now: Instant) -> Result<Self, Error> {
        let kind = settings.kind();
        #[cfg(feature = "hosted")]
        let host = crate::hosted::Host::bind(&mut settings)?;
        #[cfg(not(feature = "hosted"))]
        if settings.tls().is_some() || matches!(settings.bind(), Bind::Both(_) | Bind::Listener(_)) {
            return Err(Error::new(Code::Unsupported, "`bind` or `tls`: this build has no host of its own"));
        }
        let object = settings.build(seed, now)?;
        let inner = Arc::new(Inner::new(object, now));
        Ok(Self {
            kind,
            inner,
            #[cfg(feature = "hosted")]
            host,
        })
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    // ---- For hosts -------------------------------------------------------------------------------------------

    /// Gives the machine inputs, or nothing but time if there are none, and appends what is to be done to `outputs`. Returns
    /// when to call again at the latest; `None` for when there is input. Time that runs back is taken as standing still.
    ///
    /// # Errors
    /// `Busy` while another thread drives the node; `Unsupported` if its settings have `tls`, which the built-in host alone
    /// provides; `Closed`, `Poisoned`.
    pub fn step<'a>(
        &self,
        now: Instant,
        inputs: impl IntoIterator<Item = Input<'a>>,
        outputs: &mut Vec<Output>,
    ) -> Result<Option<Instant>, Code> {
        #[cfg(feature = "hosted")]
        if self.host.secures() {
            return Err(Code::Unsupported);
        }
        let _turn = Turn::take(&self.inner)?;
        self.inner.advance(now, inputs, outputs)
    }

    /// Starts the built-in host on a thread of its own, on the sockets bound at creation. From now on it drives the node, and
    /// its clock replaces the times that commands bring. It ends with the node.
    ///
    /// # Errors
    /// `Busy` if something drives the node, `Unsupported` if nothing was bound or this kind needs no host, `System`.
    #[cfg(feature = "hosted")]
    pub fn run(&self) -> Result<(), Error> {
        let turn = Turn::take(&self.inner)?;
        self.host.run(&self.inner)?;
        // For good: the host drives it until the end.
        std::mem::forget(turn);
        Ok(())
    }

    /// What the built-in host is or will be bound to.
    pub fn bound(&self) -> Option<SocketAddr> {
        #[cfg(feature = "hosted")]
        return self.host.bound();
        #[cfg(not(feature = "hosted"))]
        None
    }

    /// Is raised when a command left work for the host, once until the next step; cleared by steps.
    ///
    /// # Errors
    /// `Closed`, `Poisoned`.
    pub fn set_wake(&self, signal: Arc<dyn Signal>) -> Result<(), Code> {
        self.inner.set_wake(signal)
    }

    // ---- Commands --------------------------------------------------------------------------------------------

    /// Does what a request in JSON asks for, and answers in JSON: `{"op":"join","members":["10.0.0.1:7946"]}` gives
    /// `{"request":1}`. Which there are depends on the kind; `{"op":"info"}` has every one.
    ///
    /// # Errors
    /// `Request`, or what the command says; `Closed`, `Poisoned`.
    pub fn command(&self, now: Instant, request: &str) -> Result<String, Error> {
        let request = Request::open(request)?;
        let mut answer = Answer::new();
        self.inner.with(now, |state, now| match request.op.as_str() {
            "info" => {
                self.info(now, state.object.advertised(), &mut answer);
                Ok(())
            }
            #[cfg(feature = "fault-injection")]
            #[expect(clippy::panic, reason = "what it is for")]
            "panic" => panic!("asked for"),
            _ => state.object.command(now, request, &mut answer),
        })??;
        Ok(answer.end())
    }

    fn info(&self, now: Instant, advertised: Option<SocketAddr>, answer: &mut Answer) {
        answer.text_or_null("advertise", advertised);
        answer.text_or_null("bound", self.bound());
        answer.text("kind", &self.kind.name());
        answer.number("now_ns", now.as_nanos());
        answer.text("version", &env!("CARGO_PKG_VERSION"));
    }

    /// Writes or deletes a row.
    ///
    /// # Errors
    /// `Exists`, `Missing`, `TooLarge`; `Unsupported`, `Closed`, `Poisoned`.
    pub fn write(&self, now: Instant, how: Write, key: &EntryKey, value: Bytes) -> Result<(), Code> {
        self.inner.with(now, |state, now| state.object.write(now, how, key, value))?
    }

    /// The value of a row.
    ///
    /// # Errors
    /// `Missing`, `Deleted`, `Hidden`; `Unsupported`, `Closed`, `Poisoned`.
    pub fn read(&self, key: &EntryKey) -> Result<Bytes, Code> {
        self.inner.lock()?.object.read(key)
    }

    /// Publishes updates to the clients of a syncer type. Says how many were taken; the first that was not is why.
    ///
    /// # Errors
    /// `Missing`: no such syncer type; `TooLarge`; `Unsupported`, `Closed`, `Poisoned`.
    pub fn publish<'a>(
        &self,
        now: Instant,
        syncer_type: &str,
        updates: impl IntoIterator<Item = SerializedUpdate<'a>>,
    ) -> (usize, Result<(), Code>) {
        let mut updates = updates.into_iter();
        let result = self.inner.with(now, |state, now| state.object.publish(now, syncer_type, &mut updates));
        result.unwrap_or_else(|code| (0, Err(code)))
    }

    /// Gives a codec the next bytes of the stream of the sync protocol that it follows, from its first one on, however they are cut. The
    /// messages that end in them are the next events. `from_client`: who sends the stream; said with the first bytes.
    ///
    /// # Errors
    /// `Malformed`: then the stream is over, and each further call says so; `Unsupported`, `Closed`, `Poisoned`.
    pub fn sync_decode(&self, bytes: &[u8], from_client: bool) -> Result<(), Error> {
        self.inner.with(Instant::ORIGIN, |state, _| state.object.sync_decode(bytes, from_client))?
    }

    // ---- Events ----------------------------------------------------------------------------------------------

    /// The next event, if one waits.
    ///
    /// # Errors
    /// `Closed`, `Poisoned`.
    pub fn next_event(&self) -> Result<Option<Event>, Code> {
        let (event, calls) = {
            let mut state = self.inner.lock()?;
            (state.take(), state.settle())
        };
        calls.make(&self.inner);
        Ok(event)
    }

    /// The next event; waits for one for so long.
    ///
    /// # Errors
    /// `Empty` if none came; `Closed` at once when the node is closed meanwhile, `Poisoned`.
    pub fn wait_event(&self, timeout: Duration) -> Result<Event, Code> {
        let until = StdInstant::now().checked_add(timeout);
        let mut state = self.inner.lock()?;
        while state.event.is_none() {
            let left =
                until.map_or(Duration::MAX, |until| until.saturating_duration_since(StdInstant::now()));
            if left.is_zero() {
                return Err(Code::Empty);
            }
            state = self.inner.wait(state, left)?;
        }
        let event = state.take().ok_or(Code::Empty);
        let calls = state.settle();
        drop(state);
        calls.make(&self.inner);
        event
    }

    /// Is raised while an event waits, and perhaps a little longer; cleared when the last was taken.
    ///
    /// # Errors
    /// `Closed`, `Poisoned`.
    pub fn set_call(&self, signal: Arc<dyn Signal>) -> Result<(), Code> {
        let mut state = self.inner.lock()?;
        if state.event.is_some() {
            signal.raise();
        }
        state.call = Some(signal);
        Ok(())
    }

    // ---- The end ---------------------------------------------------------------------------------------------

    /// Ends the node and its built-in host; whoever waits is told `Closed`. Says no goodbye: that is a command.
    pub fn close(&self) {
        self.inner.close();
        #[cfg(feature = "hosted")]
        self.host.stop();
    }

    /// A fault outside of the machine: from now on everything but [`Node::close`] is told `Poisoned`.
    pub fn poison(&self) {
        self.inner.poison();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("kind", &self.kind).finish_non_exhaustive()
    }
}
