//! A machine behind a lock, and the two signals around it.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant as StdInstant,
};

use networkdb_core::machine::{Input, Instant, Machine, Output};
use tokio::sync::{Notify, watch};

/// A clock of machines. Those that share data with times in it need the same one.
#[derive(Clone, Copy, Debug)]
pub struct Clock(StdInstant);

impl Default for Clock {
    /// A clock whose origin is now.
    fn default() -> Self {
        Self(StdInstant::now())
    }
}

impl Clock {
    /// The present.
    pub fn now(self) -> Instant {
        Instant::from_nanos(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// The moment of the system's clock that machines call `at`; `None` if it is out of reach.
    pub(crate) fn system_time(self, at: Instant) -> Option<tokio::time::Instant> {
        self.0.checked_add(at.since(Instant::ORIGIN)).map(Into::into)
    }
}

/// A machine shared by its driver, its connections and its users. The lock is never held over an await.
#[derive(Debug)]
pub struct Shared<M> {
    machine: Mutex<M>,
    pub(crate) clock: Clock,
    /// A command may have left work for the driver.
    pub(crate) wake: Notify,
    /// Changes whenever the driver has carried out all there was; false once it has stopped.
    running: watch::Sender<bool>,
    dropped: AtomicU64,
    /// The deadline the driver knows of, in nanoseconds of the machine's clock. Changed under the lock.
    sleeps_until: AtomicU64,
}

impl<M: Machine> Shared<M> {
    /// Builds the machine at the present of its clock.
    pub(crate) fn new<E>(clock: Clock, build: impl FnOnce(Instant) -> Result<M, E>) -> Result<Self, E> {
        Ok(Self {
            machine: Mutex::new(build(clock.now())?),
            clock,
            wake: Notify::new(),
            running: watch::Sender::new(true),
            dropped: AtomicU64::new(0),
            sleeps_until: AtomicU64::new(u64::MAX),
        })
    }

    /// Runs a command at once and wakes the driver to carry out what it left.
    pub fn with<R>(&self, command: impl FnOnce(&mut M, Instant) -> R) -> R {
        let mut machine = self.lock();
        let result = command(&mut machine, self.now());
        drop(machine);
        self.wake.notify_one();
        result
    }

    /// Runs a command that leaves no output and no event, only a deadline. The driver is woken if it would sleep
    /// past it: many commands in a row cost one waking.
    pub fn with_deadline<R>(&self, command: impl FnOnce(&mut M, Instant) -> R) -> R {
        let mut machine = self.lock();
        let result = command(&mut machine, self.now());
        let deadline = machine.next_deadline().map_or(u64::MAX, Instant::as_nanos);
        let earlier = deadline < self.sleeps_until.fetch_min(deadline, Ordering::Relaxed);
        drop(machine);
        if earlier {
            self.wake.notify_one();
        }
        result
    }

    /// Asks a question.
    pub fn read<R>(&self, question: impl FnOnce(&M) -> R) -> R {
        question(&self.lock())
    }

    /// The next event; `None` once the driver has stopped and no event is left.
    pub async fn event(&self) -> Option<M::Event> {
        self.pull(Machine::poll_event).await
    }

    /// Waits until `take` finds something; `None` once the driver has stopped and it still finds nothing.
    pub async fn pull<R>(&self, mut take: impl FnMut(&mut M) -> Option<R>) -> Option<R> {
        let mut news = self.running.subscribe();
        loop {
            let running = *news.borrow_and_update();
            if let Some(found) = take(&mut self.lock()) {
                self.wake.notify_one();
                return Some(found);
            }
            if !running || news.changed().await.is_err() {
                return None;
            }
        }
    }

    /// The machine's present.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Datagrams dropped because the system would not take them.
    pub fn dropped_datagrams(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn count_dropped(&self, count: usize) {
        self.dropped.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Gives the machine one input.
    pub(crate) fn handle(&self, input: Input<'_>) {
        self.with(|machine, now| machine.handle(now, input));
    }

    /// Runs many inputs under one lock, without waking the driver: for the driver itself.
    pub(crate) fn batch(&self, inputs: impl FnOnce(&mut M, Instant)) {
        let mut machine = self.lock();
        inputs(&mut machine, self.now());
    }

    /// Takes all outputs; returns when the machine wants to be called next.
    pub(crate) fn drain(&self, into: &mut Vec<Output>) -> Option<Instant> {
        let mut machine = self.lock();
        machine.drain(into);
        let deadline = machine.next_deadline();
        self.sleeps_until.store(deadline.map_or(u64::MAX, Instant::as_nanos), Ordering::Relaxed);
        deadline
    }

    pub(crate) fn announce(&self, running: bool) {
        self.running.send_replace(running);
    }

    fn lock(&self) -> MutexGuard<'_, M> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
