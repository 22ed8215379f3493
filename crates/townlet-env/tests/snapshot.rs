//! A world that is saved and restored goes on bit for bit, and a state that cannot be is refused.

mod common;

use std::fmt::Debug;

use common::{actions, any_level, any_stage, bits, builtin};
use proptest::prelude::*;
use proptest::sample::select;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use townlet_env::probes::{
    Chain, DelayedTMaze, FlickeringCartPole, MemoryLength, PassiveTMaze, Probe, ProbeEnv,
};
use townlet_env::{Action, Level, PreviousInputs, RestoreError, Snapshot, Stage, Town, VectorEnv};

const AGENTS: usize = 5;

/// A draw for each environment, for some steps.
type Draws = Vec<Vec<Action>>;

/// Everything that one step shows, floats as their bits.
#[derive(Debug, PartialEq)]
struct Shown {
    observations: Vec<u32>,
    masks: Vec<bool>,
    rewards: Vec<u32>,
    ends: Vec<(bool, bool)>,
    outcomes: Vec<(Vec<u32>, Vec<bool>)>,
}

/// Takes the first allowed action at or after each draw, going round, and returns what every step shows.
fn go_on(env: &mut impl VectorEnv, draws: &[Vec<Action>]) -> Vec<Shown> {
    let (envs, actions) = (env.num_envs(), env.num_actions());
    let take = |draws: &Vec<Action>| {
        let rows = env.action_masks().chunks_exact(actions).zip(draws);
        let choose = |(mask, &draw): (&[bool], &Action)| {
            (0..actions).map(|i| (usize::from(draw) + i) % actions).find(|&action| mask[action]).unwrap()
                as Action
        };
        let chosen: Vec<Action> = rows.map(choose).collect();
        let step = env.step(&chosen).unwrap();
        Shown {
            observations: bits(step.observations),
            masks: step.action_masks.to_vec(),
            rewards: bits(step.rewards),
            ends: (0..envs).map(|i| (step.terminated[i], step.truncated[i])).collect(),
            outcomes: (0..envs)
                .map(|i| step.outcome(i))
                .map(|(seen, mask)| (bits(seen), mask.to_vec()))
                .collect(),
        }
    };
    draws.iter().map(take).collect()
}

/// A state, written to bytes and read again: fields by position, and then fields by name.
fn through_bytes<S: Serialize + DeserializeOwned>(state: &S) -> S {
    let by_position: S = rmp_serde::from_slice(&rmp_serde::to_vec(state).unwrap()).unwrap();
    rmp_serde::from_slice(&rmp_serde::to_vec_named(&by_position).unwrap()).unwrap()
}

/// Saves `env`, restores the state into each of `others`, and holds them all to the same future.
fn check_future<E>(env: &mut E, others: impl IntoIterator<Item = E>, draws: &[Vec<Action>]) -> Vec<Shown>
where
    E: VectorEnv + Snapshot,
    E::State: Debug + PartialEq,
{
    let saved = env.snapshot();
    let now = (bits(env.observations()), env.action_masks().to_vec());
    let future = go_on(env, draws);
    for mut other in others {
        other.restore(through_bytes(&saved)).unwrap();
        assert_eq!((bits(other.observations()), other.action_masks().to_vec()), now);
        assert_eq!(other.snapshot(), saved);
        assert_eq!(go_on(&mut other, draws), future);
        assert_eq!(other.snapshot(), env.snapshot());
    }
    future
}

/// A new town, and one that is in the middle of something else, in other stages.
fn others(level: &Level, stages: &[Stage]) -> [Town; 2] {
    let new = Town::new(level.clone(), AGENTS).unwrap();
    let mut elsewhere = new.clone();
    elsewhere.reset(99);
    for agent in 0..AGENTS {
        if let Some(stage) = stages.get(AGENTS - 1 - agent) {
            elsewhere.set_stage(agent, stage).unwrap();
        }
    }
    let draws: Draws = (0..40).map(|time| (0..AGENTS).map(|i| ((i + time) % 5) as u8).collect()).collect();
    go_on(&mut elsewhere, &draws);
    [new, elsewhere]
}

/// A level, stages for the first of its agents, actions until the save, and actions after it.
fn cases(
    level: impl Strategy<Value = Level>,
    steps: usize,
) -> impl Strategy<Value = (Level, Vec<Stage>, Draws, Draws)> {
    level.prop_flat_map(move |level| {
        let stages = proptest::collection::vec(any_stage(&level), 0..AGENTS);
        let before = (0..steps).prop_flat_map(|steps| actions(AGENTS, steps));
        (Just(level), stages, before, actions(AGENTS, steps))
    })
}

fn any_builtin() -> impl Strategy<Value = Level> {
    select(Level::builtin_names().collect::<Vec<_>>()).prop_map(|name| Level::builtin(name).unwrap())
}

fn staged(level: &Level, seed: u64, stages: &[Stage]) -> Town {
    let mut town = Town::new(level.clone(), AGENTS).unwrap();
    town.reset(seed);
    for (agent, stage) in stages.iter().enumerate() {
        town.set_stage(agent, stage).unwrap();
    }
    town
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_restored_town_goes_on_bit_for_bit(
        (level, stages, before, after) in cases(any_builtin(), 160),
        seed in any::<u64>(),
    ) {
        let mut town = staged(&level, seed, &stages);
        go_on(&mut town, &before);
        check_future(&mut town, others(&level, &stages), &after);
    }

    #[test]
    fn a_restored_town_of_any_level_goes_on_bit_for_bit(
        (level, stages, before, after) in cases(any_level(), 60),
        seed in any::<u64>(),
    ) {
        let mut town = staged(&level, seed, &stages);
        go_on(&mut town, &before);
        check_future(&mut town, others(&level, &stages), &after);
    }

    #[test]
    fn a_restored_town_shows_the_inputs_before_the_save(
        (level, stages, before, after) in cases(any_builtin(), 120),
        seed in any::<u64>(),
    ) {
        let mut env = PreviousInputs::new(staged(&level, seed, &stages), 0.25);
        go_on(&mut env, &before);
        check_future(&mut env, others(&level, &stages).map(|town| PreviousInputs::new(town, 0.25)), &after);
        let mut env = PreviousInputs::disabled(env.into_inner());
        check_future(&mut env, others(&level, &stages).map(PreviousInputs::disabled), &after);
    }
}

#[test]
fn the_future_holds_ends_and_new_layouts() {
    for name in Level::builtin_names() {
        let draws: Draws = (0..700)
            .map(|time: usize| (0..AGENTS).map(|i| ((i * 3 + time * time) % 5) as u8).collect())
            .collect();
        let mut town = builtin(name, AGENTS);
        go_on(&mut town, &draws[..50]);
        let layout: Vec<_> = town.affordance_cells(0).collect();
        let future = check_future(&mut town, others(&town_level(name), &[]), &draws[50..]);
        let ends =
            |agent: usize| future.iter().filter(|shown| shown.ends[agent].0 || shown.ends[agent].1).count();
        assert!((0..AGENTS).all(|agent| ends(agent) > 1), "level `{name}`");
        assert_eq!(town.affordance_cells(0).ne(layout), name == "pomdp-shuffled");
    }
}

fn town_level(name: &str) -> Level {
    Level::builtin(name).unwrap()
}

#[test]
fn a_restored_probe_goes_on_bit_for_bit() {
    fn check<P>(probe: P)
    where
        P: Probe + Copy + Debug + PartialEq + Serialize + DeserializeOwned,
        P::Episode: Clone + Debug + PartialEq + Serialize + DeserializeOwned,
    {
        let draws: Draws = (0..60)
            .map(|time: usize| (0..AGENTS).map(|i| ((i * 7 + time * time) % 4) as u8).collect())
            .collect();
        for saved_at in [0, 1, 2, 3, 5, 8, 13] {
            let mut env = ProbeEnv::new(probe, AGENTS);
            env.reset(5);
            go_on(&mut env, &draws[..saved_at]);
            let mut elsewhere = ProbeEnv::new(probe, AGENTS);
            elsewhere.reset(8);
            go_on(&mut elsewhere, &draws[..7]);
            let future =
                check_future(&mut env, [ProbeEnv::new(probe, AGENTS), elsewhere], &draws[saved_at..]);
            assert!(future.iter().any(|shown| shown.ends[0].0), "no episode of {} ended", P::NAME);
        }
    }
    check(Chain);
    check(MemoryLength::new(3));
    check(PassiveTMaze::new(3));
    check(DelayedTMaze::new(1, 2));
    check(FlickeringCartPole::default());
}

/// Holds `env` to refusing the state of `saved` after `damage`, with a message that has all of `words`, and to
/// being none the worse for it.
fn check_refused<E>(env: &mut E, saved: &E::State, damage: impl FnOnce(&mut Value), words: &[&str])
where
    E: VectorEnv + Snapshot,
    E::State: Debug + PartialEq,
{
    let mut value = serde_json::to_value(saved).unwrap();
    damage(&mut value);
    let state = serde_json::from_value(value).unwrap();
    let before = (env.snapshot(), bits(env.observations()));
    let message = env.restore(state).unwrap_err().to_string();
    for word in words {
        assert!(message.contains(word), "expected `{word}` in: {message}");
    }
    assert_eq!((env.snapshot(), bits(env.observations())), before);
}

#[test]
fn a_state_in_which_no_town_can_be_is_refused() {
    let mut town = builtin("temporal", 3);
    go_on(&mut town, &vec![vec![3, 1, 4]; 9]);
    let saved = town.snapshot();
    go_on(&mut town, &vec![vec![0, 1, 2]; 5]);
    let cases: [(&str, Value, &[&str]); 18] = [
        ("/cells/1", json!(64), &["cells of environment 1", "0 to 63", "64"]),
        ("/meters/2/0", json!(1.5), &["environment 0", "`satiation`", "1.5"]),
        ("/meters/0/2", json!(0.0), &["environment 2", "`energy`"]),
        ("/meters/7", json!([1.0]), &["meters[7]", "expected 3", "found 1"]),
        ("/meters", json!([]), &["meters", "expected 8", "found 0"]),
        ("/hours/0", json!(24), &["environment 0", "hour 24"]),
        ("/progress/1", json!(9), &["environment 1", "progress"]),
        ("/hours", json!([1, 2]), &["hours", "expected 3", "found 2"]),
        ("/episode_steps/2", json!(500), &["episode_steps of environment 2", "0 to 499", "500"]),
        ("/final_episode_steps/2", json!(501), &["final_episode_steps", "501"]),
        ("/final_meters/0/0", json!(-1.0), &["final_meters of environment 0", "-1"]),
        ("/episodes", json!([]), &["episodes", "expected 3", "found 0"]),
        ("/layouts", json!([1]), &["layouts", "expected 0", "found 1"]),
        ("/depletion_multipliers/1", json!(0.0), &["depletion_multipliers of environment 1", "above 0"]),
        ("/held_meters/0", json!(255), &["held_meters of environment 0", "not for all"]),
        ("/held_meters/0", json!(256), &["held_meters of environment 0", "8 meters"]),
        ("/cells", json!([1, 2, 3, 4]), &["expected the state of 3 environments", "4"]),
        ("/level", json!("gird = 3"), &["cannot be read"]),
    ];
    for (pointer, value, words) in cases {
        check_refused(&mut town, &saved, |state| *state.pointer_mut(pointer).unwrap() = value, words);
    }
    town.restore(saved).unwrap();
}

#[test]
fn a_layout_that_no_town_has_is_refused() {
    let mut town = builtin("pomdp-shuffled", 2);
    let saved = town.snapshot();
    town.reset(3);
    check_refused(
        &mut town,
        &saved,
        |state| state["layouts"][14] = json!(400),
        &["layouts of environment 1", "400"],
    );
    check_refused(
        &mut town,
        &saved,
        |state| state["layouts"][1] = state["layouts"][0].clone(),
        &["environment 0", "distinct cells"],
    );
    town.restore(saved).unwrap();
}

#[test]
fn a_shaped_reward_where_there_is_none_is_refused() {
    let mut level = Level::builtin("pomdp").unwrap();
    level.reward.shaped = None;
    let mut town = Town::new(level, 2).unwrap();
    let saved = town.snapshot();
    check_refused(
        &mut town,
        &saved,
        |state| state["shaped"][1] = json!(true),
        &["shaped of environment 1", "`pomdp`"],
    );
}

#[test]
fn the_state_of_another_level_is_refused() {
    let mut town = builtin("pomdp", 2);
    let error = town.restore(builtin("full", 2).snapshot()).unwrap_err();
    assert!(matches!(error, RestoreError::OtherWorld { .. }), "{error}");
    assert!(
        error.to_string().contains("level `pomdp`") && error.to_string().contains("level `full`"),
        "{error}"
    );

    let mut level = Level::builtin("pomdp").unwrap();
    level.affordances[2].price = 0.5;
    let error = town.restore(Town::new(level.clone(), 2).unwrap().snapshot()).unwrap_err();
    let RestoreError::OtherRules { key, expected, found } = &error else { panic!("{error}") };
    assert_eq!(key, "level.affordances[2].price");
    assert!((expected.as_str(), found.as_str()) == ("0.03", "0.5"), "{error}");

    level = Level::builtin("pomdp").unwrap();
    level.affordances[13].hours = None;
    level.affordances.pop();
    let error = town.restore(Town::new(level.clone(), 2).unwrap().snapshot()).unwrap_err();
    assert!(
        matches!(&error, RestoreError::OtherRules { key, found, .. }
        if key == "level.affordances[13]" && found == "nothing"),
        "{error}"
    );

    // Words for a person are no rule.
    level = Level::builtin("pomdp").unwrap();
    level.description = "The town.".to_owned();
    town.restore(Town::new(level, 2).unwrap().snapshot()).unwrap();
}

#[test]
fn the_state_of_more_environments_is_refused() {
    let expected = Err(RestoreError::NumEnvs { expected: 2, found: 3 });
    assert_eq!(builtin("pomdp", 2).restore(builtin("pomdp", 3).snapshot()), expected);
    let probe = |envs| ProbeEnv::new(Chain, envs);
    assert_eq!(probe(2).restore(probe(3).snapshot()), expected);
    let previous = |envs| PreviousInputs::new(probe(envs), 1.0);
    assert_eq!(previous(2).restore(previous(3).snapshot()), expected);
}

#[test]
fn other_previous_inputs_are_refused() {
    let new = |scale| PreviousInputs::new(builtin("pomdp", 2), scale);
    let mut env = new(0.5);
    let saved = env.snapshot();
    let error = env.restore(new(0.25).snapshot()).unwrap_err();
    assert!(matches!(&error, RestoreError::OtherRules { key, .. } if key == "reward_scale"), "{error}");
    let error = env.restore(PreviousInputs::disabled(builtin("pomdp", 2)).snapshot()).unwrap_err();
    assert!(matches!(error, RestoreError::OtherWorld { .. }), "{error}");
    let error = PreviousInputs::disabled(builtin("pomdp", 2)).restore(saved.clone()).unwrap_err();
    assert!(matches!(error, RestoreError::OtherWorld { .. }), "{error}");

    go_on(&mut env, &vec![vec![3, 1]; 9]);
    let damage = |state: &mut Value| state["previous"]["actions"][1] = json!(5);
    check_refused(&mut env, &saved, damage, &["previous.actions of environment 1", "0 to 4"]);
    let damage = |state: &mut Value| state["previous"]["rewards"] = json!([]);
    check_refused(&mut env, &saved, damage, &["previous.rewards", "expected 2", "found 0"]);
    // Where the world inside refuses, its inputs stay too.
    let damage = |state: &mut Value| state["inner"]["hours"][0] = json!(1);
    check_refused(&mut env, &saved, damage, &["without a clock"]);
}

#[test]
fn the_state_of_another_probe_is_refused() {
    let mut env = ProbeEnv::new(PassiveTMaze::new(4), 2);
    let saved = env.snapshot();
    go_on(&mut env, &vec![vec![0, 0]; 3]);
    let error = env.restore(ProbeEnv::new(PassiveTMaze::new(5), 2).snapshot()).unwrap_err().to_string();
    assert!(error.contains("length: 4") && error.contains("length: 5"), "{error}");
    check_refused(&mut env, &saved, |state| state["name"] = json!("chain"), &["`chain`", "`passive-t-maze`"]);
    check_refused(&mut env, &saved, |state| state["episode_numbers"] = json!([0]), &["episode_numbers"]);
    for (key, value) in [("x", 9), ("y", -128), ("goal", 0), ("time", 5)] {
        let damage = |state: &mut Value| state["episodes"][1][key] = json!(value);
        check_refused(&mut env, &saved, damage, &["episodes of environment 1", &format!("{key}: {value}")]);
    }
}

#[test]
fn an_episode_that_is_over_is_refused() {
    fn check<P>(probe: P, key: &str, over: &Value)
    where
        P: Probe + Clone + Debug + PartialEq + Serialize + DeserializeOwned,
        P::Episode: Clone + Debug + PartialEq + Serialize + DeserializeOwned,
    {
        let mut env = ProbeEnv::new(probe, 1);
        let saved = env.snapshot();
        let damage = |state: &mut Value| *state.pointer_mut(key).unwrap() = over.clone();
        check_refused(&mut env, &saved, damage, &["episodes of environment 0"]);
    }
    check(Chain, "/episodes/0/state", &json!(2));
    check(MemoryLength::new(3), "/episodes/0/steps", &json!(4));
    check(DelayedTMaze::new(1, 1), "/episodes/0/time", &json!(5));
    check(DelayedTMaze::new(1, 1), "/episodes/0/arm", &json!(true));
    check(FlickeringCartPole::default(), "/episodes/0/steps", &json!(500));
    check(FlickeringCartPole::default(), "/episodes/0/motion/x", &json!(2.5));
}
