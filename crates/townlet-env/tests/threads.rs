//! The number of threads changes no bit of what a town does.

mod common;

use common::{allowed, bits, builtin};
use rand::RngExt;
use rayon::{ThreadPool, ThreadPoolBuilder};
use townlet_env::{Action, Town, VectorEnv, stream};

/// Large enough to be shared out among threads, and no multiple of anything that work may be split by.
const AGENTS: usize = 4_421;

/// Long enough that nearly all agents die, some of them several times.
const STEPS: u64 = 240;

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// Everything that a town shows of a step and of the state after it.
fn assert_equal(town: &Town, expected: &Town, context: &str) {
    let (step, expected_step) = (town.last_step(), expected.last_step());
    assert!(bits(step.observations) == bits(expected_step.observations), "observations, {context}");
    assert!(step.action_masks == expected_step.action_masks, "action masks, {context}");
    assert!(bits(step.rewards) == bits(expected_step.rewards), "rewards, {context}");
    assert!(step.terminated == expected_step.terminated, "terminated, {context}");
    assert!(step.truncated == expected_step.truncated, "truncated, {context}");
    let (finals, expected_finals) = (step.final_observations, expected_step.final_observations);
    assert!(bits(finals) == bits(expected_finals), "final observations, {context}");
    assert!(step.final_action_masks == expected_step.final_action_masks, "final action masks, {context}");

    assert!(town.cells().eq(expected.cells()), "cells, {context}");
    assert!(town.hours() == expected.hours(), "hours, {context}");
    assert!(town.progress() == expected.progress(), "progress, {context}");
    assert!(town.episode_steps() == expected.episode_steps(), "steps, {context}");
    assert!(town.episodes() == expected.episodes(), "episodes, {context}");
    assert!(town.interactions() == expected.interactions(), "interactions, {context}");
    assert!(town.deaths() == expected.deaths(), "deaths, {context}");
    assert!(town.final_episode_steps() == expected.final_episode_steps(), "final steps, {context}");
    for meter in 0..town.level().meters.len() {
        assert!(bits(town.meter(meter)) == bits(expected.meter(meter)), "meter {meter}, {context}");
        let (last, expected_last) = (town.final_meter(meter), expected.final_meter(meter));
        assert!(bits(last) == bits(expected_last), "final meter {meter}, {context}");
    }
}

fn check(level: &str) {
    let alone = pool(1);
    let mut expected = builtin(level, AGENTS);
    alone.install(|| expected.reset(11));
    let mut others = [2, 3, 7].map(|threads| {
        let (pool, mut town) = (pool(threads), builtin(level, AGENTS));
        pool.install(|| town.reset(11));
        assert_equal(&town, &expected, &format!("reset of `{level}` on {threads} threads"));
        (threads, pool, town)
    });

    for step in 0..STEPS {
        let mut stream = stream(11, "test-actions", 0, step);
        let draws: Vec<Action> = (0..AGENTS).map(|_| stream.random_range(0..5)).collect();
        let actions = allowed(&expected, &draws);
        alone.install(|| expected.step(&actions).map(drop)).unwrap();
        for (threads, pool, town) in &mut others {
            pool.install(|| town.step(&actions).map(drop)).unwrap();
            assert_equal(town, &expected, &format!("step {step} of `{level}` on {threads} threads"));
        }
    }
    let died = expected.episodes().iter().filter(|&&episodes| episodes > 0).count();
    assert!(died > AGENTS / 2, "only {died} of {AGENTS} agents began a second episode");
}

#[test]
fn a_fixed_town_is_the_same_on_any_number_of_threads() {
    check("pomdp");
}

#[test]
fn a_town_with_a_clock_is_the_same_on_any_number_of_threads() {
    check("temporal");
}

#[test]
fn a_shuffled_town_is_the_same_on_any_number_of_threads() {
    check("pomdp-shuffled");
}
