//! What holds in every built-in level, whatever its agents do.

mod common;

use std::collections::BTreeSet;

use common::{INTERACT, actions, allowed, builtin};
use proptest::prelude::*;
use proptest::sample::select;
use townlet_env::{Level, Town, VectorEnv};

const AGENTS: usize = 5;

fn any_builtin() -> impl Strategy<Value = &'static str> {
    select(Level::builtin_names().collect::<Vec<_>>())
}

/// Every observation, reward and end of `agent` over some steps.
fn history(
    town: &mut Town,
    seed: u64,
    agent: usize,
    actions: &[Vec<u8>],
) -> Vec<(Vec<u32>, u32, bool, bool)> {
    town.reset(seed);
    let features = town.observation_layout().len();
    let agents = town.num_envs();
    actions
        .iter()
        .map(|actions| {
            let step = town.step(&actions[..agents]).unwrap();
            let row = &step.observations[agent * features..][..features];
            (common::bits(row), step.rewards[agent].to_bits(), step.terminated[agent], step.truncated[agent])
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn meters_stay_between_0_and_1(name in any_builtin(), seed in any::<u64>(), draws in actions(AGENTS, 150)) {
        let mut town = builtin(name, AGENTS);
        town.reset(seed);
        for actions in &draws {
            let step = town.step(actions).unwrap();
            prop_assert!(step.observations.iter().all(|feature| (0.0..=1.0).contains(feature)));
            for meter in 0..8 {
                prop_assert!(town.meter(meter).iter().all(|value| (0.0..=1.0).contains(value)));
            }
        }
    }

    #[test]
    fn an_allowed_action_does_something(
        name in any_builtin(),
        seed in any::<u64>(),
        draws in actions(AGENTS, 150),
    ) {
        let mut town = builtin(name, AGENTS);
        town.reset(seed);
        for draws in &draws {
            let actions = allowed(&town, draws);
            let before: Vec<_> = town.cells().collect();
            town.step(&actions).unwrap();
            for (i, &action) in actions.iter().enumerate() {
                if action == INTERACT {
                    prop_assert!(town.interactions()[i].is_some());
                } else {
                    prop_assert_ne!(town.outcome(i).cell, before[i]);
                    prop_assert_eq!(town.interactions()[i], None);
                }
            }
        }
    }

    #[test]
    fn a_masked_action_does_nothing_useful(
        name in any_builtin(),
        seed in any::<u64>(),
        draws in actions(AGENTS, 150),
    ) {
        let mut town = builtin(name, AGENTS);
        town.reset(seed);
        for actions in &draws {
            let before: Vec<_> = town.cells().collect();
            let masks = town.action_masks().to_vec();
            town.step(actions).unwrap();
            for (i, &action) in actions.iter().enumerate() {
                if !masks[i * 5 + usize::from(action)] {
                    prop_assert_eq!(town.outcome(i).cell, before[i]);
                    prop_assert_eq!(town.interactions()[i], None);
                }
            }
        }
    }

    #[test]
    fn an_agent_does_not_notice_how_many_others_there_are(
        name in any_builtin(),
        seed in any::<u64>(),
        draws in actions(AGENTS, 150),
        agent in 0..AGENTS,
    ) {
        // 300 agents are more than one block of them.
        let many: Vec<Vec<u8>> = draws.iter().map(|d| d.iter().copied().cycle().take(300).collect()).collect();
        let few = history(&mut builtin(name, agent + 1), seed, agent, &draws);
        prop_assert_eq!(&history(&mut builtin(name, AGENTS), seed, agent, &draws), &few);
        prop_assert_eq!(&history(&mut builtin(name, 300), seed, agent, &many), &few);
    }

    #[test]
    fn the_seed_decides_everything(name in any_builtin(), seed in any::<u64>(), draws in actions(AGENTS, 120)) {
        let mut town = builtin(name, AGENTS);
        let first = history(&mut town, seed, 0, &draws);
        prop_assert_eq!(&history(&mut town, seed, 0, &draws), &first);
        prop_assert_eq!(&history(&mut builtin(name, AGENTS), seed, 0, &draws), &first);
    }

    #[test]
    fn a_death_is_the_last_of_its_episode(
        name in any_builtin(),
        seed in any::<u64>(),
        draws in actions(AGENTS, 300),
    ) {
        let mut town = builtin(name, AGENTS);
        town.reset(seed);
        let mut episodes = [0; AGENTS];
        for actions in &draws {
            let step = town.step(actions).unwrap();
            let deaths: Vec<_> = (0..AGENTS).map(|i| step.rewards[i] == -100.0).collect();
            prop_assert_eq!(step.terminated, &deaths);
            for i in 0..AGENTS {
                prop_assert_eq!(!town.deaths()[i].is_empty(), deaths[i]);
                if deaths[i] {
                    episodes[i] += 1;
                    prop_assert_eq!(town.episode_steps()[i], 0);
                    prop_assert!(town.deaths()[i].iter().all(|meter| town.final_meter(meter)[i] == 0.0));
                }
                prop_assert!(town.meter(0)[i] > 0.0 && town.meter(6)[i] > 0.0);
            }
            prop_assert_eq!(town.episodes(), episodes);
        }
    }
}

#[test]
fn seeds_and_agents_and_episodes_differ() {
    let mut town = builtin("pomdp-shuffled", 64);
    let mut layouts = BTreeSet::new();
    for seed in 0..3 {
        town.reset(seed);
        for _ in 0..130 {
            town.step(&[common::UP; 64]).unwrap();
        }
        assert!(town.episodes().iter().all(|&episode| episode > 0));
        layouts.extend((0..64).map(|agent| town.affordance_cells(agent).collect::<Vec<_>>()));
        town.reset(seed);
        layouts.extend((0..64).map(|agent| town.affordance_cells(agent).collect::<Vec<_>>()));
    }
    assert_eq!(layouts.len(), 3 * 2 * 64);
}

#[test]
fn agents_start_anywhere() {
    let town = builtin("pomdp", 4096);
    let mut counts = [0; 64];
    for cell in town.cells() {
        counts[town.level().grid.index(cell)] += 1;
    }
    // 64 on average with a standard deviation of 8.
    assert!(counts.iter().all(|count| (24..=104).contains(count)), "{counts:?}");
}
