//! Value rescaling: a network that learns small numbers for returns that are large.
//!
//! Returns of very different sizes are hard for one network, and cutting rewards off changes what is optimal.
//! Pohlen et al. 2018 (section 3.2) let the network learn h(Q) instead of Q, with
//!
//! h(x) = sign(x) · (√(|x| + 1) − 1) + ε x
//!
//! which grows like a root and, for the sake of ε x, can be turned back. Kapturowski et al. 2019 (R2D2,
//! section 2.3) take ε = 10⁻³ and the target
//!
//! y = h( r₀ + γ r₁ + … + γⁿ⁻¹ rₙ₋₁ + γⁿ · h⁻¹(maxₐ Q(oₙ, a)) )
//!
//! Both functions ascend, so which action is best does not change: choosing actions needs neither.
//!
//! They are computed without ever taking two nearly equal numbers from each other, which the formulas of the
//! papers do for small values and large ones alike. With u = √(|x| + 1) − 1:
//!
//! - u = |x| / (√(|x| + 1) + 1), so h(x) = x / (√(|x| + 1) + 1) + ε x;
//! - |x| = u (u + 2), and |h(x)| = ε u² + (1 + 2 ε) u, so
//!   u = 2 |h(x)| / (1 + 2 ε + √((1 + 2 ε)² + 4 ε |h(x)|)).

use burn::tensor::Tensor;

/// ε: the slope that is left for the largest values (Kapturowski et al. 2019, section 2.3).
pub const RESCALING_EPSILON: f64 = 1e-3;

/// 1 + 2 ε.
const SLOPE: f64 = 1.0 + 2.0 * RESCALING_EPSILON;

/// h(x): a return in the units that the network learns. Odd, ascending, and 0 at 0.
pub fn rescale(x: f64) -> f64 {
    x / ((x.abs() + 1.0).sqrt() + 1.0) + RESCALING_EPSILON * x
}

/// h⁻¹(x): the return whose rescaled value is `x`.
pub fn rescale_inverse(x: f64) -> f64 {
    let u = 2.0 * x / (SLOPE + (SLOPE * SLOPE + 4.0 * RESCALING_EPSILON * x.abs()).sqrt());
    u * (u.abs() + 2.0)
}

/// [`rescale`] of every entry, on the tensor's device. It carries gradients, at 0 too.
///
/// # Shapes
///
/// - `x`: any, such as `[batch, time]`; the output has the same
pub fn rescale_tensor<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let root = (x.clone().abs() + 1.0).sqrt();
    x.clone() / (root + 1.0) + x * RESCALING_EPSILON
}

/// [`rescale_inverse`] of every entry, on the tensor's device. It carries gradients, at 0 too.
///
/// # Shapes
///
/// - `x`: any, such as `[batch, time]`; the output has the same
pub fn rescale_inverse_tensor<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let root = (x.clone().abs() * (4.0 * RESCALING_EPSILON) + SLOPE * SLOPE).sqrt();
    let u = x * 2.0 / (root + SLOPE);
    u.clone() * (u.abs() + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// -1000 to 1000 in steps of a quarter, and numbers close to 0.
    fn numbers() -> impl Iterator<Item = f64> {
        let small = (-12..=3).flat_map(|power| [10.0_f64.powi(power), -(10.0_f64.powi(power))]);
        (-4_000..=4_000).map(|quarters| f64::from(quarters) / 4.0).chain(small)
    }

    fn close(found: f64, expected: f64, tolerance: f64) -> bool {
        (found - expected).abs() <= tolerance * expected.abs()
    }

    #[test]
    fn values_worked_out_by_hand() {
        assert_eq!(rescale(0.0), 0.0);
        assert!(close(rescale(3.0), 1.0 + 0.003, 1e-15));
        assert!(close(rescale(-99.0), -9.0 - 0.099, 1e-15));
        assert!(close(rescale_inverse(9.099), 99.0, 1e-14));
        assert_eq!(rescale_inverse(0.0), 0.0);
    }

    #[test]
    fn the_formulas_are_those_of_the_papers() {
        let epsilon = RESCALING_EPSILON;
        for x in numbers().filter(|x| x.abs() > 0.1) {
            let h = x.signum() * ((x.abs() + 1.0).sqrt() - 1.0) + epsilon * x;
            assert!(close(rescale(x), h, 1e-12), "h({x})");
            let root = (1.0 + 4.0 * epsilon * (x.abs() + 1.0 + epsilon)).sqrt();
            let inverse = x.signum() * (((root - 1.0) / (2.0 * epsilon)).powi(2) - 1.0);
            assert!(close(rescale_inverse(x), inverse, 1e-9), "the inverse at {x}");
        }
    }

    #[test]
    fn one_is_the_inverse_of_the_other() {
        for x in numbers() {
            assert!(close(rescale_inverse(rescale(x)), x, 1e-12), "{x}");
            assert!(close(rescale(rescale_inverse(x)), x, 1e-12), "{x}");
        }
    }

    #[test]
    fn both_ascend() {
        let mut ascending: Vec<f64> = numbers().collect();
        ascending.sort_by(f64::total_cmp);
        ascending.dedup();
        for pair in ascending.windows(2) {
            assert!(rescale(pair[0]) < rescale(pair[1]), "{pair:?}");
            assert!(rescale_inverse(pair[0]) < rescale_inverse(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn both_are_odd() {
        for x in numbers() {
            assert_eq!(rescale(-x), -rescale(x));
            assert_eq!(rescale_inverse(-x), -rescale_inverse(x));
        }
    }
}
