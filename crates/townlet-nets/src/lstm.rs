//! A long short-term memory layer over whole sequences, its state an argument and a result.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, tanh};

use crate::initialise::Initialiser;
use crate::unstack::unstack;

/// The memory of an LSTM: the two parts of its [`QState`](crate::QState).
#[derive(Clone, Debug)]
pub(crate) struct LstmState {
    /// The hidden state h, `[batch, hidden]`: what the layer puts out.
    pub(crate) hidden: Tensor<2>,
    /// The cell state c, `[batch, hidden]`.
    pub(crate) cell: Tensor<2>,
}

impl LstmState {
    /// The number of sequences this is the memory of.
    pub(crate) fn batch(&self) -> usize {
        self.hidden.dims()[0]
    }
}

/// One LSTM layer (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000), gate blocks
/// in PyTorch's order: input, forget, cell, output.
#[derive(Module, Debug)]
pub(crate) struct Lstm {
    /// `[inputs, 4 * hidden]`
    weight_ih: Param<Tensor<2>>,
    /// `[hidden, 4 * hidden]`
    weight_hh: Param<Tensor<2>>,
    // Two biases that are only ever added: one too many, but it is what PyTorch trains, and under Adam
    // two biases move twice as fast as one.
    bias_ih: Param<Tensor<1>>,
    bias_hh: Param<Tensor<1>>,
}

impl Lstm {
    pub(crate) fn init(initialiser: &Initialiser<'_>, inputs: usize, hidden: usize) -> Self {
        Self {
            weight_ih: initialiser.uniform("lstm.weight_ih_l0", [inputs, 4 * hidden], hidden),
            weight_hh: initialiser.uniform("lstm.weight_hh_l0", [hidden, 4 * hidden], hidden),
            bias_ih: initialiser.uniform("lstm.bias_ih_l0", [4 * hidden], hidden),
            bias_hh: initialiser.uniform("lstm.bias_hh_l0", [4 * hidden], hidden),
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
    /// - output: `[time * batch, hidden]`, and the state after the last step
    pub(crate) fn forward(&self, input: Tensor<2>, state: LstmState) -> (Tensor<2>, LstmState) {
        let batch = state.batch();
        let hidden_size = self.hidden_size();
        let time = input.dims()[0] / batch;
        let bias = (self.bias_ih.val() + self.bias_hh.val()).unsqueeze::<2>();
        // The part of the gates that does not depend on the state, for all time steps in one product.
        let projected = input.matmul(self.weight_ih.val()) + bias;
        let weight_hh = self.weight_hh.val();

        let LstmState { mut hidden, mut cell } = state;
        let mut outputs = Vec::with_capacity(time);
        for input in unstack(projected.reshape([time, batch, 4 * hidden_size])) {
            let gates = input.reshape([batch, 4 * hidden_size]) + hidden.matmul(weight_hh.clone());
            let [input, forget, candidate, output] =
                gates.chunk(4, 1).try_into().expect("a multiple of four columns splits into four");
            cell = sigmoid(forget) * cell + sigmoid(input) * tanh(candidate);
            hidden = sigmoid(output) * tanh(cell.clone());
            outputs.push(hidden.clone());
        }
        (Tensor::cat(outputs, 0), LstmState { hidden, cell })
    }
}
