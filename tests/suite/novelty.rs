//! What is paid for finding something new: counted, predicted, and less and less.

use burn::tensor::Device;
use townlet_drqn::{
    Annealing, AnnealingConfig, CountNovelty, CountNoveltyConfig, DistillationConfig, DrqnConfig,
    EpisodeReport, EpsilonSchedule, Intrinsic, SequenceBatch, Sequences, TrainObserver, Trainer,
    UpdateSchedule,
};
use townlet_env::probes::{PassiveTMaze, ProbeEnv};
use townlet_env::{Level, Town, VectorEnv, stream};
use townlet_nets::QNetworkConfig;

use crate::case::cases;
use crate::small;

cases![
    novelty_is_added_to_replayed_rewards_once_with_its_weight,
    annealing_reaches_what_is_replayed,
    what_was_replayed_often_pays_less_and_less,
];

fn trainer<E: VectorEnv + Send>(env: E, config: DrqnConfig, device: &Device) -> Trainer<E> {
    let network =
        QNetworkConfig { num_actions: env.num_actions(), ..small::network(env.observation_layout().clone()) };
    Trainer::new(env, &network, config, 3, device).expect("valid settings")
}

/// Random actions, the same whatever is learned, and no update before so many steps.
fn config(learning_starts: u64) -> DrqnConfig {
    DrqnConfig {
        sequences: Sequences::WholeEpisodes,
        schedule: UpdateSchedule { learning_starts, update_every: 2, target_copy_every: 10 },
        epsilon: EpsilonSchedule::Linear { start: 1.0, end: 1.0, steps: 1 },
        ..small::config()
    }
}

fn sample<E: VectorEnv + Send>(trainer: &Trainer<E>, batch_size: usize) -> SequenceBatch {
    let mut batch = SequenceBatch::new();
    let mut rng = stream(5, "novelty", 0, 0);
    trainer.replay().sample(batch_size, &mut rng, &mut batch).expect("not empty");
    batch
}

/// The weight of an annealing that does not fall.
fn fixed(weight: f64) -> Annealing {
    let (initial_weight, minimum_weight) = (weight, weight);
    Annealing::Adaptive(AnnealingConfig { initial_weight, minimum_weight, ..AnnealingConfig::default() })
}

/// One agent's first twenty steps, with and without counting, beside counts kept by hand.
fn novelty_is_added_to_replayed_rewards_once_with_its_weight(device: &Device) {
    let counts = CountNoveltyConfig { scale: 2.0, ..CountNoveltyConfig::default() };
    let lived = |config: DrqnConfig| {
        let town = Town::new(Level::builtin("pomdp").expect("built in"), 1).expect("a valid level");
        let mut trainer = trainer(town, config, device);
        trainer.train(20, &mut ()).expect("training goes on");
        sample(&trainer, 1)
    };
    let plain = lived(config(1_000));
    assert_eq!((plain.time, plain.num_valid()), (20, 20), "nobody dies so young");
    for weight in [1.0, 0.25] {
        let intrinsic = Intrinsic::Counts(counts.clone());
        let paid = lived(DrqnConfig { intrinsic, annealing: fixed(weight), ..config(1_000) });
        assert_eq!(paid.observations, plain.observations, "random agents do not care what is paid");
        let layout = Level::builtin("pomdp").expect("built in").observation_layout();
        let mut twin = CountNovelty::of_layout(counts.clone(), &layout).expect("valid settings");
        let mut novelty = Vec::new();
        for t in 0..20 {
            let observation = &paid.observations[t * paid.features..][..paid.features];
            twin.visit(observation, &paid.actions[t..=t], &mut novelty).expect("whole observations");
            assert_eq!(paid.rewards[t], plain.rewards[t] + weight as f32 * novelty[0], "step {t}");
        }
        assert!(novelty[0] < 2.0, "something was seen twice");
    }
}

/// Twenty-four episodes of equal length in two mazes: the weight is halved at the end of each from the second
/// on, and old experience counts by the weight of today.
fn annealing_reaches_what_is_replayed(device: &Device) {
    let annealing = AnnealingConfig { window: 2, mean_gate: 0.0, decay: 0.5, ..AnnealingConfig::default() };
    let intrinsic = Intrinsic::Counts(CountNoveltyConfig::default());
    let novelty = |steps: u64, annealing: Annealing| {
        let sum = |intrinsic: Intrinsic, annealing: Annealing| {
            let env = ProbeEnv::new(PassiveTMaze::new(3), 2);
            let mut trainer = trainer(env, DrqnConfig { intrinsic, annealing, ..config(1_000) }, device);
            trainer.train(steps, &mut ()).expect("training goes on");
            let rewards = sample(&trainer, 20).rewards;
            (rewards.iter().copied().map(f64::from).sum::<f64>(), trainer.progress().episodes)
        };
        let ((paid, episodes), (plain, _)) =
            (sum(intrinsic.clone(), annealing), sum(Intrinsic::None {}, Annealing::None {}));
        (paid - plain, episodes)
    };
    for steps in [8, 32] {
        let (full, episodes) = novelty(steps, Annealing::None {});
        let (annealed, _) = novelty(steps, Annealing::Adaptive(annealing));
        let weight = 0.5_f64.powi(i32::try_from(episodes).expect("few") - 1);
        assert!(full > 0.1 && episodes >= 2, "{full} of {episodes} episodes");
        assert!((annealed - weight * full).abs() < 1e-5, "{annealed}, not {weight} of {full}");
    }
}

/// Keeps what every episode found.
#[derive(Default)]
struct Found(Vec<f64>);

impl<E> TrainObserver<E> for Found {
    fn on_episode(&mut self, _env: &E, episode: &EpisodeReport) {
        self.0.push(episode.intrinsic_reward);
    }
}

/// A maze holds little to see. Nothing is paid before learning begins; then the predictor learns what is
/// replayed, and that pays less.
fn what_was_replayed_often_pays_less_and_less(device: &Device) {
    let rnd = DistillationConfig {
        hidden: [16, 16],
        embedding: 8,
        learning_rate: 1e-2,
        ..DistillationConfig::default()
    };
    let env = ProbeEnv::new(PassiveTMaze::new(3), 2);
    let mut trainer = trainer(env, DrqnConfig { intrinsic: Intrinsic::Rnd(rnd), ..config(32) }, device);
    let mut found = Found::default();
    trainer.train(32, &mut found).expect("training goes on");
    assert!(!found.0.is_empty() && found.0.iter().all(|&reward| reward == 0.0), "{:?}", found.0);
    found.0.clear();
    trainer.train(200, &mut found).expect("training goes on");
    let (first, last) = (found.0[1], found.0[found.0.len() - 1]);
    assert!(first > 0.0 && last < 0.5 * first, "{:?}", found.0);
}
