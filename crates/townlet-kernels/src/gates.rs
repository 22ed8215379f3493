//! The element-wise part of an LSTM, forward and backward.

use pulp::{Simd, WithSimd};

use crate::simd::{arch, load, sigmoid, store, tanh};

/// One step of a batch, forward.
pub(crate) struct Forward<'a> {
    pub(crate) hidden: usize,
    /// `[batch, 4 * hidden]`: before activation, and after.
    pub(crate) gates: &'a mut [f32],
    /// `[batch, hidden]`
    pub(crate) previous_cell: &'a [f32],
    /// `[batch, hidden]`, overwritten.
    pub(crate) cell: &'a mut [f32],
    /// The hyperbolic tangent of `cell`, overwritten.
    pub(crate) squashed: &'a mut [f32],
    /// Every `output_stride` numbers one row, overwritten.
    pub(crate) output: &'a mut [f32],
    pub(crate) output_stride: usize,
}

impl Forward<'_> {
    pub(crate) fn run(self) {
        arch().dispatch(self);
    }
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let hidden = self.hidden;
        let rows = self.gates.chunks_exact_mut(4 * hidden).zip(self.previous_cell.chunks_exact(hidden));
        let outputs = self.cell.chunks_exact_mut(hidden).zip(self.squashed.chunks_exact_mut(hidden));
        let rows = rows.zip(outputs).zip(self.output.chunks_mut(self.output_stride));
        for (((gates, previous), (cell, squashed)), output) in rows {
            let (input, rest) = gates.split_at_mut(hidden);
            let (forget, rest) = rest.split_at_mut(hidden);
            let (candidate, out) = rest.split_at_mut(hidden);
            let output = &mut output[..hidden];
            for at in (0..hidden).step_by(S::F32_LANES) {
                let i = sigmoid(simd, load(simd, &input[at..]));
                let f = sigmoid(simd, load(simd, &forget[at..]));
                let g = tanh(simd, load(simd, &candidate[at..]));
                let o = sigmoid(simd, load(simd, &out[at..]));
                let c = simd.mul_add_f32s(f, load(simd, &previous[at..]), simd.mul_f32s(i, g));
                let s = tanh(simd, c);
                store(simd, &mut input[at..], i);
                store(simd, &mut forget[at..], f);
                store(simd, &mut candidate[at..], g);
                store(simd, &mut out[at..], o);
                store(simd, &mut cell[at..], c);
                store(simd, &mut squashed[at..], s);
                store(simd, &mut output[at..], simd.mul_f32s(o, s));
            }
        }
    }
}

/// One step of a batch, backward.
pub(crate) struct Backward<'a> {
    pub(crate) hidden: usize,
    /// `[batch, 4 * hidden]`: the gates after activation; overwritten by the gradient before activation.
    pub(crate) gates: &'a mut [f32],
    /// `[batch, hidden]`
    pub(crate) previous_cell: &'a [f32],
    /// `[batch, hidden]`: the hyperbolic tangent of the step's cell.
    pub(crate) squashed: &'a [f32],
    /// `[batch, hidden]`: the gradient of the step's output.
    pub(crate) output_gradient: &'a [f32],
    /// `[batch, hidden]`: the gradient of the step's cell from the step after; overwritten by that of the
    /// cell before.
    pub(crate) cell_gradient: &'a mut [f32],
}

impl Backward<'_> {
    pub(crate) fn run(self) {
        arch().dispatch(self);
    }
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let hidden = self.hidden;
        let one = simd.splat_f32s(1.0);
        let rows = self.gates.chunks_exact_mut(4 * hidden).zip(self.previous_cell.chunks_exact(hidden));
        let inputs = self.squashed.chunks_exact(hidden).zip(self.output_gradient.chunks_exact(hidden));
        let rows = rows.zip(inputs).zip(self.cell_gradient.chunks_exact_mut(hidden));
        for (((gates, previous), (squashed, output_gradient)), cell_gradient) in rows {
            let (input, rest) = gates.split_at_mut(hidden);
            let (forget, rest) = rest.split_at_mut(hidden);
            let (candidate, out) = rest.split_at_mut(hidden);
            for at in (0..hidden).step_by(S::F32_LANES) {
                let (i, f) = (load(simd, &input[at..]), load(simd, &forget[at..]));
                let (g, o) = (load(simd, &candidate[at..]), load(simd, &out[at..]));
                let (s, dh) = (load(simd, &squashed[at..]), load(simd, &output_gradient[at..]));
                let previous = load(simd, &previous[at..]);
                // s (1 - s) and 1 - t² are the derivatives, written by the results.
                let slope = |y| simd.mul_f32s(y, simd.sub_f32s(one, y));
                let flat = |y| simd.negate_mul_add_f32s(y, y, one);
                let through_output = simd.mul_f32s(simd.mul_f32s(dh, o), flat(s));
                let dc = simd.add_f32s(load(simd, &cell_gradient[at..]), through_output);
                store(simd, &mut input[at..], simd.mul_f32s(simd.mul_f32s(dc, g), slope(i)));
                store(simd, &mut forget[at..], simd.mul_f32s(simd.mul_f32s(dc, previous), slope(f)));
                store(simd, &mut candidate[at..], simd.mul_f32s(simd.mul_f32s(dc, i), flat(g)));
                store(simd, &mut out[at..], simd.mul_f32s(simd.mul_f32s(dh, s), slope(o)));
                store(simd, &mut cell_gradient[at..], simd.mul_f32s(dc, f));
            }
        }
    }
}

/// Sets gradients to zero where the rectified output was zero: `gradient` in rows without gaps, `output` in
/// rows of `stride`. Where the output is not a number the gradient stays, as in PyTorch.
pub(crate) fn mask_by_relu(gradient: &mut [f32], width: usize, output: &[f32], stride: usize) {
    arch().dispatch(|| {
        for (gradient, output) in gradient.chunks_exact_mut(width).zip(output.chunks(stride)) {
            for (gradient, &output) in gradient.iter_mut().zip(&output[..width]) {
                *gradient = if output <= 0.0 { 0.0 } else { *gradient };
            }
        }
    });
}

/// Adds every row of `rows` to `sum`.
pub(crate) fn add_rows(sum: &mut [f32], rows: &[f32], stride: usize) {
    arch().dispatch(|| {
        for row in rows.chunks(stride) {
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += value;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gradient_passes_where_the_output_is_positive_or_not_a_number() {
        let output = [0.0, 1.0, f32::NAN, f32::INFINITY, -0.0];
        let mut gradient = [2.0; 5];
        mask_by_relu(&mut gradient, 5, &output, 5);
        assert_eq!(gradient, [0.0, 2.0, 2.0, 2.0, 0.0]);
        let mut gradient = [f32::NAN; 5];
        mask_by_relu(&mut gradient, 5, &output, 5);
        assert_eq!(gradient.map(f32::is_nan), [false, true, true, true, false]);
    }
}
