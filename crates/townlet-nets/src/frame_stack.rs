//! Memory by looking at the last few observations at once.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use crate::initialise::Initialiser;

/// The features of the last `count` observations side by side, through one linear layer (Mnih et al. 2015,
/// Methods, stack four frames). With a count of 1 it is a feed-forward network.
///
/// Its memory is the observations themselves, `[batch, (count - 1) * observation]`, oldest first. Features
/// would be cheaper to keep but are those of parameters that have changed since.
#[derive(Module, Debug)]
pub(crate) struct FrameStack {
    linear: Linear,
    #[module(skip)]
    count: usize,
    #[module(skip)]
    observation: usize,
}

impl FrameStack {
    pub(crate) fn init(
        initialiser: &Initialiser<'_>,
        count: usize,
        observation: usize,
        inputs: usize,
        hidden: usize,
    ) -> Self {
        Self { linear: initialiser.linear("frames.0", count * inputs, hidden), count, observation }
    }

    pub(crate) fn hidden_size(&self) -> usize {
        self.linear.weight.lazy_shape()[1]
    }

    /// How wide the memory is; 0 where there is none.
    pub(crate) fn state_width(&self) -> usize {
        (self.count - 1) * self.observation
    }

    /// # Shapes
    ///
    /// - `observations`: `[batch, time, observation]`
    /// - `earlier`: `[batch, state_width]`; `None` where there is no memory
    /// - `encode`: `[rows, observation]` to `[rows, inputs]`
    /// - output: `[time * batch, hidden]`, and the memory after the last step
    pub(crate) fn forward(
        &self,
        observations: Tensor<3>,
        earlier: Option<Tensor<2>>,
        encode: impl Fn(&Tensor<2>) -> Tensor<2>,
    ) -> (Tensor<2>, Option<Tensor<2>>) {
        let [batch, time, observation] = observations.dims();
        let before = self.count - 1;
        let remembers = earlier.is_some();
        let seen = match earlier {
            Some(earlier) => {
                Tensor::cat(vec![earlier.reshape([batch, before, observation]), observations], 1)
            }
            None => observations,
        };
        // Every observation is encoded once, however many stacks it is in.
        let rows = seen.clone().swap_dims(0, 1).reshape([(before + time) * batch, observation]);
        let features = encode(&rows);
        let inputs = features.dims()[1];
        let stacks = (0..self.count)
            .map(|shift| features.clone().slice([shift * batch..(shift + time) * batch, 0..inputs]))
            .collect();
        let output = relu(self.linear.forward(Tensor::cat(stacks, 1)));
        let next = remembers.then(|| {
            let last = seen.slice([0..batch, time..time + before, 0..observation]);
            last.reshape([batch, before * observation])
        });
        (output, next)
    }
}
