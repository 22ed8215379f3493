#![doc = include_str!("../README.md")]

mod actor;
mod adam;
mod convolution;
pub mod device;
mod encoders;
mod feedforward_q;
mod initialise;
mod kernels;
mod lstm;
mod random_network_distillation;
mod recurrent_spatial_q;
mod state_dict;
mod unstack;
mod weights;

pub use actor::Actor;
pub use adam::{adam, clip_global_norm};
pub use device::{Backend, DeviceError};
pub use feedforward_q::{FeedforwardQConfig, FeedforwardQNetwork};
pub use lstm::LstmState;
pub use random_network_distillation::{
    RandomNetworkDistillation, RandomNetworkDistillationConfig, RndNetwork,
};
pub use recurrent_spatial_q::{RecurrentSpatialQConfig, RecurrentSpatialQNetwork};
pub use state_dict::{Array, StateDict, StateDictMismatch, TorchNames, load_state_dict, state_dict};
pub use weights::{WeightsError, read_weights, write_safetensors};
