//! Choosing among the actions that a mask allows.

use rand::RngExt;

use crate::Action;

/// The allowed action of highest value; the first on a tie, and action 0 where none is allowed.
///
/// What is not a number counts as the highest value, as for PyTorch's `argmax`, so that it cannot hide behind
/// others.
///
/// `values` and `mask` are `[num_actions]`.
///
/// ```
/// use townlet_env::greedy;
///
/// assert_eq!(greedy(&[3.0, 1.0, 2.0, 2.0], &[false, true, true, true]), 2);
/// ```
pub fn greedy(values: &[f32], mask: &[bool]) -> Action {
    let mut best: Option<usize> = None;
    for (action, (value, allowed)) in values.iter().zip(mask).enumerate() {
        let above = |best: f32| *value > best || (value.is_nan() && !best.is_nan());
        if *allowed && best.is_none_or(|best| above(values[best])) {
            best = Some(action);
        }
    }
    best.unwrap_or(0) as Action
}

/// An allowed action, each equally likely; action 0, and nothing drawn, where none is allowed.
///
/// `mask` is `[num_actions]`.
///
/// ```
/// use townlet_env::{random_allowed, stream};
///
/// let mut rng = stream(1, "example", 0, 0);
/// let drawn: Vec<_> = (0..20).map(|_| random_allowed(&[false, true, false, true], &mut rng)).collect();
/// assert!(drawn.contains(&1) && drawn.contains(&3) && drawn.iter().all(|action| [1, 3].contains(action)));
/// ```
pub fn random_allowed(mask: &[bool], rng: &mut impl rand::Rng) -> Action {
    let allowed = mask.iter().filter(|&&allowed| allowed).count();
    if allowed == 0 {
        return 0;
    }
    let chosen = rng.random_range(0..allowed);
    let action = mask.iter().enumerate().filter(|(_, allowed)| **allowed).nth(chosen);
    action.map_or(0, |(action, _)| action as Action)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `torch.argmax`, for the allowed ones.
    #[test]
    fn what_is_not_a_number_is_chosen_wherever_it_stands() {
        let all = [true; 3];
        assert_eq!(greedy(&[1.0, f32::NAN, 3.0], &all), 1);
        assert_eq!(greedy(&[f32::NAN, 1.0, f32::NAN], &all), 0, "the first of several");
        assert_eq!(greedy(&[1.0, f32::INFINITY, f32::NAN], &all), 2);
        assert_eq!(greedy(&[f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY], &all), 0);
        assert_eq!(greedy(&[f32::NAN, 1.0, 2.0], &[false, true, true]), 2, "a mask hides it");
    }
}
