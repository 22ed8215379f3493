//! A network's parameters, packed for the passes.

use crate::architecture::Architecture;
use crate::convolution::{backward_matrix, forward_matrix};
use crate::matrix::{Packed, Segment};
use crate::parameters::{Layer, Parameters};

/// What passes read of a network: every weight packed, once for as many passes in both directions as wanted.
#[derive(Clone, Debug)]
pub struct Weights {
    pub(crate) architecture: Architecture,
    pub(crate) vision: Option<[PackedLayer; 3]>,
    /// The second convolution, as it carries gradients back.
    pub(crate) convolution_back: Option<Packed>,
    pub(crate) encoders: Vec<Encoder>,
    /// The weights on the LSTM's input, with both biases added.
    pub(crate) input: PackedLayer,
    pub(crate) hidden: Packed,
    pub(crate) head: [PackedLayer; 2],
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

impl PackedLayer {
    fn new(layer: Layer<'_>, inputs: usize) -> Self {
        Self::in_memory_of(None, layer, inputs)
    }

    fn in_memory_of(old: Option<Packed>, layer: Layer<'_>, inputs: usize) -> Self {
        let bias = layer.bias.to_vec();
        Self { weight: Packed::in_memory_of(old, inputs, bias.len()).filled(layer.weight), bias }
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
        Self::in_memory_of(None, architecture, parameters)
    }

    /// As [`new`](Self::new), in the memory of weights that are no longer wanted.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub fn in_memory_of(old: Option<Self>, architecture: &Architecture, parameters: &[&[f32]]) -> Self {
        let of = Parameters::new(architecture, parameters);
        let (old_vision, old_input, old_hidden) = match old {
            Some(old) => (old.vision, Some(old.input.weight), Some(old.hidden)),
            None => (None, None, None),
        };
        let bias: Vec<f32> = of.input.bias.iter().zip(of.hidden.bias).map(|(a, b)| a + b).collect();
        let gates = bias.len();
        let vision = || {
            let (sizes, [first, second, linear]) = architecture.vision.zip(of.vision)?;
            let [inputs, outputs] = sizes.channels;
            let turned = channels_last(linear.weight, sizes.cells(), linear.bias.len());
            let old = old_vision.map(|[_, _, linear]| linear.weight);
            let linear = Layer { weight: &turned, ..linear };
            let layers = [
                PackedLayer::convolution(first, 1),
                PackedLayer::convolution(second, inputs),
                PackedLayer::in_memory_of(old, linear, sizes.cells() * outputs),
            ];
            let back = Packed::new(&backward_matrix(second.weight, inputs, outputs), 9 * outputs, inputs);
            Some((layers, back))
        };
        let recurrent = || {
            rayon::join(
                || Packed::in_memory_of(old_input, architecture.inputs(), gates).filled(of.input.weight),
                || Packed::in_memory_of(old_hidden, architecture.hidden, gates).filled(of.hidden.weight),
            )
        };
        let (vision, (input, hidden)) = rayon::join(vision, recurrent);
        let (vision, convolution_back) = vision.unzip();
        let encoders = architecture.narrow().zip(&of.encoders).map(|((columns, to), layer)| {
            let inputs = columns.iter().map(|segment| segment.len).sum();
            Encoder { layer: PackedLayer::new(*layer, inputs), columns, to }
        });
        Self {
            architecture: architecture.clone(),
            vision,
            convolution_back,
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
