//! Nothing leaks across an episode's border: what an episode is trained towards does not depend on the
//! episodes before and after it in the replay, whatever is switched on.

use burn::tensor::Device;
use rand::RngExt;
use townlet_drqn::{
    DrqnConfig, Extras, Learner, Sampling, SequenceBatch, SequenceReplay, Sequences, StartState,
    TargetEstimator,
};
use townlet_env::{Step, stream};
use townlet_nets::Backend;

use crate::case::cases;
use crate::small;

cases![
    targets_do_not_depend_on_neighbouring_episodes skips &[
        (Backend::Wgpu, "hundreds of passes under a software driver; the border is drawn on the host"),
    ],
];

const ACTIONS: usize = 3;
const TIME: usize = 4;
const PERIOD: usize = 2;
/// The longest recurrent state of the small network, hidden and cell.
const STATE: usize = 24;

/// One way to learn, drawn at random.
#[derive(Debug)]
struct Options {
    n_step: usize,
    burn_in: usize,
    start_state: StartState,
    sampling: Sampling,
    sequences: Sequences,
    intrinsic: bool,
    estimator: TargetEstimator,
    value_rescaling: bool,
}

impl Options {
    fn draw(case: u64) -> Self {
        let mut rng = stream(1, "options", 0, case);
        let whole = rng.random_bool(0.25);
        let mut flip = || rng.random_bool(0.5);
        Self {
            n_step: if flip() { 1 } else { 3 },
            burn_in: if whole || flip() { 0 } else { 2 * PERIOD },
            start_state: if whole || flip() { StartState::Zero } else { StartState::Stored },
            sampling: if flip() {
                Sampling::Uniform {}
            } else {
                Sampling::Prioritised { alpha: 0.9, beta: 0.6 }
            },
            sequences: if whole { Sequences::WholeEpisodes } else { Sequences::Windows },
            intrinsic: flip(),
            estimator: if flip() { TargetEstimator::Max } else { TargetEstimator::Double },
            value_rescaling: flip(),
        }
    }

    fn config(&self) -> DrqnConfig {
        DrqnConfig {
            n_step: self.n_step,
            burn_in: self.burn_in,
            start_state: self.start_state,
            sampling: self.sampling,
            sequences: self.sequences,
            estimator: self.estimator,
            value_rescaling: self.value_rescaling,
            trace_length: TIME,
            period: if self.sequences == Sequences::WholeEpisodes { 1 } else { PERIOD },
            ..small::config()
        }
    }
}

/// Three finished episodes and one that runs, of one environment. Everything in the second follows from
/// `case`; everything in the others from `neighbours`, but for how long they are.
fn replay(options: &Options, case: u64, neighbours: u64) -> SequenceReplay {
    let features = small::layout().len();
    let config = options.config();
    let mut replay =
        SequenceReplay::new(100, TIME, 1, features, ACTIONS).windowed(config.period, config.burn_in);
    if options.sequences == Sequences::WholeEpisodes {
        replay = replay.whole_episodes();
    }
    if let Sampling::Prioritised { alpha, beta } = options.sampling {
        replay = replay.prioritised(alpha, beta);
    }
    replay.set_intrinsic_weight(0.5);
    let mut lengths = stream(case, "lengths", 0, 0);
    let lengths: [usize; 4] = std::array::from_fn(|_| lengths.random_range(1..10));
    let observations: Vec<Vec<Vec<f32>>> = (0..4)
        .map(|episode| {
            let seed = if episode == 1 { case } else { neighbours };
            let mut rng = stream(seed, "observations", episode, 0);
            (0..=lengths[episode as usize])
                .map(|_| (0..features).map(|_| rng.random_range(-1.0..1.0)).collect())
                .collect()
        })
        .collect();
    let mask_of = |observation: &[f32]| [true, observation[0] > 0.0, observation[1] > 0.0];
    replay.start(&observations[0][0], &mask_of(&observations[0][0]));
    for episode in 0..4 {
        let seed = if episode == 1 { case } else { neighbours };
        let mut rng = stream(seed, "steps", episode as u64, 0);
        let terminates = rng.random_bool(0.5);
        for t in 0..lengths[episode] {
            let last = t + 1 == lengths[episode] && episode < 3;
            let after = &observations[episode][t + 1];
            let next = if last { &observations[episode + 1][0] } else { after };
            let states: Vec<f32> = (0..STATE).map(|_| rng.random_range(-1.0..1.0)).collect();
            let step = Step {
                observations: next,
                action_masks: &mask_of(next),
                rewards: &[rng.random_range(-1.0..1.0)],
                terminated: &[last && terminates],
                truncated: &[last && !terminates],
                final_observations: after,
                final_action_masks: &mask_of(after),
            };
            let novelty = [rng.random_range(0.0..1.0)];
            let extras = Extras {
                states: if options.start_state == StartState::Stored { &states } else { &[] },
                intrinsic: if options.intrinsic { &novelty } else { &[] },
            };
            replay.record_with(&[rng.random_range(0..ACTIONS as u8)], &step, extras);
        }
    }
    replay
}

/// Thirty sequences, and the targets of each step that happened.
fn targets(learner: &Learner, replay: &SequenceReplay, case: u64) -> (SequenceBatch, Vec<Vec<f32>>) {
    let mut batch = SequenceBatch::new();
    replay.sample(30, &mut stream(case, "draw", 0, 0), &mut batch).expect("not empty");
    let targets = learner.targets(&batch);
    let rows = targets.chunks(batch.time).zip(batch.valid.chunks(batch.time));
    let happened = |(targets, valid): (&[f32], &[bool])| {
        targets.iter().zip(valid).filter(|(_, valid)| **valid).map(|(target, _)| *target).collect()
    };
    let happened = rows.map(happened).collect();
    (batch, happened)
}

fn targets_do_not_depend_on_neighbouring_episodes(device: &Device) {
    let network = small::network(small::layout());
    let (mut own, mut others) = (0, 0);
    for case in 0..60 {
        let options = Options::draw(case);
        let learner = Learner::from_networks(
            network.init(1, &device.clone().autodiff()),
            network.init(2, device),
            options.config(),
        );
        let [first, second] = [1_000, 2_000].map(|neighbours| replay(&options, case, neighbours));
        let ((batch, found), (other_batch, expected)) =
            (targets(&learner, &first, case), targets(&learner, &second, case));
        assert_eq!(batch.time, other_batch.time);
        let window = (batch.time + 1) * batch.features;
        for row in 0..batch.batch {
            let of = |batch: &SequenceBatch| batch.observations[row * window..][..batch.features].to_vec();
            if of(&batch) == of(&other_batch) {
                own += 1;
                let same = found[row].iter().zip(&expected[row]).all(|(a, b)| (a - b).abs() <= 1e-5);
                assert!(
                    same && found[row].len() == expected[row].len(),
                    "case {case}, row {row}: {options:?}"
                );
            } else {
                others += 1;
                assert!(found[row] != expected[row], "neighbours differ in nothing");
            }
        }
    }
    assert!(own > 300 && others > 300, "{own} rows of the episode, {others} of its neighbours");
}
