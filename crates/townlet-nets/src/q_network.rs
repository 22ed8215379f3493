//! The Q-network: encoders, something to remember with, and a head that values each action.

use std::sync::Arc;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use townlet_env::ObservationLayout;

use townlet_kernels::{Architecture, Weights};

use crate::encoders::{EncoderSizes, Encoders};
use crate::head::{Head, HeadConfig};
use crate::initialise::Initialiser;
use crate::kernels::Fused;
use crate::memory_core::{Core, CoreConfig};
use crate::state::QState;
use crate::state_dict::TorchNames;

/// The sizes of a [`QNetwork`], and what it remembers with.
///
/// [`new`](Self::new) gives the standard sizes; a smaller network is the same record with other numbers:
///
/// ```
/// use townlet_env::ObservationLayout;
/// use townlet_nets::QNetworkConfig;
///
/// let layout = ObservationLayout::builder().features(3).build();
/// let small = QNetworkConfig { hidden: 32, ..QNetworkConfig::new(layout, 2) };
/// assert_eq!(small.encoder_features, 32);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QNetworkConfig {
    /// What the observations hold.
    pub layout: ObservationLayout,
    /// The number of actions.
    pub num_actions: usize,
    /// What it remembers with.
    #[serde(default)]
    pub core: CoreConfig,
    /// How it values actions.
    #[serde(default)]
    pub head: HeadConfig,
    /// What the core puts out: the size of a recurrent network's hidden state.
    pub hidden: usize,
    /// The output channels of the two 3×3 convolutions over the window.
    pub vision_channels: [usize; 2],
    /// The features that the window is encoded into.
    pub vision_features: usize,
    /// The features that each other part of the observation is encoded into.
    pub encoder_features: usize,
    /// The width of the head's hidden layer.
    pub head_features: usize,
}

impl QNetworkConfig {
    /// The standard sizes: an LSTM of 256, convolutions of 16 and 32 channels into 128 features, 32
    /// features for every other part, and a head of 128.
    pub fn new(layout: ObservationLayout, num_actions: usize) -> Self {
        Self {
            layout,
            num_actions,
            core: CoreConfig::Lstm {},
            head: HeadConfig::Plain,
            hidden: 256,
            vision_channels: [16, 32],
            vision_features: 128,
            encoder_features: 32,
            head_features: 128,
        }
    }

    /// A network with PyTorch's default initialisation, every parameter drawn on the host from a stream
    /// named by `seed` and the parameter: the same on every backend.
    pub fn init(&self, seed: u64, device: &Device) -> QNetwork {
        let initialiser = Initialiser { seed, device };
        let sizes = self.encoder_sizes();
        let inputs = Encoders::output_size(&self.layout, sizes);
        let fused = Fused::new(self.architecture());
        QNetwork {
            encoders: Encoders::init(&initialiser, &self.layout, sizes),
            core: Core::init(&initialiser, self.core, self.layout.len(), inputs, self.hidden),
            head: Head::init(&initialiser, self.head, [self.hidden, self.head_features, self.num_actions]),
            fused: if self.has_kernels() { fused } else { fused.disabled() },
        }
    }

    fn encoder_sizes(&self) -> EncoderSizes {
        EncoderSizes {
            vision_channels: self.vision_channels,
            vision_features: self.vision_features,
            features: self.encoder_features,
        }
    }

    /// Whether `townlet_kernels` knows networks of this kind.
    fn has_kernels(&self) -> bool {
        self.core == CoreConfig::Lstm {} && self.head == HeadConfig::Plain
    }

    fn architecture(&self) -> Architecture {
        let (vision, encoders) = Encoders::architecture(&self.layout, self.encoder_sizes());
        Architecture {
            observation: self.layout.len(),
            vision,
            encoders,
            encoder_features: self.encoder_features,
            hidden: self.hidden,
            head_features: self.head_features,
            actions: self.num_actions,
        }
    }
}

/// A deep Q-network for the partially observed town: the recurrent spatial Q-network, and the networks that it
/// is compared with.
///
/// The window of cells goes through two convolutions, every other part of the observation through a linear
/// layer of its own; their features are joined and read by a core that remembers, an LSTM (DRQN, Hausknecht and
/// Stone 2015) or another [`CoreConfig`]; and a small head turns its output into one value for each action. All
/// cores have the same encoders and the same head, so that networks differ in their memory and in nothing else.
/// With the standard sizes and the observation of the `pomdp` level it has 635,333 parameters.
///
/// The network keeps no state. Acting, the online pass and the target pass are all one function,
/// [`forward`](Self::forward), which takes the memory and returns it.
///
/// On CPU backends a pass of an LSTM with a plain head is one operation of `townlet_kernels`; all other passes
/// are composed of Burn's operations. Nothing but time tells them apart, and [`composed`](Self::composed) asks
/// for the latter.
#[derive(Module, Debug)]
pub struct QNetwork {
    encoders: Encoders,
    core: Core,
    head: Head,
    #[module(skip)]
    fused: Fused,
}

impl QNetwork {
    /// The values of all actions at every step of a batch of sequences, and the memory after the last.
    ///
    /// One step of acting is a sequence of length 1.
    ///
    /// # Shapes
    ///
    /// - `observations`: `[batch, time, features]`
    /// - `state`: the memory before the first step, see [`initial_state`](Self::initial_state)
    /// - values: `[batch, time, actions]`
    pub fn forward(&self, observations: Tensor<3>, state: QState) -> (Tensor<3>, QState) {
        let whole = self.fused.forward(self, &observations, &state);
        whole.unwrap_or_else(|| self.forward_composed(observations, state))
    }

    /// [`forward`](Self::forward) in Burn's operations.
    fn forward_composed(&self, observations: Tensor<3>, state: QState) -> (Tensor<3>, QState) {
        let [batch, time, _] = observations.dims();
        let (memory, state) = self.core.forward(observations, state, |rows| self.encoders.forward(rows));
        let values = self.head.forward(memory);
        let actions = values.dims()[1];
        (values.reshape([time, batch, actions]).swap_dims(0, 1), state)
    }

    /// The same network, its passes composed of Burn's operations on every backend: the reference that the
    /// kernels are held to, and the way to gradients of observations at any depth of a graph.
    #[must_use]
    pub fn composed(self) -> Self {
        Self { fused: self.fused.disabled(), ..self }
    }

    /// The parameters, packed for passes without gradient; `None` where the kernels do not serve.
    pub(crate) fn packed(&self) -> Option<Arc<Weights>> {
        self.fused.packed(self)
    }

    /// The network after one step of `optimizer` along `gradients`.
    ///
    /// On a CPU backend parameters that nobody else holds are changed in their place.
    #[must_use]
    pub fn step(self, optimizer: &mut ModuleOptimizer, rate: f64, gradients: GradientsParams) -> Self {
        self.fused.forget();
        let stepped = optimizer.step(rate, self, gradients);
        // Whoever steps has threads awake; whoever acts or learns next finds the parameters packed.
        stepped.packed();
        stepped
    }

    /// The memory with which `batch` episodes start.
    pub fn initial_state(&self, batch: usize) -> QState {
        QState::zeros(&self.state_widths(), batch, &self.device())
    }

    /// How wide each part of the memory is: `[hidden, hidden]` for an LSTM.
    pub fn state_widths(&self) -> Vec<usize> {
        self.core.state_widths()
    }

    /// What the core puts out: the size of a recurrent network's hidden state.
    pub fn hidden_size(&self) -> usize {
        self.core.hidden_size()
    }

    /// The device that holds the parameters.
    pub fn device(&self) -> Device {
        self.head.device()
    }
}

impl TorchNames for QNetwork {
    const PREFIXES: &'static [(&'static str, &'static str)] = &[
        ("encoders.vision.first", "vision_encoder.0"),
        ("encoders.vision.second", "vision_encoder.2"),
        ("encoders.vision.linear", "vision_encoder.5"),
        ("encoders.cell", "cell_encoder.0"),
        ("encoders.position", "position_encoder.0"),
        ("encoders.meters", "meter_encoder.0"),
        ("encoders.affordance", "affordance_encoder.0"),
        ("encoders.temporal", "temporal_encoder.0"),
        ("encoders.features", "feature_encoder.0"),
        ("encoders.previous", "previous_encoder.0"),
        ("core.Lstm.weight_ih", "lstm.weight_ih_l0"),
        ("core.Lstm.weight_hh", "lstm.weight_hh_l0"),
        ("core.Lstm.bias_ih", "lstm.bias_ih_l0"),
        ("core.Lstm.bias_hh", "lstm.bias_hh_l0"),
        ("core.Gru.weight_ih", "gru.weight_ih_l0"),
        ("core.Gru.weight_hh", "gru.weight_hh_l0"),
        ("core.Gru.bias_ih", "gru.bias_ih_l0"),
        ("core.Gru.bias_hh", "gru.bias_hh_l0"),
        ("core.Frames.linear", "frames.0"),
        ("head.Plain.hidden", "q_head.0"),
        ("head.Plain.output", "q_head.2"),
        ("head.Dueling.value.hidden", "value_head.0"),
        ("head.Dueling.value.output", "value_head.2"),
        ("head.Dueling.advantage.hidden", "advantage_head.0"),
        ("head.Dueling.advantage.output", "advantage_head.2"),
    ];
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::device::Backend;

    /// A network that the kernels did not serve would be as right, and slow: nothing else would tell.
    #[test]
    fn the_kernels_serve_a_network_that_sees_everything() {
        let layout = ObservationLayout::builder()
            .window(3)
            .cell(4)
            .position()
            .meters(3)
            .affordance(2)
            .hour()
            .progress()
            .features(2)
            .previous(4)
            .build();
        for device in [Backend::Flex.device().unwrap(), Backend::Flex.device().unwrap().autodiff()] {
            let config = QNetworkConfig { hidden: 8, ..QNetworkConfig::new(layout.clone(), 3) };
            let served = |config: &QNetworkConfig| {
                let network = config.init(1, &device);
                let observations = Tensor::zeros([2, 3, layout.len()], &device);
                network.fused.forward(&network, &observations, &network.initial_state(2)).is_some()
            };
            assert!(served(&config));
            assert!(!served(&QNetworkConfig { core: CoreConfig::Gru {}, ..config.clone() }));
            assert!(!served(&QNetworkConfig { head: HeadConfig::Dueling, ..config }));
        }
    }
}
