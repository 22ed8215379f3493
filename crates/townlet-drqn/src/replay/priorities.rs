//! How urgent each stored window is, and how a draw by urgency is made up for.

use serde::{Deserialize, Serialize};

use super::sum_tree::{MAX_PRIORITY, SumTree};
use crate::state_fault::StateFault;

/// η: how much the largest error of a window counts against the mean of all (Kapturowski et al. 2019,
/// section 2.3). A mean alone would hide the one step of a long window that is surprising.
const LARGEST_SHARE: f64 = 0.9;
/// Added to every error, so that a window without one can come up again (Schaul et al. 2016, section 3.3).
const LEAST_ERROR: f64 = 1e-6;

/// The priorities of the windows of a ring: one leaf for each slot, that of a window's first transition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Priorities {
    alpha: f64,
    beta: f64,
    tree: SumTree,
    /// The largest priority that errors ever gave. New windows get it, so that each is learned from soon;
    /// before there is one, any number does.
    largest: Option<f64>,
}

impl Priorities {
    pub(super) fn new(capacity: usize, alpha: f64, beta: f64) -> Self {
        Self { alpha, beta, tree: SumTree::new(capacity), largest: None }
    }

    /// Checks that what was read from a file can stand in the place of `fresh`, those of an empty ring, where a
    /// window `begins` in some of the slots.
    pub(super) fn check(&self, fresh: &Self, begins: &[bool]) -> Result<(), StateFault> {
        StateFault::same("alpha", &self.alpha, &fresh.alpha)?;
        StateFault::same("beta", &self.beta, &fresh.beta)?;
        StateFault::length("tree", self.tree.len(), begins.len())?;
        for (slot, &begins) in begins.iter().enumerate() {
            let priority = self.tree.priority(slot).unwrap_or_default();
            let expected =
                if begins { "above 0: a window begins there" } else { "0: no window begins there" };
            StateFault::ensure((priority > 0.0) == begins, &format!("tree[{slot}]"), priority, expected)?;
        }
        let largest = self.largest.unwrap_or(1.0);
        let expected = format!("above 0, at most {MAX_PRIORITY:e}");
        StateFault::ensure(largest > 0.0 && largest <= MAX_PRIORITY, "largest", largest, expected)
    }

    /// The same, of a ring of `capacity` in which nothing is stored.
    pub(super) fn emptied(&self, capacity: usize) -> Self {
        Self::new(capacity, self.alpha, self.beta)
    }

    /// A window that counts as `share` windows now begins in `slot`.
    pub(super) fn enter(&mut self, slot: usize, share: u64) {
        self.set(slot, self.largest.unwrap_or(1.0) * share as f64);
    }

    /// No window begins in `slot` any more.
    pub(super) fn leave(&mut self, slot: usize) {
        self.set(slot, 0.0);
    }

    /// The absolute errors of the window that begins in `slot`, and counts as `share` windows, are now these;
    /// there is at least one.
    ///
    /// Errors that are not finite say nothing, and change nothing.
    pub(super) fn learned(&mut self, slot: usize, share: u64, errors: impl Iterator<Item = f64>) {
        let (mut largest, mut sum, mut count) = (0.0_f64, 0.0, 0.0);
        for error in errors {
            largest = largest.max(error);
            sum += error;
            count += 1.0;
        }
        let error = LARGEST_SHARE * largest + (1.0 - LARGEST_SHARE) * sum / count;
        if error.is_finite() {
            let priority = (error + LEAST_ERROR).powf(self.alpha).min(MAX_PRIORITY);
            self.largest = Some(self.largest.map_or(priority, |largest| largest.max(priority)));
            self.set(slot, priority * share as f64);
        }
    }

    /// The slot in which a window begins, drawn by priority with `draw` in [0, 1); none where there is none.
    pub(super) fn find(&self, draw: f64) -> Option<usize> {
        self.tree.find(draw * self.tree.total())
    }

    /// The importance weight of a window that counts as `share` among `windows`, not yet related to others:
    /// (N · P)^-β, with the chance P of a window (Schaul et al. 2016, section 3.4).
    pub(super) fn weight(&self, slot: usize, share: u64, windows: u64) -> f64 {
        let chance = self.tree.priority(slot).unwrap_or(0.0) / self.tree.total() / share as f64;
        (windows as f64 * chance).powf(-self.beta)
    }

    fn set(&mut self, slot: usize, priority: f64) {
        self.tree
            .set(slot, priority.min(MAX_PRIORITY))
            .expect("every slot has a leaf, and priorities are within bounds");
    }
}
