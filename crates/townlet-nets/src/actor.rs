//! Acting with memory: one network, one recurrent state for every environment.

use std::fmt;
use std::mem;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use townlet_kernels::{Outputs, Sequences, Weights, Workspace};

use crate::lstm::LstmState;
use crate::q_network::QNetwork;
use crate::state::QState;

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
    network: QNetwork,
    state: QState,
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

    /// Reads an LSTM's state back to the host.
    fn of(LstmState { hidden, cell }: &LstmState) -> Self {
        Self { hidden: read(hidden), cell: read(cell) }
    }

    fn on(&self, device: &Device, num_envs: usize) -> LstmState {
        let tensor = |values: &Vec<f32>| {
            let shape = [num_envs, values.len() / num_envs];
            Tensor::from_data(TensorData::new(values.clone(), shape), device)
        };
        LstmState { hidden: tensor(&self.hidden), cell: tensor(&self.cell) }
    }
}

/// Reads a part of a state back to the host.
fn read(part: &Tensor<2>) -> Vec<f32> {
    part.to_data().iter::<f32>().collect()
}

impl Actor {
    /// An actor in `num_envs` environments that are all about to begin an episode.
    pub fn new(network: &QNetwork, num_envs: usize) -> Self {
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
                state: QState::zeros(&network.state_widths(), num_envs, &device),
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
                mind.state = mind.state.clone().masked(&Tensor::from_data(keep, &self.device));
            }
        }
    }

    /// Acts with other parameters of the same network from now on, with the same memory.
    pub fn set_network(&mut self, network: &QNetwork) {
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
    pub fn state(&self) -> QState {
        match &self.mind {
            Mind::Host(mind) => QState::of_lstm(mind.memory.on(&self.device, self.num_envs)),
            Mind::Device(mind) => mind.state.clone(),
        }
    }

    /// Writes the memory of every environment into `rows`, whose memory is used again: the parts of each side by
    /// side, `[num_envs, sum of the widths]`. A read-back where the network is not on a CPU.
    pub fn write_state(&self, rows: &mut Vec<f32>) {
        rows.clear();
        let mut write = |parts: &[&[f32]]| {
            for env in 0..self.num_envs {
                for part in parts {
                    let width = part.len() / self.num_envs;
                    rows.extend_from_slice(&part[env * width..][..width]);
                }
            }
        };
        match &self.mind {
            Mind::Host(mind) => write(&[&mind.memory.hidden, &mind.memory.cell]),
            Mind::Device(mind) => {
                let parts: Vec<Vec<f32>> = mind.state.parts().iter().map(read).collect();
                write(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
            }
        }
    }

    /// Remembers what [`write_state`](Self::write_state) wrote, of a network of the same kind and size.
    ///
    /// # Panics
    ///
    /// Where `rows` are not `[num_envs, sum of the widths]`.
    pub fn read_state(&mut self, rows: &[f32]) {
        let widths = self.state_widths();
        let width: usize = widths.iter().sum();
        assert_eq!(rows.len(), self.num_envs * width, "one row for each environment");
        let rows = Tensor::from_data(TensorData::new(rows.to_vec(), [self.num_envs, width]), &self.device);
        self.remember(&QState::from_rows(&rows, &widths));
    }

    /// How wide each part of an environment's memory is.
    pub fn state_widths(&self) -> Vec<usize> {
        match &self.mind {
            Mind::Host(mind) => vec![mind.weights.architecture().hidden; 2],
            Mind::Device(mind) => mind.network.state_widths(),
        }
    }

    fn remember(&mut self, from: &QState) {
        match &mut self.mind {
            Mind::Host(mind) => {
                mind.memory = Memory::of(&from.lstm().expect("the kernels serve LSTMs alone"));
            }
            Mind::Device(mind) => {
                let to_here = |part: Tensor<2>| {
                    let shape = part.dims();
                    Tensor::from_data(TensorData::new(read(&part), shape), &self.device)
                };
                mind.state = from.clone().map(to_here);
            }
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
fn without_gradients(network: &QNetwork) -> QNetwork {
    if network.device().is_autodiff() { burn::module::Module::valid(network) } else { network.clone() }
}
