//! Acting: memory lasts for an episode, no update touches it, and masks hold.

use burn::module::Module;
use burn::tensor::Device;
use rayon::ThreadPoolBuilder;
use townlet_drqn::{
    Actor, AdversarialConfig, Annealing, AnnealingConfig, CountNoveltyConfig, CurriculumConfig,
    DistillationConfig, DrqnConfig, EpisodeReport, EpsilonSchedule, Intrinsic, Sampling, Sequences,
    StageChange, StartState, TrainObserver, Trainer, UpdateSchedule,
};
use townlet_env::probes::{DelayedTMaze, PassiveTMaze, ProbeEnv};
use townlet_env::{Action, Level, RewardMode, Stage, Town, VectorEnv};
use townlet_nets::{Backend, QNetworkConfig, QState, StateDict, state_dict};

use crate::case::{CLOSE, cases, largest_difference, parts};
use crate::small;

cases![
    memory_is_wiped_exactly_where_an_episode_ends,
    a_new_network_keeps_the_memory,
    acting_memory_survives_updates,
    a_masked_action_is_never_taken,
    training_is_the_same_for_the_same_seed,
    training_by_priority_is_the_same_for_the_same_seed,
    learning_beside_acting_does_not_depend_on_which_is_faster,
    training_with_everything_on_is_the_same_for_the_same_seed skips &[
        (Backend::Wgpu, "hundreds of updates under a software driver"),
    ],
];

fn state(actor: &QState) -> Vec<f32> {
    parts(actor).concat()
}

fn memory_is_wiped_exactly_where_an_episode_ends(device: &Device) {
    let layout = small::layout();
    let mut actor = Actor::new(&small::network(layout.clone()).init(1, device), 3);
    actor.values(&small::numbers("see", 3 * layout.len()));
    let [before, _] = parts(&actor.state()).try_into().expect("hidden and cell");
    actor.forget(&[false, true, false]);
    let [after, _] = parts(&actor.state()).try_into().expect("hidden and cell");
    let hidden = after.len() / 3;
    assert_eq!(before[..hidden], after[..hidden]);
    assert_eq!(after[hidden..2 * hidden], vec![0.0; hidden]);
    assert_eq!(before[2 * hidden..], after[2 * hidden..]);
    assert!(before[hidden..2 * hidden].iter().any(|&h| h != 0.0), "there was something to forget");
}

fn a_new_network_keeps_the_memory(device: &Device) {
    let layout = small::layout();
    let config = small::network(layout.clone());
    let mut actor = Actor::new(&config.init(1, device), 2);
    actor.values(&small::numbers("see", 2 * layout.len()));
    let before = state(&actor.state());
    actor.set_network(&config.init(2, device));
    assert_eq!(state(&actor.state()), before);
}

/// Steps a trainer with updates at every step, and beside it an actor that has the same network at every
/// moment but never meets an update: their memories must stay equal, through updates and episode ends.
fn acting_memory_survives_updates(device: &Device) {
    let env = || ProbeEnv::new(DelayedTMaze::new(1, 2), 2);
    let network = network_for(&env());
    let config = DrqnConfig {
        batch_size: 2,
        trace_length: 3,
        schedule: UpdateSchedule { learning_starts: 4, update_every: 2, target_copy_every: 2 },
        // Random actions, the same on every backend; the memory does not depend on values then.
        epsilon: EpsilonSchedule::Linear { start: 1.0, end: 1.0, steps: 1 },
        ..small::config()
    };
    let mut trainer = Trainer::new(env(), &network, config, 9, device).expect("valid settings");
    let mut twin = Actor::new(&network.init(9, device), 2);
    for round in 0..12 {
        let seen = trainer.env().observations().to_vec();
        let acting = trainer.learner().acting_network();
        trainer.round(&mut ()).expect("training goes on");
        twin.set_network(&acting);
        twin.values(&seen);
        if (round + 1) % 6 == 0 {
            // Every episode of this maze lasts corridor + delay + 3 = 6 steps.
            twin.forget(&[true, true]);
        }
        let difference = largest_difference(&state(&trainer.actor().state()), &state(&twin.state()));
        assert!(difference <= CLOSE, "after round {round} the memories differ by {difference}");
    }
    assert!(trainer.progress().updates > 8, "there must have been updates: {:?}", trainer.progress());
    assert_eq!(trainer.progress().episodes, 4);
}

fn network_for(env: &impl VectorEnv) -> QNetworkConfig {
    QNetworkConfig { num_actions: env.num_actions(), ..small::network(env.observation_layout().clone()) }
}

/// Notes every action that was taken against the mask it was taken under.
struct MaskWatch {
    town: Town,
    taken: usize,
}

impl VectorEnv for MaskWatch {
    fn num_envs(&self) -> usize {
        self.town.num_envs()
    }
    fn num_actions(&self) -> usize {
        self.town.num_actions()
    }
    fn observation_layout(&self) -> &townlet_env::ObservationLayout {
        self.town.observation_layout()
    }
    fn reset(&mut self, seed: u64) {
        self.town.reset(seed);
    }
    fn observations(&self) -> &[f32] {
        self.town.observations()
    }
    fn action_masks(&self) -> &[bool] {
        self.town.action_masks()
    }
    fn step(&mut self, actions: &[Action]) -> Result<townlet_env::Step<'_>, townlet_env::StepError> {
        let num_actions = self.num_actions();
        for (env, &action) in actions.iter().enumerate() {
            assert!(
                self.town.action_masks()[env * num_actions + usize::from(action)],
                "agent {env} took action {action}, which is masked"
            );
            self.taken += 1;
        }
        self.town.step(actions)
    }
}

/// Greedy, half random and all random agents, through updates.
fn a_masked_action_is_never_taken(device: &Device) {
    let town = Town::new(Level::builtin("pomdp").expect("built in"), 6).expect("a valid level");
    let env = MaskWatch { town, taken: 0 };
    let network = network_for(&env);
    let config = DrqnConfig {
        batch_size: 2,
        trace_length: 3,
        schedule: UpdateSchedule { learning_starts: 60, update_every: 60, target_copy_every: 2 },
        epsilon: EpsilonSchedule::Ladder { base: 0.9, exponent: 80.0 },
        ..small::config()
    };
    let mut trainer = Trainer::new(env, &network, config, 2, device).expect("valid settings");
    trainer.train(360, &mut ()).expect("training goes on");
    assert_eq!(trainer.env().taken, 360);
    assert!(trainer.progress().updates > 0);
}

/// Forty steps in a T-maze, with nine updates.
fn trained(seed: u64, overlap: bool, device: &Device) -> StateDict {
    trained_with(&DrqnConfig { overlap, ..small::config() }, seed, device)
}

fn trained_with(config: &DrqnConfig, seed: u64, device: &Device) -> StateDict {
    let env = ProbeEnv::new(PassiveTMaze::new(3), 2);
    let network = network_for(&env);
    let config = DrqnConfig {
        batch_size: 2,
        trace_length: 3,
        schedule: UpdateSchedule { learning_starts: 8, update_every: 4, target_copy_every: 2 },
        epsilon: EpsilonSchedule::Linear { start: 1.0, end: 0.0, steps: 16 },
        ..config.clone()
    };
    let mut trainer = Trainer::new(env, &network, config, seed, device).expect("valid settings");
    trainer.train(40, &mut ()).expect("training goes on");
    assert_eq!((trainer.progress().updates, trainer.learner().updates()), (9, 9));
    state_dict(&trainer.learner().online().valid())
}

fn training_is_the_same_for_the_same_seed(device: &Device) {
    assert!(trained(4, false, device) == trained(4, false, device), "two runs with one seed differ");
    assert!(trained(4, false, device) != trained(5, false, device), "two seeds give one run");
}

/// Priorities are written after each update, so the next draw depends on them.
fn training_by_priority_is_the_same_for_the_same_seed(device: &Device) {
    let prioritised = |overlap| {
        let sampling = Sampling::Prioritised { alpha: 0.9, beta: 0.6 };
        trained_with(&DrqnConfig { sampling, overlap, ..small::config() }, 4, device)
    };
    for overlap in [false, true] {
        assert!(prioritised(overlap) == prioritised(overlap), "two runs with one seed differ");
        assert!(prioritised(overlap) != trained(4, overlap, device), "the draw does not depend on errors");
    }
}

/// On one thread the updates come before the step, on two beside it; the batch is too small to be cut itself.
fn learning_beside_acting_does_not_depend_on_which_is_faster(device: &Device) {
    let on = |threads: usize| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| trained(4, true, device))
    };
    assert!(on(1) == on(2), "it depends on the threads");
    assert!(on(2) != trained(4, false, device), "the step does not see the network from before the updates");
}

/// Everything that an observer is told.
#[derive(Default, Debug, PartialEq)]
struct Told {
    episodes: Vec<EpisodeReport>,
    changes: Vec<StageChange>,
}

impl<E> TrainObserver<E> for Told {
    fn on_episode(&mut self, _env: &E, episode: &EpisodeReport) {
        self.episodes.push(*episode);
    }

    fn on_stage_change(&mut self, _env: &E, change: &StageChange) {
        self.changes.push(*change);
    }
}

/// Novelty of both kinds, annealing, a curriculum, priorities, stored states, burn-in and whole episodes.
fn training_with_everything_on_is_the_same_for_the_same_seed(device: &Device) {
    let annealing = AnnealingConfig { window: 3, mean_gate: 0.0, decay: 0.9, ..AnnealingConfig::default() };
    let stage = |multiplier, reward| Stage::new(&["energy", "social"], multiplier, reward);
    let rising = AdversarialConfig {
        stages: vec![stage(0.5, RewardMode::Shaped), stage(1.0, RewardMode::Sparse)],
        min_steps: 7,
        max_entropy: 2.0,
        ..AdversarialConfig::default()
    };
    let base = DrqnConfig {
        batch_size: 3,
        trace_length: 4,
        sampling: Sampling::Prioritised { alpha: 0.9, beta: 0.6 },
        schedule: UpdateSchedule { learning_starts: 20, update_every: 4, target_copy_every: 3 },
        epsilon: EpsilonSchedule::Ladder { base: 0.5, exponent: 2.0 },
        annealing: Annealing::Adaptive(annealing),
        curriculum: CurriculumConfig::Adversarial(rising),
        ..small::config()
    };
    let rnd = DistillationConfig { hidden: [6, 5], embedding: 4, ..DistillationConfig::default() };
    let windows = DrqnConfig {
        intrinsic: Intrinsic::Rnd(rnd),
        start_state: StartState::Stored,
        burn_in: 2,
        period: 2,
        ..base.clone()
    };
    let whole = DrqnConfig {
        intrinsic: Intrinsic::Counts(CountNoveltyConfig::default()),
        sequences: Sequences::WholeEpisodes,
        // Two of them would be cut between two threads, and added up in another order.
        batch_size: 1,
        ..base
    };
    for config in [windows, whole] {
        let run = |overlap, threads| {
            let mut level = Level { step_limit: 7, ..Level::builtin("pomdp").expect("built in") };
            level.meters[0].start = 0.05;
            let town = Town::new(level, 3).expect("a valid level");
            let (network, config) = (network_for(&town), DrqnConfig { overlap, ..config.clone() });
            let mut trainer = Trainer::new(town, &network, config, 6, device).expect("valid settings");
            let mut told = Told::default();
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| trainer.train(150, &mut told)).expect("training goes on");
            assert!(trainer.progress().updates > 20 && !told.changes.is_empty(), "{:?}", trainer.progress());
            assert!(told.episodes.iter().any(|episode| episode.intrinsic_reward > 0.0));
            (state_dict(&trainer.learner().online().valid()), told)
        };
        for overlap in [false, true] {
            assert!(run(overlap, 1) == run(overlap, 1), "two runs with one seed differ: {config:?}");
            assert!(run(overlap, 1) == run(overlap, 2), "it depends on the threads: {config:?}");
        }
        assert!(run(false, 1) != run(true, 1), "updates beside the step are those before it: {config:?}");
    }
}
