//! Files of settings: the recipes that are built in, and the one that is given with `--config`.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use toml::{Table, Value};
use townlet_drqn::DrqnConfig;
use townlet_nets::{CoreConfig, HeadConfig, QNetworkConfig};

use crate::run_config::EvaluationSchedule;
use crate::toml_place::TomlText;

/// The most that any size of the network may be; beyond it the parameters no longer fit a computer.
pub(crate) const MAX_NETWORK_SIZE: usize = 16_384;
/// The most observations that a stack of frames may hold.
const MAX_FRAMES: usize = 64;
/// The most transitions that a replay may keep.
const MAX_REPLAY_CAPACITY: usize = 100_000_000;
/// The most sequences of a batch, and the most steps of a sequence.
const MAX_BATCH_SIDE: usize = 65_536;
/// The most agents that live side by side.
pub(crate) const MAX_AGENTS: u32 = 65_536;
/// The most episodes of an evaluation during training.
const MAX_EVALUATION_EPISODES: u32 = 100_000;

/// Settings that differ from others, read from a file.
pub(crate) struct ConfigFile<'a> {
    text: TomlText<'a>,
    keys: Keys,
    /// What the file says of the learner, and nothing that it leaves out.
    learner: Table,
}

/// What a file may hold.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Keys {
    agents: Option<u32>,
    steps: Option<u64>,
    evaluation: EvaluationKeys,
    #[serde(rename = "learner")]
    _learner: DrqnConfig,
    network: NetworkKeys,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EvaluationKeys {
    every: Option<u64>,
    episodes: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NetworkKeys {
    previous: Option<bool>,
    core: Option<CoreConfig>,
    head: Option<HeadConfig>,
    hidden: Option<usize>,
    vision_channels: Option<[usize; 2]>,
    vision_features: Option<usize>,
    encoder_features: Option<usize>,
    head_features: Option<usize>,
}

/// The text of the file at `path`.
pub(crate) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration file {}", path.display()))
}

impl<'a> ConfigFile<'a> {
    /// # Errors
    ///
    /// Where the text has a key that does not exist or a value of the wrong kind: with file, line and key.
    pub(crate) fn parse(text: TomlText<'a>) -> Result<Self> {
        // Read twice: once as what it must be, which finds every mistake and its place, and once as a plain
        // table, which knows what was said and what was left out.
        let keys: Keys = text.parse()?;
        let mut said: Table = text.parse()?;
        let learner = match said.remove("learner") {
            Some(Value::Table(learner)) => learner,
            _ => Table::new(),
        };
        let file = Self { text, keys, learner };
        file.check_range("agents", file.keys.agents, MAX_AGENTS)?;
        file.check_range("evaluation.episodes", file.keys.evaluation.episodes, MAX_EVALUATION_EPISODES)?;
        if file.keys.steps == Some(0) {
            return Err(file.text.fault("steps", "expected at least 1, found 0"));
        }
        Ok(file)
    }

    fn check_range(&self, key: &str, found: Option<u32>, most: u32) -> Result<()> {
        match found {
            Some(found) if !(1..=most).contains(&found) => {
                Err(self.text.fault(key, &format!("expected 1 to {most}, found {found}")))
            }
            _ => Ok(()),
        }
    }

    /// How many agents live side by side, if the file says so.
    pub(crate) fn agents(&self) -> Option<u32> {
        self.keys.agents
    }

    /// How many steps a run takes, if the file says so.
    pub(crate) fn steps(&self) -> Option<u64> {
        self.keys.steps
    }

    /// Whether agents see their previous action and reward, if the file says so.
    pub(crate) fn previous(&self) -> Option<bool> {
        self.keys.network.previous
    }

    /// Changes `evaluation` to what the file says and leaves the rest as it is.
    pub(crate) fn apply_evaluation(&self, evaluation: &mut EvaluationSchedule) {
        let EvaluationKeys { every, episodes } = self.keys.evaluation;
        evaluation.every = every.unwrap_or(evaluation.every);
        evaluation.episodes = episodes.unwrap_or(evaluation.episodes);
    }

    /// Changes `network` to what the file says and leaves the rest as it is.
    ///
    /// # Errors
    ///
    /// Where a value makes no sense: with file, line and key.
    pub(crate) fn apply_network(&self, network: &mut QNetworkConfig) -> Result<()> {
        let said = &self.keys.network;
        network.core = said.core.unwrap_or(network.core);
        network.head = said.head.unwrap_or(network.head);
        network.hidden = said.hidden.unwrap_or(network.hidden);
        network.vision_channels = said.vision_channels.unwrap_or(network.vision_channels);
        network.vision_features = said.vision_features.unwrap_or(network.vision_features);
        network.encoder_features = said.encoder_features.unwrap_or(network.encoder_features);
        network.head_features = said.head_features.unwrap_or(network.head_features);
        if let CoreConfig::Frames { count } = network.core
            && !(2..=MAX_FRAMES).contains(&count)
        {
            let fault =
                format!("expected 2 to {MAX_FRAMES} frames, found {count}; one frame is the kind \"none\"");
            return Err(self.text.fault("network.core.count", &fault));
        }
        let wrong = network_sizes(network).find(|(_, size)| !(1..=MAX_NETWORK_SIZE).contains(size));
        match wrong {
            Some((key, size)) => {
                Err(self.text.fault(key, &format!("expected 1 to {MAX_NETWORK_SIZE}, found {size}")))
            }
            None => Ok(()),
        }
    }

    /// Changes `learner` to what the file says and leaves the rest as it is.
    ///
    /// # Errors
    ///
    /// Where a value makes no sense: with file, line and key.
    pub(crate) fn apply_learner(&self, learner: &mut DrqnConfig) -> Result<()> {
        if !self.learner.is_empty() {
            let mut settings = Table::try_from(&*learner)?;
            overlay(&mut settings, self.learner.clone());
            *learner = settings.try_into()?;
        }
        check_learner(&self.text, learner)
    }
}

/// Refuses settings that no computer can hold or that make no sense; `text` is what is blamed for them.
pub(crate) fn check_learner(text: &TomlText<'_>, learner: &DrqnConfig) -> Result<()> {
    check_limits(learner).map_err(|(key, fault)| text.fault(key, &fault))?;
    learner.validate().map_err(|fault| {
        let key = format!("learner.{}", fault.key);
        text.fault(&key, &format!("expected {}, found {}", fault.expected, fault.found))
    })
}

/// Refuses sizes that no computer can hold, with the key and the fault.
fn check_limits(learner: &DrqnConfig) -> Result<(), (&'static str, String)> {
    let limits = [
        ("learner.replay_capacity", learner.replay_capacity, MAX_REPLAY_CAPACITY),
        ("learner.batch_size", learner.batch_size, MAX_BATCH_SIDE),
        ("learner.trace_length", learner.trace_length, MAX_BATCH_SIDE),
        ("learner.burn_in", learner.burn_in, MAX_BATCH_SIDE),
        ("learner.period", learner.period, MAX_BATCH_SIDE),
    ];
    match limits.into_iter().find(|(_, found, most)| found > most) {
        Some((key, found, most)) => Err((key, format!("expected at most {most}, found {found}"))),
        None => Ok(()),
    }
}

fn network_sizes(network: &QNetworkConfig) -> impl Iterator<Item = (&'static str, usize)> {
    let [first, second] = network.vision_channels;
    [
        ("network.hidden", network.hidden),
        ("network.vision_channels", first),
        ("network.vision_channels", second),
        ("network.vision_features", network.vision_features),
        ("network.encoder_features", network.encoder_features),
        ("network.head_features", network.head_features),
    ]
    .into_iter()
}

/// Puts every value of `said` in its place in `settings`. A choice with settings of its own (a table with a
/// `kind`) is replaced as a whole.
pub(crate) fn overlay(settings: &mut Table, said: Table) {
    for (key, value) in said {
        match (settings.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) if !new.contains_key("kind") => overlay(old, new),
            (_, value) => {
                settings.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use townlet_drqn::EpsilonSchedule;
    use townlet_env::Level;

    use super::*;
    use crate::recipe::Recipe;
    use crate::run_config::default_network;

    fn recipe() -> (QNetworkConfig, DrqnConfig) {
        let mut network = default_network(&Level::builtin("pomdp").unwrap());
        let mut learner = DrqnConfig::default();
        let path = Recipe::Best.path();
        let file = ConfigFile::parse(TomlText { path: &path, text: Recipe::Best.text() }).unwrap();
        file.apply_network(&mut network).unwrap();
        file.apply_learner(&mut learner).unwrap();
        (network, learner)
    }

    fn applied(text: &str) -> Result<(QNetworkConfig, DrqnConfig)> {
        let (mut network, mut learner) = recipe();
        let file = ConfigFile::parse(TomlText { path: Path::new("a.toml"), text })?;
        file.apply_network(&mut network)?;
        file.apply_learner(&mut learner)?;
        Ok((network, learner))
    }

    fn fault(text: &str) -> String {
        applied(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_left_out_stays() {
        let (network, learner) = applied("").unwrap();
        assert_eq!(network.hidden, 256);
        assert_eq!(learner, recipe().1);

        let text =
            "[learner]\nbatch_size = 4\n[learner.schedule]\nupdate_every = 8\n[network]\nhidden = 16\n";
        let (network, learner) = applied(text).unwrap();
        assert_eq!((network.hidden, network.head_features), (16, 128));
        let (_, mut expected) = recipe();
        expected.batch_size = 4;
        expected.schedule.update_every = 8;
        assert_eq!(learner, expected);
    }

    #[test]
    fn a_kind_is_replaced_as_a_whole() {
        let text = "[learner]\nepsilon = { kind = \"linear\", start = 1, end = 0.1, steps = 10 }\n";
        let (_, learner) = applied(text).unwrap();
        assert_eq!(learner.epsilon, EpsilonSchedule::Linear { start: 1.0, end: 0.1, steps: 10 });
    }

    #[test]
    fn sizes_have_limits() {
        let large = fault("[learner]\nreplay_capacity = 1000000000000\n");
        assert_eq!(
            large,
            "a.toml:2: learner.replay_capacity: expected at most 100000000, found 1000000000000"
        );
    }

    #[test]
    fn agents_steps_and_evaluations_have_limits() {
        assert_eq!(fault("agents = 0\n"), "a.toml:1: agents: expected 1 to 65536, found 0");
        assert_eq!(fault("steps = 0\n"), "a.toml:1: steps: expected at least 1, found 0");
        let episodes = fault("[evaluation]\nepisodes = 0\n");
        assert_eq!(episodes, "a.toml:2: evaluation.episodes: expected 1 to 100000, found 0");
        let frames = fault("[network]\ncore = { kind = \"frames\", count = 1 }\n");
        assert!(
            frames.starts_with("a.toml:2: network.core.count: expected 2 to 64 frames, found 1"),
            "{frames}"
        );
    }

    #[test]
    fn mistakes_have_a_place() {
        let unknown = fault("[learner]\n\nlerning_rate = 1.0\n");
        assert!(unknown.starts_with("a.toml:3: learner.lerning_rate: unknown field"), "{unknown}");
        let unknown = fault("[network]\nlayers = 2\n");
        assert!(unknown.starts_with("a.toml:2: network.layers: unknown field"), "{unknown}");
        let unknown = fault("[lerner]\n");
        assert!(unknown.starts_with("a.toml:1: lerner: unknown field"), "{unknown}");
        let epsilon = fault("[learner]\n[learner.epsilon]\nkind = \"ladder\"\nbse = 0.5\nexponent = 4\n");
        assert!(epsilon.starts_with("a.toml:") && epsilon.contains("learner.epsilon"), "{epsilon}");
        let range = fault("[learner]\nn_step = 1\ndiscount = 1.5\n");
        assert_eq!(range, "a.toml:3: learner.discount: expected a number from 0 to 1, found 1.5");
        let size = fault("[network]\nhidden = 0\n");
        assert_eq!(size, "a.toml:2: network.hidden: expected 1 to 16384, found 0");
        let text = fault("[network\n");
        assert!(text.starts_with("a.toml:1: "), "{text}");
    }
}
