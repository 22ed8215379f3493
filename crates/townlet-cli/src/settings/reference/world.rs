//! What a training file of the reference implementation says of the world.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use toml::Value;
use townlet_env::{Level, Observability};
use townlet_nets::QNetworkConfig;

use crate::settings::layers::Layer;
use crate::settings::set;

/// A value, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) line: usize,
    pub(super) key: &'static str,
}

/// What a file says of the world. A level is chosen by it, or held against it where one is named.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(super) path: PathBuf,
    pub(super) grid: Option<At<i64>>,
    pub(super) partial: Option<At<bool>>,
    pub(super) vision: Option<At<i64>>,
    pub(super) temporal: Option<At<bool>>,
    pub(super) step_limit: Option<At<i64>>,
    /// The size of an observation, wherever it is said.
    pub(super) observation: Vec<At<i64>>,
    pub(super) actions: Option<At<i64>>,
}

impl World {
    /// The built-in level that is meant.
    fn base(&self) -> &'static str {
        let is = |key: Option<At<bool>>| key.is_some_and(|at| at.value);
        match (is(self.temporal), is(self.partial)) {
            (true, _) => "temporal",
            (false, true) => "pomdp",
            (false, false) => "full",
        }
    }

    /// Adds the level that is meant, and what is different in it, to the layer of the file.
    pub(crate) fn derive(&self, layer: &mut Layer) -> Result<()> {
        let base = self.base();
        let level = Level::builtin(base)?;
        let mut put = |key: &str, value: Value| set::insert(&mut layer.table, key, value);
        put("level.base", Value::from(base));
        let partial = self.partial.is_some_and(|at| at.value);
        if partial != (level.observability == Observability::Partial) {
            put("level.observability", Value::from(if partial { "partial" } else { "full" }));
        }
        if let Some(At { value, .. }) = self.grid
            && (value, value) != (level.grid.width.into(), level.grid.height.into())
        {
            put("level.grid", Value::from(vec![value, value]));
        }
        for (key, said, there) in [
            ("level.vision_range", self.vision, i64::from(level.vision_range)),
            ("level.step_limit", self.step_limit, i64::from(level.step_limit)),
        ] {
            if let Some(At { value, .. }) = said.filter(|at| at.value != there) {
                put(key, Value::from(value));
            }
        }
        Ok(())
    }

    /// Holds a level that was named against the file.
    ///
    /// # Errors
    ///
    /// Where they differ.
    pub(crate) fn check(&self, level: &Level) -> Result<()> {
        let (width, height) = (i64::from(level.grid.width), i64::from(level.grid.height));
        let partial = level.observability == Observability::Partial;
        if let Some(at) = self.grid.filter(|at| (at.value, at.value) != (width, height)) {
            return Err(self.differs(at, level, &format!("has {} cells", level.grid)));
        }
        if let Some(at) = self.partial.filter(|at| at.value != partial) {
            let has = if partial { "shows a window of cells" } else { "shows the whole grid" };
            return Err(self.differs(at, level, has));
        }
        if let Some(at) = self.vision.filter(|at| partial && at.value != i64::from(level.vision_range)) {
            return Err(self.differs(at, level, &format!("has {}", level.vision_range)));
        }
        if let Some(at) = self.temporal.filter(|at| at.value != level.clock) {
            let has = if level.clock { "has a clock" } else { "has no clock" };
            return Err(self.differs(at, level, has));
        }
        if let Some(at) = self.step_limit.filter(|at| at.value != i64::from(level.step_limit)) {
            return Err(self.differs(at, level, &format!("has {}", level.step_limit)));
        }
        Ok(())
    }

    fn differs<T: std::fmt::Display>(&self, at: At<T>, level: &Level, has: &str) -> anyhow::Error {
        let At { value, line, key } = at;
        let path = self.path.display();
        let name = &level.name;
        anyhow!(
            "{path}:{line}: {key}: is {value}, and the level {name} {has}; change the one or the other, or name \
             no level, and the file chooses one"
        )
    }

    /// Holds the sizes that the file states against those of the network.
    ///
    /// # Errors
    ///
    /// Where there are other actions. The size of an observation is only noted: the files of the reference state
    /// one that no world of it has, and nothing reads it there.
    pub(crate) fn check_sizes(&self, network: &QNetworkConfig, notes: &mut Vec<String>) -> Result<()> {
        let path = self.path.display();
        let size = network.layout.len();
        for At { value, line, key } in &self.observation {
            if usize::try_from(*value) != Ok(size) {
                notes.push(format!(
                    "{path}:{line}: {key} is not used: it is {value}, and an observation of this level has \
                     {size} numbers"
                ));
            }
        }
        match self.actions {
            Some(At { value, line, key }) if usize::try_from(value) != Ok(network.num_actions) => {
                Err(anyhow!(
                    "{path}:{line}: {key}: expected {}, the number of actions in the town, found {value}",
                    network.num_actions
                ))
            }
            _ => Ok(()),
        }
    }
}
