//! Random network distillation: novelty as the error of predicting a fixed random network.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::initialise::Initialiser;
use crate::state_dict::TorchNames;

/// The sizes of a [`RandomNetworkDistillation`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomNetworkDistillationConfig {
    /// The number of features of an observation.
    pub num_features: usize,
    /// The widths of the two hidden layers.
    pub hidden: [usize; 2],
    /// The size of the embedding that is predicted.
    pub embedding: usize,
}

impl RandomNetworkDistillationConfig {
    /// The standard sizes: hidden layers of 256 and 128, an embedding of 128.
    pub fn new(num_features: usize) -> Self {
        Self { num_features, hidden: [256, 128], embedding: 128 }
    }

    /// A fixed network and a predictor, drawn on the host from two streams of `seed`.
    pub fn init(&self, seed: u64, device: &Device) -> RandomNetworkDistillation {
        // Two networks from one seed: they must differ, or nothing would ever be new.
        let network = |seed| {
            let initialiser = Initialiser { seed, device };
            let [first, second] = self.hidden;
            RndNetwork {
                first: initialiser.linear("net.0", self.num_features, first),
                second: initialiser.linear("net.2", first, second),
                output: initialiser.linear("net.4", second, self.embedding),
            }
        };
        RandomNetworkDistillation { fixed: network(seed).no_grad(), predictor: network(!seed) }
    }
}

/// One of the two networks of [`RandomNetworkDistillation`].
#[derive(Module, Debug)]
pub struct RndNetwork {
    first: Linear,
    second: Linear,
    output: Linear,
}

impl RndNetwork {
    /// The embedding of each observation.
    ///
    /// # Shapes
    ///
    /// - `observations`: `[batch, features]`
    /// - output: `[batch, embedding]`
    pub fn forward(&self, observations: Tensor<2>) -> Tensor<2> {
        let x = relu(self.first.forward(observations));
        self.output.forward(relu(self.second.forward(x)))
    }
}

impl TorchNames for RndNetwork {
    const PREFIXES: &'static [(&'static str, &'static str)] =
        &[("first", "net.0"), ("second", "net.2"), ("output", "net.4")];
}

/// A fixed random network and a predictor that learns to imitate it (Burda et al. 2018, section 2.2).
///
/// Where the predictor has trained often, its error is small; where it has not, the observation is novel.
#[derive(Module, Debug)]
pub struct RandomNetworkDistillation {
    /// The network that is never trained.
    pub fixed: RndNetwork,
    /// The network that learns to predict the fixed one.
    pub predictor: RndNetwork,
}

impl RandomNetworkDistillation {
    /// The novelty of each observation: the mean squared error over the embedding.
    ///
    /// Its mean over a batch is the predictor's loss; the fixed network gets no gradient.
    ///
    /// # Shapes
    ///
    /// - `observations`: `[batch, features]`
    /// - output: `[batch]`
    pub fn novelty(&self, observations: Tensor<2>) -> Tensor<1> {
        let [batch, _] = observations.dims();
        let goal = self.fixed.forward(observations.clone()).detach();
        let error = self.predictor.forward(observations) - goal;
        (error.clone() * error).mean_dim(1).reshape([batch])
    }
}
