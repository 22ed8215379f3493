//! The backward pass over whole sequences.

use crate::accumulator::{Sums, gradients};
use crate::architecture::Architecture;
use crate::convolution::{Shape, add_weight_gradient, convolve};
use crate::gates::{self, add_rows, mask_by_relu};
use crate::matrix::{Finish, Packed, Rows, RowsMut, Start, add_outer, product_transposed, product_whole};
use crate::parts::{Batched, for_each_part};
use crate::pass::{
    Outputs, Part, Scratch, Sequences, Steps, Transposes, Workspace, reserve, steps_per_block,
};
use crate::weights::Weights;

/// A forward pass that has kept what the backward pass needs.
#[derive(Debug)]
pub struct Tape {
    workspace: Workspace,
    batch: usize,
    time: usize,
}

/// The gradient of what a forward pass put out.
#[derive(Clone, Copy, Debug)]
pub struct OutputGradients<'a> {
    /// `[batch, time, actions]`
    pub values: &'a [f32],
    /// `[batch, hidden]`
    pub hidden: &'a [f32],
    /// `[batch, hidden]`
    pub cell: &'a [f32],
}

/// The gradient of what a forward pass read.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// Of every parameter, in the order and layout that [`Architecture`] gives.
    pub parameters: Vec<Vec<f32>>,
    /// Of the hidden state before the first step, `[batch, hidden]`.
    pub hidden: Vec<f32>,
    /// Of the cell state before the first step, `[batch, hidden]`.
    pub cell: Vec<f32>,
}

impl Weights {
    /// As [`forward`](Self::forward), and keeps in `workspace` what [`Tape::backward`] needs.
    ///
    /// # Panics
    ///
    /// If a slice is not of the length that its shape says.
    pub fn record(&self, mut workspace: Workspace, sequences: Sequences<'_>, outputs: Outputs<'_>) -> Tape {
        let Sequences { batch, time, .. } = sequences;
        self.forward_keeping(&mut workspace, sequences, outputs);
        Tape { workspace, batch, time }
    }
}

/// What the backward pass reads and writes for some sequences.
struct Work<'a> {
    batch: usize,
    time: usize,
    of: OutputGradients<'a>,
    hidden: &'a mut [f32],
    cell: &'a mut [f32],
}

impl Batched for Work<'_> {
    fn batch(&self) -> usize {
        self.batch
    }

    fn cut(self, at: usize) -> (Self, Self) {
        let Self { batch, time, of, hidden, cell } = self;
        let states = hidden.len() / batch * at;
        let values = of.values.split_at(of.values.len() / batch * at);
        let (of_hidden, of_cell) = (of.hidden.split_at(states), of.cell.split_at(states));
        let (hidden, cell) = (hidden.split_at_mut(states), cell.split_at_mut(states));
        let first = OutputGradients { values: values.0, hidden: of_hidden.0, cell: of_cell.0 };
        let second = OutputGradients { values: values.1, hidden: of_hidden.1, cell: of_cell.1 };
        (
            Self { batch: at, time, of: first, hidden: hidden.0, cell: cell.0 },
            Self { batch: batch - at, time, of: second, hidden: hidden.1, cell: cell.1 },
        )
    }
}

impl Tape {
    /// The number of sequences.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The gradients of every parameter and of the state before the first step, and the workspace back.
    ///
    /// `weights` are those of the network that made the tape. Each thread adds up the gradients of its
    /// sequences, and the sums are added in order: the same bits for the same number of threads. Only the
    /// large weights of the LSTM are cut the other way: each thread adds up some rows of them over all
    /// sequences.
    ///
    /// # Panics
    ///
    /// If a slice is not of the length that its shape says.
    pub fn backward(self, weights: &Weights, of: OutputGradients<'_>) -> (Gradients, Workspace) {
        let Self { mut workspace, batch, time } = self;
        let Architecture { hidden, actions, .. } = weights.architecture;
        let found = [of.values.len(), of.hidden.len(), of.cell.len()];
        assert_eq!(found, [batch * time * actions, batch * hidden, batch * hidden], "the gradients");
        let mut hidden = of.hidden.to_vec();
        let mut cell = of.cell.to_vec();
        let work = Work { batch, time, of, hidden: &mut hidden, cell: &mut cell };
        let transposes = weights.transposes(batch * time, workspace.transposes.take());
        for_each_part(&mut workspace.parts, work, &|part, work| {
            weights.backward_part(transposes.as_ref(), part, work);
        });
        workspace.transposes = transposes;
        let (of, parts) = (&weights.architecture, &workspace.parts);
        let (lstm, others) = rayon::join(
            || lstm_weights(of, parts, time),
            || gradients(of, parts.iter().map(|part| &part.accumulator)),
        );
        let parameters = others.with(lstm);
        (Gradients { parameters, hidden, cell }, workspace)
    }
}

/// The gradients of the LSTM's two weights, once the gates of all steps have given way to their gradients.
fn lstm_weights(of: &Architecture, parts: &[Part], time: usize) -> [Vec<f32>; 2] {
    let (inputs, hidden) = (of.inputs(), of.hidden);
    let (stride, gates) = (inputs + hidden, 4 * hidden);
    // Zeroing so much memory takes its time too.
    let (mut input, mut recurrent) = rayon::join(|| vec![0.0; inputs * gates], || vec![0.0; hidden * gates]);
    let count = parts.len();
    rayon::scope(|scope| {
        let (mut of_input, mut of_hidden) = (input.as_mut_slice(), recurrent.as_mut_slice());
        for worker in 0..count {
            // Of the columns that a weight reads, those that this worker adds up.
            let share = |height: usize| height * worker / count..height * (worker + 1) / count;
            let (i, h) = (share(inputs), share(hidden));
            let shares = [
                (i.start, of_input.split_off_mut(..i.len() * gates)),
                (inputs + h.start, of_hidden.split_off_mut(..h.len() * gates)),
            ];
            scope.spawn(move |_| {
                for (column, sum) in shares {
                    let sum = sum.expect("shares are parts of a whole");
                    for part in parts {
                        let rows = time * part.sequences;
                        let left = Rows { data: &part.steps.inputs[column..], stride };
                        let right = Rows { data: &part.steps.gates, stride: gates };
                        add_outer(rows, left, right, gates, sum);
                    }
                }
            });
        }
    });
    [input, recurrent]
}

impl Scratch {
    fn reserve(&mut self, of: &Architecture, batch: usize, time: usize) {
        let rows = batch * time;
        reserve(&mut self.values, rows * of.actions);
        reserve(&mut self.head, rows * of.head_features);
        reserve(&mut self.hidden, (rows + batch) * of.hidden);
        reserve(&mut self.cell, batch * of.hidden);
        reserve(&mut self.inputs, rows * of.inputs());
        if let Some(vision) = of.vision {
            for (buffer, channels) in self.convolutions.iter_mut().zip(vision.channels) {
                reserve(buffer, rows * vision.cells() * channels);
            }
        }
    }
}

/// `steps` of `batch` sequences, from step `first` on.
#[derive(Clone, Copy)]
struct Block {
    batch: usize,
    first: usize,
    steps: usize,
}

impl Block {
    fn rows(self) -> usize {
        self.batch * self.steps
    }

    /// The rows of the block in a buffer of all steps; `later` steps behind those of the block.
    fn of(self, buffer: &[f32], width: usize, later: usize) -> &[f32] {
        &buffer[(self.first + later) * self.batch * width..][..self.rows() * width]
    }
}

/// From so many rows on, transposing the weights of the LSTM saves more time than it takes.
const ROWS_WORTH_TRANSPOSING: usize = 512;

impl Weights {
    fn transposes(&self, rows: usize, old: Option<Transposes>) -> Option<Transposes> {
        if rows < ROWS_WORTH_TRANSPOSING {
            return None;
        }
        let (old_input, old_hidden) = old.map(|old| (old.input, old.hidden)).unzip();
        let (input, hidden) = rayon::join(
            || Packed::transpose_of(&self.input.weight, old_input),
            || Packed::transpose_of(&self.hidden, old_hidden),
        );
        Some(Transposes { input, hidden })
    }

    fn backward_part(&self, transposes: Option<&Transposes>, part: &mut Part, work: Work<'_>) {
        let Work { batch, time, of, hidden, cell } = work;
        let Part { steps, accumulator, scratch, .. } = part;
        let mut sums = accumulator.begin(&self.architecture);
        if batch == 0 {
            return;
        }
        let length = steps_per_block(batch, time);
        scratch.reserve(&self.architecture, batch, length);
        // What the steps behind a block pass back to it: at first, the gradient of the last state.
        for first in (0..time).step_by(length).rev() {
            let block = Block { batch, first, steps: length.min(time - first) };
            self.head(block, time, of.values, steps, scratch, &mut sums);
            self.through_time(block, transposes, hidden, cell, steps, scratch);
            self.lstm_and_encoders(block, transposes, steps, scratch, &mut sums);
        }
    }

    /// From the gradient of the values to that of the hidden states, which it leaves in `scratch.hidden`
    /// behind room for one step.
    fn head(
        &self,
        block: Block,
        time: usize,
        of_values: &[f32],
        steps: &Steps,
        scratch: &mut Scratch,
        sums: &mut Sums<&mut [f32]>,
    ) {
        let Architecture { hidden, head_features, actions, .. } = self.architecture;
        let inputs = self.architecture.inputs();
        let stride = inputs + hidden;
        let (batch, rows) = (block.batch, block.rows());
        let values = &mut scratch.values[..rows * actions];
        for (r, to) in values.chunks_exact_mut(actions).enumerate() {
            let (t, b) = (block.first + r / batch, r % batch);
            to.copy_from_slice(&of_values[(b * time + t) * actions..][..actions]);
        }
        let of_values = Rows { data: values, stride: actions };
        let head = Rows { data: block.of(&steps.head, head_features, 0), stride: head_features };
        add_outer(rows, head, of_values, actions, sums.head[1]);
        add_rows(sums.head_bias[1], of_values.data, actions);

        let of_head = &mut scratch.head[..rows * head_features];
        through(rows, of_values, &self.head[1].weight, of_head);
        mask_by_relu(of_head, head_features, head.data, head_features);
        let of_head = Rows { data: of_head, stride: head_features };
        let remembered = &block.of(&steps.inputs, stride, 1)[inputs..];
        add_outer(rows, Rows { data: remembered, stride }, of_head, head_features, sums.head[0]);
        add_rows(sums.head_bias[0], of_head.data, head_features);
        through(rows, of_head, &self.head[0].weight, &mut scratch.hidden[batch * hidden..][..rows * hidden]);
    }

    /// Back through the steps of the LSTM: the gates give way to their gradients, and `hidden` and `cell`,
    /// the gradients of the state after the block, to those of the state before it.
    fn through_time(
        &self,
        block: Block,
        transposes: Option<&Transposes>,
        of_hidden: &mut [f32],
        of_cell: &mut [f32],
        steps: &mut Steps,
        scratch: &mut Scratch,
    ) {
        let Architecture { hidden, .. } = self.architecture;
        let width = block.batch * hidden;
        let behind = &mut scratch.hidden[block.steps * width..][..width];
        behind.iter_mut().zip(&*of_hidden).for_each(|(sum, value)| *sum += value);
        for t in (0..block.steps).rev() {
            let at = (block.first + t) * width;
            let gates = &mut steps.gates[4 * at..][..4 * width];
            let (before, output_gradient) = scratch.hidden[t * width..][..2 * width].split_at_mut(width);
            gates::Backward {
                hidden,
                gates,
                previous_cell: &steps.cells[at..][..width],
                squashed: &steps.squashed[at..][..width],
                output_gradient,
                cell_gradient: of_cell,
            }
            .run();
            let to = RowsMut { data: before, stride: hidden };
            let gates = Rows { data: gates, stride: 4 * hidden };
            let transpose = transposes.map(|transposes| &transposes.hidden);
            back(block.batch, gates, &self.hidden, transpose, t > 0, to);
        }
        of_hidden.copy_from_slice(&scratch.hidden[..width]);
    }

    /// From the gradients of the gates to those of the weights before them.
    fn lstm_and_encoders(
        &self,
        block: Block,
        transposes: Option<&Transposes>,
        steps: &Steps,
        scratch: &mut Scratch,
        sums: &mut Sums<&mut [f32]>,
    ) {
        let Architecture { observation, hidden, encoder_features, .. } = self.architecture;
        let inputs = self.architecture.inputs();
        let stride = inputs + hidden;
        let rows = block.rows();
        let read = Rows { data: block.of(&steps.inputs, stride, 0), stride };
        let of_gates = Rows { data: block.of(&steps.gates, 4 * hidden, 0), stride: 4 * hidden };
        add_rows(sums.gates_bias, of_gates.data, 4 * hidden);

        let of_inputs = &mut scratch.inputs[..rows * inputs];
        let to = RowsMut { data: of_inputs, stride: inputs };
        let transpose = transposes.map(|transposes| &transposes.input);
        back(rows, of_gates, &self.input.weight, transpose, false, to);
        mask_by_relu(of_inputs, inputs, read.data, stride);
        let of_inputs = &*of_inputs;
        add_rows(sums.inputs_bias, of_inputs, inputs);
        let observations = block.of(&steps.observations, observation, 0);
        let mut encoders = &mut *sums.encoders;
        for (columns, to) in self.architecture.narrow() {
            let right = Rows { data: &of_inputs[to..], stride: inputs };
            for segment in columns {
                let left = Rows { data: &observations[segment.left..], stride: observation };
                let len = segment.len * encoder_features;
                let sum = encoders.split_off_mut(..len).expect("one sum for every encoder");
                add_outer(rows, left, right, encoder_features, sum);
            }
        }

        if let (Some(sizes), Some([_, _, linear]), Some(back)) =
            (self.architecture.vision, &self.vision, &self.convolution_back)
        {
            let [one, two] = sizes.channels;
            let cells = sizes.cells();
            let of_features = Rows { data: of_inputs, stride: inputs };
            let [first, second] = &steps.convolutions;
            let first = Rows { data: block.of(first, cells * one, 0), stride: cells * one };
            let second = Rows { data: block.of(second, cells * two, 0), stride: cells * two };
            add_outer(rows, second, of_features, sizes.features, sums.vision[2]);

            let [of_first, of_second] = &mut scratch.convolutions;
            let of_second = &mut of_second[..rows * cells * two];
            through(rows, of_features, &linear.weight, of_second);
            mask_by_relu(of_second, cells * two, second.data, cells * two);
            add_rows(sums.vision_bias[1], of_second, two);
            let of_second = Rows { data: of_second, stride: cells * two };
            let shape = Shape { images: rows, side: sizes.side, inputs: one, outputs: two };
            add_weight_gradient(shape, first, of_second, sums.vision[1]);

            let of_first = &mut of_first[..rows * cells * one];
            let shape_back = Shape { inputs: two, outputs: one, ..shape };
            let to = &mut RowsMut { data: of_first, stride: cells * one };
            convolve(shape_back, of_second, back, Start::Zero, Finish::Linear, to);
            mask_by_relu(of_first, cells * one, first.data, cells * one);
            add_rows(sums.vision_bias[0], of_first, one);
            let of_first = Rows { data: of_first, stride: cells * one };
            let window = Rows { data: &observations[sizes.column..], stride: observation };
            add_weight_gradient(Shape { inputs: 1, outputs: one, ..shape }, window, of_first, sums.vision[0]);
        }
    }
}

/// A gradient, back through a layer.
fn through(rows: usize, gradient: Rows<'_>, layer: &Packed, to: &mut [f32]) {
    product_transposed(rows, gradient, layer, false, RowsMut { data: to, stride: layer.inner() });
}

/// A gradient, back through a weight, by its transpose where there is one.
fn back(
    rows: usize,
    gradient: Rows<'_>,
    weight: &Packed,
    transpose: Option<&Packed>,
    add: bool,
    to: RowsMut<'_>,
) {
    match transpose {
        Some(transpose) => {
            let start = if add { Start::Output } else { Start::Zero };
            product_whole(rows, gradient, transpose, start, Finish::Linear, to);
        }
        None => product_transposed(rows, gradient, weight, add, to),
    }
}
