//! A gated recurrent unit over whole sequences, its state an argument and a result.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, tanh};

use crate::initialise::Initialiser;
use crate::unstack::unstack;

/// One GRU layer (Cho et al. 2014), gate blocks in PyTorch's order: reset, update, new. As in PyTorch, the
/// reset gate is applied after the product with the hidden state.
#[derive(Module, Debug)]
pub(crate) struct Gru {
    /// `[inputs, 3 * hidden]`
    weight_ih: Param<Tensor<2>>,
    /// `[hidden, 3 * hidden]`
    weight_hh: Param<Tensor<2>>,
    bias_ih: Param<Tensor<1>>,
    bias_hh: Param<Tensor<1>>,
}

impl Gru {
    pub(crate) fn init(initialiser: &Initialiser<'_>, inputs: usize, hidden: usize) -> Self {
        Self {
            weight_ih: initialiser.uniform("gru.weight_ih_l0", [inputs, 3 * hidden], hidden),
            weight_hh: initialiser.uniform("gru.weight_hh_l0", [hidden, 3 * hidden], hidden),
            bias_ih: initialiser.uniform("gru.bias_ih_l0", [3 * hidden], hidden),
            bias_hh: initialiser.uniform("gru.bias_hh_l0", [3 * hidden], hidden),
        }
    }

    pub(crate) fn hidden_size(&self) -> usize {
        self.weight_hh.lazy_shape()[0]
    }

    /// Unrolls over a sequence, time first.
    ///
    /// # Shapes
    ///
    /// - `input`: `[time * batch, inputs]`, all sequences of one time step side by side
    /// - `hidden`: `[batch, hidden]`
    /// - output: `[time * batch, hidden]`, and the state after the last step
    pub(crate) fn forward(&self, input: Tensor<2>, mut hidden: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let [batch, hidden_size] = hidden.dims();
        let time = input.dims()[0] / batch;
        // The part of the gates that does not depend on the state, for all time steps in one product.
        let projected = input.matmul(self.weight_ih.val()) + self.bias_ih.val().unsqueeze::<2>();
        let (weight_hh, bias_hh) = (self.weight_hh.val(), self.bias_hh.val().unsqueeze::<2>());

        let mut outputs = Vec::with_capacity(time);
        for input in unstack(projected.reshape([time, batch, 3 * hidden_size])) {
            let from_input = input.reshape([batch, 3 * hidden_size]).chunk(3, 1);
            let from_hidden = (hidden.clone().matmul(weight_hh.clone()) + bias_hh.clone()).chunk(3, 1);
            let both = |gate: usize| from_input[gate].clone() + from_hidden[gate].clone();
            let (reset, update) = (sigmoid(both(0)), sigmoid(both(1)));
            let new = tanh(from_input[2].clone() + reset * from_hidden[2].clone());
            // (1 - z) n + z h
            hidden = new.clone() + update * (hidden - new);
            outputs.push(hidden.clone());
        }
        (Tensor::cat(outputs, 0), hidden)
    }
}
