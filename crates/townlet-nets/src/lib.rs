#![doc = include_str!("../README.md")]

mod actor;
mod adam;
mod convolution;

pub mod device;
mod encoders;
mod feedforward_q;
mod frame_stack;
mod gru;
mod head;
mod initialise;
mod kernels;
mod lstm;
mod memory_core;
mod moments;
mod optimizer_state;
mod q_network;
mod random_network_distillation;
mod state;
mod state_dict;
mod unstack;
mod weights;

pub use actor::Actor;
pub use adam::{Spoiled, adam, clip_global_norm, watched_adam};
pub use device::{Backend, DeviceError};
pub use feedforward_q::{FeedforwardQConfig, FeedforwardQNetwork};
pub use head::HeadConfig;
pub use kernels::first_not_finite_parameter;
pub use memory_core::CoreConfig;
pub use optimizer_state::{OptimizerStateError, load_optimizer_state, optimizer_state};
pub use q_network::{QNetwork, QNetworkConfig};
pub use random_network_distillation::{
    RandomNetworkDistillation, RandomNetworkDistillationConfig, RndNetwork,
};
pub use state::QState;
pub use state_dict::{
    Array, NotFinite, StateDict, StateDictMismatch, TorchNames, load_state_dict, state_dict,
};
pub use weights::{WeightsError, read_weights, write_safetensors};
