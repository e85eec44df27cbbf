//! Waiting for a condition, and many cases at once.

use std::{
    fmt::{Debug, Display},
    num::NonZero,
    sync::{Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::Kind;

/// Time between two looks at a condition.
const LOOK: Duration = Duration::from_millis(50);

/// Cases that run at once, for each core.
const SLOTS_PER_CORE: usize = 4;

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not hold before the deadline; the message is `what` and the last reason given.
pub fn eventually<E: Debug>(
    deadline: Duration,
    what: impl Display,
    mut condition: impl FnMut() -> Result<(), E>,
) {
    let begun = Instant::now();
    loop {
        let Err(reason) = condition() else { return };
        assert!(begun.elapsed() < deadline, "not within {deadline:?}: {what}: {reason:?}");
        thread::sleep(LOOK);
    }
}

/// One row of the matrix: which Go generation, under which key.
#[derive(Clone, Debug)]
pub struct Case {
    /// The Go node.
    pub go: Kind,
    /// The keys of all nodes, in hex; none for plain.
    pub keys: Vec<String>,
}

/// The keys of a cluster: none, or one of `len` bytes.
pub fn keys(len: usize) -> Vec<String> {
    if len == 0 { Vec::new() } else { vec![hex::encode((1u8..).take(len).collect::<Vec<_>>())] }
}

/// Both Go generations, plain and with keys of 16, 24 and 32 bytes.
pub fn matrix() -> Vec<Case> {
    let cases = |len| [Kind::Go28, Kind::Go2].map(|go| Case { go, keys: keys(len) });
    [0, 16, 24, 32].into_iter().flat_map(cases).collect()
}

/// Runs a scenario for all cases, several at once, and says which have failed.
pub fn each<C: Debug + Clone + Send + Sync>(cases: Vec<C>, scenario: impl Fn(C) + Sync) {
    let run = |case: &C| {
        let _slot = Slot::take();
        scenario(case.clone());
    };
    let failed: Vec<&C> = thread::scope(|scope| {
        let running: Vec<_> = cases.iter().map(|case| (case, scope.spawn(|| run(case)))).collect();
        running.into_iter().filter_map(|(case, thread)| thread.join().is_err().then_some(case)).collect()
    });
    assert!(failed.is_empty(), "failed for {failed:?}");
}

/// Cases running in this process.
static RUNNING: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

/// Leave to run a case. Cases mostly wait, but too many nodes at once would not get to answer each other's probes.
struct Slot;

impl Slot {
    fn take() -> Self {
        let limit = SLOTS_PER_CORE * thread::available_parallelism().map_or(1, NonZero::get);
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let free = FREED.wait_while(running, |running| *running >= limit);
        *free.unwrap_or_else(PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREED.notify_one();
    }
}
