//! Acting with memory: one network, one recurrent state for every environment.

use burn::tensor::{Tensor, TensorData};
use townlet_nets::{LstmState, RecurrentSpatialQNetwork};

/// A network and the memory of each environment that it acts in.
///
/// The memory begins as zeros, follows every observation, and is wiped for an environment exactly when an
/// episode of that environment ends. Nothing else touches it: a new network is put in with the memory left
/// as it is.
#[derive(Clone, Debug)]
pub struct Actor {
    network: RecurrentSpatialQNetwork,
    state: LstmState,
}

impl Actor {
    /// An actor in `num_envs` environments that are all about to begin an episode. `network` should not
    /// track gradients.
    pub fn new(network: RecurrentSpatialQNetwork, num_envs: usize) -> Self {
        let state = network.initial_state(num_envs);
        Self { network, state }
    }

    /// The values of all actions in every environment, `[num_envs, num_actions]`; remembers what it saw.
    ///
    /// `observations` is `[num_envs, features]`. Call this once for every step of the environments: twice
    /// on the same observations is two steps of memory.
    pub fn values(&mut self, observations: &[f32]) -> Vec<f32> {
        let num_envs = self.state.batch();
        let features = observations.len() / num_envs;
        let data = TensorData::new(observations.to_vec(), [num_envs, 1, features]);
        let observations = Tensor::from_data(data, &self.network.device());
        let (values, state) = self.network.forward(observations, self.state.clone());
        self.state = state;
        values.into_data().iter::<f32>().collect()
    }

    /// Wipes the memory of each environment whose episode ended; `[num_envs]`.
    pub fn forget(&mut self, ended: &[bool]) {
        if !ended.contains(&true) {
            return;
        }
        let keep: Vec<f32> = ended.iter().map(|&ended| if ended { 0.0 } else { 1.0 }).collect();
        let keep = TensorData::new(keep, [ended.len(), 1]);
        self.state = self.state.clone().masked(Tensor::from_data(keep, &self.network.device()));
    }

    /// Acts with another network from now on, with the same memory.
    pub fn set_network(&mut self, network: RecurrentSpatialQNetwork) {
        self.network = network;
    }

    /// The memory of every environment.
    pub fn state(&self) -> &LstmState {
        &self.state
    }
}
