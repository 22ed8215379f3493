//! What a test case is.

use burn::tensor::{Device, Tensor};
use townlet_nets::{Backend, QState};

/// A test: a function of a device that panics where something is wrong.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Device),
    /// Backends that the case does not run on, each with the reason that is printed instead.
    pub(crate) skips: &'static [(Backend, &'static str)],
}

/// A list of cases named after their functions.
macro_rules! cases {
    ($($name:ident $(skips $skips:expr)?),* $(,)?) => {
        pub(crate) const CASES: &[$crate::case::Case] = &[$($crate::case::Case {
            name: concat!(module_path!(), "::", stringify!($name)).split_at("backends::".len()).1,
            run: $name,
            skips: cases!(@skips $($skips)?),
        }),*];
    };
    (@skips) => { &[] };
    (@skips $skips:expr) => { $skips };
}
pub(crate) use cases;

/// All values of a tensor, row-major.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// A memory on the host, part by part.
pub(crate) fn parts(state: &QState) -> Vec<Vec<f32>> {
    state.parts().iter().cloned().map(values).collect()
}

/// The largest difference between two arrays of equal length.
pub(crate) fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "arrays of different lengths");
    // Written so that a NaN is a difference, not a match.
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |max, d| if d <= max { max } else { d })
}

/// What backends may differ by: they sum in different orders.
pub(crate) const CLOSE: f32 = 1e-5;
