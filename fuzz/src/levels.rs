//! Level files.

use std::str;

use townlet_env::{Level, Town, VectorEnv, random_allowed, stream};

/// How many steps are played in a level that was accepted.
const STEPS: usize = 30;

/// Reads a level file, writes it again and plays in it.
///
/// # Panics
///
/// If a level that was accepted does not read back equal, or cannot be played.
pub fn level(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let level = match Level::from_toml(text, "level.toml") {
        Ok(level) => level,
        Err(error) => return drop(error.to_string()),
    };
    let again = Level::from_toml(&level.to_toml(), "written.toml").expect("what was written reads back");
    assert_eq!(again, level, "a level reads back as it was");
    let mut town = Town::new(level, 2).expect("what was accepted makes a world");
    play(&mut town);
}

/// Plays some steps at random.
fn play(town: &mut Town) {
    let num_actions = town.num_actions();
    for step in 0..STEPS {
        let mut rng = stream(0, "fuzz", 0, step as u64);
        let masks = town.action_masks().chunks_exact(num_actions);
        let actions: Vec<u8> = masks.map(|mask| random_allowed(mask, &mut rng)).collect();
        let outcome = town.step(&actions).expect("allowed actions can be taken");
        assert!(outcome.rewards.iter().all(|reward| reward.is_finite()), "rewards are finite");
        assert!(outcome.observations.iter().all(|value| value.is_finite()), "observations are finite");
    }
}
