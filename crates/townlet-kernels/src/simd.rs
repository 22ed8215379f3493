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

/// e to the power of each lane, to about one unit in the last place; inputs beyond ±87 count as ±87.
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

    let x = simd.min_f32s(simd.max_f32s(x, simd.splat_f32s(-87.0)), simd.splat_f32s(87.0));
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

    struct Apply<'a>(&'a [f32], bool);

    impl WithSimd for Apply<'_> {
        type Output = Vec<f32>;
        fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
            let mut out = vec![0.0; self.0.len()];
            for (from, to) in self.0.chunks(S::F32_LANES).zip(out.chunks_mut(S::F32_LANES)) {
                let x = load(simd, from);
                store(simd, to, if self.1 { tanh(simd, x) } else { sigmoid(simd, x) });
            }
            out
        }
    }

    #[test]
    fn sigmoid_and_tanh_agree_with_double_precision() {
        let mut xs: Vec<f32> = (-20_000..=20_003).map(|i| i as f32 * 0.005).collect();
        xs.extend((-9_999..=9_999).map(|i| i as f32 * 1e-4));
        for arch in [arch(), Arch::Scalar] {
            let (sigmoids, tanhs) = (arch.dispatch(Apply(&xs, false)), arch.dispatch(Apply(&xs, true)));
            for ((&x, s), t) in xs.iter().zip(sigmoids).zip(tanhs) {
                let x = f64::from(x);
                assert!((f64::from(s) - 1.0 / (1.0 + (-x).exp())).abs() < 1.5e-7, "sigmoid({x}) = {s}");
                let tolerance = 3e-7 * x.tanh().abs();
                assert!((f64::from(t) - x.tanh()).abs() <= tolerance, "tanh({x}) = {t}");
            }
        }
    }
}
