//! From an observation row to the features that the memory reads.

use std::ops::Range;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use townlet_env::{Feature, ObservationLayout};
use townlet_kernels::Vision;

use crate::convolution::Convolution3x3;
use crate::initialise::Initialiser;

/// Two convolutions and a linear layer over the window of cells around the agent.
#[derive(Module, Debug)]
struct VisionEncoder {
    first: Convolution3x3,
    second: Convolution3x3,
    linear: Linear,
}

/// How wide each encoder is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EncoderSizes {
    pub(crate) vision_channels: [usize; 2],
    pub(crate) vision_features: usize,
    pub(crate) features: usize,
}

impl VisionEncoder {
    fn init(initialiser: &Initialiser<'_>, side: usize, sizes: EncoderSizes) -> Self {
        let [first, second] = sizes.vision_channels;
        Self {
            first: Convolution3x3::init(initialiser, "vision_encoder.0", 1, first),
            second: Convolution3x3::init(initialiser, "vision_encoder.2", first, second),
            linear: initialiser.linear("vision_encoder.5", second * side * side, sizes.vision_features),
        }
    }

    /// `[rows, side * side]` to `[rows, vision_features]`.
    fn forward(&self, window: Tensor<2>) -> Tensor<2> {
        let [rows, cells] = window.dims();
        let side = cells.isqrt();
        let x = window.reshape([rows, side, side, 1]);
        let x = relu(self.second.forward(relu(self.first.forward(x))));
        let channels = x.dims()[3];
        // Flattened channel by channel, as PyTorch does, so that weights can be exchanged.
        let flat = x.permute([0, 3, 1, 2]).reshape([rows, channels * cells]);
        relu(self.linear.forward(flat))
    }
}

/// One encoder for each part of the observation that the layout names; what the layout does not have gets
/// no encoder.
#[derive(Module, Debug)]
pub(crate) struct Encoders {
    vision: Option<VisionEncoder>,
    cell: Option<Linear>,
    position: Option<Linear>,
    meters: Option<Linear>,
    affordance: Option<Linear>,
    temporal: Option<Linear>,
    features: Option<Linear>,
    previous: Option<Linear>,
    #[module(skip)]
    layout: ObservationLayout,
}

impl Encoders {
    pub(crate) fn init(
        initialiser: &Initialiser<'_>,
        layout: &ObservationLayout,
        sizes: EncoderSizes,
    ) -> Self {
        let linear = |feature, name| {
            layout.range(feature).map(|range| initialiser.linear(name, range.len(), sizes.features))
        };
        Self {
            vision: layout.window_side().map(|side| VisionEncoder::init(initialiser, side, sizes)),
            cell: linear(Feature::Cell, "cell_encoder.0"),
            position: linear(Feature::Position, "position_encoder.0"),
            meters: linear(Feature::Meters, "meter_encoder.0"),
            affordance: linear(Feature::Affordance, "affordance_encoder.0"),
            temporal: (temporal_size(layout) > 0)
                .then(|| initialiser.linear("temporal_encoder.0", temporal_size(layout), sizes.features)),
            features: linear(Feature::Features, "feature_encoder.0"),
            previous: linear(Feature::Previous, "previous_encoder.0"),
            layout: layout.clone(),
        }
    }

    /// How many features come out for an observation of this layout.
    pub(crate) fn output_size(layout: &ObservationLayout, sizes: EncoderSizes) -> usize {
        let (vision, narrow) = Self::architecture(layout, sizes);
        narrow.len() * sizes.features + vision.map_or(0, |vision| vision.features)
    }

    /// What the encoders read and how, for the kernels: the window, and the columns of every other encoder,
    /// in the order of the fields.
    pub(crate) fn architecture(
        layout: &ObservationLayout,
        sizes: EncoderSizes,
    ) -> (Option<Vision>, Vec<Vec<Range<usize>>>) {
        let vision = layout.window().zip(layout.window_side()).map(|(window, side)| Vision {
            column: window.start,
            side,
            channels: sizes.vision_channels,
            features: sizes.vision_features,
        });
        let one = |feature| layout.range(feature).map(|range| vec![range]);
        let clock: Vec<_> = temporal_features(layout).collect();
        let narrow = [
            one(Feature::Cell),
            one(Feature::Position),
            one(Feature::Meters),
            one(Feature::Affordance),
            (!clock.is_empty()).then_some(clock),
            one(Feature::Features),
            one(Feature::Previous),
        ];
        (vision, narrow.into_iter().flatten().collect())
    }

    /// # Shapes
    ///
    /// - `observations`: `[rows, features of the layout]`
    /// - output: `[rows, output_size]`
    pub(crate) fn forward(&self, observations: &Tensor<2>) -> Tensor<2> {
        let rows = observations.dims()[0];
        let columns = |range: Range<usize>| observations.clone().slice([0..rows, range]);
        let named = |feature| self.layout.range(feature).map(columns);
        let mut parts = Vec::new();
        if let (Some(vision), Some(window)) = (&self.vision, named(Feature::Window)) {
            parts.push(vision.forward(window));
        }
        let clock: Vec<_> = temporal_features(&self.layout).map(columns).collect();
        let narrow = [
            (&self.cell, named(Feature::Cell)),
            (&self.position, named(Feature::Position)),
            (&self.meters, named(Feature::Meters)),
            (&self.affordance, named(Feature::Affordance)),
            (&self.temporal, (!clock.is_empty()).then(|| Tensor::cat(clock, 1))),
            (&self.features, named(Feature::Features)),
            (&self.previous, named(Feature::Previous)),
        ];
        for (encoder, part) in narrow {
            if let (Some(encoder), Some(part)) = (encoder, part) {
                parts.push(relu(encoder.forward(part)));
            }
        }
        Tensor::cat(parts, 1)
    }
}

/// Hour and progress, which one encoder reads together.
fn temporal_features(layout: &ObservationLayout) -> impl Iterator<Item = Range<usize>> {
    [Feature::Hour, Feature::Progress].into_iter().filter_map(|feature| layout.range(feature))
}

fn temporal_size(layout: &ObservationLayout) -> usize {
    temporal_features(layout).map(|range| range.len()).sum()
}
