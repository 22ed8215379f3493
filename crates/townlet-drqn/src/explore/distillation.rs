//! Random network distillation in training: one side learns what has been seen, the other is paid for what
//! has not.
//!
//! The two sides touch nothing of each other, so that updates may run beside a step: the acting side has a
//! copy of the predictor, the learning side one of the moments of observations, and both are renewed between
//! updates.

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use townlet_env::Step;
use townlet_nets::{
    OptimizerStateError, RandomNetworkDistillation, RandomNetworkDistillationConfig, StateDict, adam,
    load_optimizer_state, load_state_dict, optimizer_state, state_dict,
};

use super::NoveltyError;
use crate::config_error::{ConfigError, POSITIVE, check};
use crate::replay::SequenceBatch;
use crate::running_moments::{IntrinsicNormaliser, MomentsError, ObservationMoments};
use crate::state_fault::StateFault;

/// The largest size of a layer.
const MAX_SIZE: usize = 16_384;

/// How novelty is learned and what it is worth (Burda et al. 2018).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DistillationConfig {
    /// What novelty counts in the units of the world's rewards: one that has been divided by the standard
    /// deviation of its discounted sum is multiplied by this.
    pub scale: f32,
    /// γ of that sum, 0 to below 1 (Burda et al. 2018, appendix A: 0.99).
    pub discount: f64,
    /// Adam's step size for the predictor.
    pub learning_rate: f64,
    /// The widths of the two hidden layers of both networks.
    pub hidden: [usize; 2],
    /// The size of the embedding that is predicted.
    pub embedding: usize,
}

impl Default for DistillationConfig {
    fn default() -> Self {
        let RandomNetworkDistillationConfig { hidden, embedding, .. } =
            RandomNetworkDistillationConfig::new(1);
        Self { scale: 1.0, discount: 0.99, learning_rate: 1e-4, hidden, embedding }
    }
}

impl DistillationConfig {
    /// Checks that every setting makes sense.
    ///
    /// # Errors
    ///
    /// The first setting that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Self { scale, discount, learning_rate, hidden, embedding } = *self;
        let size = |size: usize| (1..=MAX_SIZE).contains(&size);
        check(scale > 0.0 && scale.is_finite(), "intrinsic.scale", scale, POSITIVE)?;
        check((0.0..1.0).contains(&discount), "intrinsic.discount", discount, "0 to below 1")?;
        let rate = learning_rate > 0.0 && learning_rate.is_finite();
        check(rate, "intrinsic.learning_rate", learning_rate, POSITIVE)?;
        let sizes = "sizes of 1 to 16384";
        check(hidden.into_iter().all(size), "intrinsic.hidden", format!("{hidden:?}"), sizes)?;
        check(size(embedding), "intrinsic.embedding", embedding, "1 to 16384")
    }

    /// Both sides at the start of a run with `seed`, for `num_envs` environments. `device` is given without
    /// autodiff.
    pub(crate) fn start(
        &self,
        num_features: usize,
        num_envs: usize,
        seed: u64,
        device: &Device,
    ) -> Result<(Curiosity, Distiller), ConfigError> {
        self.validate()?;
        let sizes =
            RandomNetworkDistillationConfig { num_features, hidden: self.hidden, embedding: self.embedding };
        let tracking = device.clone().autodiff();
        let network = sizes.init(seed, &tracking);
        let moments = ObservationMoments::new(num_features);
        let curiosity = Curiosity {
            scale: self.scale,
            network: network.valid(),
            device: device.clone(),
            moments: moments.clone(),
            normaliser: IntrinsicNormaliser::new(self.discount, num_envs)?,
            seen: Vec::new(),
        };
        let optimizer = adam(1e-8);
        let learning_rate = self.learning_rate;
        let distiller =
            Distiller { network, optimizer, learning_rate, device: tracking, moments, seen: Vec::new() };
        Ok((curiosity, distiller))
    }
}

/// The acting side: pays for what the predictor does not know.
#[derive(Clone, Debug)]
pub(crate) struct Curiosity {
    scale: f32,
    /// Tracks no gradients.
    network: RandomNetworkDistillation,
    device: Device,
    moments: ObservationMoments,
    normaliser: IntrinsicNormaliser,
    /// Memory that is used again, `[num_envs, features]`.
    seen: Vec<f32>,
}

impl Curiosity {
    /// Takes in what a step led to, and writes what that is worth into `rewards`, `[num_envs]`: the novelty of
    /// the observation after it, the last of an episode included.
    ///
    /// As long as it does not `pay`, nothing is worth anything, and only the moments of observations are
    /// gathered (Burda et al. 2018, section 2.4: "by stepping a random agent").
    pub(crate) fn observe(
        &mut self,
        step: &Step<'_>,
        pays: bool,
        rewards: &mut Vec<f32>,
    ) -> Result<(), MomentsError> {
        let num_envs = step.rewards.len();
        self.seen.clear();
        for env in 0..num_envs {
            self.seen.extend_from_slice(step.outcome(env).0);
        }
        self.moments.push(&self.seen)?;
        rewards.clear();
        if !pays {
            rewards.resize(num_envs, 0.0);
            return Ok(());
        }
        self.moments.whiten(&mut self.seen)?;
        let observations = rows(&self.seen, self.moments.num_features(), &self.device);
        rewards.extend(self.network.novelty(observations).into_data().iter::<f32>());
        self.normaliser.normalise(rewards)?;
        for reward in rewards {
            *reward *= self.scale;
        }
        Ok(())
    }

    /// Knows from now on what the other side has learned.
    pub(crate) fn learned(&mut self, distiller: &Distiller) {
        self.network = distiller.network.valid();
    }
}

/// What the acting side has gathered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedCuriosity {
    moments: ObservationMoments,
    normaliser: IntrinsicNormaliser,
}

impl Curiosity {
    pub(crate) fn saved(&self) -> SavedCuriosity {
        SavedCuriosity { moments: self.moments.clone(), normaliser: self.normaliser.clone() }
    }

    /// Checks that what was saved can be of a run that has made so many steps over all environments.
    pub(crate) fn check(&self, saved: &SavedCuriosity, steps: u64) -> Result<(), StateFault> {
        let features = self.moments.num_features();
        saved.moments.check(features, steps).map_err(|fault| fault.of("moments"))?;
        saved.normaliser.check(&self.normaliser, steps).map_err(|fault| fault.of("normaliser"))
    }

    pub(crate) fn restore(&mut self, saved: SavedCuriosity) {
        let SavedCuriosity { moments, normaliser } = saved;
        (self.moments, self.normaliser) = (moments, normaliser);
    }
}

/// The learning side: trains the predictor on what is replayed.
#[derive(Clone)]
pub(crate) struct Distiller {
    /// Tracks gradients.
    network: RandomNetworkDistillation,
    optimizer: ModuleOptimizer,
    learning_rate: f64,
    /// Tracks gradients.
    device: Device,
    moments: ObservationMoments,
    /// Memory that is used again, `[steps and ends, features]`.
    seen: Vec<f32>,
}

impl Distiller {
    /// Whitens as the other side does now.
    pub(crate) fn prepare(&mut self, curiosity: &Curiosity) {
        self.moments.clone_from(&curiosity.moments);
    }

    /// What the predictor has become. The fixed network follows from the seed.
    pub(crate) fn weights(&self) -> StateDict {
        state_dict(&self.network.predictor)
    }

    pub(crate) fn optimizer_state(&self) -> Result<StateDict, OptimizerStateError> {
        optimizer_state(&self.optimizer, &self.network.predictor)
    }

    /// Goes on with this predictor, and with what its optimiser remembers.
    pub(crate) fn resume(
        &mut self,
        weights: &StateDict,
        moments: &StateDict,
    ) -> Result<(), OptimizerStateError> {
        self.network.predictor = load_state_dict(&self.network.predictor, weights)?;
        self.optimizer = load_optimizer_state(adam(1e-8), &self.network.predictor, moments)?;
        Ok(())
    }

    /// One step of the predictor towards the fixed network on everything that a batch saw; padding is left out.
    ///
    /// # Errors
    ///
    /// Returns an error if the observations do not fit, or the error of the prediction is not a finite number. The
    /// predictor is as it was then.
    pub(crate) fn learn(&mut self, batch: &SequenceBatch) -> Result<(), NoveltyError> {
        let SequenceBatch { time, features, .. } = *batch;
        self.seen.clear();
        let observations = batch.observations.chunks_exact((time + 1) * features);
        for (seen, valid) in observations.zip(batch.valid.chunks_exact(time)) {
            let steps = valid.iter().filter(|&&valid| valid).count();
            self.seen.extend_from_slice(&seen[..(steps + 1) * features]);
        }
        self.moments.whiten(&mut self.seen)?;
        let loss = self.network.novelty(rows(&self.seen, features, &self.device)).mean();
        let found: f32 = loss.clone().inner().into_scalar();
        if !found.is_finite() {
            return Err(NoveltyError::Diverged { loss: found });
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &self.network);
        self.network = self.optimizer.step(self.learning_rate, self.network.clone(), gradients);
        Ok(())
    }
}

/// `[rows, features]`
fn rows(values: &[f32], features: usize, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len() / features, features]), device)
}
