//! Rows against a model: a plain ordered map.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::super::{
    entry::{Draft, Entry},
    rows::{EntryKey, Place, RowState, Rows, SECOND},
    watch::Filter,
};

type Model = BTreeMap<(u8, u8, u8), (RowState, u64)>;

#[derive(Clone, Debug)]
enum Op {
    Put(u8, u8, u8, RowState),
    Remove(u8, u8, u8),
}

fn op() -> impl Strategy<Value = Op> {
    let state = prop_oneof![Just(RowState::Live), Just(RowState::Hidden), Just(RowState::Deleted)];
    prop_oneof![
        3 => (0..3_u8, 0..3_u8, 0..6_u8, state).prop_map(|(n, t, k, state)| Op::Put(n, t, k, state)),
        1 => (0..3_u8, 0..3_u8, 0..6_u8).prop_map(|(n, t, k)| Op::Remove(n, t, k)),
    ]
}

fn with_place<R>((n, t, k): (u8, u8, u8), f: impl FnOnce(Place<'_>) -> R) -> R {
    f(Place { network: &[n], table: &[t], key: &[k] })
}

fn run(ops: &[Op]) -> (Rows, Model) {
    let (mut rows, mut model) = (Rows::default(), Model::new());
    for (time, op) in ops.iter().enumerate() {
        let time = time as u64;
        match *op {
            Op::Put(n, t, k, state) => {
                let draft = Draft {
                    owner: "o".into(),
                    value: &[n, t, k],
                    time,
                    state,
                    reap: 9 * SECOND,
                    inherited: false,
                };
                let step = with_place((n, t, k), |at| rows.put(at, &draft));
                let old = model.insert((n, t, k), (state, time));
                assert_eq!(step.before.map(|entry| entry.time()), old.map(|(_, time)| time));
            }
            Op::Remove(n, t, k) => {
                let step = with_place((n, t, k), |at| rows.remove(at));
                assert_eq!(step.is_some(), model.remove(&(n, t, k)).is_some());
            }
        }
    }
    (rows, model)
}

fn names(rows: &Rows, filter: &Filter, behind: Option<&EntryKey>) -> Vec<(u8, u8, u8)> {
    rows.iter(filter, behind).map(|row| (row.network[0], row.table[0], row.entry.key()[0])).collect()
}

proptest! {
    #[test]
    fn rows_are_those_of_a_plain_map_in_its_order(
        ops in vec(op(), 0..60), network in proptest::option::of(0..3_u8), table in proptest::option::of(0..3_u8),
        behind in proptest::option::of((0..3_u8, 0..3_u8, 0..6_u8)),
    ) {
        let (rows, model) = run(&ops);
        let name = |byte: u8| crate::Name::from(&[byte][..]);
        let filter = Filter { network: network.map(name), table: table.map(name), ..Filter::default() };
        let cursor = behind.map(|(n, t, k)| EntryKey::new(name(n), name(t), name(k)));
        let wanted = model.keys().filter(|(n, t, _)| network.is_none_or(|net| net == *n) && table.is_none_or(|tab| tab == *t));
        let wanted: Vec<_> = wanted.filter(|key| behind.is_none_or(|behind| **key > behind)).copied().collect();
        prop_assert_eq!(names(&rows, &filter, cursor.as_ref()), wanted);
        prop_assert_eq!(rows.len(), model.len());
        prop_assert_eq!(rows.bytes(), 6 * model.len());
        prop_assert_eq!(rows.tombstones(), model.values().filter(|(state, _)| *state == RowState::Deleted).count());
    }

    #[test]
    fn only_what_is_not_live_ages_and_it_is_over_a_second_early(ops in vec(op(), 0..60)) {
        let (mut rows, model) = run(&ops);
        prop_assert!(rows.age(7 * SECOND).is_empty());
        let live = |rows: &Rows| rows.iter(&Filter::default(), None).filter(|row| row.entry.is_live()).count();
        let before = live(&rows);
        let over = rows.age(SECOND);
        prop_assert_eq!(over.len(), model.values().filter(|(state, _)| *state != RowState::Live).count());
        for held in &over {
            let removed = rows.remove(held.place()).and_then(|step| step.before);
            prop_assert_eq!(removed.as_ref().map(Entry::time), Some(held.entry.time()));
        }
        prop_assert_eq!((rows.len(), live(&rows)), (before, before));
    }
}
