//! What is recorded, as plain data: one type for each table.

use serde::{Deserialize, Serialize};

/// How one training episode of one agent went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpisodeRow {
    /// Its number, from 0, in order of finishing.
    #[serde(alias = "episode_id")]
    pub episode: u64,
    /// Environment steps taken when it ended, counted over all agents.
    pub steps: u64,
    /// Who lived it.
    pub agent: u64,
    /// How many steps it lasted.
    pub survival_time: u64,
    /// The sum of what the learner was paid: extrinsic, and intrinsic times its weight.
    pub total_reward: f64,
    /// The sum of what the world paid.
    pub extrinsic_reward: f64,
    /// The sum of what novelty paid, without its weight.
    pub intrinsic_reward: f64,
    /// What novelty was worth when the episode ended.
    pub intrinsic_weight: f64,
    /// The stage of the curriculum that it was lived in.
    pub curriculum_stage: u64,
    /// The agent's epsilon when it ended.
    pub epsilon: f64,
    /// Whether it ended in the world.
    pub terminated: bool,
    /// Whether a limit cut it off.
    pub truncated: bool,
    /// What the agent died of; empty where it did not die.
    pub cause: String,
}

impl EpisodeRow {
    /// The row of the death that ended the episode, if one did.
    pub fn death(&self) -> Option<DeathRow> {
        (!self.cause.is_empty()).then(|| DeathRow {
            episode: self.episode,
            steps: self.steps,
            agent: self.agent,
            cause: self.cause.clone(),
            survival_time: self.survival_time,
        })
    }
}

/// How often one episode went from using one affordance to using another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VisitRow {
    /// The number of the episode.
    #[serde(alias = "episode_id")]
    pub episode: u64,
    /// What was used before; whatever the caller writes for "nothing yet" at an episode's first use.
    pub from_affordance: String,
    /// What was used then.
    pub to_affordance: String,
    /// How often.
    pub visit_count: u64,
}

/// How often one episode was at one place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HeatRow {
    /// The number of the episode.
    #[serde(alias = "episode_id")]
    pub episode: u64,
    /// Column of the grid, from 0.
    pub x: u64,
    /// Row of the grid, from 0 at the top.
    pub y: u64,
    /// How many steps ended there.
    pub visit_count: u64,
    /// What novelty paid there, where it was measured.
    pub novelty_value: Option<f64>,
}

/// A death.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeathRow {
    /// The number of the episode that it ended.
    #[serde(alias = "episode_id")]
    pub episode: u64,
    /// Environment steps taken then, counted over all agents.
    pub steps: u64,
    /// Who died.
    pub agent: u64,
    /// Of what.
    pub cause: String,
    /// How many steps the agent had lived.
    pub survival_time: u64,
}

/// One update of the network. Numbers that came out as NaN are recorded as missing, and read back as NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UpdateRow {
    /// Its number, from 1.
    #[serde(alias = "update_id")]
    pub update: u64,
    /// Environment steps taken before it, counted over all agents.
    pub steps: u64,
    /// The loss of the batch.
    pub loss: f64,
    /// The global norm of the gradient, before clipping.
    pub grad_norm: f64,
    /// The mean value of the actions taken.
    pub mean_q: f64,
    /// The mean of what they were trained towards.
    pub mean_target: f64,
    /// Epsilon, as a mean over the agents.
    pub epsilon: f64,
    /// The optimiser's learning rate.
    pub learning_rate: f64,
}

/// A greedy evaluation on the way. Numbers that are not known are NaN: recorded as missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRow {
    /// Environment steps of training taken before it, counted over all agents.
    pub steps: u64,
    /// Updates made before it.
    pub updates: u64,
    /// Seconds of training alone, without evaluations: measured, so not the same in a second run.
    pub training_seconds: f64,
    /// How many episodes were played.
    pub episodes: u64,
    /// Their mean length in steps.
    pub survival_mean: f64,
    /// The standard error of that mean, in steps.
    pub survival_standard_error: f64,
    /// The share that reached the step limit, from 0 to 1.
    pub reached_limit: f64,
    /// The mean sum of extrinsic rewards.
    pub mean_return: f64,
}

/// An agent's move to another stage of the curriculum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageRow {
    /// Environment steps taken then, counted over all agents.
    pub steps: u64,
    /// Whose stage it is.
    pub agent: u64,
    /// The stage that was left.
    #[serde(alias = "from_stage")]
    pub from: u64,
    /// The stage that was entered.
    #[serde(alias = "to_stage")]
    pub to: u64,
    /// The survival rate that decided it.
    pub survival: f64,
    /// The policy's entropy that decided it.
    pub entropy: f64,
}

/// A fact about the run as a whole. The last value recorded for a key stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemState {
    /// What is told, such as `training_status`.
    pub key: String,
    /// What is so.
    pub value: String,
}

/// Many values at one time, of which TensorBoard shows the distribution. Not kept in the database.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Its name in TensorBoard, such as `weights/lstm`.
    pub tag: String,
    /// Environment steps taken then, counted over all agents.
    pub steps: u64,
    /// The values in any order. NaN and infinities are left out.
    pub values: Vec<f32>,
}

/// An episode with everything that is counted in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FinishedEpisode {
    /// How it went.
    pub row: EpisodeRow,
    /// What was used after what. Their `episode` is taken from `row`.
    pub visits: Vec<VisitRow>,
    /// Where the agent was. Their `episode` is taken from `row`.
    pub heat: Vec<HeatRow>,
}

/// Anything that can be recorded.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Record {
    /// A finished episode.
    Episode(FinishedEpisode),
    /// A death.
    Death(DeathRow),
    /// An update.
    Update(UpdateRow),
    /// An evaluation.
    Evaluation(EvaluationRow),
    /// A change of stage.
    Stage(StageRow),
    /// A fact about the run.
    State(SystemState),
    /// A distribution, for TensorBoard.
    Histogram(Histogram),
}

macro_rules! into_record {
    ($($row:ty => $variant:ident),* $(,)?) => {
        $(impl From<$row> for Record {
            fn from(row: $row) -> Self {
                Self::$variant(row)
            }
        })*
    };
}

into_record! {
    FinishedEpisode => Episode,
    DeathRow => Death,
    UpdateRow => Update,
    EvaluationRow => Evaluation,
    StageRow => Stage,
    SystemState => State,
    Histogram => Histogram,
}

/// A run after so many steps, with everything that these steps led to recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Environment steps taken, counted over all agents.
    pub steps: u64,
    /// Episodes finished; the next one has this number.
    pub episodes: u64,
    /// Updates made; the last one has this number.
    pub updates: u64,
}
