//! The list of a network's parameters, taken apart.

use crate::architecture::Architecture;

/// A weight and its bias.
#[derive(Clone, Copy)]
pub(crate) struct Layer<'a> {
    pub(crate) weight: &'a [f32],
    pub(crate) bias: &'a [f32],
}

/// Every parameter of a network, by its place.
pub(crate) struct Parameters<'a> {
    /// Two convolutions and a linear layer.
    pub(crate) vision: Option<[Layer<'a>; 3]>,
    pub(crate) encoders: Vec<Layer<'a>>,
    /// Of the LSTM: what it makes of its input, and of its last output.
    pub(crate) input: Layer<'a>,
    pub(crate) hidden: Layer<'a>,
    pub(crate) head: [Layer<'a>; 2],
}

impl<'a> Parameters<'a> {
    /// # Panics
    ///
    /// Unless there are as many parameters as `architecture` has, each of its length.
    pub(crate) fn new(architecture: &Architecture, parameters: &[&'a [f32]]) -> Self {
        let lengths: Vec<usize> = parameters.iter().map(|parameter| parameter.len()).collect();
        assert_eq!(lengths, architecture.parameter_lengths(), "the lengths of the parameters");
        let mut rest = parameters.iter().copied();
        let mut next = || rest.next().expect("as many parameters as lengths");
        let mut layer = || Layer { weight: next(), bias: next() };
        let vision = architecture.vision.map(|_| [layer(), layer(), layer()]);
        let encoders = architecture.encoders.iter().map(|_| layer()).collect();
        // The LSTM's two weights come before its two biases.
        let (first, second) = (layer(), layer());
        Self {
            vision,
            encoders,
            input: Layer { weight: first.weight, bias: second.weight },
            hidden: Layer { weight: first.bias, bias: second.bias },
            head: [layer(), layer()],
        }
    }
}
