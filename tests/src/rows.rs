//! The rows that were written, and which of them each node must hold.

use std::collections::BTreeMap;

/// The live rows of a table by key, each with its value in hex and the name of its owner.
pub type Table = BTreeMap<String, (String, String)>;

/// All rows written and neither deleted nor gone with their owner. Nodes are called by their position.
#[derive(Debug, Default)]
pub(crate) struct Rows(BTreeMap<String, Row>);

#[derive(Debug)]
struct Row {
    value_hex: String,
    owner: usize,
    /// How often the owner had ended before it wrote the row.
    life: usize,
}

impl Rows {
    pub(crate) fn put(&mut self, key: &str, value: &[u8], owner: usize, life: usize) {
        self.0.insert(key.to_owned(), Row { value_hex: hex::encode(value), owner, life });
    }

    pub(crate) fn delete(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// Rows of a node that leaves go with it.
    pub(crate) fn leave(&mut self, owner: usize) {
        self.0.retain(|_, row| row.owner != owner);
    }

    /// What the node at `holder` must hold. `owner` gives the name of a node that runs. A Go node, in its life `life`,
    /// drops what others send it of its own rows and so knows none of its former life; ours inherits them.
    pub(crate) fn held_by<'a>(
        &self,
        holder: usize,
        life: Option<usize>,
        owner: impl Fn(usize) -> Option<&'a str>,
    ) -> Table {
        let forgets = |row: &Row| life.is_some_and(|life| row.owner == holder && row.life != life);
        let known = self.0.iter().filter(|(_, row)| !forgets(row));
        known
            .filter_map(|(key, row)| {
                Some((key.clone(), (row.value_hex.clone(), owner(row.owner)?.to_owned())))
            })
            .collect()
    }
}

/// The first row in which two tables differ: its key, and what either holds.
pub(crate) fn difference(held: &Table, wanted: &Table) -> Option<String> {
    let keys = wanted.keys().chain(held.keys());
    let mut different = keys.filter(|key| held.get(*key) != wanted.get(*key));
    let show = |row: Option<&(String, String)>| format!("{row:.80?}");
    different.next().map(|key| {
        let (is, must) = (show(held.get(key)), show(wanted.get(key)));
        format!("{} rows, {} wanted; {key} is {is}, {must} wanted", held.len(), wanted.len())
    })
}

/// The value of a row that `load` writes.
pub(crate) fn pattern(row: u32, size: u32) -> Vec<u8> {
    (0..size).map(|byte| row.wrapping_mul(31).wrapping_add(byte).to_le_bytes()[0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(rows: &Rows, holder: usize, life: Option<usize>) -> Table {
        rows.held_by(holder, life, |owner| ["a", "b"].get(owner).copied())
    }

    #[test]
    fn another_value_owner_or_row_is_a_difference() {
        let mut rows = Rows::default();
        rows.put("k", b"v", 0, 0);
        let right = held(&rows, 1, Some(0));
        assert_eq!(difference(&right, &right), None);
        for (key, value, owner) in [("k", "00", "a"), ("k", "76", "b"), ("more", "76", "a")] {
            let mut wrong = right.clone();
            wrong.insert(key.to_owned(), (value.to_owned(), owner.to_owned()));
            assert!(difference(&wrong, &right).is_some(), "{key} {value} {owner}");
            assert!(difference(&right, &wrong).is_some(), "{key} {value} {owner}");
        }
    }

    #[test]
    fn rows_of_a_former_life_are_held_by_others_and_those_of_nodes_that_are_gone_by_nobody() {
        let mut rows = Rows::default();
        rows.put("before", b"v", 0, 0);
        rows.put("after", b"v", 0, 1);
        rows.put("gone", b"v", 2, 0);
        assert_eq!(held(&rows, 0, Some(1)).into_keys().collect::<Vec<_>>(), ["after"]);
        assert_eq!(held(&rows, 0, None).into_keys().collect::<Vec<_>>(), ["after", "before"]);
        assert_eq!(held(&rows, 1, Some(0)).into_keys().collect::<Vec<_>>(), ["after", "before"]);
    }
}
