//! From what is remembered to the value of each action.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::initialise::Initialiser;

/// How a [`QNetwork`](crate::QNetwork) values actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum HeadConfig {
    /// A hidden layer, and one output for each action.
    #[default]
    Plain,
    /// The value of the situation and the advantage of each action in two streams (Wang et al. 2016, equation
    /// 9): Q = V + A − mean A, the mean over all actions, also those that a mask forbids.
    Dueling,
}

/// A hidden layer with ReLU, and a linear output.
#[derive(Module, Debug)]
pub(crate) struct Stream {
    hidden: Linear,
    output: Linear,
}

/// The layers of a [`HeadConfig`].
#[allow(clippy::large_enum_variant, reason = "a network has one head")]
#[derive(Module, Debug)]
pub(crate) enum Head {
    Plain(Stream),
    Dueling(Dueling),
}

/// The two streams of a dueling head.
#[derive(Module, Debug)]
pub(crate) struct Dueling {
    value: Stream,
    advantage: Stream,
}

impl Stream {
    fn init(initialiser: &Initialiser<'_>, name: &str, [inputs, hidden, outputs]: [usize; 3]) -> Self {
        Self {
            hidden: initialiser.linear(&format!("{name}.0"), inputs, hidden),
            output: initialiser.linear(&format!("{name}.2"), hidden, outputs),
        }
    }

    fn forward(&self, memory: Tensor<2>) -> Tensor<2> {
        self.output.forward(relu(self.hidden.forward(memory)))
    }
}

impl Head {
    /// Reads `inputs` numbers through `hidden` features and values `actions`.
    pub(crate) fn init(
        initialiser: &Initialiser<'_>,
        config: HeadConfig,
        [inputs, hidden, actions]: [usize; 3],
    ) -> Self {
        let stream = |name, outputs| Stream::init(initialiser, name, [inputs, hidden, outputs]);
        match config {
            HeadConfig::Plain => Self::Plain(stream("q_head", actions)),
            HeadConfig::Dueling => Self::Dueling(Dueling {
                value: stream("value_head", 1),
                advantage: stream("advantage_head", actions),
            }),
        }
    }

    /// `[rows, inputs]` to `[rows, actions]`.
    pub(crate) fn forward(&self, memory: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Plain(stream) => stream.forward(memory),
            Self::Dueling(Dueling { value, advantage }) => {
                let advantages = advantage.forward(memory.clone());
                let mean = advantages.clone().mean_dim(1);
                value.forward(memory) + (advantages - mean)
            }
        }
    }

    pub(crate) fn device(&self) -> Device {
        let (Self::Plain(stream) | Self::Dueling(Dueling { value: stream, .. })) = self;
        stream.output.weight.lazy_device()
    }
}
