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
use crate::explore::{AdaptiveAnnealing, SavedNovelty};
use crate::packed;
use crate::replay::SequenceReplay;

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

impl<E: VectorEnv + Snapshot + Send> Trainer<E> {
    /// Writes a checkpoint into a new folder `path`, from which [`resume`](Self::resume) goes on as if the run
    /// had never stopped. Call it between rounds. Nothing of the trainer changes.
    ///
    /// `application` is kept beside it for the caller, see [`Checkpoint::application`]. Without the replay a
    /// checkpoint is small, and whoever goes on from it fills a new one before learning.
    ///
    /// # Errors
    ///
    /// Where it cannot be written. Nothing is left then.
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
    /// Where the checkpoint is of another run, or cannot be read.
    pub fn resume(
        env: E,
        network: &QNetworkConfig,
        config: DrqnConfig,
        seed: u64,
        device: &Device,
        checkpoint: &Checkpoint,
    ) -> Result<Self, CheckpointError> {
        let expect = |what, found: String, expected: String| {
            let path = checkpoint.path().to_path_buf();
            if found == expected {
                Ok(())
            } else {
                Err(CheckpointError::OtherRun { path, what, found, expected })
            }
        };
        expect("its seed", checkpoint.manifest().seed.to_string(), seed.to_string())?;
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
            replay
                .fits(&trainer.replay)
                .map_err(|reason| CheckpointError::Damaged { path: checkpoint.replay_file(), reason })?;
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
