//! What the values are trained towards: the two-pass unroll.
//!
//! Pass 1 runs the online network over a sequence, with gradient. Pass 2 runs the target network over the
//! same observations and the one after them, without. Each carries *its own* recurrent state from the
//! sequence's start, so a value that depends on what was seen earlier is bootstrapped from a value that
//! depends on it too. A target network whose state is dropped at every step values every later observation
//! as if nothing had come before it, and whatever must be remembered cannot be learned.

use std::borrow::Borrow;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use townlet_nets::{QNetwork, QState};

use crate::burn_in::WarmUp;
use crate::config::{BootstrapActions, DrqnConfig, LastStep, Memory};
use crate::replay::SequenceBatch;
use crate::rescale::{rescale_inverse_tensor, rescale_tensor};

/// Stands in for the value of an action that must not be chosen. Finite, because zero times infinity is
/// not zero.
const FORBIDDEN: f32 = -1e30;

/// A [`SequenceBatch`] on a device, its rewards already summed to n-step returns.
pub(crate) struct DeviceBatch {
    /// `[batch, time + 1, features]`
    pub(crate) observations: Tensor<3>,
    /// The action taken at each step, `[batch, time, 1]`.
    pub(crate) actions: Tensor<3, Int>,
    /// 1 for a step that happened, 0 for padding, `[batch, time]`.
    pub(crate) valid: Tensor<2>,
    /// How many steps happened.
    pub(crate) num_valid: usize,
    /// What the memory of both passes begins with; `None` for zeros.
    pub(crate) warm_up: Option<WarmUp>,
    /// What each sequence's part of the loss is multiplied by, `[batch, 1]`; `None` where all count alike.
    pub(crate) weights: Option<Tensor<2>>,
    /// The discounted sum of the rewards before the bootstrap, `[batch, time]`.
    returns: Tensor<2>,
    /// What the bootstrapped value is multiplied by: a power of the discount, or 0, `[batch, time]`.
    coefficients: Tensor<2>,
    /// At which step's successor each step bootstraps, `[batch, time]`.
    bootstrap_at: Tensor<2, Int>,
    /// The actions that must not be bootstrapped from, for observations 1 to `time`, `[batch, time, actions]`.
    forbidden: Tensor<3, Bool>,
    /// Whether the networks put out rescaled returns.
    rescaled: bool,
}

impl DeviceBatch {
    pub(crate) fn upload(batch: &SequenceBatch, config: &DrqnConfig, device: &Device) -> Self {
        let SequenceBatch { batch: rows, time, features, num_actions, .. } = *batch;
        let bootstrap = Bootstrap::of(batch, config);
        let forbidden: Vec<bool> = match config.bootstrap_actions {
            BootstrapActions::All => vec![false; rows * time * num_actions],
            BootstrapActions::Allowed => batch
                .action_masks
                .chunks_exact((time + 1) * num_actions)
                .flat_map(|masks| masks[num_actions..].iter().map(|allowed| !allowed))
                .collect(),
        };
        let actions: Vec<i32> = batch.actions.iter().map(|&action| i32::from(action)).collect();
        let valid: Vec<f32> = batch.valid.iter().map(|&valid| f32::from(u8::from(valid))).collect();
        let per_step = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, [rows, time]), device);
        Self {
            observations: Tensor::from_data(
                TensorData::new(batch.observations.clone(), [rows, time + 1, features]),
                device,
            ),
            actions: Tensor::from_data(TensorData::new(actions, [rows, time, 1]), device),
            valid: per_step(valid),
            num_valid: batch.num_valid(),
            warm_up: WarmUp::upload(batch, device),
            weights: (!batch.weights.is_empty())
                .then(|| Tensor::from_data(TensorData::new(batch.weights.clone(), [rows, 1]), device)),
            returns: per_step(bootstrap.returns),
            coefficients: per_step(bootstrap.coefficients),
            bootstrap_at: Tensor::from_data(TensorData::new(bootstrap.at, [rows, time]), device),
            forbidden: Tensor::from_data(TensorData::new(forbidden, [rows, time, num_actions]), device),
            rescaled: config.value_rescaling,
        }
    }

    /// Pass 2: the target network's values of all observations, `[batch, time + 1, actions]`.
    pub(crate) fn target_values(&self, target: &QNetwork, memory: Memory) -> Tensor<3> {
        let carried = memory == Memory::Carried;
        let start = carried.then(|| self.start(|| target)).flatten();
        unroll(target, self.observations.clone(), start, carried)
    }

    /// The memory of `network`, which tracks no gradients, before the first step of each sequence; `None` for
    /// zeros.
    pub(crate) fn start<N: Borrow<QNetwork>>(&self, network: impl FnOnce() -> N) -> Option<QState> {
        self.warm_up.as_ref().map(|warm_up| warm_up.run(network().borrow()))
    }

    /// The targets of all steps, `[batch, time]`:
    ///
    /// y = r₀ + γ r₁ + … + γᵐ⁻¹ rₘ₋₁ + γᵐ · maxₐ Q(oₘ, a | hₘ)
    ///
    /// with Q and h from the target network, and nothing bootstrapped where the episode terminated. Where
    /// values are rescaled, Q is what the inverse makes of the network's output, and y is rescaled.
    ///
    /// `values` are the target network's, see [`Self::target_values`].
    ///
    /// `choosers` are the values by which the bootstrapped action is chosen where that is not the target
    /// network itself, `[batch, time + 1, actions]` over the same observations.
    pub(crate) fn targets(&self, values: Tensor<3>, choosers: Option<Tensor<3>>) -> Tensor<2> {
        let values = successors(values);
        let [batch, time, _] = values.dims();
        let best = match choosers {
            None => values.mask_fill(self.forbidden.clone(), FORBIDDEN).max_dim(2),
            Some(choosers) => {
                let chosen = successors(choosers).mask_fill(self.forbidden.clone(), FORBIDDEN).argmax(2);
                values.gather(2, chosen)
            }
        };
        let bootstrapped = best.reshape([batch, time]).gather(1, self.bootstrap_at.clone());
        let bootstrap =
            |bootstrapped: Tensor<2>| self.returns.clone() + self.coefficients.clone() * bootstrapped;
        if self.rescaled {
            rescale_tensor(bootstrap(rescale_inverse_tensor(bootstrapped)))
        } else {
            bootstrap(bootstrapped)
        }
    }
}

/// Values of observations 1 to `time` from those of 0 to `time`.
fn successors(values: Tensor<3>) -> Tensor<3> {
    let [batch, observations, actions] = values.dims();
    values.slice([0..batch, 1..observations, 0..actions])
}

/// Values along a batch of sequences from the state `start`, or zeros; where the state is not `carried`, every
/// step is a sequence of its own, from zeros.
///
/// # Shapes
///
/// - `observations`: `[batch, time, features]`
/// - values: `[batch, time, actions]`
pub(crate) fn unroll(
    network: &QNetwork,
    observations: Tensor<3>,
    start: Option<QState>,
    carried: bool,
) -> Tensor<3> {
    let [batch, time, features] = observations.dims();
    let (sequences, steps) = if carried { (batch, time) } else { (batch * time, 1) };
    let zeros = || QState::zeros(&network.state_widths(), sequences, &observations.device());
    let state = start.filter(|_| carried).unwrap_or_else(zeros);
    let (values, _) = network.forward(observations.reshape([sequences, steps, features]), state);
    let actions = values.dims()[2];
    values.reshape([batch, time, actions])
}

/// The parts of the targets that no network is needed for, each `[batch, time]`.
#[derive(Debug, PartialEq)]
struct Bootstrap {
    returns: Vec<f32>,
    coefficients: Vec<f32>,
    at: Vec<i32>,
}

impl Bootstrap {
    fn of(batch: &SequenceBatch, config: &DrqnConfig) -> Self {
        let slots = batch.batch * batch.time;
        let mut bootstrap =
            Self { returns: vec![0.0; slots], coefficients: vec![0.0; slots], at: vec![0; slots] };
        for row in 0..batch.batch {
            let valid = &batch.valid[row * batch.time..][..batch.time];
            let steps = valid.iter().take_while(|&&valid| valid).count();
            for t in 0..steps {
                bootstrap.step(batch, config, row, t, steps);
            }
        }
        bootstrap
    }

    /// Step `t` of sequence `row`, of whose steps the first `steps` happened.
    fn step(&mut self, batch: &SequenceBatch, config: &DrqnConfig, row: usize, t: usize, steps: usize) {
        let first = row * batch.time;
        let end = (t + config.n_step).min(steps);
        let mut discount = 1.0;
        let mut sum = 0.0;
        let mut last = t;
        for k in t..end {
            sum += discount * f64::from(config.reward_scale * batch.rewards[first + k]);
            discount *= config.discount;
            last = k;
            if batch.terminated[first + k] || batch.truncated[first + k] {
                break;
            }
        }
        let masks = &batch.action_masks[(row * (batch.time + 1) + last + 1) * batch.num_actions..];
        let nothing_allowed = config.bootstrap_actions == BootstrapActions::Allowed
            && !masks[..batch.num_actions].contains(&true);
        let cut = config.last_step == LastStep::RewardOnly && last + 1 == steps;
        let ends = batch.terminated[first + last] || cut || nothing_allowed;
        self.returns[first + t] = sum as f32;
        self.coefficients[first + t] = if ends { 0.0 } else { discount as f32 };
        self.at[first + t] = last as i32;
    }
}
