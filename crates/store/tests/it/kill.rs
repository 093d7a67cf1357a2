use std::time::Duration;

use lookalike_plugin_api::SplitMix64;

use crate::database::{create, open, place};
use crate::script::State;
use crate::seed::Seed;
use crate::survey::Survey;
use crate::writer::Writer;

/// Kills a writer again and again: while it opens, writes, compacts, rebuilds or saves files.
fn kill(rounds: usize) {
    let seed = Seed::take();
    let mut random: SplitMix64 = seed.random();
    let (_folder, root) = place();
    drop(create(&root));
    let mut most = 0;
    for round in 0..rounds {
        let mut writer = Writer::start(&root, seed.number());
        let longer = Duration::from_micros(random.below(20_000) as u64);
        writer.wait(random.below(24), longer);
        most = writer.kill().max(most);
        let (_store, things) = open(&root);
        let found = things.catalog().batch();
        assert!(found >= most, "round {round}: batch {most} was acknowledged, batch {found} is the last");
        most = found;
        let state = State::after(seed.number(), found);
        Survey::of(&things, &state).assert_clean(&state);
    }
    println!("{rounds} kills, {most} batches");
}

#[test]
fn every_acknowledged_batch_survives_a_kill() {
    kill(20);
}

#[test]
#[ignore = "recipe: takes minutes; run it in release mode, with different LOOKALIKE_SEEDs"]
fn every_acknowledged_batch_survives_200_kills() {
    kill(200);
}
