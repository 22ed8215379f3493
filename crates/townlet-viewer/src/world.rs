//! The world of one agent, however its observations are made.

use townlet_env::{PreviousInputs, Town, VectorEnv};

/// A world with one agent that can be looked into.
///
/// What an agent observes is the `VectorEnv`'s; the [`Town`] inside is what a viewer draws.
pub trait World: VectorEnv + Send {
    /// The town.
    fn town(&self) -> &Town;

    /// The town, where it may be put in a prepared state: where nothing outside it would then be wrong.
    fn town_mut(&mut self) -> Option<&mut Town> {
        None
    }
}

impl World for Town {
    fn town(&self) -> &Town {
        self
    }

    fn town_mut(&mut self) -> Option<&mut Town> {
        Some(self)
    }
}

impl World for PreviousInputs<Town> {
    fn town(&self) -> &Town {
        self.inner()
    }
}
