//! The handle: one machine behind a lock, its steps, its events, and how its host and its user are woken.

use std::{
    collections::VecDeque,
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant as StdInstant},
};

use bytes::Bytes;
use networkdb_core::{
    machine::{Input, Instant, Output},
    networkdb::EntryKey,
    syncproto::SerializedUpdate,
};
use serde_json::{Value, json};

#[cfg(not(feature = "hosted"))]
use crate::settings::Bind;
use crate::{Code, Error, Event, Kind, Settings, Write, object::Object};

/// No deadline.
const NEVER: Instant = Instant::from_nanos(u64::MAX);

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

/// What the handle and the built-in host share.
pub(crate) struct Inner {
    state: Mutex<State>,
    /// An event came, or the node closed.
    news: Condvar,
    /// Somebody drives the node.
    driven: AtomicBool,
    poisoned: AtomicBool,
}

pub(crate) struct State {
    pub(crate) object: Box<dyn Object>,
    /// The largest time told.
    pub(crate) now: Instant,
    /// The clock of the built-in host, which replaces the times that commands bring.
    pub(crate) clock: Option<Box<dyn Fn() -> Instant + Send>>,
    /// The next event: taken from the machine one ahead, to know that there is one. A machine that stops reading while nobody
    /// takes its events still does.
    event: Option<Event>,
    /// Outputs met when looking whether there are some.
    outputs: VecDeque<Output>,
    /// The deadline the host knows of.
    told: Instant,
    /// The host was told to step, and has not yet.
    woken: bool,
    /// The user was told of an event, and has not yet taken the last.
    called: bool,
    closed: bool,
    wake: Option<Arc<dyn Signal>>,
    call: Option<Arc<dyn Signal>>,
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
        if matches!(settings.bind(), Bind::Both(_) | Bind::Listener(_)) {
            return Err(Error::new(Code::Unsupported, "`bind`: this build has no host of its own"));
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
    /// `Busy` while another thread drives the node; `Closed`, `Poisoned`.
    pub fn step<'a>(
        &self,
        now: Instant,
        inputs: impl IntoIterator<Item = Input<'a>>,
        outputs: &mut Vec<Output>,
    ) -> Result<Option<Instant>, Code> {
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
        let request: Value = serde_json::from_str(request)
            .map_err(|error| Error::new(Code::Request, format_args!("not JSON: {error}")))?;
        let op = request.get("op").and_then(Value::as_str).unwrap_or_default().to_owned();
        let bound = self.bound();
        let answer = self.inner.with(now, |state, now| match op.as_str() {
            "info" => Ok(json!({
                "kind": self.kind.name(),
                "version": env!("CARGO_PKG_VERSION"),
                "bound": bound.map(|addr| addr.to_string()),
                "advertise": state.object.advertised().map(|addr| addr.to_string()),
                "now_ns": now.as_nanos(),
            })),
            #[cfg(feature = "fault-injection")]
            #[expect(clippy::panic, reason = "what it is for")]
            "panic" => panic!("asked for"),
            _ => state.object.command(now, request),
        })??;
        Ok(answer.to_string())
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

impl Inner {
    fn new(object: Box<dyn Object>, now: Instant) -> Self {
        let state = State {
            object,
            now,
            clock: None,
            event: None,
            outputs: VecDeque::new(),
            told: NEVER,
            // The first step is always due.
            woken: true,
            called: false,
            closed: false,
            wake: None,
            call: None,
        };
        Self {
            state: Mutex::new(state),
            news: Condvar::new(),
            driven: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
        }
    }

    pub(crate) fn lock(&self) -> Result<MutexGuard<'_, State>, Code> {
        self.usable(self.state.lock().map_err(|_| Code::Poisoned)?)
    }

    fn usable<'a>(&self, state: MutexGuard<'a, State>) -> Result<MutexGuard<'a, State>, Code> {
        if self.poisoned.load(Ordering::SeqCst) {
            return Err(Code::Poisoned);
        }
        if state.closed { Err(Code::Closed) } else { Ok(state) }
    }

    /// Waits for news, for so long at most.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        timeout: Duration,
    ) -> Result<MutexGuard<'a, State>, Code> {
        let (state, _) = self.news.wait_timeout(state, timeout).map_err(|_| Code::Poisoned)?;
        self.usable(state)
    }

    /// Runs a command at its time, and tells whom it concerns.
    fn with<R>(&self, now: Instant, command: impl FnOnce(&mut State, Instant) -> R) -> Result<R, Code> {
        let _alarm = Alarm(self);
        let (result, calls) = {
            let mut state = self.lock()?;
            let now = state.at(now);
            (command(&mut state, now), state.settle())
        };
        calls.make(self);
        Ok(result)
    }

    /// One step, by whoever drives the node.
    pub(crate) fn advance<'a>(
        &self,
        now: Instant,
        inputs: impl IntoIterator<Item = Input<'a>>,
        outputs: &mut Vec<Output>,
    ) -> Result<Option<Instant>, Code> {
        let _alarm = Alarm(self);
        let (deadline, calls) = {
            let mut state = self.lock()?;
            state.now = state.now.max(now);
            let now = state.now;
            state.handle(now, inputs);
            (state.drain(outputs), state.settle())
        };
        calls.make(self);
        Ok(deadline)
    }

    // The built-in host takes one input and one output at a time, as from any machine.

    #[cfg(feature = "hosted")]
    pub(crate) fn feed(&self, now: Instant, input: Input<'_>) {
        let _alarm = Alarm(self);
        let Ok(mut state) = self.lock() else { return };
        state.now = state.now.max(now);
        let now = state.now;
        state.object.handle(now, input);
        state.look();
        let calls = state.settle();
        drop(state);
        // The host looks for work by itself.
        Calls { wake: None, ..calls }.make(self);
    }

    #[cfg(feature = "hosted")]
    pub(crate) fn pull(&self) -> Option<Output> {
        let _alarm = Alarm(self);
        let mut state = self.lock().ok()?;
        let output = state.outputs.pop_front().or_else(|| state.object.poll_output());
        if output.is_none() {
            state.woken = false;
        }
        output
    }

    /// When the host will call again, which it then knows.
    #[cfg(feature = "hosted")]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let mut state = self.lock().ok()?;
        let deadline = state.object.next_deadline();
        state.told = deadline.unwrap_or(NEVER);
        deadline
    }

    pub(crate) fn set_wake(&self, signal: Arc<dyn Signal>) -> Result<(), Code> {
        let raise = {
            let mut state = self.lock()?;
            state.wake = Some(Arc::clone(&signal));
            state.woken
        };
        if raise {
            signal.raise();
        }
        Ok(())
    }

    fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        let signals = state.signals();
        // The host's own holds this node in turn: neither would ever go.
        (state.wake, state.call) = (None, None);
        drop(state);
        self.tell_all(signals);
    }

    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
        let signals = self.state.lock().unwrap_or_else(PoisonError::into_inner).signals();
        self.tell_all(signals);
    }

    fn tell_all(&self, signals: [Option<Arc<dyn Signal>>; 2]) {
        self.news.notify_all();
        signals.into_iter().flatten().for_each(|signal| signal.raise());
    }
}

/// Wakes whoever waits when a machine panics, to be told of it.
struct Alarm<'a>(&'a Inner);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison();
        }
    }
}

impl State {
    /// The time of a command.
    fn at(&mut self, now: Instant) -> Instant {
        let now = self.clock.as_ref().map_or(now, |clock| clock());
        self.now = self.now.max(now);
        self.now
    }

    fn handle<'a>(&mut self, now: Instant, inputs: impl IntoIterator<Item = Input<'a>>) {
        let mut inputs = inputs.into_iter();
        self.object.handle(now, inputs.next().unwrap_or(Input::Tick));
        inputs.for_each(|input| self.object.handle(now, input));
    }

    /// All outputs, and the deadline the host knows of from now on.
    fn drain(&mut self, into: &mut Vec<Output>) -> Option<Instant> {
        self.look();
        self.woken = false;
        if let Some(wake) = &self.wake {
            wake.clear();
        }
        into.extend(self.outputs.drain(..));
        into.extend(std::iter::from_fn(|| self.object.poll_output()));
        let deadline = self.object.next_deadline();
        self.told = deadline.unwrap_or(NEVER);
        deadline
    }

    fn take(&mut self) -> Option<Event> {
        let event = self.event.take();
        self.look();
        if self.event.is_none() {
            self.called = false;
            if let Some(call) = &self.call {
                call.clear();
            }
        }
        event
    }

    /// Those to be raised when no more will come of this node. Its own host needs none, and could be the one that asks.
    fn signals(&self) -> [Option<Arc<dyn Signal>>; 2] {
        [self.wake.clone().filter(|_| self.clock.is_none()), self.call.clone()]
    }

    fn look(&mut self) {
        if self.event.is_none() {
            self.event = self.object.next_event();
        }
    }

    /// Whom the last call concerns.
    fn settle(&mut self) -> Calls {
        self.look();
        if self.outputs.is_empty() {
            self.outputs.extend(self.object.poll_output());
        }
        let work = !self.outputs.is_empty() || self.object.next_deadline().unwrap_or(NEVER) < self.told;
        let news = self.event.is_some();
        let (wake, call) = (work && !self.woken, news && !self.called);
        self.woken |= work;
        self.called |= news;
        Calls { wake: self.wake.clone().filter(|_| wake), call: self.call.clone().filter(|_| call), news }
    }
}

/// Signals to be raised once the lock is free.
struct Calls {
    wake: Option<Arc<dyn Signal>>,
    call: Option<Arc<dyn Signal>>,
    news: bool,
}

impl Calls {
    fn make(self, inner: &Inner) {
        self.wake.into_iter().chain(self.call).for_each(|signal| signal.raise());
        if self.news {
            inner.news.notify_one();
        }
    }
}

/// The right to drive a node.
struct Turn<'a>(&'a Inner);

impl<'a> Turn<'a> {
    fn take(inner: &'a Inner) -> Result<Self, Code> {
        if inner.driven.swap(true, Ordering::Acquire) { Err(Code::Busy) } else { Ok(Self(inner)) }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.driven.store(false, Ordering::Release);
    }
}
