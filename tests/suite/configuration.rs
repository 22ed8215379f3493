//! Every setting does something: changing it changes what a run comes to.

use std::collections::BTreeSet;

use burn::tensor::Device;
use townlet_drqn::{
    AdversarialConfig, Annealing, AnnealingConfig, BootstrapActions, CountNoveltyConfig, CurriculumConfig,
    DistillationConfig, DrqnConfig, EpsilonSchedule, Intrinsic, LastStep, Loss, Memory, RewardProgress,
    Sampling, Sequences, StartState, StaticConfig, TargetEstimator, TargetUpdate, Trainer, UpdateSchedule,
};
use townlet_env::{Feature, Level, RewardMode, Stage, Town, VectorEnv};
use townlet_nets::{Backend, CoreConfig, HeadConfig, QNetworkConfig, StateDict, state_dict};

use crate::case::cases;
use crate::small;

const TOO_SLOW: &[(Backend, &str)] =
    &[(Backend::Wgpu, "dozens of training runs of minutes each under a software driver")];

cases![
    every_key_of_the_learner_has_an_effect skips TOO_SLOW,
    every_key_of_a_choice_has_an_effect skips TOO_SLOW,
    every_size_of_the_network_has_an_effect,
];

/// Settings under which everything matters within a few updates: the replay overflows, the target network
/// is copied, the gradient is clipped, errors are larger than 1.
fn base() -> DrqnConfig {
    DrqnConfig {
        learning_rate: 5e-2,
        learning_rate_end: 3e-2,
        learning_rate_updates: 8,
        max_grad_norm: 0.5,
        replay_capacity: 50,
        batch_size: 3,
        trace_length: 4,
        schedule: UpdateSchedule { learning_starts: 20, update_every: 4, target_copy_every: 3 },
        epsilon: EpsilonSchedule::Linear { start: 1.0, end: 0.2, steps: 100 },
        intrinsic: Intrinsic::Counts(counts()),
        annealing: Annealing::Adaptive(annealing()),
        ..DrqnConfig::default()
    }
}

/// Every second observation or so is new, and some are mixed up.
fn counts() -> CountNoveltyConfig {
    CountNoveltyConfig { scale: 1.0, counters: 16, ..CountNoveltyConfig::default() }
}

/// Episodes last four to seven steps: the weight falls in some of them, and reaches its minimum.
fn annealing() -> AnnealingConfig {
    AnnealingConfig {
        initial_weight: 2.0,
        minimum_weight: 0.5,
        window: 2,
        variance_threshold: 3.0,
        mean_gate: 5.5,
        decay: 0.8,
    }
}

/// The names of all settings in a table of them, those of tables within it included.
fn keys(table: &serde_json::Value, prefix: &str) -> BTreeSet<String> {
    let table = table.as_object().expect("settings are a table");
    let below = |(key, value): (&String, &serde_json::Value)| {
        let key = format!("{prefix}{key}");
        if value.is_object() { keys(value, &format!("{key}.")) } else { BTreeSet::from([key]) }
    };
    table.iter().flat_map(below).collect()
}

/// A short run in the town, with agents that are tired to death after four to seven steps, and cut off after
/// seven.
fn run(config: DrqnConfig, device: &Device) -> StateDict {
    let mut level = Level { step_limit: 7, ..Level::builtin("pomdp").expect("built in") };
    level.meters[0].start = 0.04;
    // A death that outweighs everything would leave nothing else to be learned.
    level.reward.death = -1.0;
    let town = Town::new(level, 2).expect("a valid level");
    let layout = town.observation_layout().clone();
    let network = QNetworkConfig { num_actions: town.num_actions(), ..small::network(layout) };
    let mut trainer = Trainer::new(town, &network, config, 1, device).expect("valid settings");
    trainer.train(240, &mut ()).expect("training goes on");
    assert!(trainer.progress().updates > 8, "{:?}", trainer.progress());
    state_dict(trainer.learner().target())
}

fn every_key_of_the_learner_has_an_effect(device: &Device) {
    let ladder = |base, exponent| EpsilonSchedule::Ladder { base, exponent };
    let linear = |start, end, steps| EpsilonSchedule::Linear { start, end, steps };
    let polyak = |tau| TargetUpdate::Polyak { tau };
    let prioritised = |alpha, beta| Sampling::Prioritised { alpha, beta };
    let counting = |counts| DrqnConfig { intrinsic: Intrinsic::Counts(counts), ..base() };
    let annealed = |config| DrqnConfig { annealing: Annealing::Adaptive(config), ..base() };
    let schedule = base().schedule;
    let changes: Vec<(&str, DrqnConfig)> = vec![
        ("discount", DrqnConfig { discount: 0.5, ..base() }),
        ("n_step", DrqnConfig { n_step: 3, ..base() }),
        ("overlap", DrqnConfig { overlap: true, ..base() }),
        ("memory", DrqnConfig { memory: Memory::ResetTargetOnly, ..base() }),
        ("memory", DrqnConfig { memory: Memory::ResetEachStep, ..base() }),
        ("last_step", DrqnConfig { last_step: LastStep::RewardOnly, ..base() }),
        ("bootstrap_actions", DrqnConfig { bootstrap_actions: BootstrapActions::All, ..base() }),
        ("estimator", DrqnConfig { estimator: TargetEstimator::Double, ..base() }),
        ("loss", DrqnConfig { loss: Loss::Huber, ..base() }),
        ("reward_scale", DrqnConfig { reward_scale: 0.1, ..base() }),
        ("value_rescaling", DrqnConfig { value_rescaling: true, ..base() }),
        ("learning_rate", DrqnConfig { learning_rate: 2e-2, ..base() }),
        ("learning_rate_end", DrqnConfig { learning_rate_end: 1e-3, ..base() }),
        ("learning_rate_updates", DrqnConfig { learning_rate_updates: 4, ..base() }),
        ("adam_epsilon", DrqnConfig { adam_epsilon: 1e-3, ..base() }),
        ("max_grad_norm", DrqnConfig { max_grad_norm: 0.05, ..base() }),
        ("replay_capacity", DrqnConfig { replay_capacity: 30, ..base() }),
        ("batch_size", DrqnConfig { batch_size: 4, ..base() }),
        ("trace_length", DrqnConfig { trace_length: 5, ..base() }),
        (
            "schedule.learning_starts",
            DrqnConfig { schedule: UpdateSchedule { learning_starts: 40, ..schedule }, ..base() },
        ),
        (
            "schedule.update_every",
            DrqnConfig { schedule: UpdateSchedule { update_every: 10, ..schedule }, ..base() },
        ),
        (
            "schedule.target_copy_every",
            DrqnConfig { schedule: UpdateSchedule { target_copy_every: 2, ..schedule }, ..base() },
        ),
        ("sequences", DrqnConfig { sequences: Sequences::WholeEpisodes, ..base() }),
        ("period", DrqnConfig { period: 3, ..base() }),
        ("burn_in", DrqnConfig { burn_in: 2, ..base() }),
        ("start_state", DrqnConfig { start_state: StartState::Stored, ..base() }),
        ("sampling.kind", DrqnConfig { sampling: prioritised(0.9, 0.6), ..base() }),
        ("target_update.kind", DrqnConfig { target_update: polyak(0.3), ..base() }),
        (
            "intrinsic.kind",
            DrqnConfig { intrinsic: Intrinsic::None {}, annealing: Annealing::None {}, ..base() },
        ),
        ("intrinsic.scale", counting(CountNoveltyConfig { scale: 0.5, ..counts() })),
        ("intrinsic.bins", counting(CountNoveltyConfig { bins: 40, ..counts() })),
        ("intrinsic.count_actions", counting(CountNoveltyConfig { count_actions: false, ..counts() })),
        ("intrinsic.counters", counting(CountNoveltyConfig { counters: 1 << 10, ..counts() })),
        (
            "intrinsic.features",
            counting(CountNoveltyConfig { features: vec![Feature::Affordance], ..counts() }),
        ),
        ("intrinsic.meters", counting(CountNoveltyConfig { meters: vec![3], bins: 40, ..counts() })),
        (
            "curriculum.kind",
            DrqnConfig { curriculum: CurriculumConfig::Static(StaticConfig::default()), ..base() },
        ),
        ("annealing.kind", DrqnConfig { annealing: Annealing::None {}, ..base() }),
        ("annealing.initial_weight", annealed(AnnealingConfig { initial_weight: 1.0, ..annealing() })),
        ("annealing.minimum_weight", annealed(AnnealingConfig { minimum_weight: 1.0, ..annealing() })),
        ("annealing.window", annealed(AnnealingConfig { window: 4, ..annealing() })),
        (
            "annealing.variance_threshold",
            annealed(AnnealingConfig { variance_threshold: 0.1, ..annealing() }),
        ),
        ("annealing.mean_gate", annealed(AnnealingConfig { mean_gate: 6.5, ..annealing() })),
        ("annealing.decay", annealed(AnnealingConfig { decay: 0.5, ..annealing() })),
        ("epsilon.kind", DrqnConfig { epsilon: ladder(0.4, 7.0), ..base() }),
        ("epsilon.start", DrqnConfig { epsilon: linear(0.6, 0.2, 100), ..base() }),
        ("epsilon.end", DrqnConfig { epsilon: linear(1.0, 0.0, 100), ..base() }),
        ("epsilon.steps", DrqnConfig { epsilon: linear(1.0, 0.2, 10), ..base() }),
    ];

    let covered: BTreeSet<String> = changes.iter().map(|(key, _)| (*key).to_owned()).collect();
    let json = serde_json::to_value(base()).expect("settings can be written");
    assert_eq!(covered, keys(&json, ""), "this test must change every key there is");

    let unchanged = run(base(), device);
    assert!(run(base(), device) == unchanged, "two runs with the same settings differ");
    for (key, config) in changes {
        assert!(run(config, device) != unchanged, "changing {key} changed nothing");
    }
    let (gentle, steep) = (ladder(0.4, 1.0), ladder(0.4, 7.0));
    let with = |epsilon| run(DrqnConfig { epsilon, ..base() }, device);
    assert!(with(gentle) != with(steep), "changing epsilon.exponent changed nothing");
    let exponential = |decay_steps| with(EpsilonSchedule::Exponential { start: 1.0, end: 0.0, decay_steps });
    assert!(exponential(30) != exponential(90), "changing epsilon.decay_steps changed nothing");
    let drawn = |alpha, beta| run(DrqnConfig { sampling: prioritised(alpha, beta), ..base() }, device);
    assert!(drawn(0.9, 0.6) != drawn(0.5, 0.6), "changing sampling.alpha changed nothing");
    assert!(drawn(0.9, 0.6) != drawn(0.9, 0.0), "changing sampling.beta changed nothing");
    let soft = |tau| run(DrqnConfig { target_update: polyak(tau), ..base() }, device);
    assert!(soft(0.3) != soft(0.2), "changing target_update.tau changed nothing");
    assert!(with(ladder(0.9, 7.0)) != with(steep), "changing epsilon.base changed nothing");
}

/// Checks that each of `changes` to `settings` changes what a run comes to, and that none is missing.
fn check<T: serde::Serialize>(
    settings: &T,
    changes: &[(&str, T)],
    config: impl Fn(&T) -> DrqnConfig,
    device: &Device,
) {
    let covered: BTreeSet<String> = changes.iter().map(|(key, _)| (*key).to_owned()).collect();
    let json = serde_json::to_value(settings).expect("settings can be written");
    assert_eq!(covered, keys(&json, ""), "this test must change every key there is");
    let unchanged = run(config(settings), device);
    for (key, changed) in changes {
        assert!(run(config(changed), device) != unchanged, "changing {key} of a choice changed nothing");
    }
}

/// Settings that only exist once something is chosen.
fn every_key_of_a_choice_has_an_effect(device: &Device) {
    let rnd = DistillationConfig {
        hidden: [6, 5],
        embedding: 4,
        learning_rate: 1e-2,
        ..DistillationConfig::default()
    };
    let changes = [
        ("scale", DistillationConfig { scale: 0.5, ..rnd.clone() }),
        ("discount", DistillationConfig { discount: 0.5, ..rnd.clone() }),
        ("learning_rate", DistillationConfig { learning_rate: 1e-3, ..rnd.clone() }),
        ("hidden", DistillationConfig { hidden: [6, 6], ..rnd.clone() }),
        ("embedding", DistillationConfig { embedding: 5, ..rnd.clone() }),
    ];
    check(&rnd, &changes, |rnd| DrqnConfig { intrinsic: Intrinsic::Rnd(rnd.clone()), ..base() }, device);

    let stage = |meters: &[&str], multiplier, reward| Stage::new(meters, multiplier, reward);
    let fixed =
        |meters: &[&str], multiplier, reward| StaticConfig { stage: stage(meters, multiplier, reward) };
    let both = ["energy", "social"];
    let changes = [
        ("stage.active_meters", fixed(&both[..1], 0.5, RewardMode::Shaped)),
        ("stage.depletion_multiplier", fixed(&both, 1.0, RewardMode::Shaped)),
        ("stage.reward", fixed(&both, 0.5, RewardMode::Sparse)),
    ];
    let config =
        |fixed: &StaticConfig| DrqnConfig { curriculum: CurriculumConfig::Static(fixed.clone()), ..base() };
    check(&fixed(&both, 0.5, RewardMode::Shaped), &changes, config, device);

    // Longer lives, shorter ones, and very short ones: up, up, and down again.
    let stages = |last| {
        let sparse = |multiplier| stage(&["energy"], multiplier, RewardMode::Sparse);
        vec![sparse(0.5), sparse(1.0), sparse(last)]
    };
    let rising = AdversarialConfig {
        stages: stages(2.5),
        advance_survival: 0.8,
        retreat_survival: 0.5,
        max_entropy: 0.9,
        temperature: 0.1,
        min_steps: 7,
        window: 1,
        reward_progress: RewardProgress::Ignored,
    };
    let changes = [
        ("stages", AdversarialConfig { stages: stages(3.5), ..rising.clone() }),
        ("advance_survival", AdversarialConfig { advance_survival: 0.9, ..rising.clone() }),
        ("retreat_survival", AdversarialConfig { retreat_survival: 0.0, ..rising.clone() }),
        ("max_entropy", AdversarialConfig { max_entropy: 0.01, ..rising.clone() }),
        ("temperature", AdversarialConfig { temperature: 1e3, ..rising.clone() }),
        ("min_steps", AdversarialConfig { min_steps: 14, ..rising.clone() }),
        ("window", AdversarialConfig { window: 3, ..rising.clone() }),
        (
            "reward_progress",
            AdversarialConfig { reward_progress: RewardProgress::AboveBaseline, ..rising.clone() },
        ),
    ];
    let config = |rising: &AdversarialConfig| DrqnConfig {
        curriculum: CurriculumConfig::Adversarial(rising.clone()),
        ..base()
    };
    check(&rising, &changes, config, device);
}

fn every_size_of_the_network_has_an_effect(device: &Device) {
    let base = small::network(small::layout());
    let shapes = |config: &QNetworkConfig| -> Vec<(String, Vec<usize>)> {
        state_dict(&config.init(1, device)).into_iter().map(|(name, array)| (name, array.shape)).collect()
    };
    let no_clock =
        townlet_env::ObservationLayout::builder().window(3).position().meters(3).affordance(2).build();
    let changes = [
        ("core", QNetworkConfig { core: CoreConfig::Gru {}, ..base.clone() }),
        ("head", QNetworkConfig { head: HeadConfig::Dueling, ..base.clone() }),
        ("layout", QNetworkConfig { layout: no_clock, ..base.clone() }),
        ("num_actions", QNetworkConfig { num_actions: 4, ..base.clone() }),
        ("hidden", QNetworkConfig { hidden: 13, ..base.clone() }),
        ("vision_channels", QNetworkConfig { vision_channels: [4, 4], ..base.clone() }),
        ("vision_features", QNetworkConfig { vision_features: 9, ..base.clone() }),
        ("encoder_features", QNetworkConfig { encoder_features: 5, ..base.clone() }),
        ("head_features", QNetworkConfig { head_features: 9, ..base.clone() }),
    ];
    let covered: BTreeSet<String> = changes.iter().map(|(key, _)| (*key).to_owned()).collect();
    let json = serde_json::to_value(&base).expect("sizes can be written");
    let keys: BTreeSet<String> = json.as_object().expect("sizes are a table").keys().cloned().collect();
    assert_eq!(covered, keys, "this test must change every size there is");
    for (key, config) in changes {
        assert!(shapes(&config) != shapes(&base), "changing {key} changed nothing");
    }
}
