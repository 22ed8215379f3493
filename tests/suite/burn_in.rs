//! What windows begin with: zeros or the stored memory, with and without burn-in, wherever in an episode
//! they lie.

use std::collections::BTreeSet;

use burn::tensor::{Device, Tensor, TensorData};
use townlet_drqn::{
    Actor, DrqnConfig, Extras, Learner, Memory, Policy, RandomPolicy, SequenceBatch, SequenceReplay,
    StartState,
};
use townlet_env::{Level, Step, Town, VectorEnv, stream};
use townlet_nets::{Backend, QNetwork, QNetworkConfig, QState};

use crate::case::{CLOSE, cases, largest_difference, values};
use crate::small;

cases![
    both_passes_begin_with_what_was_asked_for,
    without_carried_state_nothing_is_warmed,
    what_is_replayed_is_what_was_acted skips &[
        (Backend::Wgpu, "the memory is read back at each of eighty steps under a software driver"),
    ],
];

const STEPS: usize = 12;
const TIME: usize = 4;

/// One episode of twelve steps without rewards, and what three different networks make of it.
struct Scene {
    /// `[STEPS + 1][features]`
    observations: Vec<Vec<f32>>,
    /// The memory of the network that acted, before each step.
    states: Vec<Vec<f32>>,
    online: QNetwork,
    target: QNetwork,
    device: Device,
}

impl Scene {
    fn new(device: &Device) -> Self {
        let features = small::layout().len();
        let network = small::network(small::layout());
        let numbers = small::numbers("burn-in", (STEPS + 1) * features);
        let observations: Vec<Vec<f32>> = numbers.chunks(features).map(<[f32]>::to_vec).collect();
        let mut actor = Actor::new(&network.init(1, device), 1);
        let states = observations[..STEPS].iter().map(|observation| {
            let mut state = Vec::new();
            actor.write_state(&mut state);
            actor.values(observation);
            state
        });
        Self {
            states: states.collect(),
            observations,
            online: network.init(2, &device.clone().autodiff()),
            target: network.init(3, device),
            device: device.clone(),
        }
    }

    /// Sixty windows of the episode.
    fn sample(&self, start_state: StartState, burn_in: usize, period: usize) -> SequenceBatch {
        let features = self.observations[0].len();
        let mut replay = SequenceReplay::new(100, TIME, 1, features, 3).windowed(period, burn_in);
        replay.start(&self.observations[0], &[true; 3]);
        for t in 0..STEPS {
            let last = t + 1 == STEPS;
            let step = Step {
                observations: &self.observations[if last { 0 } else { t + 1 }],
                action_masks: &[true; 3],
                rewards: &[0.0],
                terminated: &[false],
                truncated: &[last],
                final_observations: &self.observations[t + 1],
                final_action_masks: &[true; 3],
            };
            let states = if start_state == StartState::Stored { &self.states[t][..] } else { &[] };
            replay.record_with(&[(t % 3) as u8], &step, Extras { states, ..Extras::default() });
        }
        let mut batch = SequenceBatch::new();
        replay.sample(60, &mut stream(1, "burn-in", 0, 0), &mut batch).expect("not empty");
        batch
    }

    /// The step of the episode with which sequence `row` begins.
    fn start(&self, batch: &SequenceBatch, row: usize) -> usize {
        let first = &batch.observations[row * (TIME + 1) * batch.features..][..batch.features];
        self.observations.iter().position(|seen| seen == first).expect("it is of this episode")
    }

    /// The values that `network` has in the window from `start`, `[TIME + 1][3]`, unrolled by hand.
    fn unrolled(
        &self,
        network: &QNetwork,
        start: usize,
        start_state: StartState,
        burn_in: usize,
    ) -> Vec<Vec<f32>> {
        let network = burn::module::Module::valid(network);
        let from = start - start.min(burn_in);
        let mut state = network.initial_state(1);
        if start_state == StartState::Stored {
            let hidden = network.hidden_size();
            let half =
                |range: &[f32]| Tensor::from_data(TensorData::new(range.to_vec(), [1, hidden]), &self.device);
            let stored = &self.states[from];
            state = QState::new(vec![half(&stored[..hidden]), half(&stored[hidden..])]);
        }
        let mut found = Vec::new();
        for observation in &self.observations[from..=start + TIME] {
            let data = TensorData::new(observation.clone(), [1, 1, observation.len()]);
            let (q, next) = network.forward(Tensor::from_data(data, &self.device), state);
            found.push(values(q));
            state = next;
        }
        found.split_off(start - from)
    }
}

fn max(values: &[f32]) -> f32 {
    values.iter().copied().fold(f32::MIN, f32::max)
}

/// Without rewards and with γ = ½, a target is half the best value of the target network after its step; the
/// reported mean value is the online network's.
fn both_passes_begin_with_what_was_asked_for(device: &Device) {
    let scene = Scene::new(device);
    let mut seen = Vec::new();
    for start_state in [StartState::Zero, StartState::Stored] {
        for burn_in in [0, 3] {
            let batch = scene.sample(start_state, burn_in, 1);
            let config = DrqnConfig { discount: 0.5, start_state, burn_in, ..small::config() };
            let mut learner = Learner::from_networks(scene.online.clone(), scene.target.clone(), config);
            let targets = learner.targets(&batch);
            let (mut starts, mut sum) = (BTreeSet::new(), 0.0);
            for row in 0..batch.batch {
                let start = scene.start(&batch, row);
                let online = scene.unrolled(&scene.online, start, start_state, burn_in);
                let q = scene.unrolled(&scene.target, start, start_state, burn_in);
                let expected: Vec<f32> = q[1..].iter().map(|q| 0.5 * max(q)).collect();
                let found = &targets[row * TIME..][..TIME];
                let difference = largest_difference(found, &expected);
                assert!(difference <= CLOSE, "{start_state:?}, {burn_in}, from {start}: {difference}");
                sum += (0..TIME).map(|t| online[t][(start + t) % 3]).sum::<f32>();
                starts.insert(start);
            }
            // The first, the last and all between.
            assert_eq!(starts, (0..=STEPS - TIME).collect());
            let mean = learner.update(&batch).expect("finite").mean_q;
            let expected = sum / (batch.batch * TIME) as f32;
            assert!((mean - expected).abs() <= CLOSE, "{start_state:?}, {burn_in}: {mean}, not {expected}");
            seen.push(targets);
        }
    }
    for (one, other) in [(0, 1), (0, 2), (1, 3), (2, 3)] {
        assert!(largest_difference(&seen[one], &seen[other]) > 1e-4, "{one} and {other} are alike");
    }
}

/// The teaching arms forget, so there is nothing that they could begin with.
fn without_carried_state_nothing_is_warmed(device: &Device) {
    let scene = Scene::new(device);
    let targets = |start_state, burn_in| {
        let memory = Memory::ResetEachStep;
        let config = DrqnConfig { memory, start_state, burn_in, ..small::config() };
        let learner = Learner::from_networks(scene.online.clone(), scene.target.clone(), config);
        learner.targets(&scene.sample(start_state, burn_in, 1))
    };
    assert_eq!(targets(StartState::Stored, 3), targets(StartState::Zero, 0));
}

/// What the agents of every level thought at every step is what the target network, the same network, thinks
/// of it later: in windows anywhere, with and without burn-in, from the stored memory; and over whole
/// episodes from zeros.
fn what_is_replayed_is_what_was_acted(device: &Device) {
    for name in ["full", "pomdp", "temporal", "pomdp-shuffled"] {
        for (start_state, trace_length, period, burn_in) in
            [(StartState::Stored, 4, 2, 0), (StartState::Stored, 4, 2, 4), (StartState::Zero, 10, 1, 0)]
        {
            let level = Level { step_limit: 10, ..Level::builtin(name).expect("built in") };
            let mut town = Town::new(level, 2).expect("a valid level");
            let (layout, num_actions) = (town.observation_layout().clone(), town.num_actions());
            let features = layout.len();
            let config = QNetworkConfig { num_actions, ..small::network(layout) };
            let network = config.init(1, device);
            let online = config.init(1, &device.clone().autodiff());
            let mut actor = Actor::new(&network, 2);
            let mut replay =
                SequenceReplay::new(100, trace_length, 2, features, num_actions).windowed(period, burn_in);
            let mut policy = RandomPolicy::new(1);
            let (mut actions, mut states) = (vec![0; 2], Vec::new());
            // What each agent saw at each step, and the best allowed value that it had.
            let mut acted: [Vec<(Vec<f32>, f32)>; 2] = [Vec::new(), Vec::new()];
            town.reset(1);
            replay.start(town.observations(), town.action_masks());
            for _ in 0..20 {
                actor.write_state(&mut states);
                let q = actor.values(town.observations());
                for (agent, acted) in acted.iter_mut().enumerate() {
                    let mask = &town.action_masks()[agent * num_actions..][..num_actions];
                    let allowed = q[agent * num_actions..].iter().zip(mask).filter(|(_, allowed)| **allowed);
                    let best = allowed.map(|(q, _)| *q).fold(f32::MIN, f32::max);
                    acted.push((town.observations()[agent * features..][..features].to_vec(), best));
                }
                policy.act(&town, &mut actions).expect("it draws");
                let step = town.step(&actions).expect("allowed actions");
                let states = if start_state == StartState::Stored { &states[..] } else { &[] };
                replay.record_with(&actions, &step, Extras { states, ..Extras::default() });
                let ended = [step.ended(0), step.ended(1)];
                actor.forget(&ended);
            }
            let mut batch = SequenceBatch::new();
            replay.sample(40, &mut stream(2, "replayed", 0, 0), &mut batch).expect("not empty");
            let config = DrqnConfig { discount: 1.0, start_state, burn_in, period, ..small::config() };
            let targets = Learner::from_networks(online, network, config).targets(&batch);
            for (row, targets) in targets.chunks(trace_length).enumerate() {
                let window = &batch.observations[row * (trace_length + 1) * features..];
                let steps = batch.valid[row * trace_length..][..trace_length].iter().filter(|v| **v).count();
                // All but the last step of an episode, after whose last observation nobody acted.
                let known = if batch.truncated[row * trace_length + steps - 1] { steps - 1 } else { steps };
                let matches = |seen: &[(Vec<f32>, f32)]| {
                    let same = (0..=known).all(|t| seen[t].0 == window[t * features..][..features]);
                    same && (0..known).all(|t| {
                        let replayed = targets[t] - batch.rewards[row * trace_length + t];
                        (replayed - seen[t + 1].1).abs() <= CLOSE
                    })
                };
                let found = acted.iter().any(|acted| acted.windows(known + 1).any(matches));
                assert!(found, "{name}, {start_state:?}, burn-in {burn_in}: row {row} was never thought so");
            }
        }
    }
}
