//! A 3×3 convolution over a small square window.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::ops::PadMode;

use crate::initialise::Initialiser;

/// A 3×3 convolution with padding 1: the window keeps its size.
///
/// Written as nine shifted views and one matrix product (im2col) instead of Burn's own convolution: on the
/// ndarray backend that is several times faster, on the others it costs nothing.
#[derive(Module, Debug)]
pub(crate) struct Convolution3x3 {
    /// `[outputs, inputs, 3, 3]`, as in PyTorch.
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
}

impl Convolution3x3 {
    pub(crate) fn init(initialiser: &Initialiser<'_>, name: &str, inputs: usize, outputs: usize) -> Self {
        let fan_in = inputs * 9;
        Self {
            weight: initialiser.uniform(&format!("{name}.weight"), [outputs, inputs, 3, 3], fan_in),
            bias: initialiser.uniform(&format!("{name}.bias"), [outputs], fan_in),
        }
    }

    /// # Shapes
    ///
    /// Channels last, as the product wants them:
    ///
    /// - `input`: `[batch, side, side, inputs]`
    /// - output: `[batch, side, side, outputs]`
    pub(crate) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let [batch, side, _, inputs] = input.dims();
        let outputs = self.bias.lazy_shape()[0];
        let padded = input.pad([(0, 0), (1, 1), (1, 1), (0, 0)], PadMode::Constant(0.0));
        let shifted = (0..9)
            .map(|tap| {
                let (dy, dx) = (tap / 3, tap % 3);
                padded.clone().slice([0..batch, dy..dy + side, dx..dx + side, 0..inputs])
            })
            .collect();
        let columns = Tensor::cat(shifted, 3).reshape([batch * side * side, 9 * inputs]);
        let weight = self.weight.val().permute([2, 3, 1, 0]).reshape([9 * inputs, outputs]);
        let bias = self.bias.val().unsqueeze::<2>();
        (columns.matmul(weight) + bias).reshape([batch, side, side, outputs])
    }
}
