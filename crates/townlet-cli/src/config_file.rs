//! The file given with `--config`: settings that differ from the defaults.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use toml::{Table, Value};
use townlet_drqn::DrqnConfig;
use townlet_nets::RecurrentSpatialQConfig;

use crate::toml_place::TomlText;

/// The most that any size of the network may be; beyond it the parameters no longer fit a computer.
pub(crate) const MAX_NETWORK_SIZE: usize = 16_384;
/// The most transitions that a replay may keep.
const MAX_REPLAY_CAPACITY: usize = 100_000_000;
/// The most sequences of a batch, and the most steps of a sequence.
const MAX_BATCH_SIDE: usize = 65_536;

/// What the file may hold.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ConfigFile {
    #[serde(rename = "learner")]
    _learner: DrqnConfig,
    network: NetworkSizes,
}

/// The sizes of the network that the file names.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NetworkSizes {
    hidden: Option<usize>,
    vision_channels: Option<[usize; 2]>,
    vision_features: Option<usize>,
    encoder_features: Option<usize>,
    head_features: Option<usize>,
}

/// Changes `network` and `learner` to what the file at `path` says and leaves the rest as it is.
///
/// # Errors
///
/// Where the file cannot be read, has a key that does not exist or a value that makes no sense: with file,
/// line and key.
pub(crate) fn apply(
    path: &Path,
    network: &mut RecurrentSpatialQConfig,
    learner: &mut DrqnConfig,
) -> Result<()> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
    apply_text(&TomlText { path, text: &text }, network, learner)
}

fn apply_text(
    text: &TomlText<'_>,
    network: &mut RecurrentSpatialQConfig,
    learner: &mut DrqnConfig,
) -> Result<()> {
    // Read twice: once as what it must be, which finds every mistake and its place, and once as a plain
    // table, which knows what was said and what was left out.
    let ConfigFile { network: sizes, .. } = text.parse()?;
    let mut said: Table = text.parse()?;

    network.hidden = sizes.hidden.unwrap_or(network.hidden);
    network.vision_channels = sizes.vision_channels.unwrap_or(network.vision_channels);
    network.vision_features = sizes.vision_features.unwrap_or(network.vision_features);
    network.encoder_features = sizes.encoder_features.unwrap_or(network.encoder_features);
    network.head_features = sizes.head_features.unwrap_or(network.head_features);
    if let Some((key, size)) = network_sizes(network).find(|(_, size)| !(1..=MAX_NETWORK_SIZE).contains(size))
    {
        return Err(text.fault(key, &format!("expected 1 to {MAX_NETWORK_SIZE}, found {size}")));
    }

    if let Some(Value::Table(said)) = said.remove("learner") {
        let mut settings = Table::try_from(&*learner)?;
        overlay(&mut settings, said);
        *learner = settings.try_into()?;
        check_limits(learner).map_err(|(key, fault)| text.fault(key, &fault))?;
    }
    learner.validate().map_err(|fault| {
        let key = format!("learner.{}", fault.key);
        text.fault(&key, &format!("expected {}, found {}", fault.expected, fault.found))
    })
}

/// Refuses sizes that no computer can hold, with the key and the fault.
pub(crate) fn check_limits(learner: &DrqnConfig) -> Result<(), (&'static str, String)> {
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

fn network_sizes(network: &RecurrentSpatialQConfig) -> impl Iterator<Item = (&'static str, usize)> {
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
    use crate::run_config::{default_learner, default_network};

    fn applied(text: &str) -> Result<(RecurrentSpatialQConfig, DrqnConfig)> {
        let mut network = default_network(&Level::builtin("pomdp")?);
        let mut learner = default_learner(64);
        apply_text(&TomlText { path: Path::new("a.toml"), text }, &mut network, &mut learner)?;
        Ok((network, learner))
    }

    fn fault(text: &str) -> String {
        applied(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_left_out_stays() {
        let (network, learner) = applied("").unwrap();
        assert_eq!(network.hidden, 256);
        assert_eq!(learner, default_learner(64));

        let text =
            "[learner]\nbatch_size = 4\n[learner.schedule]\nupdate_every = 8\n[network]\nhidden = 16\n";
        let (network, learner) = applied(text).unwrap();
        assert_eq!((network.hidden, network.head_features), (16, 128));
        let mut expected = default_learner(64);
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
