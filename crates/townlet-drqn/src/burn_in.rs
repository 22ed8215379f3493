//! The memory with which the windows of a batch begin: zeros or a stored one, and burn-in on top of it.
//!
//! Acting carries its memory from an episode's start, but a window may begin anywhere. Kapturowski et al. 2019
//! (R2D2, section 3) name two remedies, which can be had alone or together: the memory that the acting network
//! had is stored beside the experience and the window begins with it; and the steps before the window are
//! unrolled first, without a gradient, through each network for itself, so that an old memory is brought to
//! the present parameters.

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor, TensorData};
use townlet_nets::{QNetwork, QState};

use crate::replay::SequenceBatch;

/// What the windows of a batch begin with, on a device, before any network has seen it.
///
/// The steps before a window are not padded on the left: a window near its episode's start has fewer of them
/// than another, and is unrolled with those of its kind. So no network ever sees an observation that was not
/// there, and a window at an episode's start begins with exact zeros.
pub(crate) struct WarmUp {
    groups: Vec<Group>,
    /// Where each row of the batch lies among the rows of all groups; `None` where they are in order.
    order: Option<Tensor<1, Int>>,
}

/// Rows with equally many steps before them.
struct Group {
    rows: usize,
    /// `[rows, steps before, features]`; `None` where there are no such steps.
    observations: Option<Tensor<3>>,
    /// The parts of each memory side by side, `[rows, sum of the widths]`; `None` for zeros.
    stored: Option<Tensor<2>>,
}

impl WarmUp {
    /// `None` where every window begins with zeros.
    pub(crate) fn upload(batch: &SequenceBatch, device: &Device) -> Option<Self> {
        let burns_in = batch.burn_in.iter().any(|&steps| steps > 0);
        if !burns_in && batch.states.is_empty() {
            return None;
        }
        // Each row by its number of steps before, and where its observations begin.
        let mut rows: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
        let mut first = 0;
        for row in 0..batch.batch {
            let steps = batch.burn_in.get(row).copied().unwrap_or(0);
            rows.entry(steps).or_default().push((row, first));
            first += steps * batch.features;
        }
        let mut place = vec![0; batch.batch];
        for (index, &(row, _)) in rows.values().flatten().enumerate() {
            place[row] = index as i32;
        }
        let in_order = rows.len() == 1;
        let groups = rows.into_iter().map(|(steps, rows)| Group::upload(batch, steps, &rows, device));
        Some(Self {
            groups: groups.collect(),
            order: (!in_order).then(|| {
                let len = place.len();
                Tensor::from_data(TensorData::new(place, [len]), device)
            }),
        })
    }

    /// The memory of `network` before the first step of each window, in order of the batch. No gradient is
    /// tracked: `network` must not ask for one.
    pub(crate) fn run(&self, network: &QNetwork) -> QState {
        let widths = network.state_widths();
        let groups = self.groups.iter().map(|group| {
            let state = match &group.stored {
                Some(rows) => QState::from_rows(rows, &widths),
                None => network.initial_state(group.rows),
            };
            match &group.observations {
                Some(observations) => network.forward(observations.clone(), state).1,
                None => state,
            }
        });
        let state = QState::cat(groups.collect());
        match &self.order {
            None => state,
            Some(order) => state.select(order),
        }
    }
}

impl Group {
    fn upload(batch: &SequenceBatch, steps: usize, rows: &[(usize, usize)], device: &Device) -> Self {
        let count = rows.len();
        let observations = (steps > 0).then(|| {
            let len = steps * batch.features;
            let joined: Vec<f32> = rows
                .iter()
                .flat_map(|&(_, first)| &batch.burn_in_observations[first..][..len])
                .copied()
                .collect();
            Tensor::from_data(TensorData::new(joined, [count, steps, batch.features]), device)
        });
        let stored = (!batch.states.is_empty()).then(|| {
            let width = batch.states.len() / batch.batch;
            let joined: Vec<f32> =
                rows.iter().flat_map(|&(row, _)| &batch.states[row * width..][..width]).copied().collect();
            Tensor::from_data(TensorData::new(joined, [count, width]), device)
        });
        Self { rows: count, observations, stored }
    }
}
