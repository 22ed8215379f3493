//! The optimiser's step in one pass over memory.

use rayon::prelude::*;

use crate::simd::arch;

/// The numbers of one step of Adam (Kingma and Ba 2015, algorithm 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// How far to go.
    pub learning_rate: f32,
    /// The decay of the gradient's running mean.
    pub beta_1: f32,
    /// The decay of its square's running mean.
    pub beta_2: f32,
    /// Added to the root of the second mean.
    pub epsilon: f32,
    /// The number of this step, from 1.
    pub time: i32,
    /// What the gradient is multiplied by first: the scale of the global-norm clip.
    pub gradient_scale: f32,
}

/// Below this, handing work to another thread costs more than it saves.
const CHUNK: usize = 1 << 15;

impl AdamStep {
    /// Moves `parameter` against `gradient`, and both running means with it. All four slices are of one
    /// length. Answers whether all of the parameter is finite afterwards.
    pub fn apply(
        &self,
        parameter: &mut [f32],
        gradient: &[f32],
        mean: &mut [f32],
        square: &mut [f32],
    ) -> bool {
        let work = parameter.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        let work = work.zip(mean.par_chunks_mut(CHUNK)).zip(square.par_chunks_mut(CHUNK));
        let largest = work.map(|(((parameter, gradient), mean), square)| {
            self.apply_chunk(parameter, gradient, mean, square)
        });
        largest.max().unwrap_or_default() < f32::INFINITY.to_bits()
    }

    /// Answers the largest bit pattern of the parameter without its sign: of a finite number it is below that of
    /// infinity. A largest integer is found without leaving the registers, as a sum of floats in order is not.
    fn apply_chunk(
        &self,
        parameter: &mut [f32],
        gradient: &[f32],
        mean: &mut [f32],
        square: &mut [f32],
    ) -> u32 {
        let Self { learning_rate, beta_1, beta_2, epsilon, time, gradient_scale } = *self;
        let correction = (1.0 - beta_2.powi(time)).sqrt();
        let rate = learning_rate * correction / (1.0 - beta_1.powi(time));
        let epsilon = epsilon * correction;
        arch().dispatch(|| {
            let mut largest = 0;
            let moments = mean.iter_mut().zip(square.iter_mut());
            for ((parameter, gradient), (mean, square)) in parameter.iter_mut().zip(gradient).zip(moments) {
                let gradient = gradient * gradient_scale;
                *mean = beta_1 * *mean + (1.0 - beta_1) * gradient;
                *square = beta_2 * *square + (1.0 - beta_2) * gradient * gradient;
                *parameter -= rate * *mean / (square.sqrt() + epsilon);
                largest = parameter.abs().to_bits().max(largest);
            }
            largest
        })
    }
}

/// The sum of the squares of `values`, added in an order that depends on nothing but their number.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    const LANES: usize = 64;
    arch().dispatch(|| {
        let mut total = 0.0;
        for block in values.chunks(LANES * 64) {
            let mut sums = [0.0_f32; LANES];
            let (lines, rest) = block.as_chunks::<LANES>();
            for line in lines {
                for (sum, value) in sums.iter_mut().zip(line) {
                    *sum += value * value;
                }
            }
            total += sums.iter().map(|&sum| f64::from(sum)).sum::<f64>();
            total += rest.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>();
        }
        total
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random;

    #[test]
    fn steps_are_those_of_the_definition() {
        let count = 3 * CHUNK + 5;
        let mut parameter = random(count, 1);
        let (mut mean, mut square) = (vec![0.0; count], vec![0.0; count]);
        let mut exact: Vec<[f64; 3]> = parameter.iter().map(|&p| [f64::from(p), 0.0, 0.0]).collect();
        for time in 1..=5 {
            let gradient = random(count, 10 + time as u64);
            let step = AdamStep {
                learning_rate: 0.01,
                beta_1: 0.9,
                beta_2: 0.999,
                epsilon: 1e-8,
                time,
                gradient_scale: 0.5,
            };
            assert!(step.apply(&mut parameter, &gradient, &mut mean, &mut square));
            for ([p, m, v], gradient) in exact.iter_mut().zip(&gradient) {
                let gradient = 0.5 * f64::from(*gradient);
                *m = 0.9 * *m + 0.1 * gradient;
                *v = 0.999 * *v + 0.001 * gradient * gradient;
                let (m, v) = (*m / (1.0 - 0.9_f64.powi(time)), *v / (1.0 - 0.999_f64.powi(time)));
                *p -= 0.01 * m / (v.sqrt() + 1e-8);
            }
        }
        for (found, [expected, ..]) in parameter.iter().zip(&exact) {
            assert!((f64::from(*found) - expected).abs() < 2e-6, "{found} for {expected}");
        }
    }

    #[test]
    fn squares_are_summed_to_the_last_element() {
        let values = random(10_007, 3);
        let exact: f64 = values.iter().map(|&value| f64::from(value).powi(2)).sum();
        assert!((sum_of_squares(&values) / exact - 1.0).abs() < 1e-6);
    }

    /// As `torch.optim.Adam` does: a gradient that is no finite number spoils its own parameter, and no other.
    #[test]
    fn what_is_no_finite_number_spoils_its_own_parameter_alone() {
        let step = AdamStep {
            learning_rate: 0.01,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-8,
            time: 1,
            gradient_scale: 1.0,
        };
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 7, 40, 66] {
                let (mut parameter, mut mean, mut square) = (vec![0.5; 67], vec![0.0; 67], vec![0.0; 67]);
                let mut gradient = vec![0.25; 67];
                gradient[at] = bad;
                let finite = step.apply(&mut parameter, &gradient, &mut mean, &mut square);
                assert!(!finite, "{bad} at {at}");
                for (i, parameter) in parameter.iter().enumerate() {
                    assert_eq!(parameter.is_nan(), i == at, "{bad} at {at}: parameter {i} is {parameter}");
                }
                assert!(!mean[at].is_finite() && !square[at].is_finite());
            }
        }
    }

    #[test]
    fn a_sum_of_squares_shows_what_is_no_finite_number() {
        for at in [0, 63, 64, 4_100, 10_006] {
            let mut values = random(10_007, 3);
            values[at] = f32::NAN;
            assert!(sum_of_squares(&values).is_nan());
            values[at] = f32::NEG_INFINITY;
            assert_eq!(sum_of_squares(&values), f64::INFINITY);
        }
    }
}
