//! Matrix products with the transpose of a packed matrix: gradients on their way back through a layer.
//!
//! The same packed weights serve both directions. Forward, a register holds sums of several columns; here it
//! holds one sum in as many pieces as it has lanes, added up at the end.

use pulp::{Simd, WithSimd};

use crate::matrix::{Packed, Rows, RowsMut, Widths};
use crate::simd::{arch, load};

/// The rows of the left-hand side and of the packed matrix in one tile: as many sums as in a forward tile.
const TILE: [usize; 2] = [8, 2];

/// `output = left · rightᵀ`, or added to what `output` holds: `left` is `[rows, columns of right]`, `output`
/// is `[rows, inner dimension of right]`.
pub fn product_transposed(rows: usize, left: Rows<'_>, right: &Packed, add: bool, output: RowsMut<'_>) {
    if rows > 0 {
        arch().dispatch(Transposed { rows, left, right, add, output });
    }
}

struct Transposed<'a> {
    rows: usize,
    left: Rows<'a>,
    right: &'a Packed,
    add: bool,
    output: RowsMut<'a>,
}

impl WithSimd for Transposed<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let [tile_rows, tile_lines] = TILE;
        let inner = self.right.inner();
        let mut row = 0;
        while row < self.rows {
            let rows = if self.rows - row >= tile_rows { tile_rows } else { 1 };
            let mut line = 0;
            while line < inner {
                let lines = if inner - line >= tile_lines { tile_lines } else { 1 };
                match (rows, lines) {
                    (8, 2) => self.tile::<S, 8, 2>(simd, row, line),
                    (8, _) => self.tile::<S, 8, 1>(simd, row, line),
                    (_, 2) => self.tile::<S, 1, 2>(simd, row, line),
                    (_, _) => self.tile::<S, 1, 1>(simd, row, line),
                }
                line += lines;
            }
            row += rows;
        }
    }
}

impl Transposed<'_> {
    /// `R` rows of the left-hand side with `L` lines of the packed matrix.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const L: usize>(&mut self, simd: S, row: usize, line: usize) {
        let (inner, columns) = (self.right.inner(), self.right.columns());
        let rows: [&[f32]; R] =
            std::array::from_fn(|r| &self.left.data[(row + r) * self.left.stride..][..columns]);
        let mut sums = [[simd.splat_f32s(0.0); L]; R];
        let mut rest = self.right.data();
        for (first, width) in Widths::of::<S>().panels(columns) {
            let (panel, after) = rest.split_at(inner * width);
            rest = after;
            let lines: [&[S::f32s]; L] =
                std::array::from_fn(|l| S::as_simd_f32s(&panel[(line + l) * width..][..width]).0);
            if first + width <= columns {
                let rows: [&[S::f32s]; R] =
                    std::array::from_fn(|r| S::as_simd_f32s(&rows[r][first..][..width]).0);
                for v in 0..width / S::F32_LANES {
                    for r in 0..R {
                        for l in 0..L {
                            sums[r][l] = simd.mul_add_f32s(rows[r][v], lines[l][v], sums[r][l]);
                        }
                    }
                }
            } else {
                // Zeros beyond the last column, on either side.
                let ends = (first..).step_by(S::F32_LANES).take(width / S::F32_LANES);
                for (v, at) in ends.map(|at| at.min(columns)).enumerate() {
                    for r in 0..R {
                        let values = load(simd, &rows[r][at..]);
                        for l in 0..L {
                            sums[r][l] = simd.mul_add_f32s(values, lines[l][v], sums[r][l]);
                        }
                    }
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            let to = &mut self.output.data[(row + r) * self.output.stride + line..][..L];
            for (to, sum) in to.iter_mut().zip(sums) {
                let sum = simd.reduce_sum_f32s(sum);
                *to = if self.add { *to + sum } else { sum };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random;

    #[test]
    fn products_of_all_ragged_sizes_agree_with_the_definition() {
        for (rows, inner, columns) in
            [(1, 1, 1), (2, 3, 5), (7, 9, 16), (12, 8, 17), (25, 31, 32), (13, 15, 33), (133, 40, 70)]
        {
            let (left, right) = (random(rows * (columns + 2), 1), random(inner * columns, 2));
            let packed = Packed::new(&right, inner, columns);
            let expected: Vec<f64> = (0..rows * inner)
                .map(|at| {
                    let (r, i) = (at / inner, at % inner);
                    (0..columns)
                        .map(|c| f64::from(left[r * (columns + 2) + c]) * f64::from(right[i * columns + c]))
                        .sum()
                })
                .collect();
            for add in [false, true] {
                let mut output = vec![0.5; rows * inner];
                let left = Rows { data: &left, stride: columns + 2 };
                product_transposed(rows, left, &packed, add, RowsMut { data: &mut output, stride: inner });
                for (found, expected) in output.iter().zip(&expected) {
                    let expected = expected + if add { 0.5 } else { 0.0 };
                    assert!((f64::from(*found) - expected).abs() < 1e-4, "{found} for {expected}");
                }
            }
        }
    }
}
