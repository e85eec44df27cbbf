//! Waiting for a condition, and many cases at once.

use std::{
    fmt::{Debug, Display},
    thread,
    time::{Duration, Instant},
};

use crate::Kind;

/// Time between two looks at a condition.
const LOOK: Duration = Duration::from_millis(50);

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

/// Both Go generations, each with keys of all these lengths (0 is plain), all at once.
pub fn matrix(key_lengths: &[usize], scenario: impl Fn(Case) + Sync) {
    let cases = key_lengths
        .iter()
        .flat_map(|len| [Kind::Go28, Kind::Go2].map(|go| Case { go, keys: keys(*len) }))
        .collect();
    each(cases, scenario);
}

/// Runs a scenario for all cases at once, and says which have failed.
pub fn each<C: Debug + Clone + Send + Sync>(cases: Vec<C>, scenario: impl Fn(C) + Sync) {
    let failed: Vec<&C> = thread::scope(|scope| {
        let running: Vec<_> =
            cases.iter().map(|case| (case, scope.spawn(|| scenario(case.clone())))).collect();
        running.into_iter().filter_map(|(case, thread)| thread.join().is_err().then_some(case)).collect()
    });
    assert!(failed.is_empty(), "failed for {failed:?}");
}
