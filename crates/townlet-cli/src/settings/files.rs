//! What was said in one place: a file, `--set` or a flag, as a layer of settings.

use std::path::Path;
use std::rc::Rc;

use anyhow::{Result, bail};
use toml::{Table, Value};
use townlet_text::printable;

use super::layers::Layer;
use super::origin::{Origin, SourceFile};
use super::reference::{self, World};
use crate::config_file;

/// One layer of settings, and what comes with a training file of the reference implementation.
pub(crate) struct Said {
    pub(crate) layer: Layer,
    /// What the file says of the world.
    pub(crate) world: Option<World>,
    /// What the file says in vain.
    pub(crate) notes: Vec<String>,
}

impl Said {
    /// # Errors
    ///
    /// Where the layer says two things that exclude each other.
    pub(crate) fn new(mut layer: Layer) -> Result<Self> {
        match layer.table.get_mut("level") {
            None | Some(Value::Table(_)) => {}
            Some(level @ Value::String(_)) => {
                let mut table = Table::new();
                table.insert("base".to_owned(), level.clone());
                *level = Value::Table(table);
            }
            Some(other) => {
                let (place, key) = (layer.origin.place("level"), layer.origin.said_key("level"));
                bail!(
                    "{place}: {key}: expected the name of a level, a level file or a table, found {}",
                    printable(&other.to_string())
                );
            }
        }
        if layer.table.contains_key("steps") && layer.table.contains_key("episodes") {
            let place = layer.origin.place("episodes");
            let key = layer.origin.said_key("episodes");
            bail!(
                "{place}: {key}: a run ends after steps or after episodes; expected one of the two, found both"
            );
        }
        Ok(Self { layer, world: None, notes: Vec::new() })
    }
}

/// Reads a `--config` file: TOML, or YAML where it is called so.
///
/// # Errors
///
/// Where it cannot be read, or is no TOML or YAML.
pub(crate) fn read(path: &Path) -> Result<Said> {
    parse(SourceFile { path: path.to_path_buf(), text: config_file::read(path)? })
}

/// As [`read`], of a file whose text is at hand.
///
/// # Errors
///
/// If it is no TOML or YAML.
pub(crate) fn parse(file: SourceFile) -> Result<Said> {
    if is_yaml(&file.path) {
        return reference::read(&file);
    }
    let table = file.toml().parse()?;
    within(Rc::new(file), "", table)
}

/// The layer of a table that stands in a file under the key `at`.
///
/// # Errors
///
/// As [`Said::new`].
pub(crate) fn within(file: Rc<SourceFile>, at: &str, table: Table) -> Result<Said> {
    Said::new(Layer { origin: Origin::Toml(file, at.to_owned()), table })
}

/// Whether a file is called as the training files of the reference are.
pub(crate) fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml")
    })
}
