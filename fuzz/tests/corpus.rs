//! Every target lives through the corpus it begins with.

use networkdb_fuzz::{TARGETS, corpus};

#[test]
fn every_target_lives_through_its_corpus() {
    let vectors = corpus::vectors().unwrap();
    assert!(vectors.len() > 1000, "{} vectors", vectors.len());
    for (name, target) in TARGETS {
        let seeds = corpus::seeds(name, &vectors);
        let start = std::time::Instant::now();
        for (number, seed) in seeds.iter().enumerate() {
            let run = std::panic::catch_unwind(|| target(seed));
            assert!(run.is_ok(), "{name}, input {number}: {}", hex::encode(seed));
        }
        println!("{name}: {} inputs, {:?}", seeds.len(), start.elapsed());
    }
}
