//! PyTorch's default initialisation, drawn on the host.
//!
//! Burn's own generators are global to a process on the CPU backends and separate on the GPU, so the same
//! seed would not give the same network everywhere. Here every parameter is drawn from a stream of its
//! own, named by the run's seed and the parameter's name, and uploaded.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use townlet_env::stream;

/// Draws initial parameters.
pub(crate) struct Initialiser<'a> {
    pub(crate) seed: u64,
    pub(crate) device: &'a Device,
}

impl Initialiser<'_> {
    /// A parameter uniform in ±1/sqrt(`fan_in`): PyTorch's default for weights and biases of linear and
    /// convolution layers (Kaiming uniform with a = sqrt(5)), and for LSTMs with the hidden size as fan-in.
    pub(crate) fn uniform<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        fan_in: usize,
    ) -> Param<Tensor<D>> {
        let mut rng = stream(self.seed, name, 0, 0);
        let bound = 1.0 / (fan_in as f32).sqrt();
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-bound..bound)).collect();
        Param::from_data(TensorData::new(values, shape), self.device)
    }

    /// A linear layer, weight `[inputs, outputs]`.
    pub(crate) fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Linear {
        Linear {
            weight: self.uniform(&format!("{name}.weight"), [inputs, outputs], inputs),
            bias: Some(self.uniform(&format!("{name}.bias"), [outputs], inputs)),
        }
    }
}
