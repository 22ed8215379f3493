//! What the tests of all probes share: playing episodes, and the contract that every probe keeps.

use std::fmt::Debug;

use super::{Probe, ProbeEnv};
use crate::{Action, VectorEnv, stream};

/// One finished episode: `rewards.len() + 1` observations, the final one included.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Episode {
    pub(super) observations: Vec<Vec<f32>>,
    pub(super) rewards: Vec<f32>,
    pub(super) terminated: bool,
}

impl Episode {
    pub(super) fn total(&self) -> f32 {
        self.rewards.iter().sum()
    }
}

/// Plays `count` successive episodes in one environment; `policy` is given all that was seen in the episode.
pub(super) fn play<P: Probe>(probe: P, count: usize, policy: impl Fn(&[Vec<f32>]) -> Action) -> Vec<Episode> {
    let mut env = ProbeEnv::new(probe, 1);
    env.reset(11);
    let mut episodes = Vec::new();
    while episodes.len() < count {
        let mut observations = vec![env.observations().to_vec()];
        let mut rewards = Vec::new();
        let terminated = loop {
            let step = env.step(&[policy(&observations)]).unwrap();
            observations.push(step.outcome(0).0.to_vec());
            rewards.push(step.rewards[0]);
            if step.ended(0) {
                break step.terminated[0];
            }
        };
        episodes.push(Episode { observations, rewards, terminated });
    }
    episodes
}

/// The mean return over the two starts of a probe with one random bit, each counted once: an exact
/// expectation rather than an estimate.
pub(super) fn mean_return_over_starts<P: Probe>(probe: P, policy: impl Fn(&[Vec<f32>]) -> Action) -> f32 {
    let mut starts: Vec<(Vec<f32>, f32)> = Vec::new();
    for episode in play(probe, 40, policy) {
        match starts.iter().find(|(first, _)| *first == episode.observations[0]) {
            Some((_, total)) => assert_eq!(*total, episode.total(), "the start decides the return"),
            None => starts.push((episode.observations[0].clone(), episode.total())),
        }
    }
    assert_eq!(starts.len(), 2);
    f32::midpoint(starts[0].1, starts[1].1)
}

/// A fixed, scattered sequence of actions, different for each environment.
fn scattered(env: usize, time: usize, num_actions: usize) -> Action {
    ((env * 7 + time * 5 + time * time * 3) % num_actions) as Action
}

/// Everything that the first `keep` of `num_envs` environments show in 60 steps.
fn run<P: Probe>(probe: P, num_envs: usize, keep: usize, seed: u64) -> Vec<String> {
    let mut env = ProbeEnv::new(probe, num_envs);
    env.reset(seed);
    let (features, actions) = (env.observation_layout().len(), env.num_actions());
    assert_eq!(env.observations().len(), num_envs * features);
    assert_eq!(env.action_masks().len(), num_envs * actions);
    let mut seen = vec![format!("{:?}", &env.observations()[..keep * features])];
    for time in 0..60 {
        let choice: Vec<Action> = (0..num_envs).map(|i| scattered(i, time, actions)).collect();
        let step = env.step(&choice).unwrap();
        for i in 0..keep {
            assert!(!(step.terminated[i] && step.truncated[i]));
            seen.push(format!(
                "{:?} {:?} {:?} {} {} {}",
                step.outcome(i),
                &step.observations[i * features..][..features],
                &step.action_masks[i * actions..][..actions],
                step.rewards[i],
                step.terminated[i],
                step.truncated[i]
            ));
        }
    }
    seen
}

/// Holds a probe to the contract of `VectorEnv`: environments that do not depend on each other, seeds that
/// repeat, and buffers that say what the plain dynamics say.
pub(super) fn check_contract<P>(probe: P)
where
    P: Probe + Copy,
    P::Episode: Debug + PartialEq,
{
    assert_eq!(run(probe, 5, 5, 3), run(probe, 5, 5, 3), "the same seed gives the same episodes");
    for keep in 1..5 {
        assert_eq!(run(probe, 5, keep, 3), run(probe, keep, keep, 3), "N together equal {keep} alone");
    }

    let mut env = ProbeEnv::new(probe, 3);
    env.reset(9);
    let (features, actions) = (probe.num_features(), probe.num_actions());
    let mut plain: Vec<_> = (0..3).map(|i| (0, probe.start(&mut stream(9, P::NAME, i, 0)))).collect();
    let mut ends = 0;
    for time in 0..60 {
        let choice: Vec<Action> = (0..3).map(|i| scattered(i, time, actions)).collect();
        let step = env.step(&choice).unwrap();
        for (i, (number, episode)) in plain.iter_mut().enumerate() {
            let outcome = probe.step(episode, choice[i]);
            let mut observation = vec![0.0; features];
            let mut allowed = vec![true; actions];
            probe.observe(episode, &mut observation);
            probe.allow(episode, &mut allowed);
            assert_eq!(step.outcome(i), (&observation[..], &allowed[..]));
            assert_eq!(step.rewards[i], outcome.reward);
            assert_eq!((step.terminated[i], step.truncated[i]), (outcome.terminated, outcome.truncated));
            if outcome.ended() {
                ends += 1;
                *number += 1;
                *episode = probe.start(&mut stream(9, P::NAME, i as u64, *number));
                observation.fill(0.0);
                probe.observe(episode, &mut observation);
                assert_eq!(step.observations[i * features..][..features], observation);
            }
        }
        for (i, (_, episode)) in plain.iter().enumerate() {
            assert_eq!(env.episode(i), episode);
        }
    }
    assert!(ends > 3, "the check saw whole episodes");
}
