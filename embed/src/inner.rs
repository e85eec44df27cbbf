//! What is behind the handle: a machine and its lock, what the host and the user were told, and who is to be woken.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use networkdb_core::machine::{Input, Instant, Output};

use crate::{Code, Event, Signal, object::Object};

/// No deadline.
const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// Events of the built-in host that wait at most.
#[cfg(feature = "hosted")]
const MAX_NOTES: usize = 64;

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
    pub(crate) event: Option<Event>,
    /// What the built-in host has to tell, ahead of the machine.
    notes: VecDeque<Event>,
    /// Outputs met when looking whether there are some.
    outputs: VecDeque<Output>,
    /// The deadline the host knows of.
    told: Instant,
    /// The host was told to step, and has not yet.
    woken: bool,
    /// The user was told of an event, and has not yet taken the last.
    called: bool,
    closed: bool,
    /// Threads that wait for an event: to wake nobody costs a call of the system too.
    waiting: usize,
    wake: Option<Arc<dyn Signal>>,
    pub(crate) call: Option<Arc<dyn Signal>>,
}

impl Inner {
    pub(crate) fn new(object: Box<dyn Object>, now: Instant) -> Self {
        let mut state = State {
            object,
            now,
            clock: None,
            event: None,
            notes: VecDeque::new(),
            outputs: VecDeque::new(),
            told: NEVER,
            // The first step is always due.
            woken: true,
            called: false,
            closed: false,
            waiting: 0,
            wake: None,
            call: None,
        };
        // What there is to tell at the beginning waits at once.
        state.look();
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
    pub(crate) fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        timeout: Duration,
    ) -> Result<MutexGuard<'a, State>, Code> {
        state.waiting += 1;
        let (mut state, _) = self.news.wait_timeout(state, timeout).map_err(|_| Code::Poisoned)?;
        state.waiting -= 1;
        self.usable(state)
    }

    /// Runs a command at its time, and tells whom it concerns.
    pub(crate) fn with<R>(
        &self,
        now: Instant,
        command: impl FnOnce(&mut State, Instant) -> R,
    ) -> Result<R, Code> {
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

    /// Tells the user something of the host's. Who takes no events misses the oldest.
    #[cfg(feature = "hosted")]
    pub(crate) fn note(&self, event: Event) {
        let _alarm = Alarm(self);
        let Ok(mut state) = self.lock() else { return };
        if state.notes.len() == MAX_NOTES {
            state.notes.pop_front();
        }
        state.notes.push_back(event);
        let calls = state.settle();
        drop(state);
        calls.make(self);
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

    pub(crate) fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed = true;
        let signals = state.signals();
        // The built-in host's own leads back to this node.
        let last = (state.wake.take(), state.call.take());
        drop(state);
        self.tell_all(signals);
        drop(last);
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

    pub(crate) fn take(&mut self) -> Option<Event> {
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
            self.event = self.notes.pop_front().or_else(|| self.object.next_event());
        }
    }

    /// Whom the last call concerns.
    pub(crate) fn settle(&mut self) -> Calls {
        self.look();
        if self.outputs.is_empty() {
            self.outputs.extend(self.object.poll_output());
        }
        let work = !self.outputs.is_empty() || self.object.next_deadline().unwrap_or(NEVER) < self.told;
        let news = self.event.is_some();
        let (wake, call) = (work && !self.woken, news && !self.called);
        self.woken |= work;
        self.called |= news;
        Calls {
            wake: self.wake.clone().filter(|_| wake),
            call: self.call.clone().filter(|_| call),
            news: news && self.waiting > 0,
        }
    }
}

/// Signals to be raised once the lock is free.
pub(crate) struct Calls {
    wake: Option<Arc<dyn Signal>>,
    call: Option<Arc<dyn Signal>>,
    /// Wake one of those that wait for an event.
    news: bool,
}

impl Calls {
    pub(crate) fn make(self, inner: &Inner) {
        self.wake.into_iter().chain(self.call).for_each(|signal| signal.raise());
        if self.news {
            inner.news.notify_one();
        }
    }
}

/// The right to drive a node.
pub(crate) struct Turn<'a>(&'a Inner);

impl<'a> Turn<'a> {
    pub(crate) fn take(inner: &'a Inner) -> Result<Self, Code> {
        if inner.driven.swap(true, Ordering::Acquire) { Err(Code::Busy) } else { Ok(Self(inner)) }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.driven.store(false, Ordering::Release);
    }
}
