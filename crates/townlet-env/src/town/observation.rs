//! What agents see.

use std::ops::Range;

use super::block::Block;
use super::plan::{NO_AFFORDANCE, Plan};
use crate::Observability;

impl Block<'_> {
    /// Writes the observations and the action masks of some agents.
    pub(super) fn observe(&mut self, plan: &Plan, agents: Range<usize>) {
        let features = plan.features;
        let rows = &mut self.observations[agents.start * features..agents.end * features];
        for (row, i) in rows.chunks_exact_mut(features).zip(agents.clone()) {
            let cell = self.cells[i];
            match (plan.observability, plan.shuffled) {
                (Observability::Full, _) => plan.paint_cell(cell, self.here[i], row),
                (Observability::Partial, false) => row.copy_from_slice(plan.cell_row(cell)),
                (Observability::Partial, true) => {
                    plan.paint_window(plan.ground_of(self.grounds, i), cell, self.here[i], row);
                }
            }
        }
        for (meter, column) in self.meters[..plan.num_meters].iter().enumerate() {
            for (row, &value) in rows.chunks_exact_mut(features).zip(&column[agents.clone()]) {
                row[plan.meters_at + meter] = value;
            }
        }
        if let Some(clock_at) = plan.clock_at {
            for (row, i) in rows.chunks_exact_mut(features).zip(agents.clone()) {
                row[clock_at] = plan.hour_feature[usize::from(self.hours[i])];
                row[clock_at + 1] = plan.progress_feature[usize::from(self.progress[i])];
            }
        }
        self.mask(plan, agents);
    }
}

impl Plan {
    /// The ground of agent `i` of a block whose agents have `grounds`.
    pub(super) fn ground_of<'a>(&'a self, grounds: &'a [u8], i: usize) -> &'a [u8] {
        if self.shuffled { &grounds[i * self.ground.len..][..self.ground.len] } else { &self.shared_ground }
    }

    /// A row per cell with everything that a partial observation of a fixed layout holds but for meters,
    /// hour and progress.
    pub(super) fn paint_cell_rows(&self) -> Vec<f32> {
        let mut rows = vec![0.0; self.grid.cells() * self.features];
        for (cell, row) in rows.chunks_exact_mut(self.features).enumerate() {
            let cell = cell as u16;
            let here = self.shared_ground[self.ground.offset(cell)];
            self.paint_window(&self.shared_ground, cell, here, row);
        }
        rows
    }

    fn cell_row(&self, cell: u16) -> &[f32] {
        &self.cell_rows[usize::from(cell) * self.features..][..self.features]
    }

    /// Paints the agent's cell and the affordance `here`, and zeros elsewhere.
    fn paint_cell(&self, cell: u16, here: u8, row: &mut [f32]) {
        row.fill(0.0);
        row[usize::from(cell)] = 1.0;
        self.paint_affordance(here, row);
    }

    /// Paints the window around `cell`, the position and the affordance `here`, and zeros elsewhere.
    fn paint_window(&self, ground: &[u8], cell: u16, here: u8, row: &mut [f32]) {
        let shape = &self.ground;
        let side = 2 * shape.margin + 1;
        let (window, rest) = row.split_at_mut(side * side);
        let corner = shape.offset(cell) - shape.margin * (shape.stride + 1);
        let lines = ground[corner..].chunks(shape.stride);
        match side {
            3 => paint_lines::<3>(window, lines),
            5 => paint_lines::<5>(window, lines),
            7 => paint_lines::<7>(window, lines),
            _ => {
                for (line, ground) in window.chunks_exact_mut(side).zip(lines) {
                    paint_line(line, ground);
                }
            }
        }
        let cell = self.grid.cell(cell.into());
        rest.fill(0.0);
        rest[0] = self.column_feature[usize::from(cell.x)];
        rest[1] = self.row_feature[usize::from(cell.y)];
        self.paint_affordance(here, row);
    }

    fn paint_affordance(&self, here: u8, row: &mut [f32]) {
        let none = self.num_affordances;
        row[self.affordance_at + usize::from(here).min(none)] = 1.0;
    }
}

/// Paints a window whose side is known when compiling, which unrolls the loops.
fn paint_lines<'a, const SIDE: usize>(window: &mut [f32], lines: impl Iterator<Item = &'a [u8]>) {
    let (window, _) = window.as_chunks_mut::<SIDE>();
    for (line, ground) in window.iter_mut().zip(lines) {
        paint_line(line, &ground[..SIDE]);
    }
}

/// One row of cells: 1 where something stands.
#[inline]
fn paint_line(line: &mut [f32], ground: &[u8]) {
    for (feature, &found) in line.iter_mut().zip(ground) {
        *feature = f32::from(u8::from(found != NO_AFFORDANCE));
    }
}
