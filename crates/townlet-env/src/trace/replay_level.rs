//! Which world a trace plays in.

use serde::Serialize;

use super::TraceHeader;
use super::error::TraceFault;
use super::reader::expect_equal;
use crate::{Layout, Level, LevelError, MAX_STEP_LIMIT, Observability};

impl TraceHeader {
    /// The level to replay this trace in.
    ///
    /// The level in the header, where it has one. Otherwise the built-in level that fits, adapted to what
    /// the header says: `full` or `pomdp` without a time of day, `temporal` with one. Such a trace knows no
    /// step limit, so the level gets the longest.
    ///
    /// # Errors
    ///
    /// Where the built-in level has other meters or affordances, the header contradicts its own level, or
    /// it makes no world.
    pub fn replay_level(&self) -> Result<Level, TraceFault> {
        if let Some(level) = &self.level {
            level.validate_mechanics()?;
            self.expect_level(level)?;
            return Ok(Level::clone(level));
        }
        let level = self.adapt_builtin()?;
        self.expect_level(&level)?;
        level.validate_mechanics()?;
        Ok(level)
    }

    fn adapt_builtin(&self) -> Result<Level, LevelError> {
        let mut level = Level::builtin(match (self.temporal, self.observability) {
            (true, _) => "temporal",
            (false, Observability::Full) => "full",
            (false, Observability::Partial) => "pomdp",
        })?;
        level.observability = self.observability;
        level.hours_enforced = self.hours_enforced;
        level.grid = self.grid;
        level.vision_range = self.vision_range;
        level.step_limit = MAX_STEP_LIMIT;
        for (affordance, placed) in level.affordances.iter_mut().zip(&self.affordances) {
            affordance.cell = placed.cell;
        }
        if self.affordances.iter().any(|affordance| affordance.cell.is_none()) {
            level.layout = Layout::Shuffled;
        }
        Ok(level)
    }

    /// Checks that this header describes `level`.
    ///
    /// # Errors
    ///
    /// The first key in which it does not.
    pub(super) fn expect_level(&self, level: &Level) -> Result<(), TraceFault> {
        let wanted = Self::new(level, "");
        let key = |name: &'static str| move || name.to_owned();
        expect_equal(key("observability"), &wanted.observability, &self.observability)?;
        expect_equal(key("temporal"), &wanted.temporal, &self.temporal)?;
        if self.temporal {
            expect_equal(key("hours_enforced"), &wanted.hours_enforced, &self.hours_enforced)?;
        }
        expect_equal(key("grid"), &wanted.grid, &self.grid)?;
        if self.observability == Observability::Partial {
            expect_equal(key("vision_range"), &wanted.vision_range, &self.vision_range)?;
        }
        expect_list("actions", &wanted.actions, &self.actions)?;
        expect_list("meters", &wanted.meters, &self.meters)?;
        expect_list("affordances", &wanted.affordances, &self.affordances)
    }
}

fn expect_list<T: Serialize + PartialEq>(
    key: &'static str,
    expected: &[T],
    found: &[T],
) -> Result<(), TraceFault> {
    for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
        expect_equal(|| format!("{key}[{index}]"), expected, found)?;
    }
    if expected.len() == found.len() {
        Ok(())
    } else {
        Err(TraceFault::Length { key, expected: expected.len(), found: found.len() })
    }
}
