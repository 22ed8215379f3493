//! With which settings a probe is learned: the built-in files, and what a user changes in them.

use std::path::Path;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use townlet_drqn::DrqnConfig;
use townlet_env::probes::{Probe, ProbeEnv};
use townlet_env::{PreviousInputs, VectorEnv};
use townlet_nets::QNetworkConfig;

use crate::config_file::{self, MAX_NETWORK_SIZE, check_learner, overlay};
use crate::settings::{Keys, plain_schema_of};
use crate::toml_place::TomlText;
use crate::world::with_previous;

/// The most agents, and the most episodes of an evaluation.
const MOST_SIDE_BY_SIDE: usize = 65_536;

/// Everything about the learning of a probe but the seed and how long it goes on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProbeSettings {
    /// How many copies of the task are played side by side.
    pub(crate) agents: usize,
    pub(crate) evaluation: EvaluationSettings,
    pub(crate) network: NetworkSettings,
    pub(crate) learner: DrqnConfig,
}

/// When the greedy return is looked at while the agent learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EvaluationSettings {
    /// Every so many environment steps.
    pub(crate) every: u64,
    /// Over so many episodes.
    pub(crate) episodes: usize,
}

/// What the network sees, and its sizes. A probe has no window, so there are three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NetworkSettings {
    /// Whether agents see their previous action and reward.
    previous: bool,
    hidden: usize,
    encoder_features: usize,
    head_features: usize,
}

impl NetworkSettings {
    /// The network of these sizes for an agent in `env`, which is a [`ProbeSettings::world`].
    pub(crate) fn network(self, env: &impl VectorEnv) -> QNetworkConfig {
        QNetworkConfig {
            hidden: self.hidden,
            encoder_features: self.encoder_features,
            head_features: self.head_features,
            ..QNetworkConfig::new(env.observation_layout().clone(), env.num_actions())
        }
    }
}

impl ProbeSettings {
    /// So many copies of `probe`, as agents with these settings see them.
    pub(crate) fn world<P: Probe>(&self, probe: P, agents: usize) -> PreviousInputs<ProbeEnv<P>> {
        let scale = self.network.previous.then_some(self.learner.reward_scale);
        with_previous(ProbeEnv::new(probe, agents), scale)
    }

    /// The settings of the text `builtin`, changed by the file `changes` if there is one. Where neither says
    /// how long sequences are, they are whole episodes of `episode_steps` steps.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, has a key that does not exist or a value that makes no sense: with file,
    /// line and key.
    pub(crate) fn load(builtin: &str, changes: Option<&Path>, episode_steps: u32) -> Result<Self> {
        let Some(path) = changes else {
            let builtin = TomlText { path: Path::new("the built-in settings"), text: builtin };
            return Self::read(&builtin, builtin.parse()?, episode_steps);
        };
        let text = config_file::read(path)?;
        let text = TomlText { path, text: &text };
        let schema = plain_schema_of::<Self>();
        let keys = Keys::new(&schema);
        if let Some(unknown) = keys.unknown(&text.parse()?) {
            return Err(text.fault(&unknown.key(), &unknown.message(keys, None)));
        }
        // Read twice: as what it must be, which finds every mistake and its place, and as a plain table, which
        // knows what was said and what was left out.
        text.parse::<Self>()?;
        let mut settings: Table = builtin.parse()?;
        overlay(&mut settings, text.parse()?);
        Self::read(&text, settings, episode_steps)
    }

    /// The settings that `table` holds; `text` is what is blamed for mistakes in them.
    fn read(text: &TomlText<'_>, mut table: Table, episode_steps: u32) -> Result<Self> {
        if let Some(Value::Table(learner)) = table.get_mut("learner") {
            learner.entry("trace_length").or_insert(Value::Integer(episode_steps.into()));
        }
        let settings: Self = table.try_into()?;
        let Self { agents, evaluation, network, learner } = &settings;
        let sizes = [
            ("agents", *agents, MOST_SIDE_BY_SIDE),
            ("evaluation.every", usize::try_from(evaluation.every).unwrap_or(usize::MAX), usize::MAX),
            ("evaluation.episodes", evaluation.episodes, MOST_SIDE_BY_SIDE),
            ("network.hidden", network.hidden, MAX_NETWORK_SIZE),
            ("network.encoder_features", network.encoder_features, MAX_NETWORK_SIZE),
            ("network.head_features", network.head_features, MAX_NETWORK_SIZE),
        ];
        for (key, found, most) in sizes {
            if !(1..=most).contains(&found) {
                return Err(text.fault(key, &format!("expected 1 to {most}, found {found}")));
            }
        }
        check_learner(text, learner)?;
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{WrongKey, wrong_keys};

    const BUILTIN: &str = "\
agents = 2
[evaluation]
every = 100
episodes = 4
[network]
hidden = 8
encoder_features = 4
head_features = 4
[learner]
batch_size = 3
";

    fn load(changes: &str, episode_steps: u32) -> Result<ProbeSettings> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), changes)?;
        ProbeSettings::load(BUILTIN, Some(file.path()), episode_steps)
    }

    #[test]
    fn sequences_are_whole_episodes_unless_a_file_says_otherwise() {
        let settings = ProbeSettings::load(BUILTIN, None, 31).unwrap();
        assert_eq!((settings.learner.trace_length, settings.learner.batch_size), (31, 3));
        assert_eq!(load("", 31).unwrap(), settings);
        assert_eq!(load("[learner]\ntrace_length = 5\n", 31).unwrap().learner.trace_length, 5);
    }

    #[test]
    fn a_file_changes_what_it_says() {
        let settings = load("agents = 7\n[network]\nhidden = 16\n", 3).unwrap();
        assert_eq!((settings.agents, settings.network.hidden, settings.network.head_features), (7, 16, 4));
    }

    #[test]
    fn a_wrong_key_in_any_table_is_refused_with_the_key_that_was_meant() {
        for WrongKey { key, meant, table } in wrong_keys(&plain_schema_of::<ProbeSettings>()) {
            let fault = load(&table.to_string(), 3).expect_err(&key).to_string();
            let expected = format!(
                ": {key}: unknown field `{}`; did you mean `{meant}`?",
                key.rsplit('.').next().unwrap()
            );
            assert!(fault.ends_with(&expected), "{fault}");
        }
    }

    #[test]
    fn mistakes_have_a_place() {
        for (changes, expected) in [
            ("\nagent = 3\n", ":2: agent: unknown field"),
            ("[network]\nhidden = 0\n", ":2: network.hidden: expected 1 to 16384, found 0"),
            ("[evaluation]\nevery = 0\n", ":2: evaluation.every: expected 1 to"),
            ("[learner]\ndiscount = 2\n", ":2: learner.discount: expected a number from 0 to 1, found 2"),
            ("[learner]\nbatch_size = 70000\n", ":2: learner.batch_size: expected at most 65536"),
        ] {
            let fault = load(changes, 3).unwrap_err().to_string();
            assert!(fault.contains(expected), "{fault}");
        }
    }
}
