//! Keys and values that look like those of a datastore, the very ones that the Go peer makes.
//!
//! Source: `tests/peers/gob/workload.go`.

use std::fmt::Write as _;

use networkdb_core::syncproto::{Revision, SerializedUpdate, UpdateType};

/// Bytes of a value with which an update takes 804 bytes of a stream.
const BIG: usize = 705;
/// The same for 88 bytes.
const SMALL: usize = 30;

/// Which keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Workload endpoints.
    Big,
    /// Settings.
    Small,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Kv {
    key: String,
    value: String,
    revision: String,
    update_type: UpdateType,
}

impl Kv {
    /// As it is sent.
    pub fn update(&self) -> SerializedUpdate<'_> {
        SerializedUpdate {
            key: self.key.as_bytes(),
            value: Some(self.value.as_bytes()),
            revision: Revision::Text(self.revision.as_bytes()),
            update_type: self.update_type,
            ..SerializedUpdate::default()
        }
    }
}

impl Workload {
    /// The number `i` as it is after `round` changes. Keys and revisions are of one length up to a million.
    pub fn kv(self, i: u32, round: u32) -> Kv {
        let (key, value) = match self {
            Self::Big => (
                format!(
                    "/calico/v1/host/node-{:04}/workload/k8s/ns-{:02}%2fpod-{i:06}/endpoint/eth0",
                    i % 1000,
                    i % 50
                ),
                endpoint(i, round),
            ),
            Self::Small => (format!("/calico/v1/config/Setting-{i:06}"), setting(i, round)),
        };
        let revision = 1_000_000 + (u64::from(round) * 1_000_003 + u64::from(i)) % 9_000_000;
        let update_type = if round == 0 { UpdateType::NEW } else { UpdateType::UPDATED };
        Kv { key, value, revision: revision.to_string(), update_type }
    }

    /// The first `count`, unchanged.
    pub fn kvs(self, count: u32) -> impl Iterator<Item = Kv> {
        (0..count).map(move |i| self.kv(i, 0))
    }
}

fn setting(i: u32, round: u32) -> String {
    let hash = (u64::from(i) + 1).wrapping_mul(11_400_714_819_323_198_485).wrapping_mul(u64::from(round) + 1);
    padded(format!("setting-{hash:016x}-"), SMALL)
}

fn endpoint(i: u32, round: u32) -> String {
    let hash = i.wrapping_mul(2_654_435_761).wrapping_add(round.wrapping_mul(40_503));
    let ns = i % 50;
    let [_, second, third, fourth] = i.to_be_bytes();
    let mut text = format!(
        "{{\"state\":\"active\",\"name\":\"cali{hash:08x}\",\"active_instance_id\":\"\",\"mac\":\"ee:ee:ee:ee:ee:ee\",\
         \"profile_ids\":[\"kns.ns-{ns}\",\"ksa.ns-{ns}.default\"],\
         \"ipv4_nets\":[\"10.{second}.{third}.{fourth}/32\"],\"ipv6_nets\":[],\
         \"labels\":{{\"app\":\"app-{}\",\"pod-template-hash\":\"{hash:08x}\"",
        i % 97
    );
    let mut number = 0;
    while text.len() < BIG - 120 {
        let label = hash.wrapping_mul(number + 3);
        // Writing into a text cannot fail.
        let _ = write!(text, ",\"example.com/label-{number}\":\"value-{label:08x}\"");
        number += 1;
    }
    text.push_str(",\"projectcalico.org/orchestrator\":\"k8s\",\"tier\":\"");
    let fill = BIG.saturating_sub(text.len() + "\"}}".len());
    text.push_str(&padded("backend-".to_owned(), fill));
    text.push_str("\"}}");
    text
}

fn padded(mut text: String, size: usize) -> String {
    text.truncate(size);
    text.extend(std::iter::repeat_n('x', size - text.len()));
    text
}

#[cfg(test)]
mod tests {
    use networkdb_core::syncproto::encode;

    use super::*;

    #[test]
    fn updates_have_the_sizes_told() {
        for (workload, size) in [(Workload::Big, 804), (Workload::Small, 88)] {
            let mut bytes = Vec::new();
            encode::element(&mut bytes, &workload.kv(99_999, 0).update());
            assert_eq!(bytes.len(), size);
        }
    }
}
