//! The gradients of the parameters while they are being added up.
//!
//! Each thread adds up those of its own sequences; only the LSTM's weights, three quarters of all parameters,
//! are not among them, because zeroing and adding so much memory takes longer than to cut those sums
//! the other way (see [`tape`](crate::tape)).

use crate::architecture::Architecture;
use crate::convolution::weight_from_matrix;
use crate::pass::{Buffer, reserve};
use crate::weights::channels_first;

/// One thread's sums, in the layouts in which the backward pass finds them.
#[derive(Debug)]
pub(crate) struct Accumulator {
    data: Buffer,
}

/// The sums, each by its place.
pub(crate) struct Sums<T> {
    /// `[9, channels]`, `[9 * channels, channels]` and `[cells * channels, features]`.
    pub(crate) vision: [T; 3],
    /// Of the two convolutions.
    pub(crate) vision_bias: [T; 2],
    /// Every other encoder's `[inputs, features]`, one after the other.
    pub(crate) encoders: T,
    /// Of all encoders, and of the linear layer of the vision encoder: what the LSTM reads has one each.
    pub(crate) inputs_bias: T,
    pub(crate) gates_bias: T,
    pub(crate) head: [T; 2],
    pub(crate) head_bias: [T; 2],
}

impl Default for Accumulator {
    fn default() -> Self {
        Self { data: Buffer::new(64) }
    }
}

/// The lengths of the sums.
fn lengths(of: &Architecture) -> Sums<usize> {
    let vision = of.vision.map_or([0; 3], |vision| {
        let [first, second] = vision.channels;
        [9 * first, 9 * first * second, vision.cells() * second * vision.features]
    });
    let encoded: usize = of.encoders.iter().flatten().map(ExactSizeIterator::len).sum();
    let Architecture { hidden, head_features, actions, .. } = *of;
    Sums {
        vision,
        vision_bias: of.vision.map_or([0; 2], |vision| vision.channels),
        encoders: encoded * of.encoder_features,
        inputs_bias: of.inputs(),
        gates_bias: 4 * hidden,
        head: [hidden * head_features, head_features * actions],
        head_bias: [head_features, actions],
    }
}

impl<T> Sums<T> {
    /// The same for every sum, in the order of the fields.
    fn map<U>(self, mut f: impl FnMut(T) -> U) -> Sums<U> {
        Sums {
            vision: self.vision.map(&mut f),
            vision_bias: self.vision_bias.map(&mut f),
            encoders: f(self.encoders),
            inputs_bias: f(self.inputs_bias),
            gates_bias: f(self.gates_bias),
            head: self.head.map(&mut f),
            head_bias: self.head_bias.map(&mut f),
        }
    }
}

impl Accumulator {
    /// All sums, zero.
    pub(crate) fn begin(&mut self, of: &Architecture) -> Sums<&mut [f32]> {
        let mut total = 0;
        let lengths = lengths(of).map(|len| {
            total += len;
            len
        });
        reserve(&mut self.data, total);
        let mut rest = &mut self.data[..total];
        rest.fill(0.0);
        lengths.map(|len| rest.split_off_mut(..len).expect("the sums' lengths add up to the total"))
    }

    fn sums(&self, of: &Architecture) -> Sums<&[f32]> {
        let mut rest = &self.data[..];
        lengths(of).map(|len| rest.split_off(..len).expect("begin has made room"))
    }
}

/// The gradients of all parameters but the LSTM's two weights.
pub(crate) struct OtherGradients {
    before: Vec<Vec<f32>>,
    after: Vec<Vec<f32>>,
}

impl OtherGradients {
    /// The gradient of every parameter, in the order that [`Architecture`] gives.
    pub(crate) fn with(self, lstm: [Vec<f32>; 2]) -> Vec<Vec<f32>> {
        let Self { mut before, after } = self;
        before.extend(lstm);
        before.extend(after);
        before
    }
}

/// The gradients in the layout that [`Architecture`] gives: the sums of all parts, added in order.
pub(crate) fn gradients<'a>(
    of: &Architecture,
    parts: impl Iterator<Item = &'a Accumulator>,
) -> OtherGradients {
    let parts: Vec<Sums<&[f32]>> = parts.map(|part| part.sums(of)).collect();
    let add = |select: &dyn Fn(&Sums<&'a [f32]>) -> &'a [f32]| -> Vec<f32> {
        let mut parts = parts.iter().map(select);
        let mut sum = parts.next().map(<[f32]>::to_vec).unwrap_or_default();
        for part in parts {
            sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
        }
        sum
    };
    let inputs_bias = add(&|sums| sums.inputs_bias);
    let mut before = Vec::new();
    let mut first = 0;
    if let Some(vision) = of.vision {
        let [one, two] = vision.channels;
        before.push(weight_from_matrix(&add(&|sums| sums.vision[0]), 1, one));
        before.push(add(&|sums| sums.vision_bias[0]));
        before.push(weight_from_matrix(&add(&|sums| sums.vision[1]), one, two));
        before.push(add(&|sums| sums.vision_bias[1]));
        let linear = add(&|sums| sums.vision[2]);
        before.push(channels_first(&linear, vision.cells(), vision.features));
        before.push(inputs_bias[..vision.features].to_vec());
        first = vision.features;
    }
    let encoders = add(&|sums| sums.encoders);
    let mut encoders = encoders.as_slice();
    for (bias, columns) in inputs_bias[first..].chunks(of.encoder_features).zip(&of.encoders) {
        let len = columns.iter().map(ExactSizeIterator::len).sum::<usize>() * bias.len();
        before.push(encoders.split_off(..len).expect("one for every encoder").to_vec());
        before.push(bias.to_vec());
    }
    // Two biases that are only ever added have one gradient.
    let bias = add(&|sums| sums.gates_bias);
    let mut after = vec![bias.clone(), bias];
    after.extend((0..2).flat_map(|i| [add(&|sums| sums.head[i]), add(&|sums| sums.head_bias[i])]));
    OtherGradients { before, after }
}
