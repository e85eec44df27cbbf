//! In what ours goes beyond a recorded peer, rule by rule. The [model](crate::model) is the only reader: where no
//! rule speaks, ours and the peers do the same.

/// One thing that not every generation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    CreateOverTombstone,
    JoinedTwiceRefused,
    RejoinKeepsQueues,
    LeaveTicks,
    LeaverRowsRemoved,
    UnknownDeleteStored,
    EventsByState,
    FailedHidden,
    TwoTableQueues,
    OneLimit,
    QueuedGivesWay,
    SyncTicks,
    OwnAttachmentsApart,
    SelfIgnored,
    ActiveNotRetired,
    UnknownTypesDropped,
    HiddenAbsent,
    OrphansReaped,
    NumbersGrow,
    AddressRefreshed,
    SuccessorNotTold,
    AnswerWaits,
    TiesSettled,
    ClockGuarded,
    EnvelopeChecked,
    NestedSyncDropped,
    AttachmentsContradicted,
    RowsInherited,
    EndingNotLearnt,
    EnoughCopies,
    TombstonesStay,
    SuccessorsTaken,
}

/// Who keeps a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Keeper {
    /// docker-28.5.2: keeps none of them.
    First,
    /// moby-v2.
    Third,
    /// Ours: keeps all.
    Ours,
}

impl Keeper {
    /// The peer that recorded a file.
    pub(crate) fn of_module(module: &str) -> Self {
        match module.split_whitespace().next() {
            Some("github.com/docker/docker") => Self::First,
            Some("github.com/moby/moby/v2") => Self::Third,
            _ => panic!("unknown peer {module:?}"),
        }
    }
}

/// What is known of a rule.
pub(crate) struct Entry {
    pub rule: Rule,
    /// The first that keeps it.
    pub since: Keeper,
    /// The file and the scenario of a peer without it in which it makes a difference. Without one, only the random
    /// steps meet it.
    pub seen: Option<(&'static str, &'static str)>,
    /// What it says, and where the specification has it.
    pub text: &'static str,
}

const fn entry(
    rule: Rule,
    since: Keeper,
    seen: Option<(&'static str, &'static str)>,
    text: &'static str,
) -> Entry {
    Entry { rule, since, seen, text }
}

const FIRST: &str = "scenarios-docker-28.5.2.json";
const FIRST_2: &str = "scenarios2-docker-28.5.2.json";
const THIRD: &str = "scenarios-moby-v2.0.0-beta.24.json";
const THIRD_2: &str = "scenarios2-moby-v2.0.0-beta.24.json";

/// All rules, in the order of [`Rule`].
pub(crate) const ALL: &[Entry] = &[
    entry(
        Rule::CreateOverTombstone,
        Keeper::Third,
        Some((FIRST, "create_over_tombstone")),
        "a row can be created over its tombstone, and only a live one updated (section 12)",
    ),
    entry(
        Rule::JoinedTwiceRefused,
        Keeper::Third,
        Some((FIRST, "local_crud")),
        "joining a network twice is an error, not a new start (section 7)",
    ),
    entry(
        Rule::RejoinKeepsQueues,
        Keeper::Third,
        Some((FIRST_2, "rejoin_while_leaving")),
        "a network joined again while it is being left keeps its queues (section 7)",
    ),
    entry(
        Rule::LeaveTicks,
        Keeper::Third,
        Some((FIRST, "local_leave_and_rejoin")),
        "leaving a network ticks the table clock for each own tombstone (section 7)",
    ),
    entry(
        Rule::LeaverRowsRemoved,
        Keeper::Third,
        Some((FIRST, "network_leave_of_peer")),
        "rows of a node that leaves a network go, and do not become tombstones (section 7)",
    ),
    entry(
        Rule::UnknownDeleteStored,
        Keeper::Third,
        Some((FIRST, "delete_unknown_key")),
        "a gossiped delete of an unknown row is kept as a tombstone (section 8)",
    ),
    entry(
        Rule::EventsByState,
        Keeper::Third,
        Some((FIRST, "lamport_conflicts")),
        "watch events tell what changed here, whatever the type of the message (section 13)",
    ),
    entry(
        Rule::FailedHidden,
        Keeper::Third,
        Some((FIRST, "node_leave_and_fail")),
        "rows and attachments of a failed node are kept, its rows hidden, until it is back (sections 5, 8)",
    ),
    entry(
        Rule::TwoTableQueues,
        Keeper::Third,
        Some((FIRST, "queue_order")),
        "own and relayed table events have a queue each (section 10)",
    ),
    entry(
        Rule::OneLimit,
        Keeper::Third,
        Some((FIRST_2, "transmit_limit")),
        "both cluster queues share the limit of one packet (section 2)",
    ),
    entry(
        Rule::QueuedGivesWay,
        Keeper::Third,
        Some((FIRST_2, "node_leave_twice")),
        "in a queue an event gives way to its like only if that is not older; relayed node events do so too (section 10)",
    ),
    entry(
        Rule::SyncTicks,
        Keeper::Third,
        Some((FIRST_2, "bulk_requests")),
        "a bulk sync sent, an answer too, ticks the table clock (section 3)",
    ),
    entry(
        Rule::OwnAttachmentsApart,
        Keeper::Third,
        Some((FIRST, "unknown_network_or_node")),
        "own attachments do not go with the record of this node (section 4)",
    ),
    entry(
        Rule::SelfIgnored,
        Keeper::Ours,
        Some((THIRD, "unknown_network_or_node")),
        "what others say of this node changes nothing here; a fresh leave is refuted (section 15)",
    ),
    entry(
        Rule::ActiveNotRetired,
        Keeper::Ours,
        Some((THIRD, "reincarnation")),
        "only failed and left names make way for a new one at their address (section 15, row 5)",
    ),
    entry(
        Rule::UnknownTypesDropped,
        Keeper::Ours,
        Some((THIRD, "malformed")),
        "table and network events of unknown types are dropped (section 15)",
    ),
    entry(
        Rule::HiddenAbsent,
        Keeper::Ours,
        Some((THIRD_2, "hidden_entries")),
        "to watchers a hidden row is absent: events follow from what a reader sees (section 13)",
    ),
    entry(
        Rule::OrphansReaped,
        Keeper::Ours,
        Some((THIRD_2, "network_reaper")),
        "rows of networks this node is not in are reaped too (section 8, section 15 row 10)",
    ),
    entry(
        Rule::NumbersGrow,
        Keeper::Ours,
        Some((THIRD, "lamport_conflicts")),
        "numbers in a queue never restart, so no message displaces another unsent (section 10)",
    ),
    entry(
        Rule::AddressRefreshed,
        Keeper::Ours,
        None,
        "a node that returns is known by its new address (section 15)",
    ),
    entry(
        Rule::SuccessorNotTold,
        Keeper::Ours,
        None,
        "a late leave is not told of an address that another node has by now (section 15)",
    ),
    entry(
        Rule::AnswerWaits,
        Keeper::Ours,
        None,
        "a bulk sync asked before the news of the asker is answered when that comes (section 15, row 2)",
    ),
    entry(
        Rule::TiesSettled,
        Keeper::Ours,
        None,
        "of two rows of one time in a bulk sync the owner of the larger writes anew (section 15)",
    ),
    entry(
        Rule::ClockGuarded,
        Keeper::Ours,
        None,
        "a time no clock can follow is refused, and its message (sections 3, 15)",
    ),
    entry(
        Rule::EnvelopeChecked,
        Keeper::Ours,
        None,
        "a push/pull state in the envelope of another message is dropped (section 6)",
    ),
    entry(
        Rule::NestedSyncDropped,
        Keeper::Ours,
        None,
        "a bulk sync inside a bulk sync is dropped (section 9)",
    ),
    entry(
        Rule::AttachmentsContradicted,
        Keeper::Ours,
        Some((FIRST, "push_pull")),
        "who says, from an earlier life, that this node has left a network it is in is answered by a later event",
    ),
    entry(
        Rule::RowsInherited,
        Keeper::Ours,
        None,
        "own rows a bulk sync brings in versions of an earlier life are kept, unless written anew or perhaps deleted since",
    ),
    entry(
        Rule::EndingNotLearnt,
        Keeper::Ours,
        None,
        "a tombstone or hidden row with less than a sixth of its time left is not learnt anew: it would never go",
    ),
    entry(
        Rule::EnoughCopies,
        Keeper::Ours,
        Some((FIRST_2, "transmit_limit")),
        "among more than four nodes a cluster event goes out so often that one in a thousand misses anybody (section 2)",
    ),
    entry(
        Rule::TombstonesStay,
        Keeper::Ours,
        None,
        "tombstones of a node that leaves keep their time: somebody cut off may still hold what it deleted",
    ),
    entry(
        Rule::SuccessorsTaken,
        Keeper::Ours,
        None,
        "in a bulk sync what took the place of a row held here is taken, whether or not its owner takes part",
    ),
];

/// The rules somebody keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules(u32);

impl Rules {
    pub(crate) fn of(keeper: Keeper) -> Self {
        ALL.iter()
            .filter(|entry| entry.since <= keeper)
            .fold(Self(0), |rules, entry| rules.toggled(entry.rule))
    }

    pub(crate) fn has(self, rule: Rule) -> bool {
        self.0 & 1 << rule as u32 != 0
    }

    /// With this rule if it was not there, without it if it was.
    pub(crate) fn toggled(self, rule: Rule) -> Self {
        Self(self.0 ^ 1 << rule as u32)
    }
}
