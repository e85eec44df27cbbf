//! The sync protocol: what is exchanged, and servers with many clients.
//!
//! All servers have the same keys and values, and the same client program reads from them.

mod codec;
mod deltas;
mod peers;
mod snapshot;

use networkdb_benches::KVS;

use crate::{Failure, runs::Runs, table::Row};

/// Runs beyond which no measurement is repeated: they take long.
const MAX_RUNS: u32 = 3;

/// What is printed below the table.
pub(crate) const CONDITIONS: &str = "\
Runs: no more than 3. KVs: workload endpoints of 804 bytes of a stream, small ones settings of 88; the same of all servers, checked.
Encode and decode: 100000 in messages of 100, or of 1000 with snappy, on one core; processor time, a collector's included, and in ours the counting.
Servers in processes of their own over loopback, not encrypted; their processor time is the kernel's count, what they send included.
Clients: one Go program which reads and does not decode, on the same processors; done when the last has the snapshot.
Of a snapshot in snappy the first client waits until it is made, the 100 are sent what is there.
Memory: resident, with 100 clients that have had their snapshot.
Changes: of a server of 1000 KVs. 10000: all at once; processor time of the server until no client gets anything more.
One change: 200, one by one; 20 clients more, the last to connect, decode and tell of it: from the order to when each has.";

pub(super) fn measure(runs: &Runs<'_>) -> Result<Vec<Row>, Failure> {
    let runs = Runs { count: runs.count.min(MAX_RUNS), ..*runs };
    let mut rows = codec::measure(&runs)?;
    rows.extend(snapshot::measure(&runs)?);
    rows.extend(deltas::measure(&runs)?);
    Ok(rows)
}
