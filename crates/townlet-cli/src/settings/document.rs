//! What settings may say: one type for recipes, `--config` files and `--set`.

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;
use townlet_drqn::DrqnConfig;
use townlet_env::ObservationLayout;
use townlet_nets::{Backend, CoreConfig, HeadConfig, QNetworkConfig};

use super::schema::level_settings;
use crate::recipe::Recipe;
use crate::run_config::{CheckpointSchedule, EvaluationSchedule};

/// The largest seed: the largest integer that a TOML file can hold.
const MAX_SEED: u64 = i64::MAX as u64;

/// Settings of a training run. Whatever is left out keeps the value that it has in the recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Document {
    /// The settings to start from.
    pub(crate) recipe: Recipe,
    /// The world: the name of a built-in level or the path of a level file; or a table with that as `base`,
    /// and any key of a level file to change.
    #[schemars(schema_with = "level_settings")]
    pub(crate) level: Table,
    /// The backend.
    pub(crate) backend: Backend,
    /// What everything random follows from.
    #[schemars(range(max = MAX_SEED))]
    pub(crate) seed: u64,
    /// How many agents live side by side, 1 to 65536.
    #[schemars(range(min = 1, max = 65_536))]
    pub(crate) agents: u32,
    /// Stop after so many environment steps, counted over all agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64", range(min = 1))]
    pub(crate) steps: Option<u64>,
    /// Stop after so many episodes, counted over all agents, instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64", range(min = 1))]
    pub(crate) episodes: Option<u64>,
    /// When the run is evaluated on its way.
    pub(crate) evaluation: EvaluationSettings,
    /// When the run is saved on its way.
    pub(crate) checkpoints: CheckpointSchedule,
    /// Whether what happens is recorded.
    pub(crate) metrics: bool,
    /// The network.
    pub(crate) network: NetworkSettings,
    /// The learner.
    pub(crate) learner: DrqnConfig,
}

/// When a run is evaluated on its way: greedily, in episodes that nothing is learned from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EvaluationSettings {
    /// After every so many environment steps, counted over all agents; 0 for never.
    pub(crate) every: u64,
    /// How many episodes are played, 1 to 100000.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) episodes: u32,
    /// The run ends once they last so many steps on average.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    pub(crate) until: Option<f64>,
}

/// The network: what it remembers with, and its sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NetworkSettings {
    /// Whether agents see their previous action and reward.
    pub(crate) previous: bool,
    /// What it remembers with.
    pub(crate) core: CoreConfig,
    /// How it values actions.
    pub(crate) head: HeadConfig,
    /// What the core puts out: the size of a recurrent network's hidden state.
    #[schemars(range(min = 1, max = 16_384))]
    pub(crate) hidden: usize,
    /// The output channels of the two 3×3 convolutions over the window.
    pub(crate) vision_channels: [usize; 2],
    /// The features that the window is encoded into.
    #[schemars(range(min = 1, max = 16_384))]
    pub(crate) vision_features: usize,
    /// The features that each other part of the observation is encoded into.
    #[schemars(range(min = 1, max = 16_384))]
    pub(crate) encoder_features: usize,
    /// The width of the head's hidden layer.
    #[schemars(range(min = 1, max = 16_384))]
    pub(crate) head_features: usize,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            recipe: Recipe::default(),
            level: Table::new(),
            backend: Backend::default(),
            seed: 0,
            agents: 1,
            steps: None,
            episodes: None,
            evaluation: EvaluationSettings::default(),
            checkpoints: CheckpointSchedule::default(),
            metrics: true,
            network: NetworkSettings::default(),
            learner: DrqnConfig::default(),
        }
    }
}

impl Default for EvaluationSettings {
    fn default() -> Self {
        Self { every: 0, episodes: 200, until: None }
    }
}

impl From<EvaluationSettings> for EvaluationSchedule {
    fn from(EvaluationSettings { every, episodes, until }: EvaluationSettings) -> Self {
        Self { every, episodes, until }
    }
}

impl Default for NetworkSettings {
    /// The sizes of [`QNetworkConfig::new`].
    fn default() -> Self {
        let standard = QNetworkConfig::new(ObservationLayout::builder().build(), 1);
        Self {
            previous: false,
            core: standard.core,
            head: standard.head,
            hidden: standard.hidden,
            vision_channels: standard.vision_channels,
            vision_features: standard.vision_features,
            encoder_features: standard.encoder_features,
            head_features: standard.head_features,
        }
    }
}

impl NetworkSettings {
    /// The network for agents that see `layout` and choose among `num_actions`.
    pub(crate) fn network(&self, layout: ObservationLayout, num_actions: usize) -> QNetworkConfig {
        let layout = if self.previous { layout.with_previous(num_actions + 1) } else { layout };
        QNetworkConfig {
            layout,
            num_actions,
            core: self.core,
            head: self.head,
            hidden: self.hidden,
            vision_channels: self.vision_channels,
            vision_features: self.vision_features,
            encoder_features: self.encoder_features,
            head_features: self.head_features,
        }
    }

    /// The key and the value of every size.
    pub(crate) fn sizes(&self) -> [(&'static str, usize); 6] {
        let [first, second] = self.vision_channels;
        [
            ("network.hidden", self.hidden),
            ("network.vision_channels", first),
            ("network.vision_channels", second),
            ("network.vision_features", self.vision_features),
            ("network.encoder_features", self.encoder_features),
            ("network.head_features", self.head_features),
        ]
    }
}

impl Document {
    /// The settings that hold where nobody says anything.
    pub(crate) fn defaults() -> Result<Table> {
        let mut table = Table::try_from(Self::default())?;
        table.remove("level");
        Ok(table)
    }
}
