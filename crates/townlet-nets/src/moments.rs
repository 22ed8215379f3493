//! What Adam remembers of one parameter, on a device or still as a record has it.

use burn::optim::{
    Adam, AdamState, AdaptiveMomentumState, Optimizer, RecordState, StateSink, StateSource, join_path,
};
use burn::tensor::{Device, Tensor, TensorData};

/// The moments of one parameter's gradient.
///
/// Burn loads a record onto the default device of the build and moves it on with the first step. That device
/// need not work on this machine (a GPU, in a build for several backends), so a record stays on the host until
/// the device is known.
#[derive(Clone)]
pub(crate) enum Moments<const D: usize> {
    /// Where the parameter is.
    Live(Box<AdamState<D>>),
    /// As a record has them.
    Recorded {
        /// How many steps were made.
        time: usize,
        /// Of first and second order.
        moments: Box<[TensorData; 2]>,
    },
}

/// The field of [`AdamState`] in whose name its record stands.
const FIELD: &str = "momentum";

impl<const D: usize> Moments<D> {
    pub(crate) fn live(state: AdamState<D>) -> Self {
        Self::Live(Box::new(state))
    }

    /// On `device`.
    pub(crate) fn on(self, device: &Device) -> AdamState<D> {
        match self {
            Self::Live(state) => <Adam as Optimizer>::to_device(*state, device),
            Self::Recorded { time, moments } => {
                let [first, second] = *moments;
                let tensor = |data| Tensor::from_data(data, device);
                AdamState::new(AdaptiveMomentumState::new(time, tensor(first), tensor(second)))
            }
        }
    }
}

impl<const D: usize> RecordState for Moments<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        match self {
            Self::Live(state) => state.state_flatten(prefix, out),
            Self::Recorded { time, moments } => {
                let [first, second] = moments.as_ref();
                let prefix = join_path(prefix, FIELD);
                out.push_scalar(&prefix, "time", (*time).into());
                out.push_tensor(&prefix, "moment_1", first.clone());
                out.push_tensor(&prefix, "moment_2", second.clone());
            }
        }
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, _default: &Device) -> Option<Self> {
        let prefix = join_path(prefix, FIELD);
        let time = usize::try_from(source.take_scalar(&prefix, "time")?).ok()?;
        let moments = [source.take_tensor(&prefix, "moment_1")?, source.take_tensor(&prefix, "moment_2")?];
        Some(Self::Recorded { time, moments: Box::new(moments) })
    }
}
