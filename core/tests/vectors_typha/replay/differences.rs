//! In what ours differs from the recorded programs by design.

/// One thing in which it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    DefinitionsFirst,
    ConnectionTold,
    UnknownDeletionUntold,
    SnapshotSorted,
    HelloOfToday,
    RestartForToday,
    OldClientServed,
}

/// All of them, and why.
pub const ALL: &[(Difference, &str)] = &[
    (
        Difference::DefinitionsFirst,
        "every stream of ours begins with the definitions of all types, so that later messages are the same bytes for \
         all; the messages are the recorded ones",
    ),
    (
        Difference::ConnectionTold,
        "our client tells its user of the server it has reached; the peer writes that into its log",
    ),
    (
        Difference::UnknownDeletionUntold,
        "a client that remembers keys does not tell of the deletion of what its user never had; one that does not \
         tells all that the peer tells",
    ),
    (
        Difference::SnapshotSorted,
        "our snapshots are sorted by key, as today's; those of v3.2.5 come in the order of a hash: the same KVs in \
         messages of the same lengths",
    ),
    (
        Difference::HelloOfToday,
        "our server introduces itself to all with the fields of today, which a client of v3.2.5 skips",
    ),
    (
        Difference::RestartForToday,
        "to a client of today our server is a server of today: where one of v3.2.5 goes on it restarts, and waits for \
         an acknowledgement that the recorded client, which gave up, never sent",
    ),
    (
        Difference::OldClientServed,
        "unless told to, our server does not refuse the clients that today's refuses for their age",
    ),
];

/// How often each was met.
#[derive(Default)]
pub struct Seen([usize; ALL.len()]);

impl Seen {
    pub fn when(&mut self, met: bool, difference: Difference) {
        self.0[difference as usize] += usize::from(met);
    }

    /// Prints them; those never met.
    pub fn report(&self) -> Vec<Difference> {
        for ((difference, why), count) in ALL.iter().zip(self.0) {
            println!("{count:6} {difference:?}: {why}");
        }
        ALL.iter()
            .zip(self.0)
            .filter(|(_, count)| *count == 0)
            .map(|((difference, _), _)| *difference)
            .collect()
    }
}
