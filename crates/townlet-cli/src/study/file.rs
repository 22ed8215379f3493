//! What a study file says.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;
use townlet_text::MAX_NAME;

use crate::config_file::overlay;
use crate::recipe::Recipe;
use crate::run_config::RunConfig;
use crate::settings::{self, SourceFile, settings_table};
use crate::toml_place::TomlText;

/// What a study file holds.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Study {
    /// What the study is called: letters, digits, - and _.
    pub(super) name: String,
    /// A built-in level, or the path of a level file.
    #[serde(default = "default_level")]
    pub(super) level: String,
    /// The settings that all arms start from.
    #[serde(default)]
    pub(super) recipe: Recipe,
    /// Of each arm, one run for each seed. No seed twice.
    pub(super) seeds: Vec<u64>,
    /// Of each run. One thread each is the most work done on the whole.
    #[serde(default = "one")]
    pub(super) threads: usize,
    /// How each run is evaluated in the end.
    #[serde(default)]
    pub(super) evaluation: Evaluation,
    /// What all arms have, as in a `--config` file.
    #[serde(default)]
    #[schemars(schema_with = "settings_table")]
    settings: Table,
    /// The arms; the others are compared with the first.
    pub(super) arms: Vec<Arm>,
    /// The file that it was read from, and its text.
    #[serde(skip)]
    source: (PathBuf, String),
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Evaluation {
    /// How many episodes are played.
    pub(super) episodes: u32,
    /// How often agents explore meanwhile, 0 to 1; one evaluation for each.
    pub(super) epsilons: Vec<f64>,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self { episodes: 200, epsilons: vec![0.0, 0.05] }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arm {
    /// What the arm is called: letters, digits, - and _.
    pub(super) name: String,
    /// What this arm alone has, as in a `--config` file.
    #[serde(default)]
    #[schemars(schema_with = "settings_table")]
    settings: Table,
}

/// One arm with one seed.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) arm: &'a Arm,
    pub(super) seed: u64,
}

impl Job<'_> {
    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.arm.name, self.seed)
    }
}

fn default_level() -> String {
    "pomdp".to_owned()
}

fn one() -> usize {
    1
}

impl Study {
    /// Reads a study file.
    ///
    /// # Errors
    ///
    /// Returns an error with file, line and key if anything in it is wrong, also in the settings of an arm.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read the study {}", path.display()))?;
        Self::parse(path, text)
    }

    /// As [`read`](Self::read), of a file whose text is at hand.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub(crate) fn parse(path: &Path, text: String) -> Result<Self> {
        let toml = TomlText { path, text: &text };
        let mut study: Self = toml.parse()?;
        study.check(&toml)?;
        study.source = (path.to_path_buf(), text);
        study.check_settings()?;
        Ok(study)
    }

    /// The same study over other seeds.
    ///
    /// # Errors
    ///
    /// Returns an error if there are none, or one of them is there twice.
    pub(crate) fn with_seeds(self, seeds: Vec<u64>) -> Result<Self> {
        if let Some(seed) = twice(&seeds) {
            bail!("--seeds: {}", counted_twice(seed));
        }
        if seeds.is_empty() {
            bail!("--seeds: expected at least one seed");
        }
        Ok(Self { seeds, ..self })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How many threads each run has.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    pub(crate) fn num_arms(&self) -> usize {
        self.arms.len()
    }

    pub(crate) fn num_seeds(&self) -> usize {
        self.seeds.len()
    }

    /// Every arm with every seed; seed by seed, so that whatever is done after a while compares all arms.
    pub(super) fn jobs(&self) -> impl Iterator<Item = Job<'_>> {
        self.seeds.iter().flat_map(move |&seed| self.arms.iter().map(move |arm| Job { arm, seed }))
    }

    /// The settings that an arm changes, as in a `--config` file.
    pub(super) fn arm_settings(&self, arm: &Arm) -> Table {
        let mut settings = self.settings.clone();
        overlay(&mut settings, arm.settings.clone());
        settings
    }

    /// Everything that decides what the run of an arm comes to.
    ///
    /// # Errors
    ///
    /// Returns an error with file, line and key if the settings are wrong.
    pub(super) fn run_config(&self, index: usize, seed: u64) -> Result<RunConfig> {
        let file = self.source_file();
        let mut own = Table::new();
        own.insert("level".to_owned(), self.level.clone().into());
        own.insert("recipe".to_owned(), self.recipe.name().into());
        own.insert("seed".to_owned(), i64::try_from(seed)?.into());
        let at = format!("arms[{index}].settings");
        let resolved = settings::resolve(vec![
            settings::within(Rc::clone(&file), "", own)?,
            settings::within(Rc::clone(&file), "settings", self.settings.clone())?,
            settings::within(file, &at, self.arms[index].settings.clone())?,
        ])?;
        Ok(resolved.config)
    }

    fn source_file(&self) -> Rc<SourceFile> {
        let (path, text) = self.source.clone();
        Rc::new(SourceFile { path, text })
    }

    /// Resolves the settings of every arm as its runs will.
    fn check_settings(&self) -> Result<()> {
        let file = self.source_file();
        let mut configs: Vec<RunConfig> = Vec::new();
        for (index, arm) in self.arms.iter().enumerate() {
            let at = format!("arms[{index}].settings");
            for (at, table) in [("settings", &self.settings), (&at, &arm.settings)] {
                let names_level =
                    table.get("level").is_some_and(|level| level.get("base").is_some() || level.is_str());
                let above = [
                    ("recipe", table.contains_key("recipe")),
                    ("level", names_level),
                    ("seed", table.contains_key("seed")),
                ];
                if let Some((key, _)) = above.into_iter().find(|(_, said)| *said) {
                    let key = format!("{at}.{key}");
                    return Err(file.toml().fault(&key, "belongs to the study, at the top of the file"));
                }
            }
            let config = self.run_config(index, self.seeds[0])?;
            if let Some(same) = configs.iter().position(|other| *other == config) {
                let other = &self.arms[same].name;
                return Err(file.toml().fault(
                    &format!("arms[{index}]"),
                    &format!(
                        "{} has the same settings as {other}, and one training counted twice is no evidence; change \
                         or remove one of them",
                        arm.name
                    ),
                ));
            }
            configs.push(config);
        }
        Ok(())
    }

    fn check(&self, text: &TomlText<'_>) -> Result<()> {
        let named = |name: &str| {
            (1..=MAX_NAME).contains(&name.len())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        };
        if !named(&self.name) {
            return Err(text.fault("name", "expected at most 100 letters, digits, - and _"));
        }
        if self.seeds.is_empty() {
            return Err(text.fault("seeds", "expected at least one seed"));
        }
        if let Some(seed) = twice(&self.seeds) {
            return Err(text.fault("seeds", &counted_twice(seed)));
        }
        if self.threads == 0 {
            return Err(text.fault("threads", "expected at least 1"));
        }
        if self.arms.is_empty() {
            return Err(text.fault("arms", "expected at least one arm"));
        }
        for (index, arm) in self.arms.iter().enumerate() {
            let key = format!("arms[{index}].name");
            if !named(&arm.name) {
                return Err(text.fault(&key, "expected at most 100 letters, digits, - and _"));
            }
            // Runs are kept under these names, and on some disks `A` and `a` are one.
            if let Some(other) =
                self.arms[..index].iter().find(|other| other.name.eq_ignore_ascii_case(&arm.name))
            {
                let message = if other.name == arm.name {
                    format!("there are two arms called {}", arm.name)
                } else {
                    format!("{} and {} are the same name to some disks", other.name, arm.name)
                };
                return Err(text.fault(&key, &message));
            }
        }
        let Evaluation { episodes, epsilons } = &self.evaluation;
        if *episodes == 0 || epsilons.is_empty() {
            return Err(text.fault("evaluation", "expected at least one episode and one epsilon"));
        }
        if let Some(epsilon) = epsilons.iter().find(|epsilon| !(0.0..=1.0).contains(*epsilon)) {
            let message = format!("expected numbers from 0 to 1, found {epsilon}");
            return Err(text.fault("evaluation.epsilons", &message));
        }
        if let Some(epsilon) = twice(epsilons) {
            return Err(text.fault("evaluation.epsilons", &format!("{epsilon} is there twice")));
        }
        Ok(())
    }
}

/// The first value that is there before already.
fn twice<T: PartialEq + Copy>(values: &[T]) -> Option<T> {
    let again = |&(index, value): &(usize, &T)| values[..index].contains(value);
    values.iter().enumerate().find(again).map(|(_, &value)| value)
}

fn counted_twice(seed: u64) -> String {
    format!("seed {seed} is there twice, and one training counted twice is no evidence; name each seed once")
}
