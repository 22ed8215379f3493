//! Priorities in a tree of sums, from which an index is found in proportion to its priority.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The largest priority. As many of them as fit a computer still add up to a finite number.
pub(super) const MAX_PRIORITY: f64 = 1e30;

/// Why a priority was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
#[non_exhaustive]
pub(super) enum PriorityError {
    /// There is no such entry.
    #[error("there is no entry {index}; expected one below {len}")]
    NoSuchEntry {
        /// The entry asked for.
        index: usize,
        /// How many there are.
        len: usize,
    },
    /// The priority is negative, too large, or not a number.
    #[error("entry {index} was given the priority {found}; expected 0 to {MAX_PRIORITY:e}")]
    OutOfRange {
        /// The entry.
        index: usize,
        /// What it was given.
        found: f64,
    },
}

/// `len` priorities, all 0 at first, and the sums that make drawing from them cost a logarithm of their
/// number (Schaul et al. 2016, appendix B.2.1).
///
/// Every sum is computed anew from the two below it, never corrected by a difference. So the tree depends on
/// the priorities that it holds and not on those that it held before: rounding errors do not pile up, and a
/// tree that is filled again from a checkpoint finds the same entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub(super) struct SumTree {
    len: usize,
    /// The number of leaves, a power of two.
    width: usize,
    /// `[2 * width]`: the sum of everything at 1, the sums below node n at 2n and 2n + 1, the priorities from
    /// `width` on. Entry 0 is not used.
    sums: Vec<f64>,
}

impl From<SumTree> for Vec<f64> {
    /// The priorities, from which the sums follow.
    fn from(tree: SumTree) -> Self {
        tree.sums[tree.width..][..tree.len].to_vec()
    }
}

impl TryFrom<Vec<f64>> for SumTree {
    type Error = PriorityError;

    fn try_from(priorities: Vec<f64>) -> Result<Self, PriorityError> {
        let mut tree = Self::new(priorities.len());
        for (index, &found) in priorities.iter().enumerate() {
            if !(0.0..=MAX_PRIORITY).contains(&found) {
                return Err(PriorityError::OutOfRange { index, found });
            }
        }
        tree.sums[tree.width..][..tree.len].copy_from_slice(&priorities);
        for node in (1..tree.width).rev() {
            tree.sums[node] = tree.sums[2 * node] + tree.sums[2 * node + 1];
        }
        Ok(tree)
    }
}

impl SumTree {
    /// A tree of `len` entries of priority 0.
    pub(super) fn new(len: usize) -> Self {
        let width = len.next_power_of_two();
        Self { len, width, sums: vec![0.0; 2 * width] }
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The sum of all priorities.
    pub(super) fn total(&self) -> f64 {
        self.sums[1]
    }

    /// The priority of one entry; none where there is no such entry.
    pub(super) fn priority(&self, index: usize) -> Option<f64> {
        (index < self.len).then(|| self.sums[self.width + index])
    }

    /// Gives one entry another priority; one of 0 is never found.
    ///
    /// # Errors
    ///
    /// Where there is no such entry, or the priority is not between 0 and [`MAX_PRIORITY`]. Nothing has
    /// changed then.
    pub(super) fn set(&mut self, index: usize, priority: f64) -> Result<(), PriorityError> {
        if index >= self.len {
            return Err(PriorityError::NoSuchEntry { index, len: self.len });
        }
        if !(0.0..=MAX_PRIORITY).contains(&priority) {
            return Err(PriorityError::OutOfRange { index, found: priority });
        }
        let mut node = self.width + index;
        self.sums[node] = priority;
        while node > 1 {
            node /= 2;
            self.sums[node] = self.sums[2 * node] + self.sums[2 * node + 1];
        }
        Ok(())
    }

    /// The first entry up to which the priorities add up to more than `prefix`, a number from 0 to below
    /// [`total`](Self::total); none where every priority is 0.
    ///
    /// For a `prefix` that is uniform in that range, each entry is found in proportion to its priority. An
    /// entry of priority 0 is never found, whatever rounding does and whatever `prefix` is: below 0 the first
    /// other entry is found, and from the total on the last.
    pub(super) fn find(&self, prefix: f64) -> Option<usize> {
        if self.total() <= 0.0 {
            return None;
        }
        let mut node = 1;
        let mut rest = prefix;
        while node < self.width {
            let (left, right) = (self.sums[2 * node], self.sums[2 * node + 1]);
            // One of the two is positive, and the way leads to that one: so it never ends at a 0.
            if left > 0.0 && (rest < left || right <= 0.0) {
                node *= 2;
            } else {
                rest -= left;
                node = 2 * node + 1;
            }
        }
        Some(node - self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(priorities: &[f64]) -> SumTree {
        let mut tree = SumTree::new(priorities.len());
        for (index, &priority) in priorities.iter().enumerate() {
            tree.set(index, priority).unwrap();
        }
        tree
    }

    /// Numbers that look random, the same every time: multiples of 1/8 below 32, so that sums are exact.
    fn eighths(count: usize) -> Vec<f64> {
        let mut state = 1_u32;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f64::from(state >> 24) / 8.0
            })
            .collect()
    }

    #[test]
    fn an_entry_is_found_in_proportion_to_its_priority() {
        let tree = tree(&[0.0, 3.0, 0.0, 2.0, 1.0]);
        assert_eq!(tree.total(), 6.0);
        let found: Vec<_> = (0..6).map(|prefix| tree.find(f64::from(prefix)).unwrap()).collect();
        assert_eq!(found, [1, 1, 1, 3, 3, 4]);
        assert_eq!(tree.find(2.999), Some(1));
    }

    #[test]
    fn finding_agrees_with_adding_up_one_by_one() {
        for len in [1, 2, 3, 7, 8, 100, 257] {
            let priorities = eighths(len);
            let tree = tree(&priorities);
            assert_eq!(tree.total(), priorities.iter().sum::<f64>());
            for step in 0..8 * tree.total() as usize {
                let prefix = step as f64 / 8.0;
                let mut sum = 0.0;
                let expected = priorities.iter().position(|priority| {
                    sum += priority;
                    sum > prefix
                });
                assert_eq!(tree.find(prefix), expected, "{len} entries, prefix {prefix}");
            }
        }
    }

    #[test]
    fn a_priority_of_zero_is_never_found() {
        let tree = tree(&[0.0, 0.1, 0.2, 0.0, 0.3, 0.0, 0.0]);
        for prefix in [-1.0, 0.0, 0.1, 0.1 + 0.2, tree.total(), 1e300, f64::INFINITY, f64::NAN] {
            let found = tree.find(prefix).unwrap();
            assert!([1, 2, 4].contains(&found), "prefix {prefix} found {found}");
        }
        assert_eq!((tree.find(-1.0), tree.find(tree.total())), (Some(1), Some(4)));
        assert_eq!(SumTree::new(6).find(0.0), None);
        assert_eq!(SumTree::new(0).find(0.0), None);
    }

    #[test]
    fn the_tree_does_not_depend_on_what_it_held_before() {
        let priorities = [0.1, 0.7, 1e-9, 1e9, 0.3];
        let mut busy = SumTree::new(priorities.len());
        for round in 0..1_000 {
            busy.set(round * 7 % 5, 1e9 / (round + 1) as f64).unwrap();
        }
        for (index, &priority) in priorities.iter().enumerate().rev() {
            busy.set(index, priority).unwrap();
        }
        assert_eq!(busy, tree(&priorities));
        assert_eq!(SumTree::try_from(Vec::from(busy.clone())), Ok(busy.clone()));
        (0..5).for_each(|index| busy.set(index, 0.0).unwrap());
        assert_eq!(busy.total(), 0.0, "what was taken out leaves nothing behind");
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_changes_nothing() {
        let mut tree = tree(&[1.0, 2.0, 3.0]);
        let before = tree.clone();
        // A tree of three has four leaves; the fourth is not an entry.
        assert_eq!(tree.set(3, 1.0), Err(PriorityError::NoSuchEntry { index: 3, len: 3 }));
        for priority in [-1e-9, 2e30, f64::INFINITY, f64::NAN] {
            assert!(matches!(tree.set(1, priority), Err(PriorityError::OutOfRange { index: 1, .. })));
        }
        assert_eq!(tree, before);
        assert_eq!((tree.priority(1), tree.priority(3)), (Some(2.0), None));
        let message = PriorityError::OutOfRange { index: 1, found: -1.0 }.to_string();
        assert_eq!(message, "entry 1 was given the priority -1; expected 0 to 1e30");
    }

    #[test]
    fn the_largest_priorities_add_up_to_a_number() {
        let tree = tree(&[MAX_PRIORITY; 64]);
        assert!(tree.total().is_finite());
        assert_eq!(tree.find(tree.total() / 2.0), Some(32));
    }
}
