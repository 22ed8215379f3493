//! The explorer finds out where everything is, lives by what it remembers, and lives longer the longer it remembers.

mod common;

use common::{any_level, builtin};
use proptest::prelude::*;
use townlet_env::{Action, ExplorerAgent, Level, Town, VectorEnv};

/// Lets explorers live for so many steps, and returns what they did.
fn live(explorer: &mut ExplorerAgent, town: &mut Town, steps: u32) -> Vec<Vec<Action>> {
    let mut actions = vec![0; town.num_envs()];
    let act = |_| {
        explorer.act(town.observations(), town.action_masks(), &mut actions);
        for (mask, &action) in town.action_masks().chunks_exact(5).zip(&actions) {
            assert!(mask[usize::from(action)], "action {action} is not allowed");
        }
        let step = town.step(&actions).unwrap();
        let ended: Vec<bool> = (0..actions.len()).map(|env| step.ended(env)).collect();
        explorer.forget(&ended);
        actions.clone()
    };
    (0..steps).map(act).collect()
}

/// The mean number of steps that an episode lasts, over one episode of each of 40 agents.
fn survival(level: &str, memory: Option<u32>) -> f64 {
    const AGENTS: usize = 40;
    let mut town = builtin(level, AGENTS);
    town.reset(1);
    let mut explorer = ExplorerAgent::new(town.level(), memory);
    let mut lengths = vec![None; AGENTS];
    while lengths.contains(&None) {
        live(&mut explorer, &mut town, 1);
        for (length, &steps) in lengths.iter_mut().zip(town.final_episode_steps()) {
            if steps > 0 && length.is_none() {
                *length = Some(f64::from(steps));
            }
        }
    }
    lengths.into_iter().flatten().sum::<f64>() / AGENTS as f64
}

#[test]
fn whoever_forgets_nothing_lives_to_the_limit_on_maps_that_are_new_every_time() {
    let survival = survival("pomdp-shuffled", None);
    assert!(survival > 480.0, "{survival} of 500 steps");
}

#[test]
fn whoever_remembers_longer_lives_longer() {
    let survivals = [0, 8, 32, 128].map(|memory| survival("pomdp-shuffled", Some(memory)));
    assert!(survivals.is_sorted(), "{survivals:?}");
    assert!(survivals[3] - survivals[1] > 80.0, "{survivals:?}");
}

#[test]
fn every_episode_begins_without_memory() {
    let mut level = Level::builtin("pomdp").unwrap();
    level.step_limit = 40;
    let mut town = Town::new(level, 3).unwrap();
    let mut explorer = ExplorerAgent::new(town.level(), None);
    live(&mut explorer, &mut town, 40);
    let mut again = town.clone();
    let expected = live(&mut ExplorerAgent::new(town.level(), None), &mut again, 40);
    assert_eq!(live(&mut explorer, &mut town, 40), expected);
}

#[test]
fn what_an_agent_does_depends_on_what_it_observes_alone() {
    for name in Level::builtin_names() {
        let run = |agents| {
            let mut town = builtin(name, agents);
            town.reset(6);
            live(&mut ExplorerAgent::new(town.level(), Some(60)), &mut town, 150)
        };
        let (few, many) = (run(2), run(7));
        assert!(few.iter().zip(&many).all(|(few, many)| few[..] == many[..2]), "level `{name}`");
    }
}

#[test]
#[should_panic(expected = "expected a row of observations and of masks for each action")]
fn too_few_masks_are_refused() {
    let town = builtin("pomdp", 3);
    let masks = &town.action_masks()[..2];
    ExplorerAgent::new(town.level(), None).act(town.observations(), masks, &mut [0; 3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_always_finds_an_allowed_action(
        level in any_level(),
        memory in proptest::option::of(0..60_u32),
        seed in any::<u64>(),
    ) {
        let mut town = Town::new(level, 3).unwrap();
        town.reset(seed);
        let mut explorer = ExplorerAgent::new(town.level(), memory);
        live(&mut explorer, &mut town, 80);
    }
}
