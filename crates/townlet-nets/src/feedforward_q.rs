//! A feed-forward Q-network: the memoryless baseline.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::initialise::Initialiser;
use crate::state_dict::TorchNames;

/// The sizes of a [`FeedforwardQNetwork`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedforwardQConfig {
    /// The number of features of an observation.
    pub num_features: usize,
    /// The number of actions.
    pub num_actions: usize,
    /// The width of both hidden layers.
    pub hidden: usize,
}

impl FeedforwardQConfig {
    /// The standard sizes: two hidden layers of 128.
    pub fn new(num_features: usize, num_actions: usize) -> Self {
        Self { num_features, num_actions, hidden: 128 }
    }

    /// A network with PyTorch's default initialisation, drawn on the host from `seed`.
    pub fn init(&self, seed: u64, device: &Device) -> FeedforwardQNetwork {
        let initialiser = Initialiser { seed, device };
        FeedforwardQNetwork {
            first: initialiser.linear("net.0", self.num_features, self.hidden),
            second: initialiser.linear("net.2", self.hidden, self.hidden),
            output: initialiser.linear("net.4", self.hidden, self.num_actions),
        }
    }
}

/// Two hidden layers with ReLU (Mnih et al. 2015, without the convolutions): it values actions by what it
/// sees now and remembers nothing.
#[derive(Module, Debug)]
pub struct FeedforwardQNetwork {
    first: Linear,
    second: Linear,
    output: Linear,
}

impl FeedforwardQNetwork {
    /// The values of all actions.
    ///
    /// # Shapes
    ///
    /// - `observations`: `[batch, features]`
    /// - values: `[batch, actions]`
    pub fn forward(&self, observations: Tensor<2>) -> Tensor<2> {
        let x = relu(self.first.forward(observations));
        self.output.forward(relu(self.second.forward(x)))
    }
}

impl TorchNames for FeedforwardQNetwork {
    const PREFIXES: &'static [(&'static str, &'static str)] =
        &[("first", "net.0"), ("second", "net.2"), ("output", "net.4")];
}
