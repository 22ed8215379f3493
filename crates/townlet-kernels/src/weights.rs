//! A network's parameters, packed for the passes.

use crate::architecture::Architecture;
use crate::convolution::{backward_matrix, forward_matrix};
use crate::matrix::{Packed, Segment};
use crate::parameters::{Layer, Parameters};

/// What a forward pass reads of a network: every weight packed, once for as many passes as wanted.
#[derive(Clone, Debug)]
pub struct Weights {
    pub(crate) architecture: Architecture,
    pub(crate) vision: Option<[PackedLayer; 3]>,
    pub(crate) encoders: Vec<Encoder>,
    /// The weights on the LSTM's input, with both biases added.
    pub(crate) input: PackedLayer,
    pub(crate) hidden: Packed,
    pub(crate) head: [PackedLayer; 2],
}

/// What a backward pass reads of a network: the same weights, transposed.
#[derive(Clone, Debug)]
pub struct BackwardWeights {
    pub(crate) architecture: Architecture,
    pub(crate) vision: Option<VisionBackward>,
    pub(crate) input: Packed,
    pub(crate) hidden: Packed,
    pub(crate) head: [Packed; 2],
}

#[derive(Clone, Debug)]
pub(crate) struct PackedLayer {
    pub(crate) weight: Packed,
    pub(crate) bias: Vec<f32>,
}

/// An encoder of a few columns of the observation.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    pub(crate) layer: PackedLayer,
    pub(crate) columns: Vec<Segment>,
    /// The first of the LSTM's inputs that it writes.
    pub(crate) to: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct VisionBackward {
    pub(crate) second: Packed,
    pub(crate) linear: Packed,
}

impl PackedLayer {
    fn new(layer: Layer<'_>, inputs: usize) -> Self {
        let bias = layer.bias.to_vec();
        Self { weight: Packed::new(layer.weight, inputs, bias.len()), bias }
    }

    fn convolution(layer: Layer<'_>, inputs: usize) -> Self {
        let matrix = forward_matrix(layer.weight, inputs, layer.bias.len());
        Self::new(Layer { weight: &matrix, ..layer }, 9 * inputs)
    }
}

impl Weights {
    /// Packs `parameters`, which are listed in the order that [`Architecture`] gives.
    ///
    /// # Panics
    ///
    /// Unless there are as many as `architecture` has, each of its length.
    pub fn new(architecture: &Architecture, parameters: &[&[f32]]) -> Self {
        let of = Parameters::new(architecture, parameters);
        let vision = architecture.vision.zip(of.vision).map(|(sizes, [first, second, linear])| {
            let turned = channels_last(linear.weight, sizes.cells(), linear.bias.len());
            [
                PackedLayer::convolution(first, 1),
                PackedLayer::convolution(second, sizes.channels[0]),
                PackedLayer::new(Layer { weight: &turned, ..linear }, sizes.cells() * sizes.channels[1]),
            ]
        });
        let encoders = architecture.narrow().zip(&of.encoders).map(|((columns, to), layer)| {
            let inputs = columns.iter().map(|segment| segment.len).sum();
            Encoder { layer: PackedLayer::new(*layer, inputs), columns, to }
        });
        let bias: Vec<f32> = of.input.bias.iter().zip(of.hidden.bias).map(|(a, b)| a + b).collect();
        let gates = bias.len();
        let (input, hidden) = rayon::join(
            || Packed::new(of.input.weight, architecture.inputs(), gates),
            || Packed::new(of.hidden.weight, architecture.hidden, gates),
        );
        Self {
            architecture: architecture.clone(),
            vision,
            encoders: encoders.collect(),
            input: PackedLayer { weight: input, bias },
            hidden,
            head: [
                PackedLayer::new(of.head[0], architecture.hidden),
                PackedLayer::new(of.head[1], architecture.head_features),
            ],
        }
    }

    /// What these weights are of.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }
}

impl BackwardWeights {
    /// Packs `parameters`, which are listed in the order that [`Architecture`] gives.
    ///
    /// # Panics
    ///
    /// Unless there are as many as `architecture` has, each of its length.
    pub fn new(architecture: &Architecture, parameters: &[&[f32]]) -> Self {
        let of = Parameters::new(architecture, parameters);
        let vision = architecture.vision.zip(of.vision).map(|(sizes, [_, second, linear])| {
            let [inputs, outputs] = sizes.channels;
            let turned = channels_last(linear.weight, sizes.cells(), linear.bias.len());
            VisionBackward {
                second: Packed::new(&backward_matrix(second.weight, inputs, outputs), 9 * outputs, inputs),
                linear: Packed::transposed(&turned, linear.bias.len(), sizes.cells() * outputs),
            }
        });
        let gates = 4 * architecture.hidden;
        let (input, hidden) = rayon::join(
            || Packed::transposed(of.input.weight, gates, architecture.inputs()),
            || Packed::transposed(of.hidden.weight, gates, architecture.hidden),
        );
        let [first, second] = of.head;
        Self {
            architecture: architecture.clone(),
            vision,
            input,
            hidden,
            head: [
                Packed::transposed(first.weight, first.bias.len(), architecture.hidden),
                Packed::transposed(second.weight, second.bias.len(), architecture.head_features),
            ],
        }
    }
}

/// The rows of the linear layer after the convolutions, from one channel after the other, as PyTorch
/// flattens them, to one cell after the other, as the convolutions here put them out.
fn channels_last(weight: &[f32], cells: usize, features: usize) -> Vec<f32> {
    exchange(weight, weight.len() / (cells * features), cells, features)
}

/// The way back.
pub(crate) fn channels_first(weight: &[f32], cells: usize, features: usize) -> Vec<f32> {
    exchange(weight, cells, weight.len() / (cells * features), features)
}

/// `[first, second, width]` to `[second, first, width]`.
fn exchange(values: &[f32], first: usize, second: usize, width: usize) -> Vec<f32> {
    let mut exchanged = Vec::with_capacity(values.len());
    for j in 0..second {
        for i in 0..first {
            exchanged.extend_from_slice(&values[(i * second + j) * width..][..width]);
        }
    }
    exchanged
}
