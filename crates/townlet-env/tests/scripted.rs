//! The scripted agent lives to the end in every built-in level, by allowed actions only.

mod common;

use common::{actions, any_level, any_stage, builtin};
use proptest::prelude::*;
use rand::RngExt;
use townlet_env::{Action, Level, ScriptedAgent, Town, VectorEnv, stream};

/// Lets `scripted` act for so many steps, and returns what it did.
fn live(scripted: &mut ScriptedAgent, town: &mut Town, steps: u32) -> Vec<Vec<Action>> {
    let mut actions = vec![0; town.num_envs()];
    let act = |_| {
        scripted.act(town, &mut actions);
        for (mask, &action) in town.action_masks().chunks_exact(5).zip(&actions) {
            assert!(mask[usize::from(action)], "action {action} is not allowed");
        }
        town.step(&actions).unwrap();
        actions.clone()
    };
    (0..steps).map(act).collect()
}

/// Lets `agents` agents live from random starts, until they die or reach the limit, and returns how many reach it.
fn survivors(level: Level, agents: usize, seed: u64) -> usize {
    let limit = level.step_limit;
    let mut town = Town::new(level, agents).unwrap();
    town.reset(seed);
    live(&mut ScriptedAgent::new(town.level()), &mut town, limit);
    town.final_episode_steps().iter().filter(|&&steps| steps == limit).count()
}

#[test]
fn every_agent_reaches_the_limit() {
    for name in Level::builtin_names() {
        assert_eq!(survivors(Level::builtin(name).unwrap(), 50, 1), 50, "level `{name}`");
    }
}

#[test]
fn every_agent_reaches_a_limit_ten_times_as_long() {
    for name in Level::builtin_names() {
        let level = Level { step_limit: 5_000, ..Level::builtin(name).unwrap() };
        assert_eq!(survivors(level, 12, 2), 12, "level `{name}`");
    }
}

#[test]
fn most_agents_in_need_get_out_of_it() {
    // All meters between 0.1 and 0.5, and money for a meal or three. Some cannot be helped: they are too far from
    // everything. Without looking for a way on after each plan, 39 live.
    const AGENTS: usize = 400;
    let mut town = builtin("pomdp", AGENTS);
    let money = town.level().meter_index("money").unwrap();
    let mut stream = stream(4, "test-needs", 0, 0);
    for agent in 0..AGENTS {
        let mut state = town.state(agent);
        state.meters.fill_with(|| stream.random_range(0.1..0.5));
        state.meters[money] = stream.random_range(0.0..0.15);
        town.place(agent, &state).unwrap();
    }
    live(&mut ScriptedAgent::new(town.level()), &mut town, 500);
    let survivors = town.final_episode_steps().iter().filter(|&&steps| steps == 500).count();
    assert!(survivors > AGENTS * 6 / 10, "{survivors} of {AGENTS} live");
}

#[test]
fn what_an_agent_does_depends_on_its_own_town_alone() {
    for name in Level::builtin_names() {
        let run = |agents| {
            let mut town = builtin(name, agents);
            town.reset(6);
            live(&mut ScriptedAgent::new(town.level()), &mut town, 300)
        };
        let (few, many) = (run(2), run(9));
        assert!(few.iter().zip(&many).all(|(few, many)| few[..] == many[..2]), "level `{name}`");
    }
}

#[test]
fn an_agent_that_is_put_elsewhere_plans_again() {
    let mut town = builtin("pomdp", 3);
    let mut scripted = ScriptedAgent::new(town.level());
    live(&mut scripted, &mut town, 130);
    town.reset(8);
    let mut fresh = town.clone();
    let expected = live(&mut ScriptedAgent::new(town.level()), &mut fresh, 60);
    assert_eq!(live(&mut scripted, &mut town, 60), expected);
}

#[test]
#[should_panic(expected = "expected one action for each agent")]
fn too_few_actions_are_refused() {
    let town = builtin("pomdp", 3);
    ScriptedAgent::new(town.level()).act(&town, &mut [0; 2]);
}

#[test]
#[should_panic(expected = "expected a town of the level")]
fn a_town_of_another_level_is_refused() {
    let town = builtin("pomdp", 1);
    let mut level = Level::builtin("pomdp").unwrap();
    level.affordances.pop();
    ScriptedAgent::new(&level).act(&town, &mut [0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the level, whatever stages its agents are in, and whatever others do in between.
    #[test]
    fn it_always_finds_an_allowed_action(
        (level, stages) in any_level().prop_flat_map(|level| {
            let stages = proptest::collection::vec(any_stage(&level), 0..3);
            (Just(level), stages)
        }),
        meddling in actions(3, 4),
        seed in any::<u64>(),
    ) {
        let mut town = Town::new(level, 3).unwrap();
        town.reset(seed);
        for (agent, stage) in stages.iter().enumerate() {
            town.set_stage(agent, stage).unwrap();
        }
        let mut scripted = ScriptedAgent::new(town.level());
        for actions in &meddling {
            live(&mut scripted, &mut town, 20);
            town.step(actions).unwrap();
        }
    }
}
