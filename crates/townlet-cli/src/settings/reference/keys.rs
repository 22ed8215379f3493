//! The keys of a training file, each with its value and its line.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Error, Result, anyhow};
use townlet_text::{nearest, printable};

use super::super::origin::SourceFile;
use super::world::At;
use super::yaml::{self, Entry, Node};

/// Every key that means something, by section.
const KNOWN: [&str; 37] = [
    "environment.grid_size",
    "environment.partial_observability",
    "environment.vision_range",
    "environment.enable_temporal_mechanics",
    "population.num_agents",
    "population.learning_rate",
    "population.gamma",
    "population.replay_buffer_capacity",
    "population.network_type",
    "population.batch_size",
    "population.train_frequency",
    "population.state_dim",
    "population.action_dim",
    "population.grid_size",
    "curriculum.type",
    "curriculum.max_steps_per_episode",
    "curriculum.survival_advance_threshold",
    "curriculum.survival_retreat_threshold",
    "curriculum.entropy_gate",
    "curriculum.min_steps_at_stage",
    "curriculum.device",
    "exploration.type",
    "exploration.obs_dim",
    "exploration.embed_dim",
    "exploration.rnd_learning_rate",
    "exploration.rnd_training_batch_size",
    "exploration.initial_intrinsic_weight",
    "exploration.min_intrinsic_weight",
    "exploration.variance_threshold",
    "exploration.survival_window",
    "exploration.decay_rate",
    "exploration.epsilon_start",
    "exploration.epsilon_min",
    "exploration.epsilon_decay",
    "training.device",
    "training.num_episodes",
    "training.max_steps_per_episode",
];
/// Sections whose keys may be called anything.
const FREE: [&str; 2] = ["visualization", "experiment"];
const SECTIONS: [&str; 7] =
    ["environment", "population", "curriculum", "exploration", "training", FREE[0], FREE[1]];

/// A value and its line.
#[derive(Debug)]
struct Scalar {
    text: String,
    plain: bool,
    line: usize,
}

/// The keys of one file.
#[derive(Debug)]
pub(super) struct Keys<'a> {
    path: &'a Path,
    sections: Vec<String>,
    values: BTreeMap<&'static str, Scalar>,
    /// The keys of sections that mean nothing here.
    free: Vec<(&'static str, String)>,
}

impl<'a> Keys<'a> {
    /// # Errors
    ///
    /// Where the text is no YAML or a key is not known: with file and line, and the key that was meant.
    pub(super) fn read(file: &'a SourceFile) -> Result<Self> {
        let path = file.path.as_path();
        let mut keys = Self { path, sections: Vec::new(), values: BTreeMap::new(), free: Vec::new() };
        for Entry { key: section, line, node } in yaml::parse(path, &file.text)? {
            let Some(known) = SECTIONS.into_iter().find(|known| *known == section) else {
                return Err(keys.unknown(line, &section, "section", &section, &SECTIONS));
            };
            let entries = match node {
                Node::Section(entries) => entries,
                Node::Scalar { text, plain: true } if text.is_empty() || text == "~" => Vec::new(),
                _ => return Err(keys.at(line, &section, "expected keys with values")),
            };
            keys.sections.push(section);
            for entry in entries {
                keys.take(known, entry)?;
            }
        }
        Ok(keys)
    }

    fn take(&mut self, section: &'static str, Entry { key, line, node }: Entry) -> Result<()> {
        let full = format!("{section}.{key}");
        if FREE.contains(&section) {
            self.free.push((section, full));
            return Ok(());
        }
        let Some(name) = KNOWN.into_iter().find(|known| *known == full) else {
            let prefix = format!("{section}.");
            let here: Vec<&str> = KNOWN.into_iter().filter_map(|known| known.strip_prefix(&prefix)).collect();
            return Err(self.unknown(line, &full, "key", &key, &here));
        };
        match node {
            Node::Scalar { text, plain } => {
                self.values.insert(name, Scalar { text, plain, line });
                Ok(())
            }
            Node::Section(_) | Node::List => Err(self.at(line, &full, "expected one value")),
        }
    }

    fn unknown(&self, line: usize, key: &str, what: &str, word: &str, known: &[&str]) -> Error {
        // A key may also stand in the wrong section.
        let elsewhere = || KNOWN.into_iter().find(|full| full.rsplit('.').next() == Some(word));
        let shown = printable(word);
        if let Some(meant) = nearest(word, known.iter().copied()).or_else(elsewhere) {
            return self.at(line, key, &format!("unknown {what} `{shown}`; did you mean `{meant}`?"));
        }
        self.at(line, key, &format!("unknown {what} `{shown}`; expected one of {}", known.join(", ")))
    }

    fn at(&self, line: usize, key: &str, message: &str) -> Error {
        anyhow!("{}:{line}: {}: {message}", self.path.display(), printable(key))
    }

    /// An error about the value of a key.
    pub(super) fn fault(&self, key: &str, message: &str) -> Error {
        match self.line(key) {
            Some(line) => self.at(line, key, message),
            None => anyhow!("{}: {key}: {message}", self.path.display()),
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.path
    }

    pub(super) fn line(&self, key: &str) -> Option<usize> {
        self.values.get(key).map(|scalar| scalar.line)
    }

    pub(super) fn has_section(&self, section: &str) -> bool {
        self.sections.iter().any(|found| found == section)
    }

    /// The keys of a section that means nothing here.
    pub(super) fn free(&self, section: &str) -> impl Iterator<Item = &str> {
        self.free.iter().filter(move |(found, _)| *found == section).map(|(_, key)| key.as_str())
    }

    fn read_as<T>(
        &self,
        key: &'static str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<At<T>>> {
        let Some(Scalar { text, plain, line }) = self.values.get(key) else {
            return Ok(None);
        };
        if *plain && has_leading_zero(text) {
            let message = format!(
                "expected a number without a leading zero, which is octal for some readers of YAML and not for others, \
                 found {}",
                printable(text)
            );
            return Err(self.fault(key, &message));
        }
        if let Some(value) = read(text).filter(|_| *plain) {
            return Ok(Some(At { value, line: *line, key }));
        }
        let found = format!("{text:?}");
        Err(self.fault(key, &format!("expected {expected}, found {}", printable(&found))))
    }

    /// # Errors
    ///
    /// This and the following: where the value is of another kind.
    pub(super) fn whole(&self, key: &'static str) -> Result<Option<At<i64>>> {
        let beyond = |text: &str| text.chars().all(|c| c.is_ascii_digit()) && text.parse::<i64>().is_err();
        if let Some(Scalar { text, plain: true, .. }) = self.values.get(key)
            && !text.is_empty()
            && beyond(text)
        {
            return Err(self.fault(key, &format!("expected at most {}, found {}", i64::MAX, printable(text))));
        }
        let whole = |text: &str| text.replace('_', "").parse().ok().filter(|&number: &i64| number >= 0);
        self.read_as(key, "a whole number of 0 or more", whole)
    }

    pub(super) fn number(&self, key: &'static str) -> Result<Option<At<f64>>> {
        let number =
            |text: &str| text.replace('_', "").parse().ok().filter(|number: &f64| number.is_finite());
        self.read_as(key, "a number", number)
    }

    pub(super) fn truth(&self, key: &'static str) -> Result<Option<At<bool>>> {
        self.read_as(key, "true or false", |text| match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        })
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&str>> {
        match self.values.get(key) {
            Some(Scalar { text, .. }) if text.is_empty() => {
                Err(self.fault(key, "expected a word, found nothing"))
            }
            scalar => Ok(scalar.map(|scalar| scalar.text.as_str())),
        }
    }

    /// One of several words.
    pub(super) fn word(&self, key: &str, words: &[&str]) -> Result<Option<&str>> {
        match self.text(key)? {
            Some(word) if !words.contains(&word) => {
                let guess = nearest(word, words.iter().copied());
                let guess = guess.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
                Err(self.fault(
                    key,
                    &format!("expected {}, found `{}`{guess}", words.join(" or "), printable(word)),
                ))
            }
            word => Ok(word),
        }
    }

    /// A number that two keys may say.
    pub(super) fn agreed(&self, first: &'static str, second: &'static str) -> Result<Option<At<i64>>> {
        match (self.whole(first)?, self.whole(second)?) {
            (Some(one), Some(other)) if one.value != other.value => {
                let message = format!(
                    "is {}, and {first} is {} in line {}; expected the same",
                    other.value, one.value, one.line
                );
                Err(self.fault(second, &message))
            }
            (one, other) => Ok(one.or(other)),
        }
    }
}

/// Whether a number begins with a zero that is not all of its whole part: `010` is 8 in YAML 1.1, which the Python
/// implementation reads, and 10 in YAML 1.2.
fn has_leading_zero(text: &str) -> bool {
    let digits = text.trim_start_matches(['-', '+']);
    digits.starts_with('0') && digits[1..].starts_with(|c: char| c.is_ascii_digit() || c == '_')
}
