//! 3×3 convolutions with padding 1 over many small square windows at once.
//!
//! For one cell of the window, all images of a batch together are one matrix product: a row of the kernel
//! covers cells that lie side by side in every image, so it is one [`Segment`], and the cells that would
//! fall outside are simply not read. Nothing is copied and nothing is multiplied by padding.
//!
//! Images are `[cells, channels]`, channels last.

use crate::matrix::{Finish, Packed, Rows, RowsMut, Segment, Start, add_outer, product};

/// Where the images of a batch lie: image `i` begins at `i * stride`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) images: usize,
    pub(crate) side: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

impl Shape {
    /// What the convolution reads for the cell at (`y`, `x`).
    fn segments(self, y: usize, x: usize) -> impl Iterator<Item = Segment> {
        let Self { side, inputs, .. } = self;
        let inside = |center: usize| (1 - center.min(1), (side - center + 1).min(3));
        let (top, bottom) = inside(y);
        let (left, right) = inside(x);
        (top..bottom).map(move |ky| Segment {
            left: ((y + ky - 1) * side + x + left - 1) * inputs,
            right: (ky * 3 + left) * inputs,
            len: (right - left) * inputs,
        })
    }

    fn cells(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.side * self.side).map(move |cell| (cell / self.side, cell % self.side))
    }
}

/// The weights of a convolution, `[outputs, inputs, 3, 3]`, as a matrix `[3 * 3 * inputs, outputs]`.
pub(crate) fn forward_matrix(weight: &[f32], inputs: usize, outputs: usize) -> Vec<f32> {
    let mut matrix = vec![0.0; weight.len()];
    for_each_weight(inputs, outputs, |at, tap, input, output| {
        matrix[(tap * inputs + input) * outputs + output] = weight[at];
    });
    matrix
}

/// The weights with which the same convolution carries gradients back: turned by half a turn, inputs and
/// outputs exchanged.
pub(crate) fn backward_matrix(weight: &[f32], inputs: usize, outputs: usize) -> Vec<f32> {
    let mut matrix = vec![0.0; weight.len()];
    for_each_weight(inputs, outputs, |at, tap, input, output| {
        matrix[((8 - tap) * outputs + output) * inputs + input] = weight[at];
    });
    matrix
}

/// A gradient in the layout of [`forward_matrix`], back in the layout of the weights.
pub(crate) fn weight_from_matrix(matrix: &[f32], inputs: usize, outputs: usize) -> Vec<f32> {
    let mut weight = vec![0.0; matrix.len()];
    for_each_weight(inputs, outputs, |at, tap, input, output| {
        weight[at] = matrix[(tap * inputs + input) * outputs + output];
    });
    weight
}

fn for_each_weight(inputs: usize, outputs: usize, mut visit: impl FnMut(usize, usize, usize, usize)) {
    for output in 0..outputs {
        for input in 0..inputs {
            for tap in 0..9 {
                visit((output * inputs + input) * 9 + tap, tap, input, output);
            }
        }
    }
}

/// The convolution; `output` is `[images, cells, outputs]`.
pub(crate) fn convolve(
    shape: Shape,
    input: Rows<'_>,
    matrix: &Packed,
    start: Start<'_>,
    finish: Finish,
    output: &mut RowsMut<'_>,
) {
    for (cell, (y, x)) in shape.cells().enumerate() {
        // At most one for each row of the kernel.
        let mut segments = [Segment { left: 0, right: 0, len: 0 }; 3];
        let mut count = 0;
        for (segment, of_row) in segments.iter_mut().zip(shape.segments(y, x)) {
            *segment = of_row;
            count += 1;
        }
        let to = RowsMut { data: &mut output.data[cell * shape.outputs..], stride: output.stride };
        product(shape.images, input, &segments[..count], matrix, start, finish, to);
    }
}

/// Adds the gradient of the weights, in the layout of [`forward_matrix`], to `gradient`.
pub(crate) fn add_weight_gradient(shape: Shape, input: Rows<'_>, output: Rows<'_>, gradient: &mut [f32]) {
    for (cell, (y, x)) in shape.cells().enumerate() {
        let right = Rows { data: &output.data[cell * shape.outputs..], stride: output.stride };
        for segment in shape.segments(y, x) {
            let left = Rows { data: &input.data[segment.left..], stride: input.stride };
            let to = &mut gradient[segment.right * shape.outputs..][..segment.len * shape.outputs];
            add_outer(shape.images, left, right, shape.outputs, to);
        }
    }
}
