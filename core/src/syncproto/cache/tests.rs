//! A cache against a model of it: a map, and the lists of what clients must be told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use proptest::prelude::*;

use bytes::Bytes;

use super::{leaf::Leaf, *};
use crate::{
    syncproto::Revision,
    wire::snappy::{MAX_PLAIN, STREAM_IDENTIFIER, Unframer},
};

type Model = BTreeMap<Vec<u8>, (Vec<u8>, i64)>;

fn set<'a>(key: &'a str, value: &'a str, update_type: UpdateType) -> SerializedUpdate<'a> {
    SerializedUpdate {
        key: key.as_bytes(),
        value: Some(value.as_bytes()),
        revision: Revision::Text(b"7"),
        update_type,
        ..SerializedUpdate::default()
    }
}

fn delete(key: &str) -> SerializedUpdate<'_> {
    SerializedUpdate { key: key.as_bytes(), update_type: UpdateType::DELETED, ..SerializedUpdate::default() }
}

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * 1_000_000_000)
}

/// The crumbs after `from`: status, and key, value and type of each update.
fn crumbs(from: &Arc<Crumb>) -> Vec<String> {
    std::iter::successors(from.next(), |crumb| crumb.next())
        .map(|crumb| {
            let mut text = format!("{}", crumb.status().0);
            for body in crumb.frame().updates() {
                let (key, value) = (String::from_utf8_lossy(body.key), String::from_utf8_lossy(body.value));
                write!(text, " {key}={value}:{}", body.update_type.0).unwrap();
            }
            text
        })
        .collect()
}

fn snapshot(cache: &Cache) -> Model {
    let published = cache.published();
    let read = |element| {
        let body = Body::read(element);
        assert_eq!(body.update_type, UpdateType::NEW);
        (body.key.to_vec(), (body.value.to_vec(), body.ttl as i64 / 2))
    };
    published.snapshot.elements().map(read).collect()
}

#[test]
fn a_change_goes_to_clients_as_it_came_and_is_new_in_the_snapshot() {
    let mut cache = Cache::default();
    let first = cache.published().crumb;
    for update in [
        set("a", "1", UpdateType::NEW),
        set("a", "1", UpdateType::UPDATED),
        set("a", "1", UpdateType::NEW),
        set("a", "2", UpdateType::UPDATED),
        SerializedUpdate { ttl: 9, ..set("a", "2", UpdateType::UPDATED) },
        SerializedUpdate {
            ttl: 9,
            v3_resource_version: b"8",
            revision: Revision::Nil,
            ..set("a", "2", UpdateType::UPDATED)
        },
        delete("b"),
        set("b", "3", UpdateType::UPDATED),
        delete("b"),
    ] {
        cache.update(&update).unwrap();
    }
    assert!(cache.publish(at(1)).is_some());
    assert_eq!(crumbs(&first), ["0 a=1:1 a=1:1 a=2:2 a=2:2 b=:3 b=3:2 b=:3"]);
    assert_eq!(snapshot(&cache), Model::from([(b"a".to_vec(), (b"2".to_vec(), 9))]));
    let stats = cache.stats();
    assert_eq!((stats.updates_total, stats.updates_skipped, stats.breadcrumb_updates), (9, 2, 7));
    assert_eq!((stats.cache_size, stats.breadcrumb_seq_number), (1, 1));
}

#[test]
fn nothing_is_published_when_nothing_changed() {
    let mut cache = Cache::default();
    assert!(cache.publish(at(1)).is_none());
    cache.update(&set("a", "1", UpdateType::NEW)).unwrap();
    cache.status(SyncStatus::IN_SYNC);
    assert!(cache.publish(at(2)).is_some());
    cache.update(&set("a", "1", UpdateType::UPDATED)).unwrap();
    cache.status(SyncStatus::IN_SYNC);
    assert!(cache.publish(at(3)).is_none());
    assert_eq!(cache.published().crumb.sequence(), 1);
}

#[test]
fn a_batch_is_cut_and_only_its_last_crumb_has_the_new_status() {
    let mut cache = Cache::new(2);
    let first = cache.published().crumb;
    for key in ["a", "b", "c"] {
        cache.update(&set(key, "1", UpdateType::NEW)).unwrap();
    }
    cache.status(SyncStatus::RESYNC_IN_PROGRESS);
    cache.publish(at(1));
    cache.status(SyncStatus::IN_SYNC);
    cache.publish(at(2));
    assert_eq!(crumbs(&first), ["0 a=1:1 b=1:1", "1 c=1:1", "2"]);
}

#[test]
fn an_update_may_be_so_long_and_no_longer() {
    let mut cache = Cache::default();
    let value = "v".repeat(MAX_UPDATE);
    assert_eq!(cache.update(&set("a", &value, UpdateType::NEW)), Err(TooLong));
    assert!(cache.publish(at(1)).is_none());
    cache.update(&set("a", &value[..MAX_UPDATE - 64], UpdateType::UPDATED)).unwrap();
    assert!(cache.publish(at(1)).is_some());
}

#[test]
fn sixteen_crumbs_are_joined_unless_they_are_too_much() {
    let mut cache = Cache::default();
    let mut base = cache.published().crumb;
    for round in 0..4 {
        for number in 0..16 {
            let long = "v".repeat(if round == 2 { 5_000 } else { 1 });
            cache.update(&set(&format!("k{number}"), &long, UpdateType::NEW)).unwrap();
            // A status between the crumbs must be told between them; one after the last comes after their message.
            let (of_round, early) = (u8::from(round > 1), round == 3 && number == 7);
            cache.status(SyncStatus(of_round + u8::from(early || round == 1 && number == 15)));
            cache.publish(at(1));
        }
        let (express, next) = (base.express().map(|express| express.frame.kvs()), cache.published().crumb);
        assert_eq!(express, [Some(16), Some(16), None, None][round], "round {round}");
        if let Some(express) = base.express() {
            assert_eq!(express.last.sequence(), base.sequence() + 16);
            let keys: Vec<_> = express.frame.updates().map(|update| update.key.to_vec()).collect();
            assert_eq!(keys[15], b"k15");
        }
        base = next;
    }
}

#[derive(Clone, Debug)]
enum Step {
    Set(u16, u16, u8),
    Delete(u16),
    Publish,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..600_u16, 0..2_000_u16, 1..3_u8).prop_map(|(key, len, of)| Step::Set(key, len, of)),
        4 => (0..600_u16).prop_map(Step::Delete),
        1 => Just(Step::Publish),
    ];
    proptest::collection::vec(step, 0..1_500)
}

/// Reads the messages of a layout with `kvs_per_message`: their keys.
fn messages(layout: &Layout) -> Vec<Vec<Vec<u8>>> {
    let (mut place, mut found) = (Place::default(), Vec::new());
    loop {
        let count = layout.begins(place);
        let Some(head) = layout.next(&mut place) else { return found };
        let mut bodies = Vec::new();
        while !place.is_border() {
            bodies.extend(layout.next(&mut place).unwrap());
        }
        let bodies = bodies.strip_suffix(encode::kvs_end()).unwrap();
        let mut wanted = Vec::new();
        encode::kvs_start(&mut wanted, count, bodies.len());
        assert_eq!(head, wanted);
        let mut rest = bodies;
        let keys: Vec<_> =
            std::iter::from_fn(|| Body::take(&mut rest)).map(|body| body.key.to_vec()).collect();
        assert_eq!((keys.len(), rest.len()), (count, 0));
        found.push(keys);
    }
}

fn leaves(snapshot: &Snapshot) -> Vec<&Arc<Leaf>> {
    (0..20).flat_map(|node| (0..).map_while(move |leaf| snapshot.leaf(node, leaf))).collect()
}

/// All pieces of a layout.
fn pieces(layout: &Layout) -> Vec<Bytes> {
    let mut place = Place::default();
    std::iter::from_fn(|| layout.next(&mut place)).collect()
}

/// How many plain bytes each chunk of a stream in snappy has, and the bytes.
fn unframed(pieces: &[Bytes]) -> (Vec<usize>, Vec<u8>) {
    let stream = [STREAM_IDENTIFIER, &pieces.concat()].concat();
    let (mut unframer, mut plain, mut ends) = (Unframer::default(), Vec::new(), vec![0]);
    let mut rest = &stream[..];
    while unframer.next(&mut rest, &mut plain).unwrap() {
        ends.push(plain.len());
    }
    (ends.windows(2).map(|ends| ends[1] - ends[0]).collect(), plain)
}

proptest! {
    #[test]
    fn snapshot_and_crumbs_are_what_a_map_would_hold(steps in steps(), per_message in 1..200_usize) {
        let (mut cache, mut model) = (Cache::default(), Model::new());
        let (first, mut followed) = (cache.published().crumb, Model::new());
        for step in steps {
            match step {
                Step::Set(key, len, of) => {
                    let (key, value) = (format!("k{key}"), "v".repeat(len.into()));
                    cache.update(&SerializedUpdate { ttl: len.into(), ..set(&key, &value, UpdateType(of)) }).unwrap();
                    model.insert(key.into(), (value.into(), len.into()));
                }
                Step::Delete(key) => {
                    let key = format!("k{key}");
                    cache.update(&delete(&key)).unwrap();
                    model.remove(key.as_bytes());
                }
                Step::Publish => drop(cache.publish(at(1))),
            }
        }
        cache.publish(at(2));
        prop_assert_eq!(&snapshot(&cache), &model);
        let held = cache.published().snapshot;
        prop_assert_eq!(held.len(), model.len());
        prop_assert_eq!(held.bytes(), held.elements().map(<[u8]>::len).sum::<usize>());
        for key in model.keys() {
            prop_assert_eq!(held.get(key).map(body::key), Some(&key[..]));
        }
        prop_assert_eq!(held.get(b"k"), None);

        for crumb in std::iter::successors(first.next(), |crumb| crumb.next()) {
            for body in crumb.frame().updates() {
                if body.update_type == UpdateType::DELETED {
                    followed.remove(body.key);
                } else {
                    followed.insert(body.key.to_vec(), (body.value.to_vec(), body.ttl as i64 / 2));
                }
            }
        }
        prop_assert_eq!(followed, model.clone());

        let plain = Layout::new(held.clone(), Form::Plain, per_message);
        let snappy = Layout::new(held, Form::Snappy, per_message);
        prop_assert_eq!(unframed(&pieces(&snappy)).1, pieces(&plain).concat());

        let found = messages(&plain);
        let keys: Vec<_> = model.into_keys().collect();
        prop_assert_eq!(found, keys.chunks(per_message).map(<[_]>::to_vec).collect::<Vec<_>>());
    }
}

#[test]
fn a_snapshot_of_another_moment_stays_as_it_was() {
    let mut cache = Cache::default();
    for number in 0..20_000 {
        cache.update(&set(&format!("k{number:05}"), "value", UpdateType::NEW)).unwrap();
    }
    cache.publish(at(1));
    let before = cache.published().snapshot;
    for number in (0..20_000).filter(|number| number % 100 != 7) {
        cache.update(&delete(&format!("k{number:05}"))).unwrap();
    }
    cache.publish(at(2));
    let after = cache.published().snapshot;
    assert_eq!((before.len(), before.elements().count()), (20_000, 20_000));
    assert_eq!((after.len(), after.elements().count()), (200, 200));
    assert!(after.leaf(0, 9).is_none(), "what has become small is joined");
    assert!(messages(&Layout::new(before, Form::Plain, 1_000)).iter().all(|message| message.len() == 1_000));
}

#[test]
fn one_change_builds_one_leaf() {
    let mut cache = Cache::default();
    for number in 0..20_000 {
        cache.update(&set(&format!("k{number:05}"), "value", UpdateType::NEW)).unwrap();
    }
    cache.publish(at(1));
    let before = cache.published().snapshot;
    cache.update(&set("k10000x", "value", UpdateType::NEW)).unwrap();
    cache.publish(at(2));
    let after = cache.published().snapshot;
    let places = |snapshot| leaves(snapshot).into_iter().map(Arc::as_ptr).collect::<BTreeSet<_>>();
    let (before, after) = (places(&before), places(&after));
    assert_eq!(before.difference(&after).count(), 1);
    assert!(after.difference(&before).count() <= 2 && (200..260).contains(&before.len()), "{}", before.len());
}

/// So many keys with long values, in an order that is not theirs.
fn scattered(count: u32) -> Cache {
    let mut cache = Cache::default();
    for number in 0..count {
        let key = format!("k{:05}", number * 7_919 % count);
        cache.update(&set(&key, &"v".repeat(700), UpdateType::NEW)).unwrap();
        cache.publish(at(1));
    }
    cache
}

#[test]
fn in_snappy_chunks_are_full_though_leaves_are_not() {
    let held = scattered(5_000).published().snapshot;
    let (chunks, plain) = unframed(&pieces(&Layout::new(held.clone(), Form::Snappy, 1_000)));
    assert!(chunks.iter().all(|bytes| *bytes <= MAX_PLAIN));
    // Five messages, each with a head, an end, and the halves of the leaves it shares with its neighbours.
    let fewest = plain.len().div_ceil(MAX_PLAIN) + 5 * 4;
    assert!(chunks.len() < fewest * 5 / 4, "{} chunks, {fewest} at least", chunks.len());
    let leaves = pieces(&Layout::new(held, Form::Plain, 1_000)).len();
    assert!(leaves > 2 * chunks.len(), "{leaves} leaves");
}

#[test]
fn what_has_not_changed_is_not_compressed_again() {
    let mut cache = scattered(5_000);
    let layout = |cache: &Cache| Layout::new(cache.published().snapshot, Form::Snappy, 1_000);
    let first = pieces(&layout(&cache));
    cache.update(&set("k02500", &"w".repeat(700), UpdateType::UPDATED)).unwrap();
    cache.publish(at(2));
    let second = pieces(&layout(&cache));
    let places = |pieces: &[Bytes]| {
        pieces.iter().filter(|piece| piece.len() > 200).map(|piece| piece.as_ptr()).collect::<BTreeSet<_>>()
    };
    let made = places(&second).difference(&places(&first)).count();
    assert!((1..=1 + 2 * 5).contains(&made), "{made}: one, and what messages share");

    cache.update(&set("k02500x", "w", UpdateType::NEW)).unwrap();
    cache.publish(at(3));
    let third = pieces(&layout(&cache));
    let made = places(&third).difference(&places(&second)).count();
    let of_a_message = third.len() / 5;
    assert!(made <= of_a_message + 2 * 5, "{made}: at most those of the message that has one key more");
}

#[test]
fn a_leaf_keeps_chunks_only_while_it_is_the_first_of_them() {
    let mut cache = scattered(1_000);
    for number in 0..200 {
        // Leaves that grow and shrink begin chunks now here, now there.
        let (key, value) = (format!("k{:05}", number * 7_919 % 1_000), "v".repeat(number * 531 % 4_000));
        cache.update(&set(&key, &value, UpdateType::UPDATED)).unwrap();
        cache.publish(at(2));
        let held = cache.published().snapshot;
        let pieces = pieces(&Layout::new(held.clone(), Form::Snappy, 1_000)).len();
        let kept = leaves(&held).iter().filter(|leaf| leaf.run().is_kept()).count();
        assert!(kept <= pieces, "{kept} of {pieces} pieces");
    }
}
