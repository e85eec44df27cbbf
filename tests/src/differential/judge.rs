//! What came of a schedule there and here, compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use super::schedule::{Change, Op, Outcome, Round, RowId, Schedule, Step, View};

/// Whether both did the same, where the protocol says what that is; else the rounds until then side by side, and what
/// differs.
///
/// # Errors
/// A text for the reader of a failing test.
pub fn judge(schedule: &Schedule, theirs: &Outcome, ours: &Outcome) -> Result<(), String> {
    assert_eq!([theirs.rounds.len(), ours.rounds.len()], [schedule.rounds.len(); 2], "all rounds were done");
    for at in 0..schedule.rounds.len() {
        let rule = Rule::of(schedule, at);
        let both = [theirs, ours].map(|outcome| &outcome.rounds[..=at]);
        let differences = rule.differences(both);
        if !differences.is_empty() {
            let mut story = story(schedule, at, theirs, ours);
            for difference in differences {
                let _ = writeln!(story, "  {difference}");
            }
            return Err(story);
        }
    }
    Ok(())
}

fn story(schedule: &Schedule, last: usize, theirs: &Outcome, ours: &Outcome) -> String {
    let mut text = format!("seed {}: networks {:?}\n", schedule.seed, schedule.networks);
    for at in 0..=last {
        let _ = writeln!(text, "round {at}");
        let results = theirs.rounds[at].results.iter().zip(&ours.rounds[at].results);
        for (step, (theirs, ours)) in schedule.rounds[at].iter().zip(results) {
            let _ = match (theirs == ours, theirs.is_empty()) {
                (true, true) => writeln!(text, "  {step}"),
                (true, false) => writeln!(text, "  {step}: {ours}"),
                _ => writeln!(text, "  {step}: there {theirs:?}, here {ours:?}"),
            };
        }
    }
    text + "after which\n"
}

/// What is compared after a round.
struct Rule<'a> {
    calls: &'a [Step],
    /// Whether a node has left: one that missed its goodbye holds it for failed, and its rows for hidden. Ours keep its
    /// tombstones, which in Go go with it.
    left: bool,
    /// Rows of which only is known what may have become of them. Several nodes have written them at once: if at equal
    /// times, each node keeps what it saw first; ours agree once the two writers have synced with each other.
    contended: &'a BTreeMap<RowId, BTreeSet<String>>,
    /// Rows of which it is open what a watcher was told: those and the ones of the round before.
    untold: BTreeSet<&'a RowId>,
}

impl<'a> Rule<'a> {
    fn of(schedule: &'a Schedule, at: usize) -> Self {
        let untold = schedule.contended[at.saturating_sub(1)..=at].iter().flat_map(BTreeMap::keys).collect();
        let leaves = |step: &Step| matches!(step.op, Op::Leave | Op::NetworkLeave);
        let left = schedule.rounds[..at].iter().flatten().any(leaves);
        Self { calls: &schedule.rounds[at], left, contended: &schedule.contended[at], untold }
    }

    fn differences(&self, [theirs, ours]: [&[Round]; 2]) -> Vec<String> {
        let (Some((theirs, before)), Some((ours, ours_before))) = (theirs.split_last(), ours.split_last())
        else {
            return Vec::new();
        };
        let mut found = Vec::new();
        self.compare_results(theirs, ours, &mut found);
        let names = |round: &Round| round.nodes.keys().cloned().collect::<Vec<_>>();
        differ(&mut found, "the cluster", "its nodes", &names(theirs), &names(ours));
        for (name, theirs) in &theirs.nodes {
            if let Some(ours) = ours.nodes.get(name) {
                compare(name, theirs, ours, &mut found);
                self.compare_rows(name, theirs, ours, &mut found);
                let told = [(theirs, before), (ours, ours_before)];
                let [theirs, ours] = told.map(|(view, before)| self.net_changes(view, view_of(name, before)));
                differ(&mut found, name, "what a watcher was told", &theirs, &ours);
            }
        }
        self.disagreements(ours, &mut found);
        found
    }

    fn compare_results(&self, theirs: &Round, ours: &Round, found: &mut Vec<String>) {
        let results = theirs.results.iter().zip(&ours.results);
        for (call, (theirs, ours)) in self.calls.iter().zip(results) {
            let unseen = self.left && call.op == Op::Get && [theirs, ours].iter().all(|text| is_unseen(text));
            if !unseen {
                differ(found, "the call", &format!("{call}"), theirs, ours);
            }
        }
    }

    fn compare_rows(&self, name: &str, theirs: &View, ours: &View, found: &mut Vec<String>) {
        let rows: BTreeSet<&RowId> = theirs.rows.keys().chain(ours.rows.keys()).collect();
        for row in rows {
            let (theirs, ours) = (theirs.rows.get(row), ours.rows.get(row));
            match self.contended.get(row) {
                None => differ(found, name, row, &theirs, &ours),
                Some(values) => {
                    let written =
                        [theirs, ours].iter().all(|row| row.is_some_and(|row| values.contains(&row.value)));
                    if !written {
                        found.push(format!("{name}: {row} is {theirs:?} and {ours:?}, not of {values:?}"));
                    }
                }
            }
        }
    }

    /// What a watcher knows more than a round before: what it was told meanwhile hangs on the order of packets. Of a
    /// row that was hidden, Go tells as if its watchers still had it.
    fn net_changes(&self, view: &View, before: Option<&View>) -> Vec<Change> {
        let mut net: BTreeMap<&RowId, Change> = BTreeMap::new();
        for change in view.changes.iter().filter(|change| !self.untold.contains(&change.row)) {
            let prev = change
                .prev
                .clone()
                .filter(|_| before.is_some_and(|view| view.rows.contains_key(&change.row)));
            let first = Change { prev, ..change.clone() };
            net.entry(&change.row).or_insert(first).value.clone_from(&change.value);
        }
        net.into_values().filter(|change| change.value != change.prev).collect()
    }

    /// Nodes of ours in one network hold the same.
    fn disagreements(&self, ours: &Round, found: &mut Vec<String>) {
        for (name, view) in &ours.nodes {
            for (network, peers) in view.peers.iter().filter(|(_, peers)| peers.contains(name)) {
                let rows = |view: &View| {
                    let rows = view.rows.iter().filter(|(row, _)| row.starts_with(&format!("{network}/")));
                    rows.filter(|(row, _)| !self.contended.contains_key(*row))
                        .map(|(id, row)| (id.clone(), row.clone()))
                        .collect::<Vec<_>>()
                };
                for peer in peers.iter().filter_map(|peer| ours.nodes.get(peer)) {
                    differ(found, name, &format!("rows of {network} among ours"), &rows(peer), &rows(view));
                }
            }
        }
    }
}

/// Whether a row that was to be read is not there, hidden or a tombstone.
fn is_unseen(result: &str) -> bool {
    let why = ["hidden until it returns", "deleted and pending garbage collection"];
    result.starts_with("could not get entry") || why.iter().any(|why| result.ends_with(why))
}

fn view_of<'a>(name: &str, rounds: &'a [Round]) -> Option<&'a View> {
    rounds.last()?.nodes.get(name)
}

fn compare(name: &str, theirs: &View, ours: &View, found: &mut Vec<String>) {
    differ(found, name, "members", &theirs.members, &ours.members);
    differ(found, name, "nodes of networks", &theirs.peers, &ours.peers);
}

fn differ<T: PartialEq + std::fmt::Debug>(
    found: &mut Vec<String>,
    who: &str,
    what: &str,
    there: &T,
    here: &T,
) {
    if there != here {
        found.push(format!("{who}: {what}: there {there:?}, here {here:?}"));
    }
}
