//! Where a setting comes from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use townlet_text::printable;

use crate::recipe::Recipe;
use crate::toml_place::TomlText;

/// The text of a file, and what the file is called.
#[derive(Debug)]
pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl SourceFile {
    pub(crate) fn toml(&self) -> TomlText<'_> {
        TomlText { path: &self.path, text: &self.text }
    }
}

/// Where a layer of settings comes from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// The program.
    Default,
    /// A recipe.
    Recipe(Recipe),
    /// A level, built in or a file.
    Level(String),
    /// The length of the run, which settings of a recipe are fitted to.
    Fitted,
    /// A TOML file, or a table in one, called by its key.
    Toml(Rc<SourceFile>, String),
    /// A training file of the reference implementation.
    Yaml(Rc<YamlPlaces>),
    /// `--set`, with what was set.
    Set(String),
    /// A flag of its own.
    Flag(&'static str),
}

/// Which key of a YAML file a setting was made of.
#[derive(Debug, Default)]
pub(crate) struct YamlPlaces {
    pub(crate) path: PathBuf,
    /// The line and the key in the file, by the setting.
    pub(crate) keys: BTreeMap<String, (usize, &'static str)>,
}

impl YamlPlaces {
    /// The entry of a setting, or of the table around it.
    fn get(&self, mut key: &str) -> Option<&(usize, &'static str)> {
        loop {
            match self.keys.get(key) {
                Some(found) => return Some(found),
                None => key = parent(key)?,
            }
        }
    }
}

impl Origin {
    /// Whether whoever started the program said it, and could say something else.
    pub(crate) fn is_users(&self) -> bool {
        matches!(self, Self::Toml(..) | Self::Yaml(_) | Self::Set(_) | Self::Flag(_))
    }

    /// What an error about the setting `key` begins with: `file:line`, or the flag.
    pub(crate) fn place(&self, key: &str) -> String {
        match self {
            Self::Default => "defaults".to_owned(),
            Self::Recipe(recipe) => format!("recipe {}", recipe.name()),
            Self::Level(name) => format!("level {name}"),
            Self::Fitted => "fitted to the run".to_owned(),
            Self::Toml(file, table) => file.toml().place(&within(table, key)),
            Self::Yaml(places) => match places.get(key) {
                Some((line, yaml_key)) => format!("{}:{line}: {yaml_key}", places.path.display()),
                None => places.path.display().to_string(),
            },
            Self::Set(said) => format!("--set {}", printable(said)),
            Self::Flag(flag) => (*flag).to_owned(),
        }
    }

    /// An error about the setting `key`, told to whoever said it here.
    pub(crate) fn fault(&self, key: &str, message: &str) -> anyhow::Error {
        anyhow::anyhow!("{}: {}: {message}", self.place(key), printable(&self.said_key(key)))
    }

    /// What the setting `key` is called where it was said.
    pub(crate) fn said_key<'a>(&self, key: &'a str) -> Cow<'a, str> {
        match self {
            Self::Toml(_, table) => within(table, key),
            _ => key.into(),
        }
    }

    /// Where the setting `key` comes from, for a person who reads a list of settings.
    pub(crate) fn describe(&self, key: &str) -> String {
        match self {
            Self::Default => "default".to_owned(),
            Self::Set(_) => "--set".to_owned(),
            Self::Yaml(places) => match places.get(key) {
                Some((line, yaml_key)) => format!("{}:{line} {yaml_key}", places.path.display()),
                None => places.path.display().to_string(),
            },
            _ => self.place(key),
        }
    }
}

fn within<'a>(table: &str, key: &'a str) -> Cow<'a, str> {
    if table.is_empty() { key.into() } else { format!("{table}.{key}").into() }
}

/// The key of the table or list around `key`.
pub(crate) fn parent(key: &str) -> Option<&str> {
    key.rfind(['.', '[']).map(|end| &key[..end])
}
