//! The world of a run, as its agents see it.

use townlet_env::{Level, PreviousInputs, Town, TownError, VectorEnv};

/// A town whose agents may also see what they did last and what it paid.
pub(crate) type World = PreviousInputs<Town>;

/// How a run sees its level.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) level: Level,
    /// What previous rewards are shown multiplied by, where they are shown.
    pub(crate) previous_scale: Option<f32>,
}

impl View {
    /// A level as it is.
    pub(crate) fn plain(level: Level) -> Self {
        Self { level, previous_scale: None }
    }

    /// So many agents side by side.
    ///
    /// # Errors
    ///
    /// Where the level makes no world.
    pub(crate) fn world(&self, agents: usize) -> Result<World, TownError> {
        let town = Town::new(self.level.clone(), agents)?;
        Ok(with_previous(town, self.previous_scale))
    }
}

/// An environment whose agents also see what they did last and what it paid, times `scale`, where there is one.
pub(crate) fn with_previous<E: VectorEnv>(env: E, scale: Option<f32>) -> PreviousInputs<E> {
    match scale {
        Some(scale) => PreviousInputs::new(env, scale),
        None => PreviousInputs::disabled(env),
    }
}
