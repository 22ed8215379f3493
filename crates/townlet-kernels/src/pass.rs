//! The forward pass over whole sequences.

use aligned_vec::{AVec, ConstAlign};

use crate::accumulator::Accumulator;
use crate::architecture::Architecture;
use crate::convolution::{Shape, convolve};
use crate::gates;
use crate::matrix::{Finish, Packed, Rows, RowsMut, Segment, Start, product, product_whole};
use crate::parts::{Batched, for_each_part, parts};
use crate::weights::{PackedLayer, Weights};

/// Sequences for a network to read.
#[derive(Clone, Copy, Debug)]
pub struct Sequences<'a> {
    /// The number of sequences.
    pub batch: usize,
    /// The number of steps in each.
    pub time: usize,
    /// `[batch, time, observation]`
    pub observations: &'a [f32],
    /// The hidden state before the first step, `[batch, hidden]`.
    pub hidden: &'a [f32],
    /// The cell state before the first step, `[batch, hidden]`.
    pub cell: &'a [f32],
}

/// Where a forward pass writes what it finds.
#[derive(Debug)]
pub struct Outputs<'a> {
    /// `[batch, time, actions]`
    pub values: &'a mut [f32],
    /// The hidden state after the last step, `[batch, hidden]`.
    pub hidden: &'a mut [f32],
    /// The cell state after the last step, `[batch, hidden]`.
    pub cell: &'a mut [f32],
}

/// Memory for passes, kept from one to the next so that none has to ask for it. Grows to the largest pass it
/// has served.
#[derive(Debug, Default)]
pub struct Workspace {
    pub(crate) parts: Vec<Part>,
    pub(crate) transposes: Option<Transposes>,
}

/// The two weights of the LSTM, transposed for a backward pass over many steps.
#[derive(Debug)]
pub(crate) struct Transposes {
    pub(crate) input: Packed,
    pub(crate) hidden: Packed,
}

/// What one thread works in.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// How many sequences the last pass that kept everything gave it.
    pub(crate) sequences: usize,
    pub(crate) steps: Steps,
    pub(crate) accumulator: Accumulator,
    pub(crate) scratch: Scratch,
}

/// Rows of intermediate results fill whole cache lines.
pub(crate) type Buffer = AVec<f32, ConstAlign<64>>;

/// The intermediate results of every step, each `[time * batch, …]` with all sequences of one step side by
/// side.
#[derive(Debug)]
pub(crate) struct Steps {
    pub(crate) observations: Buffer,
    /// `[…, cells, channels]`, after rectification.
    pub(crate) convolutions: [Buffer; 2],
    /// What the LSTM reads: its input, then the hidden state of the step before. One step more than the
    /// others have: the last one holds the hidden state that comes out.
    pub(crate) inputs: Buffer,
    /// Before activation, and then after.
    pub(crate) gates: Buffer,
    /// The cell state before each step, and after the last.
    pub(crate) cells: Buffer,
    /// The hyperbolic tangent of the cell state after each step.
    pub(crate) squashed: Buffer,
    /// The hidden layer of the head.
    pub(crate) head: Buffer,
    pub(crate) values: Buffer,
}

/// What the backward pass keeps for one block of steps.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) values: Buffer,
    pub(crate) head: Buffer,
    /// One step more than the block has: the first belongs to the step before it.
    pub(crate) hidden: Buffer,
    pub(crate) cell: Buffer,
    pub(crate) inputs: Buffer,
    pub(crate) convolutions: [Buffer; 2],
}

fn empty() -> Buffer {
    AVec::new(64)
}

impl Default for Steps {
    fn default() -> Self {
        Self {
            observations: empty(),
            convolutions: [empty(), empty()],
            inputs: empty(),
            gates: empty(),
            cells: empty(),
            squashed: empty(),
            head: empty(),
            values: empty(),
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            values: empty(),
            head: empty(),
            hidden: empty(),
            cell: empty(),
            inputs: empty(),
            convolutions: [empty(), empty()],
        }
    }
}

/// Makes `buffer` long enough. What it holds is of no account.
pub(crate) fn reserve(buffer: &mut Buffer, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
}

/// How many rows of intermediate results are made before they are read again: few enough to stay in the
/// second-level cache.
const ROWS_PER_BLOCK: usize = 128;

/// How many steps of `batch` sequences are worked on at a time.
pub(crate) fn steps_per_block(batch: usize, time: usize) -> usize {
    (ROWS_PER_BLOCK / batch).clamp(1, time.max(1))
}

impl Steps {
    fn reserve(&mut self, of: &Architecture, batch: usize, time: usize) {
        let rows = time * batch;
        reserve(&mut self.observations, rows * of.observation);
        if let Some(vision) = of.vision {
            for (buffer, channels) in self.convolutions.iter_mut().zip(vision.channels) {
                reserve(buffer, rows * vision.cells() * channels);
            }
        }
        reserve(&mut self.inputs, (rows + batch) * (of.inputs() + of.hidden));
        reserve(&mut self.gates, rows * 4 * of.hidden);
        reserve(&mut self.cells, (rows + batch) * of.hidden);
        reserve(&mut self.squashed, rows * of.hidden);
        reserve(&mut self.head, rows * of.head_features);
        reserve(&mut self.values, rows * of.actions);
    }

    /// Writes the state before step `first`.
    fn begin(&mut self, of: &Architecture, first: usize, from: &Sequences<'_>) {
        let Architecture { hidden, .. } = *of;
        let stride = of.inputs() + hidden;
        let to = self.inputs[first * from.batch * stride..].chunks_exact_mut(stride);
        for (row, state) in to.zip(from.hidden.chunks_exact(hidden)) {
            row[stride - hidden..].copy_from_slice(state);
        }
        self.cells[first * from.batch * hidden..][..from.cell.len()].copy_from_slice(from.cell);
    }

    /// Reads the state after step `last - 1`.
    fn end(&self, of: &Architecture, last: usize, to: &mut Outputs<'_>) {
        let Architecture { hidden, .. } = *of;
        let stride = of.inputs() + hidden;
        let batch = to.cell.len() / hidden;
        let rows = self.inputs[last * batch * stride..].chunks_exact(stride);
        for (row, state) in rows.zip(to.hidden.chunks_exact_mut(hidden)) {
            state.copy_from_slice(&row[stride - hidden..]);
        }
        to.cell.copy_from_slice(&self.cells[last * batch * hidden..][..to.cell.len()]);
    }

    /// Moves the state after step `last - 1` to where step 0 looks for it.
    fn turn(&mut self, of: &Architecture, batch: usize, last: usize) {
        let Architecture { hidden, .. } = *of;
        let stride = of.inputs() + hidden;
        for row in 0..batch {
            let from = (last * batch + row) * stride + of.inputs();
            self.inputs.copy_within(from..from + hidden, row * stride + of.inputs());
        }
        self.cells.copy_within(last * batch * hidden..(last + 1) * batch * hidden, 0);
    }
}

impl Batched for (Sequences<'_>, Outputs<'_>) {
    fn batch(&self) -> usize {
        self.0.batch
    }

    fn cut(self, at: usize) -> (Self, Self) {
        let (Sequences { batch, time, observations, hidden, cell }, outputs) = self;
        let of = |slice: &[f32]| slice.len() / batch * at;
        let (observations, hidden, cell) =
            (observations.split_at(of(observations)), hidden.split_at(of(hidden)), cell.split_at(of(cell)));
        let (values_at, state_at) = (of(outputs.values), of(outputs.hidden));
        let to_values = outputs.values.split_at_mut(values_at);
        let to_hidden = outputs.hidden.split_at_mut(state_at);
        let to_cell = outputs.cell.split_at_mut(state_at);
        let first =
            Sequences { batch: at, time, observations: observations.0, hidden: hidden.0, cell: cell.0 };
        let second = Sequences {
            batch: batch - at,
            time,
            observations: observations.1,
            hidden: hidden.1,
            cell: cell.1,
        };
        (
            (first, Outputs { values: to_values.0, hidden: to_hidden.0, cell: to_cell.0 }),
            (second, Outputs { values: to_values.1, hidden: to_hidden.1, cell: to_cell.1 }),
        )
    }
}

impl Weights {
    /// The values of every action in every step, and the state after the last step.
    ///
    /// Each sequence is computed by itself: neither the other sequences nor the number of threads change a
    /// bit of it. Uses the current rayon pool, and no memory but `workspace` once that has grown.
    ///
    /// # Panics
    ///
    /// If a slice is not of the length that its shape says.
    pub fn forward(&self, workspace: &mut Workspace, sequences: Sequences<'_>, outputs: Outputs<'_>) {
        self.check(&sequences, &outputs);
        workspace.resize(parts(sequences.batch, sequences.time));
        for_each_part(&mut workspace.parts, (sequences, outputs), &|part, (sequences, outputs)| {
            self.forward_part(&mut part.steps, sequences, outputs);
        });
    }

    /// Keeps nothing, and therefore works on few sequences and few steps at a time.
    fn forward_part(&self, steps: &mut Steps, sequences: Sequences<'_>, mut outputs: Outputs<'_>) {
        if sequences.batch > ROWS_PER_BLOCK {
            let (first, rest) = (sequences, outputs).cut(ROWS_PER_BLOCK);
            self.forward_part(steps, first.0, first.1);
            return self.forward_part(steps, rest.0, rest.1);
        }
        let Sequences { batch, time, .. } = sequences;
        if batch == 0 {
            return;
        }
        let block = steps_per_block(batch, time);
        steps.reserve(&self.architecture, batch, block);
        steps.begin(&self.architecture, 0, &sequences);
        let mut last = 0;
        for first in (0..time).step_by(block) {
            if first > 0 {
                steps.turn(&self.architecture, batch, last);
            }
            last = block.min(time - first);
            self.block(steps, 0, last, first, &sequences, outputs.values);
        }
        steps.end(&self.architecture, last, &mut outputs);
    }

    /// As [`forward`](Self::forward), and keeps every intermediate result.
    pub(crate) fn forward_keeping(
        &self,
        workspace: &mut Workspace,
        sequences: Sequences<'_>,
        outputs: Outputs<'_>,
    ) {
        self.check(&sequences, &outputs);
        workspace.resize(parts(sequences.batch, sequences.time));
        for_each_part(&mut workspace.parts, (sequences, outputs), &|part, (sequences, mut outputs)| {
            let Sequences { batch, time, .. } = sequences;
            part.sequences = batch;
            if batch == 0 {
                return;
            }
            let steps = &mut part.steps;
            steps.reserve(&self.architecture, batch, time);
            steps.begin(&self.architecture, 0, &sequences);
            let block = steps_per_block(batch, time);
            for first in (0..time).step_by(block) {
                self.block(steps, first, block.min(time - first), first, &sequences, outputs.values);
            }
            steps.end(&self.architecture, time, &mut outputs);
        });
    }

    fn check(&self, sequences: &Sequences<'_>, outputs: &Outputs<'_>) {
        let Sequences { batch, time, .. } = *sequences;
        let Architecture { observation, hidden, actions, .. } = self.architecture;
        let found = [sequences.observations.len(), sequences.hidden.len(), sequences.cell.len()];
        assert_eq!(found, [batch * time * observation, batch * hidden, batch * hidden], "the sequences");
        let found = [outputs.values.len(), outputs.hidden.len(), outputs.cell.len()];
        assert_eq!(found, [batch * time * actions, batch * hidden, batch * hidden], "the outputs");
    }

    /// `count` steps, from step `from` of the sequences, kept from step `at` on.
    fn block(
        &self,
        steps: &mut Steps,
        at: usize,
        count: usize,
        from: usize,
        sequences: &Sequences<'_>,
        values: &mut [f32],
    ) {
        let Architecture { observation, hidden, head_features, actions, .. } = self.architecture;
        let Sequences { batch, time, .. } = *sequences;
        let inputs = self.architecture.inputs();
        let stride = inputs + hidden;
        let (row, rows) = (at * batch, count * batch);

        let observations = &mut steps.observations[row * observation..][..rows * observation];
        for (r, to) in observations.chunks_exact_mut(observation).enumerate() {
            let (t, b) = (from + r / batch, r % batch);
            to.copy_from_slice(&sequences.observations[(b * time + t) * observation..][..observation]);
        }
        let observations = &*observations;

        let read = &mut steps.inputs[row * stride..];
        if let (Some(sizes), Some([first, second, linear])) = (self.architecture.vision, &self.vision) {
            let [one, two] = sizes.channels.map(|channels| channels * sizes.cells());
            let [first_out, second_out] = &mut steps.convolutions;
            let first_out = &mut first_out[row * one..][..rows * one];
            let second_out = &mut second_out[row * two..][..rows * two];
            let window = Rows { data: &observations[sizes.column..], stride: observation };
            let [first_channels, second_channels] = sizes.channels;
            let shape = Shape { images: rows, side: sizes.side, inputs: 1, outputs: first_channels };
            let to = &mut RowsMut { data: first_out, stride: one };
            convolve(shape, window, &first.weight, Start::Bias(&first.bias), Finish::Relu, to);
            let shape = Shape { inputs: first_channels, outputs: second_channels, ..shape };
            let images = Rows { data: first_out, stride: one };
            let to = &mut RowsMut { data: second_out, stride: two };
            convolve(shape, images, &second.weight, Start::Bias(&second.bias), Finish::Relu, to);
            let flat = Rows { data: second_out, stride: two };
            linear.apply(rows, flat, Finish::Relu, RowsMut { data: read, stride });
        }
        for encoder in &self.encoders {
            let part = Rows { data: observations, stride: observation };
            let start = Start::Bias(&encoder.layer.bias);
            let to = RowsMut { data: &mut read[encoder.to..], stride };
            product(rows, part, &encoder.columns, &encoder.layer.weight, start, Finish::Relu, to);
        }

        // The part of the gates that does not depend on the state, for all steps in one product.
        let gates = &mut steps.gates[row * 4 * hidden..][..rows * 4 * hidden];
        let input = [Segment { left: 0, right: 0, len: inputs }];
        let to = RowsMut { data: gates, stride: 4 * hidden };
        let start = Start::Bias(&self.input.bias);
        product(rows, Rows { data: read, stride }, &input, &self.input.weight, start, Finish::Linear, to);
        let squashed = &mut steps.squashed[row * hidden..][..rows * hidden];
        let per_step = gates.chunks_exact_mut(batch * 4 * hidden);
        for (t, (gates, squashed)) in per_step.zip(squashed.chunks_exact_mut(batch * hidden)).enumerate() {
            let state = &mut read[t * batch * stride..];
            let previous = Rows { data: &state[inputs..], stride };
            let to = RowsMut { data: gates, stride: 4 * hidden };
            product_whole(batch, previous, &self.hidden, Start::Output, Finish::Linear, to);
            let cells = &mut steps.cells[(row + t * batch) * hidden..][..2 * batch * hidden];
            let (previous_cell, cell) = cells.split_at_mut(batch * hidden);
            let output = &mut state[batch * stride + inputs..];
            let output_stride = stride;
            gates::Forward { hidden, gates, previous_cell, cell, squashed, output, output_stride }.run();
        }

        let remembered = Rows { data: &read[batch * stride + inputs..], stride };
        let head = &mut steps.head[row * head_features..][..rows * head_features];
        let to = RowsMut { data: head, stride: head_features };
        self.head[0].apply(rows, remembered, Finish::Relu, to);
        let head = Rows { data: head, stride: head_features };
        let found = &mut steps.values[..rows * actions];
        self.head[1].apply(rows, head, Finish::Linear, RowsMut { data: found, stride: actions });
        for (r, found) in found.chunks_exact(actions).enumerate() {
            let (t, b) = (from + r / batch, r % batch);
            values[(b * time + t) * actions..][..actions].copy_from_slice(found);
        }
    }
}

impl PackedLayer {
    fn apply(&self, rows: usize, left: Rows<'_>, finish: Finish, output: RowsMut<'_>) {
        product_whole(rows, left, &self.weight, Start::Bias(&self.bias), finish, output);
    }
}

impl Workspace {
    fn resize(&mut self, parts: usize) {
        self.parts.resize_with(parts, Part::default);
    }
}
