//! What all kernels share: the instruction set, loads and stores at ragged edges, and two functions that no
//! instruction gives.

use std::sync::LazyLock;

use pulp::{Arch, Simd, WithSimd};

/// The environment variable that asks for less than this machine has.
const VARIABLE: &str = "TOWNLET_SIMD";

static ARCH: LazyLock<Arch> = LazyLock::new(|| match std::env::var(VARIABLE).as_deref() {
    Ok("portable") => Arch::Scalar,
    #[cfg(target_arch = "x86_64")]
    Ok("avx2") => pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3),
    _ => Arch::new(),
});

/// The instruction set that is used, looked up once.
pub(crate) fn arch() -> Arch {
    *ARCH
}

/// What the kernels run on here: the name of the instruction set and how many f32 fit one register.
///
/// It is the best that this machine has, unless the environment variable `TOWNLET_SIMD` is `avx2` or
/// `portable`: sums are then made as on a machine that has no more, and come out the same.
pub fn instruction_set() -> (&'static str, usize) {
    struct Name;
    impl WithSimd for Name {
        type Output = (&'static str, usize);
        fn with_simd<S: Simd>(self, _: S) -> Self::Output {
            let name = match (S::F32_LANES, S::REGISTER_COUNT) {
                (16, _) => "AVX-512",
                (8, _) => "AVX2",
                (4, _) => "NEON",
                _ => "portable",
            };
            (name, S::F32_LANES)
        }
    }
    arch().dispatch(Name)
}

/// The first lanes of `values`, zeros where there are too few.
#[inline(always)]
pub(crate) fn load<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    match S::as_simd_f32s(values).0.first() {
        Some(&full) => full,
        None => simd.partial_load_f32s(values),
    }
}

/// Writes as many lanes as `values` has room for.
#[inline(always)]
pub(crate) fn store<S: Simd>(simd: S, values: &mut [f32], lanes: S::f32s) {
    if values.len() >= S::F32_LANES {
        S::as_mut_simd_f32s(values).0[0] = lanes;
    } else {
        simd.partial_store_f32s(values, lanes);
    }
}

/// Each lane, but no less than `bound`. A lane that is not a number stays as it is, as in PyTorch.
#[inline(always)]
pub(crate) fn at_least<S: Simd>(simd: S, x: S::f32s, bound: f32) -> S::f32s {
    let bound = simd.splat_f32s(bound);
    if gives_second::<S>() {
        simd.max_f32s(bound, x)
    } else {
        simd.select_f32s(simd.less_than_f32s(x, bound), bound, x)
    }
}

/// Each lane, but no more than `bound`. A lane that is not a number stays as it is, as in PyTorch.
#[inline(always)]
fn at_most<S: Simd>(simd: S, x: S::f32s, bound: f32) -> S::f32s {
    let bound = simd.splat_f32s(bound);
    if gives_second::<S>() {
        simd.min_f32s(bound, x)
    } else {
        simd.select_f32s(simd.greater_than_f32s(x, bound), bound, x)
    }
}

/// Whether maximum and minimum give their second operand where one of the two is not a number. Those of x86 do;
/// those of plain Rust give the number.
fn gives_second<S: Simd>() -> bool {
    cfg!(target_arch = "x86_64") && S::F32_LANES >= 8
}

/// e to the power of each lane, to about one unit in the last place. Inputs below -87 count as -87, and above 88.4
/// it is infinite. What is not a number stays one.
///
/// Cody and Waite's reduction to |r| ≤ ½ ln 2, then a polynomial of degree 6 (the minimax coefficients of
/// Cephes' `expf`).
#[inline(always)]
fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    /// Adding 1.5 · 2²³ rounds to an integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    const COEFFICIENTS: [f32; 6] =
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5];

    // 88.4 is 127.53 ln 2: it rounds to the exponent 128, which is that of infinity.
    let x = at_most(simd, at_least(simd, x, -87.0), 88.4);
    let shifted = simd.mul_add_f32s(x, simd.splat_f32s(std::f32::consts::LOG2_E), simd.splat_f32s(ROUND));
    let n = simd.sub_f32s(shifted, simd.splat_f32s(ROUND));
    let r = simd.mul_add_f32s(n, simd.splat_f32s(-LN_2_HIGH), x);
    let r = simd.mul_add_f32s(n, simd.splat_f32s(-LN_2_LOW), r);

    let mut p = simd.splat_f32s(COEFFICIENTS[0]);
    for c in &COEFFICIENTS[1..] {
        p = simd.mul_add_f32s(p, r, simd.splat_f32s(*c));
    }
    let one = simd.splat_f32s(1.0);
    let p = simd.mul_add_f32s(p, simd.mul_f32s(r, r), simd.add_f32s(r, one));

    // 2ⁿ, its exponent bits made from the integer that rounding left behind.
    let bits = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    let power = simd.transmute_f32s_u32s(simd.add_u32s(bits, simd.splat_u32s(1.0_f32.to_bits())));
    simd.mul_f32s(p, power)
}

/// The logistic function of each lane.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    simd.div_f32s(one, simd.add_f32s(one, exp(simd, simd.neg_f32s(x))))
}

/// The hyperbolic tangent of each lane, to about two units in the last place.
///
/// Near zero by a polynomial in x² (the minimax coefficients of Cephes' `tanhf`), where 1 - 2 / (e²ˣ + 1) would
/// lose the digits that the difference cancels; beyond by that.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const NEAR: f32 = 0.625;
    const COEFFICIENTS: [f32; 5] =
        [-5.704_988_7e-3, 2.063_909e-2, -5.373_971_6e-2, 0.133_314_42, -0.333_332_8];
    let one = simd.splat_f32s(1.0);
    let two = simd.splat_f32s(2.0);

    let z = simd.mul_f32s(x, x);
    let mut p = simd.splat_f32s(COEFFICIENTS[0]);
    for c in &COEFFICIENTS[1..] {
        p = simd.mul_add_f32s(p, z, simd.splat_f32s(*c));
    }
    let near = simd.mul_add_f32s(simd.mul_f32s(p, z), x, x);

    let size = simd.abs_f32s(x);
    let power = exp(simd, simd.mul_f32s(two, size));
    let far = simd.sub_f32s(one, simd.div_f32s(two, simd.add_f32s(power, one)));
    let negative = simd.less_than_f32s(x, simd.splat_f32s(0.0));
    let far = simd.select_f32s(negative, simd.neg_f32s(far), far);

    simd.select_f32s(simd.less_than_f32s(size, simd.splat_f32s(NEAR)), near, far)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instruction_sets;

    #[derive(Clone, Copy)]
    enum Function {
        Sigmoid,
        Tanh,
        Relu,
    }

    struct Apply<'a>(&'a [f32], Function);

    impl WithSimd for Apply<'_> {
        type Output = Vec<f32>;
        fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
            let mut out = vec![0.0; self.0.len()];
            for (from, to) in self.0.chunks(S::F32_LANES).zip(out.chunks_mut(S::F32_LANES)) {
                let x = load(simd, from);
                let y = match self.1 {
                    Function::Sigmoid => sigmoid(simd, x),
                    Function::Tanh => tanh(simd, x),
                    Function::Relu => at_least(simd, x, 0.0),
                };
                store(simd, to, y);
            }
            out
        }
    }

    #[test]
    fn sigmoid_and_tanh_agree_with_double_precision() {
        let mut xs: Vec<f32> = (-20_000..=20_003).map(|i| i as f32 * 0.005).collect();
        xs.extend((-9_999..=9_999).map(|i| i as f32 * 1e-4));
        for arch in instruction_sets() {
            let of = |function| arch.dispatch(Apply(&xs, function));
            let (sigmoids, tanhs) = (of(Function::Sigmoid), of(Function::Tanh));
            for ((&x, s), t) in xs.iter().zip(sigmoids).zip(tanhs) {
                let x = f64::from(x);
                assert!((f64::from(s) - 1.0 / (1.0 + (-x).exp())).abs() < 1.5e-7, "sigmoid({x}) = {s}");
                let tolerance = 3e-7 * x.tanh().abs();
                assert!((f64::from(t) - x.tanh()).abs() <= tolerance, "tanh({x}) = {t}");
            }
        }
    }

    /// What PyTorch 2 gives for each of these.
    #[test]
    fn what_is_no_finite_number_passes_as_in_pytorch() {
        const INFINITE: f32 = f32::INFINITY;
        let xs = [f32::NAN, INFINITE, -INFINITE, f32::MAX, f32::MIN, -f32::NAN, 0.0, 2.0, -2.0];
        let same = |found: f32, expected: f32| {
            found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan()
        };
        let expected = [
            (Function::Relu, [f32::NAN, INFINITE, 0.0, f32::MAX, 0.0, f32::NAN, 0.0, 2.0, 0.0].as_slice()),
            (Function::Sigmoid, &[f32::NAN, 1.0, 0.0, 1.0, 0.0, f32::NAN, 0.5]),
            (Function::Tanh, &[f32::NAN, 1.0, -1.0, 1.0, -1.0, f32::NAN, 0.0]),
        ];
        for arch in instruction_sets() {
            for (function, expected) in expected {
                // In every lane, also those of a register that is not full.
                for shift in 0..17 {
                    let mut row = vec![0.25; shift];
                    row.extend(xs);
                    let found = arch.dispatch(Apply(&row, function));
                    for ((x, &found), &expected) in xs.iter().zip(&found[shift..]).zip(expected) {
                        assert!(same(found, expected), "{arch:?}: {x} gives {found}, expected {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_large_negative_input_has_a_sigmoid_of_nearly_nothing() {
        let xs: Vec<f32> = (0..4_000).map(|i| -85.0 - i as f32 * 0.001).collect();
        for arch in instruction_sets() {
            for (&x, found) in xs.iter().zip(arch.dispatch(Apply(&xs, Function::Sigmoid))) {
                let expected = 1.0 / (1.0 + (-f64::from(x)).exp());
                let error = (f64::from(found) - expected).abs();
                // Beyond 88.4 it is 0.
                assert!(error <= 1e-6 * expected || x < -88.37 && found == 0.0, "sigmoid({x}) = {found:e}");
            }
        }
    }
}
