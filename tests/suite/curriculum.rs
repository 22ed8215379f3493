//! Curricula: what they change in the world, when, and for whom.

use burn::tensor::Device;
use townlet_drqn::{
    AdversarialConfig, CurriculumConfig, CurriculumError, DrqnConfig, EpsilonSchedule, Progress, StageChange,
    StaticConfig, TrainError, TrainObserver, Trainer, UpdateSchedule,
};
use townlet_env::probes::{PassiveTMaze, ProbeEnv};
use townlet_env::{Level, RewardMode, Stage, StageError, Town, VectorEnv};
use townlet_nets::QNetworkConfig;

use crate::case::cases;
use crate::small;

cases![
    a_stage_holds_from_an_episodes_first_step_and_is_told,
    a_static_curriculum_is_one_stage_for_all,
    an_undecided_policy_does_not_advance,
    a_curriculum_that_the_world_cannot_follow_is_refused,
];

const SOCIAL: usize = 5;

/// Only being among people counts, and is lost so many times as fast as in the level.
fn stage(depletion_multiplier: f32) -> Stage {
    Stage::new(&["social"], depletion_multiplier, RewardMode::Sparse)
}

/// Two stages; who lives to the limit twice advances, however undecided.
fn rising() -> AdversarialConfig {
    AdversarialConfig {
        stages: vec![stage(0.5), stage(2.0)],
        min_steps: 10,
        max_entropy: 2.0,
        ..AdversarialConfig::default()
    }
}

/// Two agents whose episodes are cut off after five steps.
fn town() -> Town {
    let level = Level { step_limit: 5, ..Level::builtin("pomdp").expect("built in") };
    Town::new(level, 2).expect("a valid level")
}

fn try_trainer<E: VectorEnv + Send>(
    env: E,
    config: DrqnConfig,
    device: &Device,
) -> Result<Trainer<E>, TrainError> {
    let network =
        QNetworkConfig { num_actions: env.num_actions(), ..small::network(env.observation_layout().clone()) };
    // Random actions, and no update.
    let config = DrqnConfig {
        schedule: UpdateSchedule { learning_starts: 1_000, ..UpdateSchedule::default() },
        epsilon: EpsilonSchedule::Linear { start: 1.0, end: 1.0, steps: 1 },
        ..config
    };
    Trainer::new(env, &network, config, 4, device)
}

fn trainer(curriculum: CurriculumConfig, device: &Device) -> Trainer<Town> {
    try_trainer(town(), DrqnConfig { curriculum, ..DrqnConfig::default() }, device).expect("valid settings")
}

/// How social each agent was after each step, and who changed stage before it.
#[derive(Default)]
struct Log {
    social: Vec<[f32; 2]>,
    changes: Vec<(usize, StageChange)>,
}

impl TrainObserver<Town> for Log {
    fn on_step(&mut self, town: &Town, _progress: &Progress) {
        self.social.push([town.meter(SOCIAL)[0], town.meter(SOCIAL)[1]]);
    }

    fn on_stage_change(&mut self, _town: &Town, change: &StageChange) {
        self.changes.push((self.social.len(), *change));
    }
}

impl Log {
    fn of(trainer: &mut Trainer<Town>) -> Self {
        let mut log = Self::default();
        trainer.train(30, &mut log).expect("training goes on");
        log
    }

    /// Nobody meets anyone: in each of the three episodes it falls on a line.
    fn check(&self, multipliers: [f32; 3]) {
        for (step, social) in self.social.iter().enumerate() {
            let (episode, lived) = ((step + 1) / 5, (step + 1) % 5);
            // An episode that has just begun has not lost anything.
            let lost = if lived == 0 { 0.0 } else { lived as f32 * 0.006 * multipliers[episode] };
            for social in social {
                assert!((social - (1.0 - lost)).abs() < 1e-5, "step {step}: {social} and not 1 - {lost}");
            }
        }
    }
}

fn a_stage_holds_from_an_episodes_first_step_and_is_told(device: &Device) {
    let mut trainer = trainer(CurriculumConfig::Adversarial(rising()), device);
    let log = Log::of(&mut trainer);
    log.check([0.5, 0.5, 2.0]);
    let changes: Vec<_> =
        log.changes.iter().map(|(step, c)| (*step, c.agent, c.from, c.to, c.steps)).collect();
    // In the tenth step, of which the log does not know yet.
    assert_eq!(changes, [(9, 0, 1, 2, 10), (9, 1, 1, 2, 10)]);
    assert!(log.changes.iter().all(|(_, change)| change.survival == 1.0), "{:?}", log.changes);
    let curriculum = trainer.curriculum().expect("there is one");
    assert_eq!((curriculum.stage_number(0), curriculum.stage(1)), (Some(2), Some(&stage(2.0))));
}

fn a_static_curriculum_is_one_stage_for_all(device: &Device) {
    let fixed = CurriculumConfig::Static(StaticConfig { stage: stage(3.0) });
    let log = Log::of(&mut trainer(fixed, device));
    log.check([3.0; 3]);
    assert!(log.changes.is_empty(), "{:?}", log.changes);
}

/// A fresh network values all actions nearly alike. Whether that is undecided is a matter of the temperature,
/// which is one of the world's rewards: where they are scaled down, so is it.
fn an_undecided_policy_does_not_advance(device: &Device) {
    let entropies = |temperature, reward_scale, value_rescaling| {
        let gated = AdversarialConfig { max_entropy: 0.5, temperature, ..rising() };
        let curriculum = CurriculumConfig::Adversarial(gated);
        let config = DrqnConfig { curriculum, reward_scale, value_rescaling, ..DrqnConfig::default() };
        let mut trainer = try_trainer(town(), config, device).expect("valid settings");
        Log::of(&mut trainer).changes.iter().map(|(_, change)| change.entropy).collect::<Vec<_>>()
    };
    assert!(entropies(10.0, 1.0, false).is_empty());
    let cold = entropies(0.01, 1.0, false);
    assert!(cold.len() == 2 && cold.iter().all(|entropy| *entropy < 0.5), "{cold:?}");
    // 1/128 is a single-precision number.
    let scaled = entropies(1.0, 1.0 / 128.0, false);
    assert_eq!(scaled, entropies(1.0 / 128.0, 1.0, false), "a smaller scale is a lower temperature");
    assert!(entropies(0.01, 1.0, true) != cold, "rescaled values are put back first");
}

fn a_curriculum_that_the_world_cannot_follow_is_refused(device: &Device) {
    let refused = |curriculum: CurriculumConfig| {
        let config = DrqnConfig { curriculum, ..DrqnConfig::default() };
        let probe = try_trainer(ProbeEnv::new(PassiveTMaze::new(3), 2), config.clone(), device).err();
        (probe, try_trainer(town(), config, device).err())
    };
    let fault = |stage, fault| Some(TrainError::Curriculum(CurriculumError::Stage { stage, fault }));
    let (probe, town) = refused(CurriculumConfig::Static(StaticConfig { stage: stage(1.0) }));
    assert_eq!((probe, town), (fault(1, StageError::Unsupported), None));
    let asleep = Stage::new(&["sleep"], 1.0, RewardMode::Sparse);
    let stages = vec![stage(0.5), asleep.clone()];
    let (probe, town) = refused(CurriculumConfig::Adversarial(AdversarialConfig { stages, ..rising() }));
    assert_eq!(probe, Some(TrainError::Curriculum(CurriculumError::NoStepLimit)));
    let unknown = town.expect("nobody sleeps in the town").to_string();
    assert!(unknown.starts_with("stage 2 ") && unknown.contains("`sleep`"), "{unknown}");
}
