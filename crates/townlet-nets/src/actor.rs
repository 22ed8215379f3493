//! Acting with memory: one network, one recurrent state for every environment.

use std::fmt;
use std::mem;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use townlet_kernels::{Outputs, Sequences, Weights, Workspace};

use crate::lstm::LstmState;
use crate::recurrent_spatial_q::RecurrentSpatialQNetwork;

/// A network and the memory of each environment that it acts in.
///
/// The memory begins as zeros, follows every observation, and is wiped for an environment exactly when an
/// episode of that environment ends. Nothing else touches it: a new network is put in with the memory left
/// as it is.
///
/// On CPU backends a step is one pass of the kernels over memory that is used again: nothing is allocated,
/// and no tensor is made.
#[derive(Clone, Debug)]
pub struct Actor {
    num_envs: usize,
    device: Device,
    mind: Mind,
    /// `[num_envs, num_actions]`
    values: Vec<f32>,
}

/// A network, and where its memory lies.
#[derive(Clone, Debug)]
enum Mind {
    Host(Box<HostMind>),
    Device(Box<DeviceMind>),
}

#[derive(Clone, Debug)]
struct DeviceMind {
    network: RecurrentSpatialQNetwork,
    state: LstmState,
}

struct HostMind {
    weights: Arc<Weights>,
    workspace: Workspace,
    memory: Memory,
    /// Where the next step writes the memory that follows.
    next: Memory,
}

/// `[num_envs, hidden]` twice.
#[derive(Clone)]
struct Memory {
    hidden: Vec<f32>,
    cell: Vec<f32>,
}

impl Memory {
    fn zeros(len: usize) -> Self {
        Self { hidden: vec![0.0; len], cell: vec![0.0; len] }
    }

    /// Reads a state back to the host.
    fn of(state: &LstmState) -> Self {
        let read = |tensor: &Tensor<2>| tensor.to_data().iter::<f32>().collect();
        Self { hidden: read(&state.hidden), cell: read(&state.cell) }
    }

    fn on(&self, device: &Device, num_envs: usize) -> LstmState {
        let tensor = |values: &Vec<f32>| {
            let shape = [num_envs, values.len() / num_envs];
            Tensor::from_data(TensorData::new(values.clone(), shape), device)
        };
        LstmState { hidden: tensor(&self.hidden), cell: tensor(&self.cell) }
    }
}

impl Actor {
    /// An actor in `num_envs` environments that are all about to begin an episode.
    pub fn new(network: &RecurrentSpatialQNetwork, num_envs: usize) -> Self {
        let device = network.device().inner();
        let mind = match network.packed() {
            Some(weights) => {
                let states = num_envs * network.hidden_size();
                Mind::Host(Box::new(HostMind {
                    weights,
                    workspace: Workspace::default(),
                    memory: Memory::zeros(states),
                    next: Memory::zeros(states),
                }))
            }
            None => Mind::Device(Box::new(DeviceMind {
                network: without_gradients(network),
                state: LstmState::zeros(num_envs, network.hidden_size(), &device),
            })),
        };
        Self { num_envs, device, mind, values: Vec::new() }
    }

    /// The values of all actions in every environment, `[num_envs, num_actions]`; remembers what it saw.
    ///
    /// `observations` is `[num_envs, features]`. Call this once for every step of the environments: twice
    /// on the same observations is two steps of memory.
    pub fn values(&mut self, observations: &[f32]) -> &[f32] {
        match &mut self.mind {
            Mind::Host(mind) => {
                self.values.resize(self.num_envs * mind.weights.architecture().actions, 0.0);
                mind.step(self.num_envs, observations, &mut self.values);
            }
            Mind::Device(mind) => {
                let features = observations.len() / self.num_envs;
                let data = TensorData::new(observations.to_vec(), [self.num_envs, 1, features]);
                let observations = Tensor::from_data(data, &self.device);
                let (values, next) = mind.network.forward(observations, mind.state.clone());
                mind.state = next;
                self.values.clear();
                self.values.extend(values.into_data().iter::<f32>());
            }
        }
        &self.values
    }

    /// Wipes the memory of each environment whose episode ended; `[num_envs]`.
    pub fn forget(&mut self, ended: &[bool]) {
        if !ended.contains(&true) {
            return;
        }
        match &mut self.mind {
            Mind::Host(mind) => {
                let hidden = mind.weights.architecture().hidden;
                let Memory { hidden: h, cell: c } = &mut mind.memory;
                let rows = h.chunks_exact_mut(hidden).zip(c.chunks_exact_mut(hidden));
                for ((h, c), _) in rows.zip(ended).filter(|(_, ended)| **ended) {
                    h.fill(0.0);
                    c.fill(0.0);
                }
            }
            Mind::Device(mind) => {
                let keep: Vec<f32> = ended.iter().map(|&ended| if ended { 0.0 } else { 1.0 }).collect();
                let keep = TensorData::new(keep, [ended.len(), 1]);
                mind.state = mind.state.clone().masked(Tensor::from_data(keep, &self.device));
            }
        }
    }

    /// Acts with other parameters of the same network from now on, with the same memory.
    pub fn set_network(&mut self, network: &RecurrentSpatialQNetwork) {
        match (&mut self.mind, network.packed()) {
            (Mind::Host(mind), Some(weights)) => mind.weights = weights,
            (Mind::Device(mind), None) => mind.network = without_gradients(network),
            (_, _) => {
                // From one kind of device to another: the memory moves along.
                let state = self.state();
                let mut moved = Self::new(network, self.num_envs);
                moved.remember(&state);
                *self = moved;
            }
        }
    }

    /// The memory of every environment.
    pub fn state(&self) -> LstmState {
        match &self.mind {
            Mind::Host(mind) => mind.memory.on(&self.device, self.num_envs),
            Mind::Device(mind) => mind.state.clone(),
        }
    }

    /// Writes the memory of every environment into `rows`, whose memory is used again: hidden state and cell
    /// state side by side, `[num_envs, 2 * hidden]`. A read-back where the network is not on a CPU.
    pub fn write_state(&self, rows: &mut Vec<f32>) {
        let write = |rows: &mut Vec<f32>, Memory { hidden, cell }: &Memory| {
            rows.clear();
            let width = hidden.len() / self.num_envs;
            for (hidden, cell) in hidden.chunks_exact(width).zip(cell.chunks_exact(width)) {
                rows.extend_from_slice(hidden);
                rows.extend_from_slice(cell);
            }
        };
        match &self.mind {
            Mind::Host(mind) => write(rows, &mind.memory),
            Mind::Device(mind) => write(rows, &Memory::of(&mind.state)),
        }
    }

    fn remember(&mut self, from: &LstmState) {
        let memory = Memory::of(from);
        match &mut self.mind {
            Mind::Host(mind) => mind.memory = memory,
            Mind::Device(mind) => mind.state = memory.on(&self.device, self.num_envs),
        }
    }
}

impl HostMind {
    fn step(&mut self, num_envs: usize, observations: &[f32], values: &mut [f32]) {
        let Memory { hidden, cell } = &self.memory;
        self.weights.forward(
            &mut self.workspace,
            Sequences { batch: num_envs, time: 1, observations, hidden, cell },
            Outputs { values, hidden: &mut self.next.hidden, cell: &mut self.next.cell },
        );
        mem::swap(&mut self.memory, &mut self.next);
    }
}

impl Clone for HostMind {
    /// The memory of passes is scratch, and not worth copying.
    fn clone(&self) -> Self {
        Self {
            weights: Arc::clone(&self.weights),
            workspace: Workspace::default(),
            memory: self.memory.clone(),
            next: self.next.clone(),
        }
    }
}

impl fmt::Debug for HostMind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostMind").field("hidden", &self.memory.hidden.len()).finish_non_exhaustive()
    }
}

/// The same parameters on a device that tracks no gradients.
fn without_gradients(network: &RecurrentSpatialQNetwork) -> RecurrentSpatialQNetwork {
    if network.device().is_autodiff() { burn::module::Module::valid(network) } else { network.clone() }
}
