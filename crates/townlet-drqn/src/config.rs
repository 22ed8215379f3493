//! Every setting of the learner.

use serde::{Deserialize, Serialize};

use crate::config_error::{ConfigError, POSITIVE, check};
use crate::curriculum::CurriculumConfig;
use crate::explore::{AnnealingConfig, CountNoveltyConfig, DistillationConfig};
use crate::schedule::{EpsilonSchedule, UpdateSchedule};

/// Every setting of the learner, in the field's own terms.
///
/// [`DrqnConfig::default`] is plain DRQN: one-step targets from a target network that carries its state,
/// hard copies every 100 updates, mean squared error, Adam.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DrqnConfig {
    /// γ: what a reward one step later is worth now, 0 to 1.
    pub discount: f64,
    /// Over how many rewards a target sums before it bootstraps (Sutton and Barto 2018, section 7.1).
    /// Sums stop where the episode ends and at the end of the sampled window.
    pub n_step: usize,
    /// Whether the two passes of an update carry their recurrent state through the sequence.
    pub memory: Memory,
    /// Whether the last step of a sequence bootstraps from the observation after it.
    pub last_step: LastStep,
    /// Over which actions a bootstrap maximises.
    pub bootstrap_actions: BootstrapActions,
    /// Which network chooses the action that a bootstrap values.
    pub estimator: TargetEstimator,
    /// The error between values and targets.
    pub loss: Loss,
    /// What rewards are multiplied by before they are learned from. The world's rewards stay as they are.
    pub reward_scale: f32,
    /// Whether the network learns returns through a function that grows like a root, so that large returns
    /// do not drown small ones: [`rescale`](crate::rescale) (Pohlen et al. 2018, section 3.2; R2D2,
    /// Kapturowski et al. 2019, section 2.3).
    pub value_rescaling: bool,

    /// Adam's step size, at first where it falls.
    pub learning_rate: f64,
    /// Adam's step size after [`learning_rate_updates`](Self::learning_rate_updates) updates, 0 or more
    /// (annealed like that of Schulman et al. 2017, table 5).
    pub learning_rate_end: f64,
    /// Over how many updates the step size falls on a line; 0 keeps it as it is.
    pub learning_rate_updates: u64,
    /// Adam's ε, added to the root of the second moment.
    pub adam_epsilon: f32,
    /// Gradients whose norm over all parameters is larger are scaled down to it.
    pub max_grad_norm: f64,

    /// The number of transitions of finished episodes that are kept; running episodes are kept beside them.
    pub replay_capacity: usize,
    /// The number of sequences of one update.
    pub batch_size: usize,
    /// What a sequence is.
    pub sequences: Sequences,
    /// The number of steps of a sequence, where it is a window.
    pub trace_length: usize,
    /// A sequence begins at every so many-th step of an episode: 1 for anywhere, at most
    /// [`trace_length`](Self::trace_length), below which neighbours overlap (R2D2, Kapturowski et al. 2019,
    /// section 2.3: half of it).
    pub period: usize,
    /// With how many steps before a sequence both networks warm their memory, without gradient; fewer at an
    /// episode's start (R2D2, Kapturowski et al. 2019, section 3: 40).
    pub burn_in: usize,
    /// The memory before a sequence and its burn-in.
    pub start_state: StartState,
    /// How the sequences of an update are drawn.
    pub sampling: Sampling,

    /// When updates and target copies happen.
    pub schedule: UpdateSchedule,
    /// How the target network follows the online network.
    pub target_update: TargetUpdate,
    /// Whether the updates that are due after a step are made while the next step is taken. Agents then act
    /// one step longer with the network from before the updates; runs are as repeatable as without.
    pub overlap: bool,
    /// How much is explored.
    pub epsilon: EpsilonSchedule,
    /// What is paid for finding something new, beside what the world pays.
    pub intrinsic: Intrinsic,
    /// Whether that counts for less and less.
    pub annealing: Annealing,
    /// Whether the world is made easier at first, for each agent by itself.
    pub curriculum: CurriculumConfig,
}

impl Default for DrqnConfig {
    fn default() -> Self {
        Self {
            discount: 0.99,
            n_step: 1,
            memory: Memory::default(),
            last_step: LastStep::default(),
            bootstrap_actions: BootstrapActions::default(),
            estimator: TargetEstimator::default(),
            loss: Loss::default(),
            reward_scale: 1.0,
            value_rescaling: false,
            learning_rate: 2.5e-4,
            learning_rate_end: 0.0,
            learning_rate_updates: 0,
            adam_epsilon: 1e-8,
            max_grad_norm: 10.0,
            replay_capacity: 10_000,
            batch_size: 16,
            sequences: Sequences::default(),
            trace_length: 8,
            period: 1,
            burn_in: 0,
            start_state: StartState::default(),
            sampling: Sampling::default(),
            schedule: UpdateSchedule::default(),
            target_update: TargetUpdate::default(),
            overlap: false,
            epsilon: EpsilonSchedule::default(),
            intrinsic: Intrinsic::default(),
            annealing: Annealing::default(),
            curriculum: CurriculumConfig::default(),
        }
    }
}

/// Whether the passes of an update carry their recurrent state from step to step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Memory {
    /// Both passes carry their state: the algorithm.
    #[default]
    Carried,
    /// The online pass carries its state, the target pass starts every step from zeros. For teaching.
    ResetTargetOnly,
    /// Both passes start every step from zeros, so nothing is learned through time. For teaching.
    ResetEachStep,
}

/// What the last step of a sequence is trained towards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LastStep {
    /// Its reward and the value of the observation after it, like every other step.
    #[default]
    Bootstrap,
    /// Its reward alone, as if the episode ended there; with n-step targets, every sum that reaches the last
    /// step ends with it. For teaching.
    RewardOnly,
}

/// Over which actions a bootstrap maximises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BootstrapActions {
    /// Those that the mask of the bootstrapped observation allows.
    #[default]
    Allowed,
    /// All, also those that could not be taken. For teaching.
    All,
}

/// Which network chooses the action that a bootstrap values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TargetEstimator {
    /// The target network chooses and values (Mnih et al. 2015).
    #[default]
    Max,
    /// The online network chooses, the target network values (double Q, van Hasselt et al. 2016).
    Double,
}

/// The error between values and targets, averaged over all valid steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// The squared error.
    #[default]
    Mse,
    /// Squared up to an error of 1, linear beyond (Huber 1964, δ = 1).
    Huber,
}

/// What a sequence of an update is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Sequences {
    /// [`trace_length`](DrqnConfig::trace_length) steps of an episode (Hausknecht and Stone 2015,
    /// "Bootstrapped Random Updates").
    #[default]
    Windows,
    /// A whole episode, however long, drawn as often as it is long ("Bootstrapped Sequential Updates" there). It
    /// begins where its memory does, so it needs neither burn-in nor a stored state.
    WholeEpisodes,
}

/// The memory before a sequence and its burn-in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum StartState {
    /// Zeros, as at an episode's start (Hausknecht and Stone 2015, "Stable Recurrent Updates").
    #[default]
    Zero,
    /// What the agent remembered when it acted, stored once every [`period`](DrqnConfig::period) steps (R2D2,
    /// Kapturowski et al. 2019, section 3). Needs a burn-in that is a multiple of the period.
    Stored,
}

/// How the sequences of an update are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
// Here and below, empty braces: serde does not refuse unknown keys beside a variant without any.
pub enum Sampling {
    /// Every window is equally likely.
    Uniform {},
    /// Windows of finished episodes are drawn in proportion to a power of their errors, the largest and the
    /// mean mixed 9 to 1 (Schaul et al. 2016, section 3; for sequences R2D2, Kapturowski et al. 2019,
    /// section 2.3).
    Prioritised {
        /// α: the power of the error, 0 to 1. 0 draws evenly; R2D2 takes 0.9.
        alpha: f64,
        /// β: how far importance weights make up for the uneven draw, 0 (not) to 1 (wholly). R2D2 takes 0.6.
        beta: f64,
    },
}

/// How the target network follows the online network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
pub enum TargetUpdate {
    /// It becomes a copy every [`target_copy_every`](UpdateSchedule::target_copy_every) updates (Mnih et al.
    /// 2015, Methods).
    Copy {},
    /// After every update it moves a small part of the way (Polyak averaging; Lillicrap et al. 2016,
    /// section 3). [`target_copy_every`](UpdateSchedule::target_copy_every) does nothing then.
    Polyak {
        /// τ: which part of the way, above 0 and up to 1.
        tau: f64,
    },
}

/// What is paid for finding something new. It is added to the world's rewards when sequences are sampled, and
/// the sum is scaled by [`reward_scale`](DrqnConfig::reward_scale).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
pub enum Intrinsic {
    /// Nothing.
    None {},
    /// The more, the more rarely the like was seen (Bellemare et al. 2016, section 5.1).
    Counts(CountNoveltyConfig),
    /// The more, the worse a network that learns from what is replayed predicts a fixed random one (random
    /// network distillation, Burda et al. 2018).
    Rnd(DistillationConfig),
}

/// Whether an intrinsic reward counts for less and less.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
pub enum Annealing {
    /// It counts as it is, all the time.
    None {},
    /// Its weight falls as agents live long and steadily.
    Adaptive(AnnealingConfig),
}

impl Default for Sampling {
    fn default() -> Self {
        Self::Uniform {}
    }
}

impl Default for TargetUpdate {
    fn default() -> Self {
        Self::Copy {}
    }
}

impl Default for Intrinsic {
    fn default() -> Self {
        Self::None {}
    }
}

impl Default for Annealing {
    fn default() -> Self {
        Self::None {}
    }
}

impl DrqnConfig {
    /// Adam's step size in the update after `updates` others.
    pub fn learning_rate_after(&self, updates: u64) -> f64 {
        if self.learning_rate_updates == 0 {
            return self.learning_rate;
        }
        let done = (updates as f64 / self.learning_rate_updates as f64).min(1.0);
        self.learning_rate * (1.0 - done) + self.learning_rate_end * done
    }

    /// Checks that every setting makes sense.
    ///
    /// # Errors
    ///
    /// The first setting that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let probability = |value: f64| (0.0..=1.0).contains(&value);
        let positive = |value: f64| value > 0.0 && value.is_finite();
        check(probability(self.discount), "discount", self.discount, "a number from 0 to 1")?;
        check(self.n_step > 0, "n_step", self.n_step, "at least 1")?;
        check(positive(f64::from(self.reward_scale)), "reward_scale", self.reward_scale, POSITIVE)?;
        check(positive(self.learning_rate), "learning_rate", self.learning_rate, POSITIVE)?;
        let end = self.learning_rate_end;
        check(end >= 0.0 && end.is_finite(), "learning_rate_end", end, "0 or more")?;
        check(positive(f64::from(self.adam_epsilon)), "adam_epsilon", self.adam_epsilon, POSITIVE)?;
        check(positive(self.max_grad_norm), "max_grad_norm", self.max_grad_norm, POSITIVE)?;
        check(self.replay_capacity > 0, "replay_capacity", self.replay_capacity, "at least 1")?;
        check(self.batch_size > 0, "batch_size", self.batch_size, "at least 1")?;
        check(self.trace_length > 0, "trace_length", self.trace_length, "at least 1")?;
        let UpdateSchedule { learning_starts: _, update_every, target_copy_every } = self.schedule;
        check(update_every > 0, "schedule.update_every", update_every, "at least 1")?;
        check(target_copy_every > 0, "schedule.target_copy_every", target_copy_every, "at least 1")?;
        let periods = 1..=self.trace_length;
        check(periods.contains(&self.period), "period", self.period, "1 to trace_length")?;
        check(
            self.start_state == StartState::Zero || self.burn_in.is_multiple_of(self.period),
            "burn_in",
            self.burn_in,
            "a multiple of period, where start_state is stored",
        )?;
        if self.sequences == Sequences::WholeEpisodes {
            let zero = self.start_state == StartState::Zero;
            check(zero, "start_state", "stored", "zero, where sequences are whole episodes")?;
            let expected = "0, where sequences are whole episodes";
            check(self.burn_in == 0, "burn_in", self.burn_in, expected)?;
            check(self.period == 1, "period", self.period, "1, where sequences are whole episodes")?;
        }
        if let Sampling::Prioritised { alpha, beta } = self.sampling {
            check(probability(alpha), "sampling.alpha", alpha, "a number from 0 to 1")?;
            check(probability(beta), "sampling.beta", beta, "a number from 0 to 1")?;
        }
        if let TargetUpdate::Polyak { tau } = self.target_update {
            check(tau > 0.0 && tau <= 1.0, "target_update.tau", tau, "a number above 0 and up to 1")?;
        }
        match &self.intrinsic {
            Intrinsic::None {} => {}
            Intrinsic::Counts(counts) => counts.validate()?,
            Intrinsic::Rnd(distillation) => distillation.validate()?,
        }
        if let Annealing::Adaptive(annealing) = &self.annealing {
            annealing.validate()?;
            check(
                self.intrinsic != Intrinsic::None {},
                "annealing.kind",
                "adaptive",
                "none, where intrinsic.kind is none: there is nothing to anneal",
            )?;
        }
        self.curriculum.validate()?;
        match self.epsilon {
            EpsilonSchedule::Linear { start, end, .. } => {
                check(probability(start), "epsilon.start", start, "a number from 0 to 1")?;
                check(probability(end), "epsilon.end", end, "a number from 0 to 1")
            }
            EpsilonSchedule::Exponential { start, end, decay_steps } => {
                check(probability(start), "epsilon.start", start, "a number from 0 to 1")?;
                check(probability(end), "epsilon.end", end, "a number from 0 to 1")?;
                check(decay_steps > 0, "epsilon.decay_steps", decay_steps, "at least 1")
            }
            EpsilonSchedule::Ladder { base, exponent } => {
                check(probability(base), "epsilon.base", base, "a number from 0 to 1")?;
                check(exponent >= 0.0 && exponent.is_finite(), "epsilon.exponent", exponent, "0 or more")
            }
        }
    }
}
