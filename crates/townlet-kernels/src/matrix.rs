//! Matrix products, with the right-hand side packed once for many uses.
//!
//! A product is cut into tiles of a few rows by two vector registers. A tile is held in registers while the
//! inner dimension runs by: every step loads one line of the packed matrix and broadcasts one number of
//! each row (Goto and van de Geijn 2008). Two forms are enough for a whole network: [`product`], where the
//! right-hand side is a [`Packed`] weight, and [`add_outer`], which collects the gradient of a weight.

use aligned_vec::{AVec, ConstAlign, avec};
use pulp::{Simd, WithSimd};

pub use crate::transposed::product_transposed;

use crate::simd::{arch, at_least, load, store};

/// How many rows of the left-hand side are worked on before the next panel is fetched: few enough to stay in
/// the second-level cache.
const ROWS_PER_BLOCK: usize = 120;

/// The largest number of rows in one tile. With two registers a row, sixteen sums are under way: enough to
/// hide the latency of a multiply-add, and few enough that neither they nor the addresses of the rows spill
/// (twelve rows run at less than half the speed).
const TILE_ROWS: usize = 8;

/// A line of a packed matrix never straddles two cache lines.
type Lines = AVec<f32, ConstAlign<64>>;

/// A matrix `[inner, columns]` cut into panels of a few vector registers' width, each panel contiguous.
#[derive(Clone, Debug)]
pub struct Packed {
    inner: usize,
    columns: usize,
    data: Lines,
}

/// How wide panels are on this machine.
#[derive(Clone, Copy)]
pub(crate) struct Widths {
    panel: usize,
    /// One register: the width of a last panel that needs no more.
    narrow: usize,
}

impl Widths {
    pub(crate) fn of<S: Simd>() -> Self {
        // Eight rows by two registers fit 32 registers; with 16 there is room for one.
        let wide = if S::REGISTER_COUNT >= 32 { 2 } else { 1 };
        Self { panel: wide * S::F32_LANES, narrow: S::F32_LANES }
    }

    fn here() -> Self {
        struct Ask;
        impl WithSimd for Ask {
            type Output = Widths;
            fn with_simd<S: Simd>(self, _: S) -> Widths {
                Widths::of::<S>()
            }
        }
        arch().dispatch(Ask)
    }

    /// The first column and the width of every panel of `columns` columns.
    pub(crate) fn panels(self, columns: usize) -> impl Iterator<Item = (usize, usize)> {
        (0..columns).step_by(self.panel).map(move |first| {
            let narrow = columns - first <= self.narrow;
            (first, if narrow { self.narrow } else { self.panel })
        })
    }
}

impl Packed {
    /// Packs `matrix`, `[inner, columns]` row by row.
    ///
    /// # Panics
    ///
    /// If `matrix` is of another length.
    pub fn new(matrix: &[f32], inner: usize, columns: usize) -> Self {
        Self::in_memory_of(None, inner, columns).filled(matrix)
    }

    /// A matrix to be filled: `old` where it is one of the same size, for its memory is there already.
    pub(crate) fn in_memory_of(old: Option<Self>, inner: usize, columns: usize) -> Self {
        old.filter(|old| (old.inner, old.columns) == (inner, columns)).unwrap_or_else(|| {
            let padded: usize = Widths::here().panels(columns).map(|(_, width)| width).sum();
            Self { inner, columns, data: avec![[64]| 0.0; inner * padded] }
        })
    }

    pub(crate) fn filled(mut self, matrix: &[f32]) -> Self {
        let Self { inner, columns, .. } = self;
        assert_eq!(matrix.len(), inner * columns, "a matrix of {inner} by {columns}");
        let mut rest = self.data.as_mut_slice();
        for (first, width) in Widths::here().panels(columns) {
            let (panel, after) = rest.split_at_mut(inner * width);
            rest = after;
            let used = width.min(columns - first);
            let lines = panel.chunks_exact_mut(width).zip(matrix.chunks_exact(columns));
            match used {
                32 => lines.for_each(|(line, from)| copy::<32>(line, &from[first..])),
                16 => lines.for_each(|(line, from)| copy::<16>(line, &from[first..])),
                _ => lines.for_each(|(line, from)| line[..used].copy_from_slice(&from[first..][..used])),
            }
        }
        self
    }

    /// The transpose of another packed matrix, in the memory of one that is no longer wanted.
    pub(crate) fn transpose_of(matrix: &Self, old: Option<Self>) -> Self {
        /// As many numbers as a cache line holds: each line that is written is then written once.
        const STRIP: usize = 16;
        let mut packed = Self::in_memory_of(old, matrix.columns, matrix.inner);
        let widths = Widths::here();
        let mut rest = packed.data.as_mut_slice();
        for (first, width) in widths.panels(matrix.inner) {
            let (panel, after) = rest.split_at_mut(matrix.columns * width);
            rest = after;
            let used = width.min(matrix.inner - first);
            let mut from = matrix.data.as_slice();
            for (column, source_width) in widths.panels(matrix.columns) {
                let (source, after) = from.split_at(matrix.inner * source_width);
                from = after;
                let columns = source_width.min(matrix.columns - column);
                for start in (0..columns).step_by(STRIP) {
                    let strip = STRIP.min(columns - start);
                    for at in 0..used {
                        let numbers = &source[(first + at) * source_width + start..][..strip];
                        let lines = panel[(column + start) * width..].chunks_exact_mut(width);
                        for (line, &number) in lines.zip(numbers) {
                            line[at] = number;
                        }
                    }
                }
            }
        }
        packed
    }

    /// One panel after the other, each line by line.
    pub(crate) fn data(&self) -> &[f32] {
        &self.data
    }

    /// The inner dimension.
    pub fn inner(&self) -> usize {
        self.inner
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }
}

/// Copies so many numbers; where their number is known beforehand, that is a few instructions and no call.
#[inline(always)]
fn copy<const N: usize>(to: &mut [f32], from: &[f32]) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), from.first_chunk::<N>()) {
        *to = *from;
    }
}

/// A stretch of the inner dimension: where it begins in a row of the left-hand side, at which row of the
/// packed matrix, and how long it is. A convolution reads one for every row of its kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The first number in a row of the left-hand side.
    pub left: usize,
    /// The first row of the packed matrix.
    pub right: usize,
    /// How many.
    pub len: usize,
}

/// Rows of numbers inside a larger slice.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// Begins with the first row.
    pub data: &'a [f32],
    /// From one row to the next.
    pub stride: usize,
}

/// Rows to be written inside a larger slice.
#[derive(Debug)]
pub struct RowsMut<'a> {
    /// Begins with the first row.
    pub data: &'a mut [f32],
    /// From one row to the next.
    pub stride: usize,
}

/// What a product is added to.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// Nothing.
    Zero,
    /// The same numbers in every row.
    Bias(&'a [f32]),
    /// What the output holds already.
    Output,
}

/// What is done to a product before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Nothing.
    Linear,
    /// Negative numbers become zero.
    Relu,
}

/// `output = finish(start + left · right)`, where each row of `left` is read along `segments`.
pub fn product(
    rows: usize,
    left: Rows<'_>,
    segments: &[Segment],
    right: &Packed,
    start: Start<'_>,
    finish: Finish,
    output: RowsMut<'_>,
) {
    if rows > 0 {
        arch().dispatch(Product { rows, left, segments, right, start, finish, output });
    }
}

/// As [`product`] over the whole inner dimension, from the beginning of each row.
pub fn product_whole(
    rows: usize,
    left: Rows<'_>,
    right: &Packed,
    start: Start<'_>,
    finish: Finish,
    output: RowsMut<'_>,
) {
    let whole = [Segment { left: 0, right: 0, len: right.inner }];
    product(rows, left, &whole, right, start, finish, output);
}

struct Product<'a> {
    rows: usize,
    left: Rows<'a>,
    segments: &'a [Segment],
    right: &'a Packed,
    start: Start<'a>,
    finish: Finish,
    output: RowsMut<'a>,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let widths = Widths::of::<S>();
        for block in (0..self.rows).step_by(ROWS_PER_BLOCK) {
            let end = (block + ROWS_PER_BLOCK).min(self.rows);
            let mut rest = self.right.data.as_slice();
            for (first, width) in widths.panels(self.right.columns) {
                let (panel, after) = rest.split_at(self.right.inner * width);
                rest = after;
                if width == 2 * S::F32_LANES {
                    self.panel::<S, 2>(simd, block, end, panel, first);
                } else {
                    self.panel::<S, 1>(simd, block, end, panel, first);
                }
            }
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn panel<S: Simd, const V: usize>(
        &mut self,
        simd: S,
        mut row: usize,
        end: usize,
        panel: &[f32],
        first: usize,
    ) {
        let panel = S::as_simd_f32s(panel).0.as_chunks::<V>().0;
        while row < end {
            row += match end - row {
                TILE_ROWS.. => self.tile::<S, V, TILE_ROWS>(simd, row, panel, first),
                4.. => self.tile::<S, V, 4>(simd, row, panel, first),
                2.. => self.tile::<S, V, 2>(simd, row, panel, first),
                _ => self.tile::<S, V, 1>(simd, row, panel, first),
            }
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const V: usize, const R: usize>(
        &mut self,
        simd: S,
        row: usize,
        panel: &[[S::f32s; V]],
        first: usize,
    ) -> usize {
        let columns = self.right.columns;
        let zero = simd.splat_f32s(0.0);
        let mut sums = [[zero; V]; R];
        match self.start {
            Start::Zero => {}
            Start::Bias(bias) => {
                for v in 0..V {
                    let bias = load(simd, &bias[(first + v * S::F32_LANES).min(columns)..columns]);
                    for sums in &mut sums {
                        sums[v] = bias;
                    }
                }
            }
            Start::Output => {
                for (r, sums) in sums.iter_mut().enumerate() {
                    let from = &self.output.data[(row + r) * self.output.stride..][..columns];
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = load(simd, &from[(first + v * S::F32_LANES).min(columns)..]);
                    }
                }
            }
        }
        for segment in self.segments {
            // All of one length that the compiler knows to be the same: no checks are left in the loop.
            let len = segment.len;
            let panel = &panel[segment.right..][..len];
            let rows: [&[f32]; R] = std::array::from_fn(|r| {
                &self.left.data[(row + r) * self.left.stride + segment.left..][..len]
            });
            for i in 0..len {
                let line = panel[i];
                for r in 0..R {
                    let value = simd.splat_f32s(rows[r][i]);
                    for v in 0..V {
                        sums[r][v] = simd.mul_add_f32s(value, line[v], sums[r][v]);
                    }
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            let to = &mut self.output.data[(row + r) * self.output.stride..][..columns];
            for (v, sum) in sums.into_iter().enumerate() {
                let sum = match self.finish {
                    Finish::Linear => sum,
                    Finish::Relu => at_least(simd, sum, 0.0),
                };
                store(simd, &mut to[(first + v * S::F32_LANES).min(columns)..], sum);
            }
        }
        R
    }
}

/// `output += leftᵀ · right` over `rows` rows: `left` is `[rows, height]`, `right` is `[rows, width]`, and
/// `output` is `[height, width]`, row by row without gaps.
pub fn add_outer(rows: usize, left: Rows<'_>, right: Rows<'_>, width: usize, output: &mut [f32]) {
    if rows > 0 {
        arch().dispatch(Outer { rows, left, right, width, output });
    }
}

struct Outer<'a> {
    rows: usize,
    left: Rows<'a>,
    right: Rows<'a>,
    width: usize,
    output: &'a mut [f32],
}

/// How many rows of the right-hand side are copied side by side: a panel that the first-level cache holds
/// together with what else it needs.
const OUTER_ROWS: usize = 128;

impl WithSimd for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let widths = Widths::of::<S>();
        for block in (0..self.rows).step_by(OUTER_ROWS) {
            let rows = OUTER_ROWS.min(self.rows - block);
            for (first, width) in widths.panels(self.width) {
                if width == 2 * S::F32_LANES {
                    self.panel::<S, 2>(simd, block, rows, first);
                } else {
                    self.panel::<S, 1>(simd, block, rows, first);
                }
            }
        }
    }
}

impl Outer<'_> {
    #[inline(always)]
    fn panel<S: Simd, const V: usize>(&mut self, simd: S, block: usize, rows: usize, first: usize) {
        // Rows are often a power of two apart and would evict one another from the cache.
        let mut panel = [[simd.splat_f32s(0.0); V]; OUTER_ROWS];
        for (r, line) in panel[..rows].iter_mut().enumerate() {
            let from = &self.right.data[(block + r) * self.right.stride..][..self.width];
            for (v, lanes) in line.iter_mut().enumerate() {
                *lanes = load(simd, &from[(first + v * S::F32_LANES).min(self.width)..]);
            }
        }
        let panel = &panel[..rows];
        let height = self.output.len() / self.width;
        let mut row = 0;
        while row < height {
            row += match height - row {
                TILE_ROWS.. => self.tile::<S, V, TILE_ROWS>(simd, block, row, panel, first),
                4.. => self.tile::<S, V, 4>(simd, block, row, panel, first),
                2.. => self.tile::<S, V, 2>(simd, block, row, panel, first),
                _ => self.tile::<S, V, 1>(simd, block, row, panel, first),
            }
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const V: usize, const R: usize>(
        &mut self,
        simd: S,
        block: usize,
        row: usize,
        panel: &[[S::f32s; V]],
        first: usize,
    ) -> usize {
        let width = self.width;
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        for (r, sums) in sums.iter_mut().enumerate() {
            let from = &self.output[(row + r) * width..][..width];
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = load(simd, &from[(first + v * S::F32_LANES).min(width)..]);
            }
        }
        let mut at = block * self.left.stride + row;
        for line in panel {
            let values: &[f32; R] =
                self.left.data[at..].first_chunk().expect("every row is as long as the first");
            at += self.left.stride;
            for r in 0..R {
                let value = simd.splat_f32s(values[r]);
                for v in 0..V {
                    sums[r][v] = simd.mul_add_f32s(value, line[v], sums[r][v]);
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            let to = &mut self.output[(row + r) * width..][..width];
            for (v, sum) in sums.into_iter().enumerate() {
                store(simd, &mut to[(first + v * S::F32_LANES).min(width)..], sum);
            }
        }
        R
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random;

    fn assert_close(found: &[f32], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!((f64::from(*found) - expected).abs() < 1e-4, "at {i}: {found} for {expected}");
        }
    }

    #[test]
    fn products_of_all_ragged_sizes_agree_with_the_definition() {
        for (rows, inner, columns) in
            [(1, 1, 1), (2, 3, 5), (7, 9, 16), (12, 8, 17), (25, 31, 32), (13, 15, 33), (133, 40, 70)]
        {
            let stride = inner + 3;
            let (left, right) = (random(rows * stride, 1), random(inner * columns, 2));
            let bias = random(columns, 3);
            let mut output = vec![0.0; rows * columns];
            let packed = Packed::new(&right, inner, columns);
            let left_rows = Rows { data: &left, stride };
            let to = RowsMut { data: &mut output, stride: columns };
            product_whole(rows, left_rows, &packed, Start::Bias(&bias), Finish::Relu, to);
            let expected = |r: usize, c: usize| -> f64 {
                (0..inner)
                    .map(|i| f64::from(left[r * stride + i]) * f64::from(right[i * columns + c]))
                    .sum::<f64>()
            };
            let of = |f: &dyn Fn(f64, usize) -> f64| -> Vec<f64> {
                (0..rows * columns).map(|i| f(expected(i / columns, i % columns), i % columns)).collect()
            };
            assert_close(&output, &of(&|x, c| (x + f64::from(bias[c])).max(0.0)));

            // Added to what is there.
            output.fill(1.0);
            let to = RowsMut { data: &mut output, stride: columns };
            product_whole(rows, left_rows, &packed, Start::Output, Finish::Linear, to);
            assert_close(&output, &of(&|x, _| x + 1.0));
        }
    }

    #[test]
    fn a_transpose_is_what_packing_the_transpose_gives() {
        for (inner, columns) in [(1, 1), (3, 5), (16, 33), (40, 70), (33, 16)] {
            let matrix = random(inner * columns, 8);
            let turned: Vec<f32> =
                (0..inner * columns).map(|at| matrix[(at % inner) * columns + at / inner]).collect();
            let found = Packed::transpose_of(&Packed::new(&matrix, inner, columns), None);
            let expected = Packed::new(&turned, columns, inner);
            assert_eq!((found.inner, found.columns), (columns, inner));
            assert_eq!(found.data(), expected.data());
        }
    }

    #[test]
    fn outer_products_of_all_ragged_sizes_agree_with_the_definition() {
        for (rows, height, width) in
            [(1, 1, 1), (3, 2, 5), (130, 13, 16), (129, 12, 17), (300, 31, 32), (64, 47, 33)]
        {
            let (left, right) = (random(rows * height, 4), random(rows * width, 5));
            let mut output = vec![0.5; height * width];
            let left_rows = Rows { data: &left, stride: height };
            add_outer(rows, left_rows, Rows { data: &right, stride: width }, width, &mut output);
            let expected: Vec<f64> = (0..height * width)
                .map(|i| {
                    (0..rows)
                        .map(|r| {
                            f64::from(left[r * height + i / width]) * f64::from(right[r * width + i % width])
                        })
                        .sum::<f64>()
                        + 0.5
                })
                .collect();
            assert_close(&output, &expected);
        }
    }

    #[test]
    fn segments_pick_their_part_of_rows_and_matrix() {
        let (left, right) = (random(3 * 10, 6), random(6 * 4, 7));
        let packed = Packed::new(&right, 6, 4);
        let segments = [Segment { left: 7, right: 0, len: 2 }, Segment { left: 1, right: 3, len: 3 }];
        let mut output = vec![0.0; 12];
        let to = RowsMut { data: &mut output, stride: 4 };
        product(3, Rows { data: &left, stride: 10 }, &segments, &packed, Start::Zero, Finish::Linear, to);
        let pairs = [(7, 0), (8, 1), (1, 3), (2, 4), (3, 5)];
        let expected: Vec<f64> = (0..12)
            .map(|at| {
                let (r, c) = (at / 4, at % 4);
                pairs.iter().map(|&(l, i)| f64::from(left[r * 10 + l]) * f64::from(right[i * 4 + c])).sum()
            })
            .collect();
        assert_close(&output, &expected);
    }
}
