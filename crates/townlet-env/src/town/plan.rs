//! A level, compiled into flat tables that one step only has to look up.

use crate::{Amounts, Cell, Grid, HOURS_PER_DAY, Layout, Level, Observability};

/// The number of actions.
pub(super) const ACTIONS: usize = 5;
/// The action that uses the affordance under the agent.
pub(super) const INTERACT: u8 = 4;
/// Stands for no affordance, where an affordance index is stored.
pub(super) const NO_AFFORDANCE: u8 = u8::MAX;
/// How many deficits one pass over the cascades keeps at a time.
pub(super) const DEFICIT_SLOTS: usize = 4;

/// Everything about a level that a step looks up.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) grid: Grid,
    pub(super) observability: Observability,
    /// Per cell and action, the cell that it leads to.
    pub(super) next_cell: Vec<[u16; ACTIONS]>,
    /// Per cell, the moves that lead to another one. INTERACT is false.
    pub(super) moves: Vec<[bool; ACTIONS]>,
    pub(super) ground: GroundShape,
    /// Whether each agent has a ground of its own.
    pub(super) shuffled: bool,
    /// The ground and the affordance cells that all agents share, where the layout is fixed.
    pub(super) shared_ground: Vec<u8>,
    pub(super) shared_layout: Vec<u16>,
    /// The features that depend on the cell alone, a row per cell; partial observations of a fixed layout.
    pub(super) cell_rows: Vec<f32>,

    /// The number of features of an observation.
    pub(super) features: usize,
    /// Where the meters stand in an observation; the affordance follows them.
    pub(super) meters_at: usize,
    pub(super) affordance_at: usize,
    /// Where hour and progress stand, in a level with a clock.
    pub(super) clock_at: Option<usize>,
    pub(super) column_feature: Vec<f32>,
    pub(super) row_feature: Vec<f32>,
    pub(super) hour_feature: Vec<f32>,
    pub(super) progress_feature: Vec<f32>,

    pub(super) num_meters: usize,
    pub(super) start: Vec<f32>,
    /// The meter that pays. Any will do where nothing costs anything.
    pub(super) money: usize,
    pub(super) movement_cost: Vec<(usize, f32)>,
    pub(super) depletion: Vec<(usize, f32)>,
    pub(super) modulations: Vec<ModulationPlan>,
    pub(super) cascades: Vec<CascadeStep>,
    pub(super) terminal: Vec<usize>,

    pub(super) num_affordances: usize,
    /// Indexed by affordance, [`NO_AFFORDANCE`] included, whose price nobody can pay.
    pub(super) prices: Vec<f32>,
    /// Per affordance, a bit for each hour in which it is open.
    pub(super) open: Vec<u32>,
    /// Per affordance, a bit for each hour in which it serves.
    pub(super) served: Vec<u32>,
    pub(super) ticks: Vec<u8>,
    /// Per affordance, an amount for each meter.
    pub(super) effects: Vec<f32>,
    pub(super) completion_effects: Vec<f32>,
    /// Whether any affordance takes more than one tick.
    pub(super) keeps_progress: bool,

    pub(super) step_limit: u32,
    /// Per step of an episode, what surviving it pays.
    pub(super) survival_reward: Vec<f32>,
    pub(super) death_reward: f32,
    pub(super) shaped_reward: Option<ShapedRewardPlan>,
}

/// The ground: a byte per cell that holds the affordance there, with a margin of empty cells around the
/// grid so that a window never leaves it.
#[derive(Clone, Debug)]
pub(super) struct GroundShape {
    /// The number of bytes.
    pub(super) len: usize,
    /// The bytes from one row to the next.
    pub(super) stride: usize,
    /// The width of the margin: how far an agent sees.
    pub(super) margin: usize,
    /// Per cell, its place in the ground.
    pub(super) offsets: Vec<u16>,
}

/// What surviving a step pays where the shaped reward does.
#[derive(Clone, Debug)]
pub(super) struct ShapedRewardPlan {
    pub(super) per_step: f32,
    /// The meters that pay, and how much each pays where it is 1.
    pub(super) weights: Vec<(usize, f32)>,
}

#[derive(Clone, Debug)]
pub(super) struct ModulationPlan {
    pub(super) source: usize,
    pub(super) target: usize,
    pub(super) rate: f32,
    pub(super) base: f32,
    pub(super) range: f32,
}

/// One step of the cascades. A deficit is computed once and kept for all rows with the same source and
/// threshold, until its source changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum CascadeStep {
    /// Computes how far `source` is below `threshold`, relative to it; 0 where it is not.
    Deficit { source: usize, threshold: f32, slot: usize },
    /// Takes `strength` times a deficit from `target`.
    Loss { slot: usize, target: usize, strength: f32 },
}

impl Plan {
    /// Compiles a valid level.
    pub(super) fn new(level: &Level) -> Self {
        let grid = level.grid;
        let layout = level.observation_layout();
        let meter = |name: &str| level.meter_index(name).expect("a valid level names meters that exist");
        let margin = match level.observability {
            Observability::Full => 0,
            Observability::Partial => usize::from(level.vision_range),
        };
        let amounts = |amounts: &Amounts| {
            let mut row = vec![0.0; level.meters.len()];
            for (name, &amount) in amounts {
                row[meter(name)] = amount;
            }
            row
        };
        let nonzero =
            |row: Vec<f32>| row.into_iter().enumerate().filter(|&(_, amount)| amount != 0.0).collect();
        let meters_at = layout.meters().expect("a town shows its meters").start;

        let mut plan = Self {
            grid,
            observability: level.observability,
            next_cell: cells(grid).map(|cell| neighbours(grid, cell)).collect(),
            moves: cells(grid).map(|cell| possible_moves(grid, cell)).collect(),
            ground: GroundShape::new(grid, margin),
            shuffled: level.layout == Layout::Shuffled,
            shared_ground: Vec::new(),
            shared_layout: Vec::new(),
            cell_rows: Vec::new(),
            features: layout.len(),
            meters_at,
            affordance_at: meters_at + level.meters.len(),
            clock_at: layout.hour(),
            column_feature: fractions(grid.width),
            row_feature: fractions(grid.height),
            // In double precision and then rounded, unlike every other feature.
            hour_feature: (0..HOURS_PER_DAY).map(|hour| (f64::from(hour) / 23.0) as f32).collect(),
            progress_feature: (0..=u8::MAX).map(|ticks| f32::from(ticks) / 10.0).collect(),
            num_meters: level.meters.len(),
            start: level.meters.iter().map(|meter| meter.start).collect(),
            money: level.money.as_deref().map_or(0, meter),
            movement_cost: nonzero(amounts(&level.movement_cost)),
            depletion: nonzero(level.meters.iter().map(|meter| meter.depletion).collect()),
            modulations: level
                .modulations
                .iter()
                .map(|modulation| ModulationPlan {
                    source: meter(&modulation.source),
                    target: meter(&modulation.target),
                    rate: modulation.rate,
                    base: modulation.base,
                    range: modulation.range,
                })
                .collect(),
            cascades: compile_cascades(level.cascades.iter().map(|cascade| {
                (meter(&cascade.source), meter(&cascade.target), cascade.threshold, cascade.strength)
            })),
            terminal: (0..level.meters.len()).filter(|&index| level.meters[index].terminal).collect(),
            num_affordances: level.affordances.len(),
            prices: vec![f32::INFINITY; 256],
            open: vec![0; 256],
            served: vec![0; 256],
            ticks: level.affordances.iter().map(|affordance| affordance.ticks).collect(),
            effects: level.affordances.iter().flat_map(|it| amounts(&it.effects)).collect(),
            completion_effects: level
                .affordances
                .iter()
                .flat_map(|it| amounts(&it.completion_effects))
                .collect(),
            keeps_progress: level.affordances.iter().any(|affordance| affordance.ticks > 1),
            step_limit: level.step_limit,
            survival_reward: (0..level.step_limit).map(|step| level.reward.for_surviving(step)).collect(),
            death_reward: level.reward.death,
            shaped_reward: level.reward.shaped.as_ref().map(|shaped| ShapedRewardPlan {
                per_step: shaped.per_step,
                weights: nonzero(amounts(&shaped.meters)),
            }),
        };

        for (index, affordance) in level.affordances.iter().enumerate() {
            let always = (1 << HOURS_PER_DAY) - 1;
            let open = affordance.hours.map_or(always, |hours| {
                (0..HOURS_PER_DAY).filter(|&hour| hours.contains(hour)).map(|hour| 1 << hour).sum()
            });
            plan.prices[index] = affordance.price;
            plan.open[index] = open;
            plan.served[index] = if level.hours_enforced { open } else { always };
        }
        if !plan.shuffled {
            let cell = |cell: Option<Cell>| grid.index(cell.expect("a fixed layout has cells")) as u16;
            plan.shared_layout = level.affordances.iter().map(|affordance| cell(affordance.cell)).collect();
            plan.shared_ground = vec![NO_AFFORDANCE; plan.ground.len];
            for (index, &cell) in plan.shared_layout.iter().enumerate() {
                plan.shared_ground[plan.ground.offset(cell)] = index as u8;
            }
            if plan.observability == Observability::Partial {
                plan.cell_rows = plan.paint_cell_rows();
            }
        }
        plan
    }
}

impl GroundShape {
    fn new(grid: Grid, margin: usize) -> Self {
        let stride = usize::from(grid.width) + 2 * margin;
        let offset = |cell: Cell| (usize::from(cell.y) + margin) * stride + usize::from(cell.x) + margin;
        Self {
            len: stride * (usize::from(grid.height) + 2 * margin),
            stride,
            margin,
            offsets: cells(grid).map(|cell| offset(cell) as u16).collect(),
        }
    }

    /// The place of a cell in the ground.
    pub(super) fn offset(&self, cell: u16) -> usize {
        usize::from(self.offsets[usize::from(cell)])
    }
}

fn cells(grid: Grid) -> impl Iterator<Item = Cell> {
    (0..grid.cells()).map(move |index| grid.cell(index))
}

/// Where UP, DOWN, LEFT, RIGHT and INTERACT lead from `cell`.
fn neighbours(grid: Grid, Cell { x, y }: Cell) -> [u16; ACTIONS] {
    let (right, bottom) = (grid.width - 1, grid.height - 1);
    [
        Cell { x, y: y.saturating_sub(1) },
        Cell { x, y: (y + 1).min(bottom) },
        Cell { x: x.saturating_sub(1), y },
        Cell { x: (x + 1).min(right), y },
        Cell { x, y },
    ]
    .map(|cell| grid.index(cell) as u16)
}

fn possible_moves(grid: Grid, cell: Cell) -> [bool; ACTIONS] {
    neighbours(grid, cell).map(|next| usize::from(next) != grid.index(cell))
}

/// `0 / (side - 1)` to `(side - 1) / (side - 1)`.
fn fractions(side: u8) -> Vec<f32> {
    (0..side).map(|at| f32::from(at) / f32::from(side - 1)).collect()
}

fn compile_cascades(rows: impl Iterator<Item = (usize, usize, f32, f32)>) -> Vec<CascadeStep> {
    let mut steps = Vec::new();
    let mut kept: [Option<(usize, f32)>; DEFICIT_SLOTS] = [None; DEFICIT_SLOTS];
    let mut oldest = 0;
    for (source, target, threshold, strength) in rows {
        let wanted = Some((source, threshold));
        let slot = kept.iter().position(|&have| have == wanted).unwrap_or_else(|| {
            let slot = kept.iter().position(Option::is_none).unwrap_or_else(|| {
                oldest = (oldest + 1) % DEFICIT_SLOTS;
                oldest
            });
            kept[slot] = wanted;
            steps.push(CascadeStep::Deficit { source, threshold, slot });
            slot
        });
        steps.push(CascadeStep::Loss { slot, target, strength });
        for have in &mut kept {
            if have.is_some_and(|(source, _)| source == target) {
                *have = None;
            }
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deficit_is_computed_once_until_its_source_changes() {
        // Source 0 is read twice, changed by the third row, and has to be read again for the fourth.
        let rows = [(0, 1, 0.3, 0.1), (0, 2, 0.3, 0.2), (1, 0, 0.3, 0.3), (0, 2, 0.3, 0.4)];
        let steps = compile_cascades(rows.into_iter());
        let computed: Vec<_> = steps
            .iter()
            .filter_map(|step| match step {
                CascadeStep::Deficit { source, .. } => Some(*source),
                CascadeStep::Loss { .. } => None,
            })
            .collect();
        assert_eq!(computed, [0, 1, 0]);
    }

    #[test]
    fn more_sources_than_slots_share_them() {
        let rows = (0..10).map(|source| (source, 20, 0.3, 0.1));
        let steps = compile_cascades(rows);
        for pair in steps.chunks(2) {
            let [CascadeStep::Deficit { slot, .. }, CascadeStep::Loss { slot: used, .. }] = pair else {
                panic!("expected a deficit and its loss, found {pair:?}")
            };
            assert!(slot == used && *slot < DEFICIT_SLOTS);
        }
    }

    #[test]
    fn the_built_in_cascades_divide_four_times() {
        let plan = Plan::new(&Level::builtin("pomdp").unwrap());
        let deficits = plan.cascades.iter().filter(|step| matches!(step, CascadeStep::Deficit { .. }));
        assert_eq!(deficits.count(), 4);
    }
}
