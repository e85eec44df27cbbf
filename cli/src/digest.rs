//! Many rows at once: writing a pattern, and one number that says whether two nodes agree.

use bytes::Bytes;
use networkdb_core::{
    Name,
    networkdb::{EntryKey, Filter, Row, RowState, digests},
};
use networkdb_host::{Error, Node};
use sha2::{Digest, Sha256};
use tokio::task::yield_now;

use crate::protocol::Load;

/// Rows written before others get their turn.
const BATCH: u32 = 100;

/// The live rows of one table, by key.
pub(crate) fn live_rows(node: &Node, network: &str, table: &str) -> Vec<Row> {
    let mut rows = node.rows(&filter(network, table));
    rows.retain(|row| row.state == RowState::Live);
    rows
}

pub(crate) fn filter(network: &str, table: &str) -> Filter {
    Filter { network: Some(Name::from(network)), table: Some(Name::from(table)), ..Filter::default() }
}

/// What tells two nodes' tables apart.
#[derive(Debug)]
pub(crate) struct TableSum {
    /// Live rows.
    pub(crate) count: usize,
    /// See [`sha256`].
    pub(crate) sha256: String,
    /// See [`networkdb_core::networkdb::TableDigest`].
    pub(crate) digest: u64,
}

/// Sums a table up in one scan.
pub(crate) fn table_sum(node: &Node, network: &str, table: &str) -> TableSum {
    let mut sum = Sha256::new();
    let filter = filter(network, table);
    let rows = node.scan(&filter).filter(|row| row.state == RowState::Live);
    let digests = digests(rows.inspect(|row| add(&mut sum, row)));
    let (count, digest) = digests.first().map_or((0, 0), |found| (found.rows, found.digest));
    TableSum { count, sha256: hex::encode(sum.finalize()), digest }
}

/// The SHA-256, in hex, of length (four bytes, big-endian) and bytes of each key and each value.
pub(crate) fn sha256(rows: &[Row]) -> String {
    let mut sum = Sha256::new();
    for row in rows {
        add(&mut sum, row);
    }
    hex::encode(sum.finalize())
}

fn add(sum: &mut Sha256, row: &Row) {
    for part in [row.key.as_bytes(), &row.value] {
        sum.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        sum.update(part);
    }
}

/// The digest of a table as it is shown.
pub(crate) fn hex(digest: u64) -> String {
    format!("{digest:016x}")
}

/// Creates the rows of `load`.
pub(crate) async fn load(node: &Node, load: &Load) -> Result<(), Error> {
    let (network, table) = (Name::from(load.of.network.as_str()), Name::from(load.of.table.as_str()));
    for i in 0..load.count {
        let key = format!("{}{i:06}", load.prefix);
        let key = EntryKey::new(network.clone(), table.clone(), key);
        node.create_entry(&key, pattern(i, load.size)).await?;
        if i % BATCH == 0 {
            yield_now().await;
        }
    }
    Ok(())
}

fn pattern(row: u32, size: u32) -> Bytes {
    let byte = |j: u32| row.wrapping_mul(31).wrapping_add(j).to_le_bytes()[0];
    (0..size).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_and_the_sum_are_those_of_the_go_peers() {
        assert_eq!(pattern(9, 3).as_ref(), [23, 24, 25]);
        let row = Row {
            network: "n".into(),
            table: "t".into(),
            key: "k".into(),
            value: Bytes::from_static(b"v"),
            owner: "o".into(),
            time: 1,
            state: RowState::Live,
            reap: None,
        };
        let expected = hex::encode(Sha256::digest(b"\0\0\0\x01k\0\0\0\x01v"));
        assert_eq!(sha256(&[row]), expected);
    }
}
