//! What a network remembers, whatever it remembers with.

use burn::tensor::{Device, Int, Tensor};

use crate::lstm::LstmState;

/// The memory of a [`QNetwork`](crate::QNetwork): a plain value, passed in and handed back.
///
/// It is a list of parts, each `[batch, width]`, because networks remember with different things: an LSTM with
/// a hidden and a cell state, a GRU with a hidden state, a stack of frames with the observations before, and a
/// feed-forward network with nothing. Whoever wipes, stores or moves a memory need not know which.
///
/// No network owns its state, so none can forget to carry it: whoever unrolls says from which state, and gets
/// the state that follows.
#[derive(Clone, Debug)]
pub struct QState {
    parts: Vec<Tensor<2>>,
}

impl QState {
    /// A memory of these parts, each `[batch, width]`.
    pub fn new(parts: Vec<Tensor<2>>) -> Self {
        Self { parts }
    }

    /// The memory at the start of an episode: all zeros.
    pub fn zeros(widths: &[usize], batch: usize, device: &Device) -> Self {
        Self { parts: widths.iter().map(|&width| Tensor::zeros([batch, width], device)).collect() }
    }

    /// The parts of which a row of `rows` holds one after the other, `[batch, sum of the widths]`.
    pub fn from_rows(rows: &Tensor<2>, widths: &[usize]) -> Self {
        let mut end = 0;
        let parts = widths.iter().map(|&width| {
            let start = end;
            end += width;
            rows.clone().slice([0..rows.dims()[0], start..end])
        });
        Self { parts: parts.collect() }
    }

    /// The parts, each `[batch, width]`.
    pub fn parts(&self) -> &[Tensor<2>] {
        &self.parts
    }

    /// The parts, each `[batch, width]`.
    pub fn into_parts(self) -> Vec<Tensor<2>> {
        self.parts
    }

    /// Makes another memory, part by part.
    #[must_use]
    pub fn map(self, change: impl FnMut(Tensor<2>) -> Tensor<2>) -> Self {
        Self { parts: self.parts.into_iter().map(change).collect() }
    }

    /// Forgets where `keep` is 0 and keeps where it is 1; `[batch, 1]`.
    #[must_use]
    pub fn masked(self, keep: &Tensor<2>) -> Self {
        self.map(|part| part * keep.clone())
    }

    /// The rows of these numbers, in this order.
    #[must_use]
    pub fn select(self, rows: &Tensor<1, Int>) -> Self {
        self.map(|part| part.select(0, rows.clone()))
    }

    /// The rows of all `states`, of which there is at least one, in order.
    #[must_use]
    pub fn cat(states: Vec<Self>) -> Self {
        let mut columns = vec![Vec::with_capacity(states.len()); states.first().map_or(0, |s| s.parts.len())];
        for state in states {
            for (column, part) in columns.iter_mut().zip(state.parts) {
                column.push(part);
            }
        }
        Self { parts: columns.into_iter().map(|column| Tensor::cat(column, 0)).collect() }
    }

    pub(crate) fn of_lstm(LstmState { hidden, cell }: LstmState) -> Self {
        Self { parts: vec![hidden, cell] }
    }

    /// The state of an LSTM, if it is one.
    pub(crate) fn lstm(&self) -> Option<LstmState> {
        match self.parts.as_slice() {
            [hidden, cell] => Some(LstmState { hidden: hidden.clone(), cell: cell.clone() }),
            _ => None,
        }
    }
}
