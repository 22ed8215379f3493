//! What a network is made of, as far as its kernels need to know.

use std::ops::Range;

use crate::matrix::Segment;

/// The sizes of a recurrent spatial Q-network: encoders side by side, one LSTM, and a head of two layers.
///
/// The parameters of such a network are a list of slices in this order, each row by row:
///
/// 1. of the vision encoder, where there is one: first convolution `[channels, 1, 3, 3]` and bias, second
///    convolution and bias, linear layer `[channels * cells, features]` and bias;
/// 2. of every other encoder: `[inputs, features]` and bias;
/// 3. of the LSTM, gates in the order input, forget, cell, output: `[inputs, 4 * hidden]`,
///    `[hidden, 4 * hidden]`, and two biases;
/// 4. of the head: `[hidden, features]` and bias, `[features, actions]` and bias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// The length of an observation.
    pub observation: usize,
    /// The encoder of the square window, where the observation has one.
    pub vision: Option<Vision>,
    /// The columns of the observation that each other encoder reads.
    pub encoders: Vec<Vec<Range<usize>>>,
    /// How many features each of those encoders gives.
    pub encoder_features: usize,
    /// The size of the LSTM's hidden state.
    pub hidden: usize,
    /// The width of the head's hidden layer.
    pub head_features: usize,
    /// The number of actions.
    pub actions: usize,
}

/// Two 3×3 convolutions with padding 1 and a linear layer over a square window of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vision {
    /// The first column of the window in the observation; its rows of cells follow one another.
    pub column: usize,
    /// The side of the window, in cells.
    pub side: usize,
    /// The output channels of the two convolutions.
    pub channels: [usize; 2],
    /// How many features come out.
    pub features: usize,
}

impl Vision {
    /// The number of cells in the window.
    pub fn cells(&self) -> usize {
        self.side * self.side
    }
}

impl Architecture {
    /// The number of features that the LSTM reads.
    pub fn inputs(&self) -> usize {
        self.vision.map_or(0, |vision| vision.features) + self.encoders.len() * self.encoder_features
    }

    /// The length of every parameter, in the order of the list above.
    pub fn parameter_lengths(&self) -> Vec<usize> {
        let mut lengths = Vec::new();
        let mut layer = |inputs: usize, outputs: usize| lengths.extend([inputs * outputs, outputs]);
        if let Some(vision) = self.vision {
            let [first, second] = vision.channels;
            layer(9, first);
            layer(9 * first, second);
            layer(vision.cells() * second, vision.features);
        }
        for columns in &self.encoders {
            layer(columns.iter().map(Range::len).sum(), self.encoder_features);
        }
        let gates = 4 * self.hidden;
        lengths.extend([self.inputs() * gates, self.hidden * gates, gates, gates]);
        for (inputs, outputs) in [(self.hidden, self.head_features), (self.head_features, self.actions)] {
            lengths.extend([inputs * outputs, outputs]);
        }
        lengths
    }

    /// Every narrow encoder: what it reads, and the first of the LSTM's inputs that it writes.
    pub(crate) fn narrow(&self) -> impl Iterator<Item = (Vec<Segment>, usize)> {
        let first = self.vision.map_or(0, |vision| vision.features);
        self.encoders.iter().enumerate().map(move |(i, columns)| {
            let mut right = 0;
            let segments = columns.iter().map(|range| {
                let segment = Segment { left: range.start, right, len: range.len() };
                right += range.len();
                segment
            });
            (segments.collect(), first + i * self.encoder_features)
        })
    }
}
