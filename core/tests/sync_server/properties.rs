//! What holds for every schedule of updates, clients and reading.

use networkdb_core::{
    machine::{Input, Machine, StreamId},
    syncproto::SyncStatus,
};
use proptest::prelude::*;

use crate::world::{Kind, MILLI, World};

#[derive(Clone, Debug)]
enum Step {
    Set(u8, u16),
    Delete(u8),
    Publish,
    Status(u8),
    Join(Kind),
    Read(u8, u8),
    Leave(u8),
    Wait(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![Just(Kind::Old), Just(Kind::Plain), Just(Kind::Today)];
    let step = prop_oneof![
        8 => (0..60_u8, 0..9_000_u16).prop_map(|(key, len)| Step::Set(key, len)),
        2 => (0..60_u8).prop_map(Step::Delete),
        6 => Just(Step::Publish),
        1 => (0..3_u8).prop_map(Step::Status),
        2 => kind.prop_map(Step::Join),
        6 => (0..6_u8, 0..40_u8).prop_map(|(client, pieces)| Step::Read(client, pieces)),
        1 => (0..6_u8).prop_map(Step::Leave),
        2 => (0..5_000_u16).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..400)
}

fn play(world: &mut World, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Set(key, len) => {
                world.set(&format!("k{key}"), &format!("{len}{}", "v".repeat((*len).into())));
            }
            Step::Delete(key) => world.delete(&format!("k{key}")),
            Step::Publish => world.publish(),
            Step::Status(status) => world.status(SyncStatus(*status)),
            Step::Join(kind) => drop(world.hello(*kind)),
            Step::Read(at, pieces) => {
                let Some(id) = pick(world, *at) else { continue };
                for _ in 0..*pieces {
                    world.deliver_one(id);
                }
            }
            Step::Leave(at) => {
                if let Some(id) = pick(world, *at) {
                    world.server.disconnect(world.now, id);
                    world.settle();
                }
            }
            Step::Wait(millis) => world.pass_unread(u32::from(*millis) * MILLI),
        }
    }
}

fn pick(world: &World, at: u8) -> Option<StreamId> {
    let open: Vec<StreamId> =
        world.clients.iter().filter(|(_, client)| client.closed.is_none()).map(|(id, _)| *id).collect();
    open.get(usize::from(at) % open.len().max(1)).copied()
}

/// After all is read every client holds what the cache holds, and knows its status.
fn all_agree(world: &mut World) -> Result<(), TestCaseError> {
    world.publish();
    world.deliver();
    let (model, status) = (world.model(), world.cache.published().crumb.status().0);
    for client in world.clients.values().filter(|client| client.closed.is_none()) {
        prop_assert_eq!(&client.model, &model);
        prop_assert_eq!(client.status, status);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn snapshot_and_updates_together_are_the_cache(steps in steps(), conflate: bool) {
        let mut world = World::new(|config| {
            if conflate {
                config.conflate = vec!["felix".into()];
            }
        });
        play(&mut world, &steps);
        all_agree(&mut world)?;
    }

    #[test]
    fn the_same_inputs_give_the_same_outputs_however_they_are_cut(steps in steps(), cut in 1..70_usize) {
        let run = |cut| {
            let mut world = World::new(|_| ());
            world.trace = Some(Vec::new());
            world.cut = cut;
            play(&mut world, &steps);
            all_agree(&mut world)?;
            Ok::<_, TestCaseError>((world.trace.take().unwrap(), world.events))
        };
        let whole = run(usize::MAX)?;
        prop_assert_eq!(&run(usize::MAX)?, &whole);
        prop_assert_eq!(&run(cut)?, &whole);
    }
}

#[test]
fn a_thousand_clients_of_two_shards_hold_what_the_cache_holds() {
    let mut shards = [World::new(|_| ()), World::new(|_| ())];
    // The second shard follows the first one's cache.
    shards[0].fill(2_000, 100);
    let published = shards[0].cache.published();
    let now = shards[1].now;
    shards[1].server.follow(now, "felix", published);
    for shard in &mut shards {
        for number in 0..500 {
            shard.hello(if number % 2 == 0 { Kind::Today } else { Kind::Old });
        }
        shard.deliver();
    }
    for number in 0..40 {
        shards[0].change(&format!("k{number:06}"), "changed");
        let published = shards[0].cache.published();
        shards[1].server.follow(now, "felix", published);
        shards[1].settle();
    }
    let model = shards[0].model();
    for shard in &mut shards {
        shard.deliver();
        assert_eq!(shard.clients.len(), 500);
        assert!(shard.clients.values().all(|client| client.model == model));
        assert!(shard.server.stats().syncers["felix"].snapshots_generated <= 2);
    }
}

#[test]
fn an_idle_server_wakes_only_for_pings() {
    let mut world = World::new(|_| ());
    for _ in 0..10 {
        world.join(Kind::Today);
    }
    let mut wakes = 0;
    let end = world.now + MILLI * 60_000;
    while let Some(next) = world.server.next_deadline().filter(|next| *next < end) {
        world.now = next;
        world.server.handle(next, Input::Tick);
        world.settle();
        world.deliver();
        wakes += 1;
        assert!(wakes <= 10 * 8, "at {:?}", world.now);
    }
}
