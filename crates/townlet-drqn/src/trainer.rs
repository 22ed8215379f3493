//! The loop: act, step, store, learn, report.

mod saved;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use townlet_env::{Action, Stage, Step, StepError, VectorEnv, WorldCheck, WorldFault, stream};
use townlet_nets::device::in_pool;
use townlet_nets::{Actor, QNetworkConfig};

use crate::config::{Annealing, DrqnConfig, Sampling, Sequences, StartState};
use crate::config_error::ConfigError;
use crate::curriculum::{Curriculum, CurriculumError, Entropies, StageChange};
use crate::evaluate::EpisodeOutcome;
use crate::explore::{AdaptiveAnnealing, Distiller, Novelty, NoveltyError, epsilon_greedy};
use crate::learner::{Learner, LearnerError, UpdateReport};
use crate::policy::ValueFault;
use crate::replay::{EmptyReplay, Extras, SequenceBatch, SequenceReplay};
use crate::schedule::EpsilonSchedule;

/// Why training stopped.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The environments refused a step.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The environments show or pay what nobody can act on or learn from.
    #[error(transparent)]
    World(#[from] WorldFault),
    /// The network values actions at something other than finite numbers.
    #[error(transparent)]
    Values(#[from] ValueFault),
    /// An update failed.
    #[error(transparent)]
    Learner(#[from] LearnerError),
    /// An update was due before anything was stored.
    #[error(transparent)]
    Replay(#[from] EmptyReplay),
    /// Novelty cannot be measured in this world.
    #[error(transparent)]
    Novelty(#[from] NoveltyError),
    /// The curriculum cannot be followed in this world.
    #[error(transparent)]
    Curriculum(#[from] CurriculumError),
}

/// Where a training run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Environment steps taken, counted over all environments.
    pub steps: u64,
    /// Episodes finished.
    pub episodes: u64,
    /// Updates made.
    pub updates: u64,
    /// Transitions in the replay.
    pub stored: usize,
}

/// One finished training episode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpisodeReport {
    /// Its number, from 0, in order of finishing.
    pub episode: u64,
    /// The environment it was lived in.
    pub env: usize,
    /// Environment steps taken when it ended, counted over all environments.
    pub steps: u64,
    /// How many steps it lasted.
    pub length: u64,
    /// The sum of its rewards, as the world paid them.
    pub total_reward: f64,
    /// The sum of its intrinsic rewards, without their weight; 0 where none are paid.
    pub intrinsic_reward: f64,
    /// Whether it ended in the world.
    pub terminated: bool,
    /// Whether a limit cut it off.
    pub truncated: bool,
    /// The environment's epsilon when it ended.
    pub epsilon: f64,
    /// What intrinsic rewards counted when it ended; 0 where none are paid.
    pub intrinsic_weight: f64,
    /// The stage of the curriculum that it was lived in, from 1; 0 where there is no curriculum.
    pub stage: usize,
}

impl EpisodeReport {
    /// How the episode went, as the world has it.
    fn outcome(&self) -> EpisodeOutcome {
        let Self { length, total_reward, terminated, truncated, .. } = *self;
        EpisodeOutcome { length, total_reward, terminated, truncated }
    }
}

/// Is told what happens while a [`Trainer`] trains. Every method does nothing unless it is implemented;
/// `()` observes nothing at all.
pub trait TrainObserver<E> {
    /// After every step of the environments.
    fn on_step(&mut self, env: &E, progress: &Progress) {
        let _ = (env, progress);
    }

    /// After the step that ended an episode, with the environments as they are right after it.
    fn on_episode(&mut self, env: &E, episode: &EpisodeReport) {
        let _ = (env, episode);
    }

    /// After an agent's episode moved it to another stage of the curriculum, before the first step there.
    fn on_stage_change(&mut self, env: &E, change: &StageChange) {
        let _ = (env, change);
    }

    /// After every update.
    fn on_update(&mut self, update: &UpdateReport) {
        let _ = update;
    }
}

impl<E> TrainObserver<E> for () {}

/// Trains one network in many environments.
///
/// The memory with which the agents act lives here, one state for each environment: it follows every
/// observation, is wiped for an environment when its episode ends, and no update ever touches it.
pub struct Trainer<E> {
    env: E,
    player: Player,
    study: Study,
    replay: SequenceReplay,
    book: Book,
    /// Lowers the weight of intrinsic rewards, if anything does.
    annealing: Option<AdaptiveAnnealing>,
    /// Says how hard the world of each agent is, if anything does.
    curriculum: Option<Curriculum>,
    /// The updates that are outstanding.
    due: u64,
    /// Nothing is learned before so many steps: a run that went on without its replay fills a new one first.
    rests_until: u64,
}

/// Acts.
struct Player {
    actor: Actor,
    check: WorldCheck,
    epsilon: EpsilonSchedule,
    seed: u64,
    /// Steps of all environments together, and the same counted over them.
    rounds: u64,
    steps: u64,
    actions: Vec<Action>,
    /// Whether the memory before each step is stored with it.
    stores_states: bool,
    /// The memory before the step made last, `[num_envs, 2 * hidden]`, if it is stored.
    states: Vec<f32>,
    novelty: Novelty,
    /// Before so many steps nothing is learned.
    learning_starts: u64,
    /// What the step made last was worth by its novelty, `[num_envs]`; empty where nothing is paid.
    intrinsic: Vec<f32>,
    /// How undecided policies are, if a curriculum asks.
    entropies: Option<Entropies>,
}

/// Learns.
struct Study {
    learner: Learner,
    /// Learns what has been seen, where novelty is what has not.
    distiller: Option<Distiller>,
    seed: u64,
    // Memory that is used again.
    batch: SequenceBatch,
    /// Of the updates made last.
    reports: Vec<UpdateReport>,
}

/// What the acting side says of the step made last.
#[derive(Clone, Copy)]
struct Took<'a> {
    actions: &'a [Action],
    extras: Extras<'a>,
    /// `[num_envs]`, or empty.
    entropies: &'a [f64],
}

/// Keeps account of steps and episodes.
struct Book {
    progress: Progress,
    epsilon: EpsilonSchedule,
    lengths: Vec<u64>,
    total_rewards: Vec<f64>,
    intrinsic_rewards: Vec<f64>,
    /// The sums of the entropies of the policy, where they are asked for.
    entropies: Vec<f64>,
    // Of the step made last.
    ended: Vec<bool>,
    reports: Vec<EpisodeReport>,
    /// The mean entropy of the policy over each of these episodes; 0 where none is asked for.
    mean_entropies: Vec<f64>,
}

impl Player {
    /// One step of every environment.
    fn step<'a, E: VectorEnv>(&mut self, env: &'a mut E) -> Result<Step<'a>, TrainError> {
        let (num_envs, schedule, steps) = (env.num_envs(), self.epsilon, self.steps);
        let epsilon = |env| schedule.epsilon(env, num_envs, steps);
        if self.stores_states {
            self.actor.write_state(&mut self.states);
        }
        let values = self.actor.values(env.observations());
        let number = self.rounds + 1;
        ValueFault::check(values, env.num_actions(), number)?;
        if let Some(entropies) = &mut self.entropies {
            entropies.measure(values, env.action_masks(), env.num_actions());
        }
        epsilon_greedy(values, env.action_masks(), epsilon, self.seed, self.rounds, &mut self.actions);
        self.novelty.visit(env.observations(), &self.actions, &mut self.intrinsic)?;
        let step = env.step(&self.actions)?;
        self.check.step(&step, number)?;
        self.novelty.led_to(&step, self.steps >= self.learning_starts, &mut self.intrinsic)?;
        Ok(step)
    }

    /// The actions of the step made last, and what is known beside them.
    fn took(&self) -> Took<'_> {
        Took {
            actions: &self.actions,
            extras: Extras { states: &self.states, intrinsic: &self.intrinsic },
            entropies: self.entropies.as_ref().map_or(&[], Entropies::of_step),
        }
    }
}

impl Study {
    /// Takes over what so many updates need to know of acting; nothing is shared while they are made.
    fn prepare(&mut self, count: u64, player: &Player) {
        if let (Novelty::Distillation(curiosity), Some(distiller)) = (&player.novelty, &mut self.distiller)
            && count > 0
        {
            distiller.prepare(curiosity);
        }
    }

    /// So many updates from `replay`, whose priorities follow.
    fn updates(&mut self, count: u64, replay: &mut SequenceReplay) -> Result<(), TrainError> {
        self.reports.clear();
        for _ in 0..count {
            let mut rng = stream(self.seed, "replay", self.learner.updates(), 0);
            replay.sample(self.learner.config().batch_size, &mut rng, &mut self.batch)?;
            self.reports.push(self.learner.update(&self.batch)?);
            replay.update_priorities(&self.batch, self.learner.td_errors());
            if let Some(distiller) = &mut self.distiller {
                distiller.learn(&self.batch)?;
            }
        }
        Ok(())
    }
}

impl Book {
    /// Stores a step of every environment, the actions that led to it and what goes with them, and notes which
    /// episodes it ended.
    fn record(&mut self, took: Took<'_>, step: &Step<'_>, replay: &mut SequenceReplay) {
        let Took { actions, extras, entropies } = took;
        let num_envs = actions.len();
        let before = self.progress.steps;
        replay.record_with(actions, step, extras);
        self.progress.steps += num_envs as u64;
        self.progress.stored = replay.len();
        self.reports.clear();
        self.mean_entropies.clear();
        for env in 0..num_envs {
            self.lengths[env] += 1;
            self.total_rewards[env] += f64::from(step.rewards[env]);
            self.intrinsic_rewards[env] += extras.intrinsic.get(env).copied().map_or(0.0, f64::from);
            self.entropies[env] += entropies.get(env).copied().unwrap_or_default();
            self.ended[env] = step.ended(env);
            if self.ended[env] {
                let entropy = std::mem::take(&mut self.entropies[env]);
                self.mean_entropies.push(entropy / self.lengths[env] as f64);
                self.reports.push(EpisodeReport {
                    episode: self.progress.episodes,
                    env,
                    steps: self.progress.steps,
                    length: std::mem::take(&mut self.lengths[env]),
                    total_reward: std::mem::take(&mut self.total_rewards[env]),
                    intrinsic_reward: std::mem::take(&mut self.intrinsic_rewards[env]),
                    terminated: step.terminated[env],
                    truncated: step.truncated[env],
                    epsilon: self.epsilon.epsilon(env, num_envs, before),
                    intrinsic_weight: 0.0,
                    stage: 0,
                });
                self.progress.episodes += 1;
            }
        }
    }
}

impl<E: VectorEnv + Send> Trainer<E> {
    /// A trainer with a fresh network, in freshly reset environments. Everything random follows from `seed`.
    ///
    /// `device` is given without autodiff.
    ///
    /// # Errors
    ///
    /// Returns an error if a setting makes no sense, or asks for something that this world does not have, or if the
    /// world shows something other than finite numbers or allows nothing.
    pub fn new(
        mut env: E,
        network: &QNetworkConfig,
        config: DrqnConfig,
        seed: u64,
        device: &Device,
    ) -> Result<Self, TrainError> {
        config.validate()?;
        let num_envs = env.num_envs();
        env.reset(seed);
        let check = WorldCheck::of(&env);
        check.start(env.observations(), env.action_masks(), 0)?;
        let mut replay = SequenceReplay::new(
            config.replay_capacity,
            config.trace_length,
            num_envs,
            env.observation_layout().len(),
            env.num_actions(),
        )
        .windowed(config.period, config.burn_in);
        if config.sequences == Sequences::WholeEpisodes {
            replay = replay.whole_episodes();
        }
        if let Sampling::Prioritised { alpha, beta } = config.sampling {
            replay = replay.prioritised(alpha, beta);
        }
        replay.start(env.observations(), env.action_masks());
        let annealing = match config.annealing {
            Annealing::None {} => None,
            Annealing::Adaptive(annealing) => Some(AdaptiveAnnealing::new(annealing)?),
        };
        if let Some(annealing) = &annealing {
            replay.set_intrinsic_weight(annealing.weight());
        }
        let curriculum = start(&config, &mut env)?;
        let entropies = Entropies::of(curriculum.as_ref(), &config);
        let (novelty, distiller) =
            Novelty::start(&config.intrinsic, env.observation_layout(), num_envs, seed, device)?;
        let learning_starts = config.schedule.learning_starts;
        let epsilon = config.epsilon;
        let stores_states = config.start_state == StartState::Stored;
        let learner = Learner::new(network, config, seed, device);
        let actor = Actor::new(learner.online(), num_envs);
        Ok(Self {
            env,
            player: Player {
                actor,
                check,
                epsilon,
                seed,
                rounds: 0,
                steps: 0,
                actions: vec![0; num_envs],
                stores_states,
                states: Vec::new(),
                novelty,
                learning_starts,
                intrinsic: Vec::new(),
                entropies,
            },
            study: Study { learner, distiller, seed, batch: SequenceBatch::new(), reports: Vec::new() },
            replay,
            book: Book {
                progress: Progress::default(),
                epsilon,
                lengths: vec![0; num_envs],
                total_rewards: vec![0.0; num_envs],
                intrinsic_rewards: vec![0.0; num_envs],
                entropies: vec![0.0; num_envs],
                ended: vec![false; num_envs],
                reports: Vec::new(),
                mean_entropies: Vec::new(),
            },
            annealing,
            curriculum,
            due: 0,
            rests_until: 0,
        })
    }

    /// Trains until at least `steps` environment steps have been taken in all.
    ///
    /// The whole loop runs on a thread of the pool, so that no thread has to be woken for an update; a loop of
    /// [`round`](Self::round)s gains the same from [`in_pool`].
    ///
    /// # Errors
    ///
    /// As [`round`](Self::round).
    pub fn train(
        &mut self,
        steps: u64,
        observer: &mut (impl TrainObserver<E> + Send),
    ) -> Result<(), TrainError> {
        let device = self.study.learner.target().device();
        in_pool(&device, || {
            while self.book.progress.steps < steps {
                self.round(observer)?;
            }
            self.finish(observer)
        })
    }

    /// One step of every environment, and the updates that are due after it.
    ///
    /// With [`overlap`](DrqnConfig::overlap), the updates that are due after a step are made while the next
    /// one is taken: at the end of a round those of its own step are still outstanding.
    ///
    /// # Errors
    ///
    /// Returns an error if the environments refuse a step, show or pay something other than finite numbers or allow
    /// nothing, or if an update diverges. A step that was taken has been stored and told in any case.
    pub fn round(&mut self, observer: &mut impl TrainObserver<E>) -> Result<(), TrainError> {
        let learned = if self.due > 0 {
            self.learn_while_stepping(observer)?
        } else {
            let step = self.player.step(&mut self.env)?;
            self.book.record(self.player.took(), &step, &mut self.replay);
            self.player.actor.forget(&self.book.ended);
            Ok(())
        };
        // The step was taken, whatever became of the updates beside it.
        self.player.rounds += 1;
        self.note_episodes(observer)?;
        observer.on_step(&self.env, &self.book.progress);

        let now = self.book.progress.steps;
        self.player.steps = now;
        let before = now - self.env.num_envs() as u64;
        let rests = now <= self.rests_until;
        self.due = if rests { 0 } else { self.study.learner.config().schedule.updates_due(before, now) };
        if self.study.learner.config().overlap { learned } else { self.finish(observer) }
    }

    /// What the episodes that the last step ended mean for those that follow. No step of these was taken yet.
    fn note_episodes(&mut self, observer: &mut impl TrainObserver<E>) -> Result<(), TrainError> {
        let pays = !matches!(self.player.novelty, Novelty::None);
        for (report, &entropy) in self.book.reports.iter_mut().zip(&self.book.mean_entropies) {
            report.intrinsic_weight = if pays { self.replay.intrinsic_weight() } else { 0.0 };
            let curriculum = self.curriculum.as_ref();
            report.stage = curriculum.and_then(|it| it.stage_number(report.env)).unwrap_or_default();
            observer.on_episode(&self.env, report);
            if let Some(annealing) = &mut self.annealing
                && let Some(change) = annealing.on_episode_end(report.length)
            {
                self.replay.set_intrinsic_weight(change.to);
            }
            if let Some(curriculum) = &mut self.curriculum
                && let Some(change) = curriculum.on_episode_end(report.env, &report.outcome(), entropy)
            {
                if let Some(stage) = curriculum.stage(report.env) {
                    enter(&mut self.env, report.env, change.to, stage)?;
                }
                observer.on_stage_change(&self.env, &change);
            }
        }
        Ok(())
    }

    /// Makes the updates that are still outstanding.
    ///
    /// # Errors
    ///
    /// Where an update diverges.
    pub fn finish(&mut self, observer: &mut impl TrainObserver<E>) -> Result<(), TrainError> {
        self.study.prepare(self.due, &self.player);
        let outcome = self.study.updates(self.due, &mut self.replay);
        self.learned(outcome, observer)
    }

    /// The outstanding updates, and the next step beside them.
    ///
    /// Neither touches what the other reads: the step is taken with the network from before the updates, and
    /// stored after them. So it does not matter which of them is done first.
    ///
    /// Where no step was taken, that is the error; otherwise the answer is what became of the updates.
    fn learn_while_stepping(
        &mut self,
        observer: &mut impl TrainObserver<E>,
    ) -> Result<Result<(), TrainError>, TrainError> {
        let Self { env, player, study, replay, book, due, .. } = self;
        study.prepare(*due, player);
        let (outcome, step) = rayon::join(|| study.updates(*due, replay), || player.step(env));
        let stepped = step.map(|step| {
            book.record(player.took(), &step, replay);
            player.actor.forget(&book.ended);
        });
        let learned = self.learned(outcome, observer);
        stepped.map(|()| learned)
    }

    fn learned(
        &mut self,
        outcome: Result<(), TrainError>,
        observer: &mut impl TrainObserver<E>,
    ) -> Result<(), TrainError> {
        self.due = 0;
        self.book.progress.updates = self.study.learner.updates();
        for update in &self.study.reports {
            observer.on_update(update);
        }
        if !self.study.reports.is_empty() {
            self.player.actor.set_network(self.study.learner.online());
            if let (Novelty::Distillation(curiosity), Some(distiller)) =
                (&mut self.player.novelty, &self.study.distiller)
            {
                curiosity.learned(distiller);
            }
        }
        outcome
    }

    /// Where the run stands.
    pub fn progress(&self) -> &Progress {
        &self.book.progress
    }

    /// The mean epsilon over all environments now.
    pub fn mean_epsilon(&self) -> f64 {
        self.study.learner.config().epsilon.mean(self.env.num_envs(), self.book.progress.steps)
    }

    /// The learner.
    pub fn learner(&self) -> &Learner {
        &self.study.learner
    }

    /// The replay.
    pub fn replay(&self) -> &SequenceReplay {
        &self.replay
    }

    /// The stage of every agent, where there is a curriculum.
    pub fn curriculum(&self) -> Option<&Curriculum> {
        self.curriculum.as_ref()
    }

    /// The memory that the agents act with, and the network.
    pub fn actor(&self) -> &Actor {
        &self.player.actor
    }

    /// The environments.
    pub fn env(&self) -> &E {
        &self.env
    }
}

/// The curriculum at its start, with every agent in its first stage. The world has just been reset.
///
/// Every later stage is tried out too, so that one that this world does not have is found now and not after
/// hours.
fn start<E: VectorEnv>(config: &DrqnConfig, env: &mut E) -> Result<Option<Curriculum>, CurriculumError> {
    let num_envs = env.num_envs();
    let curriculum = config.curriculum.start(num_envs, env.step_limit())?;
    for (index, stage) in config.curriculum.stages().iter().enumerate() {
        enter(env, 0, index + 1, stage)?;
    }
    for agent in 0..num_envs {
        if let Some(stage) = curriculum.as_ref().and_then(|curriculum| curriculum.stage(agent)) {
            enter(env, agent, 1, stage)?;
        }
    }
    Ok(curriculum)
}

/// Puts an agent's world in a stage, whose number is said where that fails.
fn enter<E: VectorEnv>(
    env: &mut E,
    agent: usize,
    number: usize,
    stage: &Stage,
) -> Result<(), CurriculumError> {
    env.set_stage(agent, stage).map_err(|fault| CurriculumError::Stage { stage: number, fault })
}
