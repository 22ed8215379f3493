//! A trainer in a checkpoint, and back.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use townlet_env::{Snapshot, VectorEnv};
use townlet_nets::{QNetworkConfig, StateDict, StateDictMismatch, TorchNames, load_state_dict};

use super::{Progress, Trainer};
use crate::checkpoint::{Checkpoint, CheckpointError, Contents};
use crate::config::DrqnConfig;
use crate::curriculum::Curriculum;
use crate::explore::{AdaptiveAnnealing, Novelty, SavedNovelty};
use crate::packed;
use crate::replay::{ReplayFacts, SequenceReplay};
use crate::state_fault::StateFault;

/// Everything but the networks and the replay.
#[derive(Serialize, Deserialize)]
struct Saved<W> {
    world: W,
    /// What the agents remember, `[num_envs, sum of the widths]`.
    #[serde(with = "packed::floats")]
    memory: Vec<f32>,
    /// Steps of all environments together.
    rounds: u64,
    progress: Progress,
    lengths: Vec<u64>,
    total_rewards: Vec<f64>,
    intrinsic_rewards: Vec<f64>,
    entropies: Vec<f64>,
    novelty: SavedNovelty,
    annealing: Option<AdaptiveAnnealing>,
    curriculum: Option<Curriculum>,
    due: u64,
    rests_until: u64,
}

impl<W> Saved<W> {
    /// Checks that everything but the world can be so in the run of `fresh`, a trainer that has not begun.
    fn check<E: VectorEnv>(&self, fresh: &Trainer<E>) -> Result<(), StateFault> {
        let num_envs = fresh.env.num_envs() as u64;
        let Progress { steps, episodes, updates, stored: _ } = self.progress;
        let rounds = self.rounds;
        let expected = format!("{rounds} rounds of {num_envs} environments");
        StateFault::ensure(rounds.checked_mul(num_envs) == Some(steps), "progress.steps", steps, expected)?;
        // Nobody counts further, and what is below can still be counted up.
        StateFault::ensure(
            steps <= MOST_STEPS,
            "progress.steps",
            steps,
            format_args!("at most {MOST_STEPS}"),
        )?;
        StateFault::ensure(
            episodes <= steps,
            "progress.episodes",
            episodes,
            format_args!("at most one for each of {steps} steps"),
        )?;
        let config = fresh.study.learner.config();
        let most = steps / config.schedule.update_every;
        StateFault::ensure(updates <= most, "progress.updates", updates, format_args!("at most {most}"))?;
        let due = config.schedule.updates_due(steps.saturating_sub(num_envs), steps);
        let due = if config.overlap { due } else { 0 };
        StateFault::ensure([0, due].contains(&self.due), "due", self.due, format_args!("0 or {due}"))?;
        let most = steps.saturating_add(config.schedule.learning_starts);
        StateFault::ensure(
            self.rests_until <= most,
            "rests_until",
            self.rests_until,
            format_args!("at most {most}"),
        )?;
        self.check_running(fresh.env.step_limit())?;
        self.check_finite()?;
        fresh.player.novelty.check(&self.novelty, steps).map_err(|fault| fault.of("novelty"))?;
        if let (Some(saved), Some(fresh)) = (&self.annealing, &fresh.annealing) {
            saved.check(fresh, rounds).map_err(|fault| fault.of("annealing"))?;
        }
        if let (Some(saved), Some(fresh)) = (&self.curriculum, &fresh.curriculum) {
            saved.check(fresh, rounds).map_err(|fault| fault.of("curriculum"))?;
        }
        Ok(())
    }

    /// Checks what is counted over the episode of each environment.
    fn check_running(&self, step_limit: Option<u32>) -> Result<(), StateFault> {
        let most =
            step_limit.map_or(self.rounds, |limit| self.rounds.min(u64::from(limit).saturating_sub(1)));
        let expected = format!("at most {most} steps");
        StateFault::each("lengths", self.lengths.iter().copied(), |length| length <= most, &expected)?;
        let columns = [
            ("total_rewards", &self.total_rewards),
            ("intrinsic_rewards", &self.intrinsic_rewards),
            ("entropies", &self.entropies),
        ];
        for (field, sums) in columns {
            let nothing =
                sums.iter().zip(&self.lengths).position(|(&sum, &length)| length == 0 && sum != 0.0);
            if let Some(env) = nothing {
                let expected = "0 where the episode has just begun";
                return StateFault::ensure(false, &format!("{field}[{env}]"), sums[env], expected);
            }
        }
        let mut entropies = self.entropies.iter().zip(&self.lengths);
        // Each is 1 at most, but for rounding.
        match entropies.position(|(&sum, &length)| !(0.0..=length as f64 * 1.000_001).contains(&sum)) {
            None => Ok(()),
            Some(env) => {
                let (found, most) = (self.entropies[env], self.lengths[env]);
                StateFault::ensure(false, &format!("entropies[{env}]"), found, format_args!("0 to {most}"))
            }
        }
    }

    /// Checks that what must be finite is.
    fn check_finite(&self) -> Result<(), StateFault> {
        StateFault::finite("memory", self.memory.iter().copied())?;
        StateFault::finite("total_rewards", self.total_rewards.iter().copied())?;
        StateFault::finite("intrinsic_rewards", self.intrinsic_rewards.iter().copied())?;
        StateFault::finite("entropies", self.entropies.iter().copied())
    }
}

/// More steps than any run takes.
const MOST_STEPS: u64 = 1 << 53;

impl<E: VectorEnv + Snapshot + Send> Trainer<E> {
    /// Writes a checkpoint into a new folder `path`, from which [`resume`](Self::resume) goes on as if the run
    /// had never stopped. Call it between rounds. Nothing of the trainer changes.
    ///
    /// `application` is kept beside it for the caller, see [`Checkpoint::application`]. Without the replay a
    /// checkpoint is small, and whoever goes on from it fills a new one before learning.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be written, or if weights, moments or memory are not finite numbers. Nothing is
    /// left then, and older checkpoints are as they were.
    pub fn save(
        &self,
        path: &Path,
        replay: bool,
        application: &impl Serialize,
    ) -> Result<(), CheckpointError> {
        let learner = &self.study.learner;
        let mut weights = vec![
            ("online", townlet_nets::state_dict(learner.online())),
            ("target", townlet_nets::state_dict(learner.target())),
            ("optimizer", optimizer(path, learner.optimizer_state())?),
        ];
        if let Some(distiller) = &self.study.distiller {
            weights.push(("predictor", distiller.weights()));
            weights.push(("predictor-optimizer", optimizer(path, distiller.optimizer_state())?));
        }
        let mut memory = Vec::new();
        self.player.actor.write_state(&mut memory);
        let state = Saved {
            world: self.env.snapshot(),
            memory,
            rounds: self.player.rounds,
            progress: self.book.progress,
            lengths: self.book.lengths.clone(),
            total_rewards: self.book.total_rewards.clone(),
            intrinsic_rewards: self.book.intrinsic_rewards.clone(),
            entropies: self.book.entropies.clone(),
            novelty: self.player.novelty.saved(),
            annealing: self.annealing.clone(),
            curriculum: self.curriculum.clone(),
            due: self.due,
            rests_until: self.rests_until,
        };
        state.check_finite().map_err(|fault| CheckpointError::NotSaved { path: path.into(), fault })?;
        let replay = replay.then_some(&self.replay);
        let (seed, progress) = (self.player.seed, self.book.progress);
        Contents { seed, progress, application, weights, state, replay }.write(path)
    }

    /// The trainer that was saved, in a world like the one that it was made with. Network, settings and seed are
    /// those of its run.
    ///
    /// On a CPU backend, with the same number of threads, it goes on bit for bit as it would have. Without a
    /// replay it first plays until a new one holds as much as learning started with.
    ///
    /// # Errors
    ///
    /// Returns an error if the checkpoint is of another run, cannot be read, or says anything that cannot be so in
    /// this run: whatever its files hold, this neither panics nor begins something without end.
    pub fn resume(
        env: E,
        network: &QNetworkConfig,
        config: DrqnConfig,
        seed: u64,
        device: &Device,
        checkpoint: &Checkpoint,
    ) -> Result<Self, CheckpointError> {
        let other = |path, what, found: String, expected: String| {
            if found == expected {
                Ok(())
            } else {
                Err(CheckpointError::OtherRun { path, what, found, expected })
            }
        };
        let place = checkpoint.path().to_path_buf();
        other(place, "its seed", checkpoint.manifest().seed.to_string(), seed.to_string())?;
        if !checkpoint.can_be_resumed() {
            return Err(CheckpointError::WeightsOnly { path: checkpoint.path().into() });
        }
        let expect = |what, found, expected| other(checkpoint.state_file(), what, found, expected);
        let starts = config.schedule.learning_starts;
        let mut trainer = Self::new(env, network, config, seed, device)?;
        let num_envs = trainer.env.num_envs();
        let state: Saved<E::State> = checkpoint.state()?;
        let columns = [
            state.lengths.len(),
            state.total_rewards.len(),
            state.intrinsic_rewards.len(),
            state.entropies.len(),
        ];
        for found in columns {
            expect("its number of agents", found.to_string(), num_envs.to_string())?;
        }
        let width: usize = trainer.player.actor.state_widths().iter().sum();
        expect("the size of its memory", state.memory.len().to_string(), (num_envs * width).to_string())?;
        let kinds = [state.novelty.kind(), trainer.player.novelty.saved().kind()].map(str::to_owned);
        let [found, expected] = kinds;
        expect("its intrinsic reward", found, expected)?;
        let has = |there: bool| if there { "there" } else { "none" }.to_owned();
        expect("its annealing", has(state.annealing.is_some()), has(trainer.annealing.is_some()))?;
        expect("its curriculum", has(state.curriculum.is_some()), has(trainer.curriculum.is_some()))?;
        let damaged = |fault| CheckpointError::State { path: checkpoint.state_file(), fault };
        state.check(&trainer).map_err(damaged)?;
        StateFault::same("progress", &state.progress, checkpoint.progress()).map_err(damaged)?;
        let of_seed = |found| StateFault::same("the seed of the world", &found, &seed);
        E::seed(&state.world).map_or(Ok(()), of_seed).map_err(damaged)?;

        let learner = &mut trainer.study.learner;
        let online = network_from(learner.online(), checkpoint, "online")?;
        let target = network_from(learner.target(), checkpoint, "target")?;
        let moments = checkpoint.weights("optimizer")?;
        learner.resume(online, target, &moments, state.progress.updates).map_err(|source| {
            CheckpointError::Optimizer { path: checkpoint.weights_file("optimizer"), source }
        })?;
        trainer.player.actor.set_network(learner.online());
        trainer.player.actor.read_state(&state.memory);

        trainer.env.restore(state.world).map_err(|error| CheckpointError::World {
            path: checkpoint.state_file(),
            reason: error.to_string(),
        })?;
        let (observations, masks) = (trainer.env.observations(), trainer.env.action_masks());
        trainer.player.check.start(observations, masks, state.rounds).map_err(|error| {
            CheckpointError::World { path: checkpoint.state_file(), reason: error.to_string() }
        })?;
        if let Some(curriculum) = &state.curriculum {
            trainer.check_stages(curriculum).map_err(damaged)?;
        }
        trainer.player.novelty.restore(state.novelty);
        if let Some(distiller) = &mut trainer.study.distiller {
            let predictor = checkpoint.weights("predictor")?;
            let moments = checkpoint.weights("predictor-optimizer")?;
            distiller.resume(&predictor, &moments).map_err(|source| CheckpointError::Optimizer {
                path: checkpoint.weights_file("predictor-optimizer"),
                source,
            })?;
            trainer.player.novelty.knows(distiller);
        }

        let progress = state.progress;
        if let Some(replay) = checkpoint.replay::<SequenceReplay>()? {
            let of = ReplayFacts {
                steps: progress.steps,
                lengths: &state.lengths,
                state_width: if trainer.player.stores_states { width } else { 0 },
                pays: !matches!(trainer.player.novelty, Novelty::None),
                intrinsic_weight: state.annealing.as_ref().map_or(1.0, AdaptiveAnnealing::weight),
                observations: trainer.env.observations(),
                action_masks: trainer.env.action_masks(),
            };
            let checked = replay.check(&trainer.replay, &of);
            let stored = || StateFault::same("the number of transitions", &replay.len(), &progress.stored);
            checked
                .and_then(|()| stored())
                .map_err(|fault| CheckpointError::State { path: checkpoint.replay_file(), fault })?;
            trainer.replay = replay;
            trainer.rests_until = state.rests_until;
            trainer.due = state.due;
        } else {
            trainer.replay.start(trainer.env.observations(), trainer.env.action_masks());
            trainer.rests_until = progress.steps + starts;
        }
        trainer.annealing = state.annealing;
        if let Some(annealing) = &trainer.annealing {
            trainer.replay.set_intrinsic_weight(annealing.weight());
        }
        trainer.curriculum = state.curriculum;
        trainer.player.rounds = state.rounds;
        trainer.player.steps = progress.steps;
        trainer.book.progress = Progress { stored: trainer.replay.len(), ..progress };
        trainer.book.lengths = state.lengths;
        trainer.book.total_rewards = state.total_rewards;
        trainer.book.intrinsic_rewards = state.intrinsic_rewards;
        trainer.book.entropies = state.entropies;
        Ok(trainer)
    }

    /// Checks that the world is in the stages that the curriculum has its agents in: putting it there changes
    /// nothing.
    fn check_stages(&mut self, curriculum: &Curriculum) -> Result<(), StateFault> {
        let world = |env: &E| rmp_serde::to_vec(&env.snapshot()).unwrap_or_default();
        let saved = world(&self.env);
        for agent in 0..curriculum.num_agents() {
            let (number, stage) = (curriculum.stage_number(agent), curriculum.stage(agent));
            if let (Some(number), Some(stage)) = (number, stage) {
                let entered = super::enter(&mut self.env, agent, number, stage);
                let field = format!("curriculum.agents[{agent}].stage");
                let why = entered.err().map(|error| error.to_string());
                StateFault::ensure(why.is_none(), &field, why.unwrap_or_default(), "a stage of this world")?;
                let same = world(&self.env) == saved;
                StateFault::ensure(same, &field, number, "the stage that the world has the agent in")?;
            }
        }
        Ok(())
    }
}

fn optimizer(
    path: &Path,
    state: Result<StateDict, townlet_nets::OptimizerStateError>,
) -> Result<StateDict, CheckpointError> {
    state.map_err(|source| CheckpointError::Optimizer { path: path.into(), source })
}

/// A network with the weights of a checkpoint.
fn network_from<N: TorchNames + Module>(
    network: &N,
    checkpoint: &Checkpoint,
    name: &str,
) -> Result<N, CheckpointError> {
    let failed =
        |source: StateDictMismatch| CheckpointError::Network { path: checkpoint.weights_file(name), source };
    load_state_dict(network, &checkpoint.weights(name)?).map_err(failed)
}
