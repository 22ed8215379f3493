//! What a network remembers with: the part between its encoders and its head.

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::frame_stack::FrameStack;
use crate::gru::Gru;
use crate::initialise::Initialiser;
use crate::lstm::{Lstm, LstmState};
use crate::state::QState;

/// What a [`QNetwork`](crate::QNetwork) remembers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
// Empty braces, because serde does not refuse unknown keys beside a variant without any.
pub enum CoreConfig {
    /// A long short-term memory (Hochreiter and Schmidhuber 1997), as in DRQN (Hausknecht and Stone 2015).
    Lstm {},
    /// A gated recurrent unit (Cho et al. 2014).
    Gru {},
    /// The last `count` observations side by side (Mnih et al. 2015): a memory of fixed length.
    Frames {
        /// How many observations, 2 or more; the present one is among them.
        count: usize,
    },
    /// Nothing: values depend on the present observation alone.
    None {},
}

impl Default for CoreConfig {
    fn default() -> Self {
        Self::Lstm {}
    }
}

/// The layers of a [`CoreConfig`].
#[derive(Module, Debug)]
pub(crate) enum Core {
    Lstm(Lstm),
    Gru(Gru),
    /// Also no memory at all: a stack of one.
    Frames(FrameStack),
}

impl Core {
    /// Reads `inputs` features of observations with `observation` numbers and puts out `hidden`.
    pub(crate) fn init(
        initialiser: &Initialiser<'_>,
        config: CoreConfig,
        observation: usize,
        inputs: usize,
        hidden: usize,
    ) -> Self {
        let frames = |count: usize| FrameStack::init(initialiser, count.max(1), observation, inputs, hidden);
        match config {
            CoreConfig::Lstm {} => Self::Lstm(Lstm::init(initialiser, inputs, hidden)),
            CoreConfig::Gru {} => Self::Gru(Gru::init(initialiser, inputs, hidden)),
            CoreConfig::Frames { count } => Self::Frames(frames(count)),
            CoreConfig::None {} => Self::Frames(frames(1)),
        }
    }

    pub(crate) fn hidden_size(&self) -> usize {
        match self {
            Self::Lstm(lstm) => lstm.hidden_size(),
            Self::Gru(gru) => gru.hidden_size(),
            Self::Frames(frames) => frames.hidden_size(),
        }
    }

    /// How wide each part of the memory is.
    pub(crate) fn state_widths(&self) -> Vec<usize> {
        match self {
            Self::Lstm(lstm) => vec![lstm.hidden_size(); 2],
            Self::Gru(gru) => vec![gru.hidden_size()],
            Self::Frames(frames) => {
                Some(frames.state_width()).filter(|&width| width > 0).into_iter().collect()
            }
        }
    }

    /// # Shapes
    ///
    /// - `observations`: `[batch, time, features of the layout]`
    /// - `state`: of [`state_widths`](Self::state_widths)
    /// - `encode`: `[rows, features of the layout]` to `[rows, inputs]`
    /// - output: `[time * batch, hidden]`, and the memory after the last step
    pub(crate) fn forward(
        &self,
        observations: Tensor<3>,
        state: QState,
        encode: impl Fn(&Tensor<2>) -> Tensor<2>,
    ) -> (Tensor<2>, QState) {
        let encoded = |observations: Tensor<3>| {
            let [batch, time, features] = observations.dims();
            // Time first: the recurrence then works on contiguous rows.
            encode(&observations.swap_dims(0, 1).reshape([time * batch, features]))
        };
        let mut parts = state.into_parts().into_iter();
        let mut part = || parts.next().expect("a network's own state has the parts of its core");
        match self {
            Self::Lstm(lstm) => {
                let state = LstmState { hidden: part(), cell: part() };
                let (output, state) = lstm.forward(encoded(observations), state);
                (output, QState::of_lstm(state))
            }
            Self::Gru(gru) => {
                let (output, hidden) = gru.forward(encoded(observations), part());
                (output, QState::new(vec![hidden]))
            }
            Self::Frames(frames) => {
                let (output, last) = frames.forward(observations, parts.next(), encode);
                (output, QState::new(last.into_iter().collect()))
            }
        }
    }
}
