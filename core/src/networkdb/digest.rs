//! One number a table that is the same on all nodes that agree on it.

use std::borrow::Borrow;

use sha2::{Digest, Sha256};

use super::{Row, RowState};
use crate::Name;

/// What a node holds of a table, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDigest {
    /// The network.
    pub network: Name,
    /// The table.
    pub table: Name,
    /// Live rows.
    pub rows: usize,
    /// The sum, modulo 2^64, of the first eight bytes of the SHA-256 of each live row. What is hashed of a row is
    /// table, network, key, owner, time (eight bytes) and value, each behind its length (eight bytes); numbers are
    /// big-endian.
    pub digest: u64,
}

/// The digests of all tables that have live rows, by network and table. The order of the rows does not matter.
///
/// Nodes of one network with equal digests hold the same rows. It tells of divergence by accident: whoever may write
/// rows can make two tables of one digest.
pub fn digests<R: Borrow<Row>>(rows: impl IntoIterator<Item = R>) -> Vec<TableDigest> {
    let mut tables = Vec::new();
    for row in rows {
        let row = row.borrow();
        if row.state == RowState::Live {
            add(&mut tables, row);
        }
    }
    tables
}

/// Rows come by network and table as a rule, so that a new one is the last.
fn add(tables: &mut Vec<TableDigest>, row: &Row) {
    let name = (&row.network, &row.table);
    let place = tables.binary_search_by(|known| (&known.network, &known.table).cmp(&name));
    let place = place.unwrap_or_else(|place| {
        let (network, table) = (row.network.clone(), row.table.clone());
        tables.insert(place, TableDigest { network, table, rows: 0, digest: 0 });
        place
    });
    if let Some(table) = tables.get_mut(place) {
        table.rows += 1;
        table.digest = table.digest.wrapping_add(of_row(row));
    }
}

fn of_row(row: &Row) -> u64 {
    let mut hash = Sha256::new();
    let time = row.time.to_be_bytes();
    for part in [&*row.table, &row.network, &row.key, &row.owner, &time, &row.value] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    hash.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn row(key: &str) -> Row {
        Row {
            network: "net".into(),
            table: "t".into(),
            key: key.into(),
            value: Bytes::from_static(b"v"),
            owner: "node".into(),
            time: 7,
            state: RowState::Live,
            reap: None,
        }
    }

    #[test]
    fn the_order_of_rows_does_not_matter_and_those_that_cannot_be_read_do_not_count() {
        let rows = [row("a"), row("b"), row("c")];
        let all = digests(&rows);
        assert_eq!(all, digests(rows.iter().rev()));
        assert_eq!(all[0].rows, 3);
        for state in [RowState::Deleted, RowState::Hidden] {
            let more = Row { state, ..row("d") };
            assert_eq!(all, digests(rows.iter().chain([&more])));
        }
    }

    #[test]
    fn every_part_of_a_row_counts() {
        let digest = |row: Row| digests(&[row])[0].digest;
        let plain = digest(row("k"));
        assert_eq!(plain, 0x7f2b_9bda_7a06_8d28, "fixed for ever: nodes of different versions are compared");
        for other in [
            Row { network: "n".into(), ..row("k") },
            Row { table: "tt".into(), ..row("k") },
            row("kk"),
            Row { value: Bytes::new(), ..row("k") },
            Row { owner: "other".into(), ..row("k") },
            Row { time: 8, ..row("k") },
            Row { key: "kn".into(), owner: "ode".into(), ..row("k") },
        ] {
            assert_ne!(digest(other.clone()), plain, "{other:?}");
        }
    }

    #[test]
    fn tables_and_networks_are_told_apart() {
        let rows =
            [row("a"), Row { network: "other".into(), ..row("a") }, Row { table: "u".into(), ..row("a") }];
        let found: Vec<_> = digests(&rows)
            .into_iter()
            .map(|found| (found.network.to_string(), found.table.to_string()))
            .collect();
        let name = |network: &str, table: &str| (network.to_owned(), table.to_owned());
        assert_eq!(found, [name("net", "t"), name("net", "u"), name("other", "t")]);
    }
}
