//! One update of the online network, and the target network beside it.

use std::mem;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use thiserror::Error;
use townlet_nets::device::{in_pool, join};
use townlet_nets::{
    OptimizerStateError, QNetwork, QNetworkConfig, Spoiled, StateDict, clip_global_norm,
    first_not_finite_parameter, load_optimizer_state, optimizer_state, watched_adam,
};

use crate::config::{DrqnConfig, Loss, Memory, Sampling, TargetEstimator, TargetUpdate};
use crate::polyak;
use crate::replay::SequenceBatch;
use crate::targets::{DeviceBatch, unroll};

/// The two networks and the optimiser.
#[derive(Clone)]
pub struct Learner {
    config: DrqnConfig,
    /// Tracks gradients.
    online: QNetwork,
    /// Does not.
    target: QNetwork,
    optimizer: ModuleOptimizer,
    spoiled: Spoiled,
    updates: u64,
    device: Device,
    /// Of the last update.
    td_errors: Vec<f32>,
}

/// What one update did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpdateReport {
    /// The number of updates so far, this one included.
    pub updates: u64,
    /// The loss before the update.
    pub loss: f32,
    /// The L2 norm of the whole gradient before clipping.
    pub grad_norm: f32,
    /// The mean value of the actions that were taken.
    pub mean_q: f32,
    /// The mean target.
    pub mean_target: f32,
    /// Whether the target network was copied after this update.
    pub target_copied: bool,
}

/// Why an update failed.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum LearnerError {
    /// The loss, its gradient or a value is not a finite number. The networks are as they were before the update.
    #[error(
        "update {updates} diverged: loss {loss}, gradient norm {grad_norm}, sum of all values {values}; \
         lower the learning rate or the reward scale"
    )]
    Diverged {
        /// The number of the update.
        updates: u64,
        /// The loss.
        loss: f32,
        /// The norm of the gradient.
        grad_norm: f32,
        /// The sum of the values of all actions, also those that were not taken, in both passes. A maximum over
        /// actions may pass over one that is not a number; a sum does not.
        values: f32,
    },
    /// A parameter is not made of finite numbers after the update. What was before is in the last checkpoint.
    #[error(
        "update {updates} left something other than finite numbers in {parameter}; \
         lower the learning rate or raise adam_epsilon"
    )]
    Parameters {
        /// The number of the update.
        updates: u64,
        /// The name of the parameter.
        parameter: String,
    },
}

impl Learner {
    /// A learner with a fresh network, drawn from `seed`, on `device` (given without autodiff).
    pub fn new(network: &QNetworkConfig, config: DrqnConfig, seed: u64, device: &Device) -> Self {
        let online = network.init(seed, &device.clone().autodiff());
        let target = online.valid();
        Self::from_networks(online, target, config)
    }

    /// A learner that goes on with given networks. The online network's device must track gradients, the
    /// target network's must not.
    pub fn from_networks(online: QNetwork, target: QNetwork, config: DrqnConfig) -> Self {
        let device = target.device();
        let (optimizer, spoiled) = watched_adam(config.adam_epsilon);
        Self { config, online, target, optimizer, spoiled, updates: 0, device, td_errors: Vec::new() }
    }

    /// What the optimiser remembers, by PyTorch's names.
    ///
    /// # Errors
    ///
    /// Where Burn's record of it is not as expected.
    pub fn optimizer_state(&self) -> Result<StateDict, OptimizerStateError> {
        optimizer_state(&self.optimizer, &self.online)
    }

    /// Goes on with these networks, and with what their optimiser remembers after so many updates.
    pub(crate) fn resume(
        &mut self,
        online: QNetwork,
        target: QNetwork,
        moments: &StateDict,
        updates: u64,
    ) -> Result<(), OptimizerStateError> {
        // What an optimiser counts is what it was asked for, at most.
        let steps = moments.iter().filter(|(name, _)| name.rsplit('.').next() == Some("step"));
        for (name, found) in steps.filter_map(|(name, array)| Some((name, *array.values.first()?))) {
            if found > updates as f32 {
                return Err(OptimizerStateError::Steps { name: name.clone(), found });
            }
        }
        let (optimizer, spoiled) = watched_adam(self.config.adam_epsilon);
        self.optimizer = load_optimizer_state(optimizer, &online, moments)?;
        self.spoiled = spoiled;
        (self.online, self.target, self.updates) = (online, target, updates);
        Ok(())
    }

    /// One update from one batch of sequences: two passes, loss, clipped gradient, Adam, and every so many
    /// updates a copy of the online network into the target network (or a step towards it).
    ///
    /// # Errors
    ///
    /// Returns an error if the loss, the gradient or a value is not finite; nothing has changed then. Returns
    /// another if a parameter is not finite after the step, where the network is on a CPU backend; elsewhere the next
    /// update finds it.
    pub fn update(&mut self, batch: &SequenceBatch) -> Result<UpdateReport, LearnerError> {
        let device = self.device.clone();
        in_pool(&device, || self.update_here(batch))
    }

    fn update_here(&mut self, batch: &SequenceBatch) -> Result<UpdateReport, LearnerError> {
        let batch = DeviceBatch::upload(batch, &self.config, &self.device);
        let Pass { loss, values, targets, sum } = self.passes(&batch);
        let values = values.inner();
        self.td_errors.clear();
        let errors = matches!(self.config.sampling, Sampling::Prioritised { .. }).then(|| {
            let errors = (values.clone() - targets.clone()).abs();
            let steps = errors.dims().iter().product::<usize>();
            errors.reshape([steps])
        });

        let mut gradients = GradientsParams::from_grads(loss.backward(), &self.online);
        let norm = clip_global_norm(&mut gradients, &self.online, self.config.max_grad_norm);

        // One synchronisation with the device an update: everything to be reported in one array.
        let count = batch.num_valid as f32;
        let mean = |steps: Tensor<2>| (steps * batch.valid.clone()).sum().div_scalar(count);
        let mut report = vec![loss.inner(), norm, mean(values), mean(targets), sum];
        report.extend(errors);
        let report: Vec<f32> = Tensor::cat(report, 0).into_data().iter::<f32>().collect();
        let &[loss, grad_norm, mean_q, mean_target, values, ref errors @ ..] = report.as_slice() else {
            unreachable!("five numbers and the errors were joined");
        };
        if ![loss, grad_norm, mean_q, mean_target, values].into_iter().all(f32::is_finite) {
            return Err(LearnerError::Diverged { updates: self.updates + 1, loss, grad_norm, values });
        }

        self.td_errors.extend_from_slice(errors);

        let rate = self.config.learning_rate_after(self.updates);
        // Moved out rather than cloned: parameters that nobody else holds are changed in their place.
        let online = mem::replace(&mut self.online, self.target.clone());
        self.online = online.step(&mut self.optimizer, rate, gradients);
        self.updates += 1;
        // Searched for by name only where there is one.
        let spoiled = self.spoiled.take().then(|| first_not_finite_parameter(&self.online));
        if let Some(parameter) = spoiled.flatten() {
            return Err(LearnerError::Parameters { updates: self.updates, parameter });
        }
        let target_copied = self.move_target();
        Ok(UpdateReport { updates: self.updates, loss, grad_norm, mean_q, mean_target, target_copied })
    }

    /// Lets the target network follow; whether it became a copy.
    fn move_target(&mut self) -> bool {
        match self.config.target_update {
            TargetUpdate::Copy {} => {
                let due = self.config.schedule.copies_target_after(self.updates);
                if due {
                    self.target = self.online.valid();
                }
                due
            }
            TargetUpdate::Polyak { tau } => {
                self.target = polyak::towards(self.target.clone(), &self.online.valid(), tau);
                false
            }
        }
    }

    /// The targets that an update from `batch` would train towards, `[batch, time]`, row-major. Entries of
    /// padding mean nothing.
    pub fn targets(&self, batch: &SequenceBatch) -> Vec<f32> {
        let batch = DeviceBatch::upload(batch, &self.config, &self.device);
        self.passes(&batch).targets.into_data().iter::<f32>().collect()
    }

    /// The gradient that an update from `batch` would follow, before clipping, by parameter name and in
    /// PyTorch's shapes.
    pub fn gradients(&self, batch: &SequenceBatch) -> townlet_nets::StateDict {
        let batch = DeviceBatch::upload(batch, &self.config, &self.device);
        let gradients = self.passes(&batch).loss.backward();
        let gradients = GradientsParams::from_grads(gradients, &self.online);
        townlet_nets::state_dict(&crate::gradients::as_module(&self.online, &gradients))
    }

    fn passes(&self, batch: &DeviceBatch) -> Pass {
        let config = &self.config;
        let carried = config.memory != Memory::ResetEachStep;
        let double = config.estimator == TargetEstimator::Double;
        let observations = batch.observations.clone();
        let [rows, count, features] = observations.dims();
        let time = count - 1;

        // Pass 1, with gradient, and pass 2, without; neither needs the other. Where the online network also
        // chooses the bootstrapped actions, it needs to see the last observation too.
        let seen = if double { observations } else { observations.slice([0..rows, 0..time, 0..features]) };
        let (all, target_values) = join(
            &self.device,
            || {
                // Warmed up without a gradient: what is learned through begins with the window.
                let start = carried.then(|| batch.start(|| self.online.valid())).flatten();
                let start = start.map(|state| state.map(Tensor::from_inner));
                unroll(&self.online, Tensor::from_inner(seen), start, carried)
            },
            || batch.target_values(&self.target, config.memory),
        );
        let sum = all.clone().inner().sum() + target_values.clone().sum();
        let actions = all.dims()[2];
        let choosers = double.then(|| all.clone().inner());
        let values = all
            .slice([0..rows, 0..time, 0..actions])
            .gather(2, Tensor::from_inner(batch.actions.clone()))
            .reshape([rows, time]);

        let targets = batch.targets(target_values, choosers);

        let error = values.clone() - Tensor::from_inner(targets.clone());
        let per_step = match config.loss {
            Loss::Mse => error.clone() * error,
            Loss::Huber => {
                // ½ e² up to 1 and |e| - ½ beyond, written with the part of |e| below 1.
                let size = error.abs();
                let below = size.clone().clamp_max(1.0);
                below.clone() * (size - below * 0.5)
            }
        };
        let mut share = batch.valid.clone();
        if let Some(weights) = &batch.weights {
            share = share * weights.clone();
        }
        let loss = (per_step * Tensor::from_inner(share)).sum();
        Pass { loss: loss.div_scalar(batch.num_valid as f32), values, targets, sum }
    }

    /// The network that is trained; it tracks gradients.
    pub fn online(&self) -> &QNetwork {
        &self.online
    }

    /// The network that targets come from.
    pub fn target(&self) -> &QNetwork {
        &self.target
    }

    /// A copy of the online network to act with, without gradients. It shares the parameters' memory.
    pub fn acting_network(&self) -> QNetwork {
        self.online.valid()
    }

    /// By how much the values of the last update's batch missed their targets, `[batch, time]`, as absolute
    /// numbers; those of padding mean nothing. Empty where sequences are not drawn by them.
    pub fn td_errors(&self) -> &[f32] {
        &self.td_errors
    }

    /// How many updates were made.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The settings.
    pub fn config(&self) -> &DrqnConfig {
        &self.config
    }
}

/// What the two passes of an update give.
struct Pass {
    /// `[1]`, with gradient.
    loss: Tensor<1>,
    /// The values of the actions taken, `[batch, time]`, with gradient.
    values: Tensor<2>,
    /// `[batch, time]`
    targets: Tensor<2>,
    /// The sum of all values of both passes, `[1]`.
    sum: Tensor<1>,
}
