//! What several test files need: levels of other shapes, and agents that act at random.
#![allow(dead_code, missing_docs, reason = "each test file uses a part of it")]

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use townlet_env::{
    Action, Affordance, Amounts, Cascade, Cell, Grid, Hours, Layout, Level, Meter, Milestone, Modulation,
    Observability, Reward, RewardMode, ShapedReward, Stage, Town, VectorEnv,
};

pub(crate) const UP: Action = 0;
pub(crate) const DOWN: Action = 1;
pub(crate) const LEFT: Action = 2;
pub(crate) const RIGHT: Action = 3;
pub(crate) const INTERACT: Action = Town::INTERACT;

pub(crate) fn builtin(name: &str, agents: usize) -> Town {
    Town::new(Level::builtin(name).unwrap(), agents).unwrap()
}

pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Takes the first allowed action at or after each draw, going round.
pub(crate) fn allowed(town: &Town, draws: &[Action]) -> Vec<Action> {
    let masks = town.action_masks().chunks_exact(5);
    masks
        .zip(draws)
        .map(|(mask, &draw)| (0..5).map(|i| (draw + i) % 5).find(|&a| mask[usize::from(a)]).unwrap())
        .collect()
}

/// Actions for `agents` agents over some steps.
pub(crate) fn actions(agents: usize, steps: usize) -> impl Strategy<Value = Vec<Vec<Action>>> {
    vec(vec(0..5_u8, agents), steps)
}

/// Any level that makes a world: 1 to 6 meters, up to 8 affordances, grids from 2 x 2 to 12 x 9.
pub(crate) fn any_level() -> impl Strategy<Value = Level> {
    (1..=6_usize, 0..=8_usize, (2..=12_u8, 2..=9_u8), any::<bool>()).prop_flat_map(
        |(meters, affordances, (width, height), clock)| {
            let grid = Grid { width, height };
            let places = affordances.min(grid.cells());
            let cells: Vec<Cell> = (0..grid.cells()).map(|index| grid.cell(index)).collect();
            let flags = (any::<bool>(), any::<bool>(), any::<bool>(), 1..=4_u8, 1..=60_u32);
            let dynamics =
                (vec(modulation(meters), 0..=2), vec(cascade(meters), 0..=8), amounts(meters, 0.02));
            (
                flags,
                vec((0.2..=1.0_f32, -0.002..0.02_f32, any::<bool>()), meters),
                dynamics,
                vec(affordance(meters, clock), places),
                Just(cells).prop_shuffle(),
                vec((1..=20_u32, -1.0..5.0_f32), 0..=3),
                0..meters,
                (any::<bool>(), -1.0..1.0_f32, amounts(meters, 1.0)),
            )
                .prop_map(
                    move |(flags, meters, dynamics, mut affordances, cells, milestones, money, shaped)| {
                        let (shaped, per_step, weights) = shaped;
                        let shaped_reward = ShapedReward { per_step, meters: weights };
                        let (partial, shuffled, hours_enforced, vision_range, step_limit) = flags;
                        for (index, (affordance, cell)) in affordances.iter_mut().zip(cells).enumerate() {
                            affordance.name = format!("place {index}");
                            affordance.cell = Some(cell);
                        }
                        let (modulations, cascades, movement_cost) = dynamics;
                        Level {
                            name: "any".to_owned(),
                            description: String::new(),
                            grid,
                            observability: if partial { Observability::Partial } else { Observability::Full },
                            vision_range,
                            layout: if shuffled { Layout::Shuffled } else { Layout::Fixed },
                            step_limit,
                            clock,
                            hours_enforced,
                            money: Some(meter_name(money)),
                            movement_cost,
                            reward: Reward {
                                death: -10.0,
                                mode: if shaped { RewardMode::Shaped } else { RewardMode::Sparse },
                                shaped: Some(shaped_reward),
                                milestones: milestones
                                    .into_iter()
                                    .map(|(every, amount)| Milestone { every, amount })
                                    .collect(),
                            },
                            meters: meters
                                .into_iter()
                                .enumerate()
                                .map(|(index, (start, depletion, terminal))| Meter {
                                    name: meter_name(index),
                                    start,
                                    depletion,
                                    terminal,
                                })
                                .collect(),
                            modulations,
                            cascades,
                            affordances,
                        }
                    },
                )
        },
    )
}

/// Any stage of a level with meters called as those of [`any_level`].
pub(crate) fn any_stage(level: &Level) -> impl Strategy<Value = Stage> + use<> {
    let names: Vec<String> = level.meters.iter().map(|meter| meter.name.clone()).collect();
    let count = names.len();
    (subsequence(names, 1..=count), select(vec![0.2_f32, 0.7, 1.0, 3.0]), any::<bool>()).prop_map(
        |(active_meters, depletion_multiplier, shaped)| Stage {
            active_meters,
            depletion_multiplier,
            reward: if shaped { RewardMode::Shaped } else { RewardMode::Sparse },
        },
    )
}

fn meter_name(index: usize) -> String {
    format!("meter {index}")
}

fn any_meter(count: usize) -> impl Strategy<Value = String> {
    (0..count).prop_map(meter_name)
}

fn amounts(meters: usize, most: f32) -> impl Strategy<Value = Amounts> {
    btree_map(any_meter(meters), -most..most, 0..=meters)
}

fn modulation(meters: usize) -> impl Strategy<Value = Modulation> {
    (any_meter(meters), any_meter(meters), 0.0..0.01_f32, 0.0..1.0_f32, 0.0..3.0_f32)
        .prop_map(|(source, target, rate, base, range)| Modulation { source, target, rate, base, range })
}

fn cascade(meters: usize) -> impl Strategy<Value = Cascade> {
    (any_meter(meters), any_meter(meters), select(vec![0.3_f32, 0.5, 1.0]), 0.0..0.05_f32)
        .prop_map(|(source, target, threshold, strength)| Cascade { source, target, threshold, strength })
}

fn affordance(meters: usize, clock: bool) -> impl Strategy<Value = Affordance> {
    let hours = (0..24_u8, 0..=24_u8).prop_map(move |(open, close)| {
        let hours = Hours { open, close };
        (clock && open != close).then_some(hours)
    });
    (0.0..0.4_f32, hours, 1..=3_u8, amounts(meters, 0.5), amounts(meters, 0.5)).prop_map(
        |(price, hours, ticks, effects, completion_effects)| Affordance {
            name: String::new(),
            cell: None,
            price,
            hours,
            ticks,
            effects,
            completion_effects,
        },
    )
}
