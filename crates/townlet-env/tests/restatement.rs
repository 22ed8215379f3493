//! The town against a second statement of its rules: one agent, one number at a time, straight from the
//! level. Whatever the level, both have to agree on every bit.

mod common;

use common::{INTERACT, bits};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use townlet_env::{
    Action, Affordance, AgentState, Amounts, Cell, HOURS_PER_DAY, Layout, Level, Observability, RewardMode,
    Stage, Town, VectorEnv,
};

struct Restatement<'a> {
    level: &'a Level,
    /// The stage that the agent is in, if any.
    stage: Option<&'a Stage>,
    state: AgentState,
    step: u32,
}

struct Outcome {
    reward: f32,
    terminated: bool,
    truncated: bool,
    interaction: Option<u8>,
}

impl<'a> Restatement<'a> {
    fn new(level: &'a Level, stage: Option<&'a Stage>, state: AgentState) -> Self {
        Self { level, stage, state, step: 0 }
    }

    /// Meters that are not active in the stage have their start value.
    fn hold(&mut self) {
        let Some(stage) = self.stage else { return };
        for (meter, value) in self.level.meters.iter().zip(&mut self.state.meters) {
            if !stage.active_meters.contains(&meter.name) {
                *value = meter.start;
            }
        }
    }

    fn reward_mode(&self) -> RewardMode {
        self.stage.map_or(self.level.reward.mode, |stage| stage.reward)
    }

    fn reward(&self) -> f32 {
        let mut reward = 0.0;
        match self.reward_mode() {
            RewardMode::Sparse => {
                for milestone in &self.level.reward.milestones {
                    if self.step.is_multiple_of(milestone.every) {
                        reward += milestone.amount;
                    }
                }
            }
            RewardMode::Shaped => {
                let shaped = self.level.reward.shaped.as_ref().unwrap();
                reward = shaped.per_step;
                for (meter, value) in self.level.meters.iter().zip(&self.state.meters) {
                    reward += shaped.meters.get(&meter.name).map_or(0.0, |weight| weight * value);
                }
            }
        }
        reward
    }

    fn meter(&mut self, name: &str) -> &mut f32 {
        let index = self.level.meter_index(name).unwrap();
        &mut self.state.meters[index]
    }

    fn add(&mut self, amounts: &Amounts) {
        for (name, amount) in amounts {
            *self.meter(name) += amount;
        }
    }

    fn clip(&mut self) {
        for value in &mut self.state.meters {
            *value = value.clamp(0.0, 1.0);
        }
    }

    fn here(&self) -> Option<usize> {
        self.state.affordances.as_ref().unwrap().iter().position(|&cell| cell == self.state.cell)
    }

    fn can_pay(&self, affordance: &Affordance) -> bool {
        let money = self.level.meter_index(self.level.money.as_ref().unwrap()).unwrap();
        self.state.meters[money] >= affordance.price
    }

    fn is_open(&self, affordance: &Affordance) -> bool {
        affordance.hours.is_none_or(|hours| hours.contains(self.state.hour))
    }

    fn neighbour(&self, action: Action) -> Cell {
        let Cell { x, y } = self.state.cell;
        let cell = match action {
            0 => Cell { x, y: y.wrapping_sub(1) },
            1 => Cell { x, y: y + 1 },
            2 => Cell { x: x.wrapping_sub(1), y },
            3 => Cell { x: x + 1, y },
            _ => self.state.cell,
        };
        if self.level.grid.contains(cell) { cell } else { self.state.cell }
    }

    fn take(&mut self, action: Action) -> Outcome {
        let level = self.level;
        let cell = self.neighbour(action);
        if cell != self.state.cell {
            self.state.progress = 0;
        }
        self.state.cell = cell;
        if action != INTERACT {
            for (name, cost) in &level.movement_cost {
                *self.meter(name) -= cost;
            }
            self.clip();
        }
        let interaction = if action == INTERACT { self.interact() } else { None };
        for meter in &level.meters {
            *self.meter(&meter.name) -= match self.stage {
                Some(stage) => meter.depletion * stage.depletion_multiplier,
                None => meter.depletion,
            };
        }
        self.clip();
        self.hold();
        for modulation in &level.modulations {
            let lack = 1.0 - *self.meter(&modulation.source);
            let loss = modulation.rate * (modulation.base + modulation.range * lack);
            *self.meter(&modulation.target) -= loss;
            self.clip();
        }
        self.hold();
        for cascade in &level.cascades {
            let source = *self.meter(&cascade.source);
            if source < cascade.threshold {
                let deficit = (cascade.threshold - source) / cascade.threshold;
                *self.meter(&cascade.target) -= cascade.strength * deficit;
                self.clip();
            }
        }
        self.hold();
        let terminated =
            level.meters.iter().zip(&self.state.meters).any(|(meter, &value)| meter.terminal && value <= 0.0);
        let reward = if terminated { level.reward.death } else { self.reward() };
        self.step += 1;
        if level.clock {
            self.state.hour = (self.state.hour + 1) % HOURS_PER_DAY;
        }
        Outcome { reward, terminated, truncated: !terminated && self.step == level.step_limit, interaction }
    }

    fn interact(&mut self) -> Option<u8> {
        let level = self.level;
        let here = self.here()?;
        let affordance = &level.affordances[here];
        if !self.can_pay(affordance) || (level.hours_enforced && !self.is_open(affordance)) {
            return None;
        }
        self.add(&affordance.effects);
        *self.meter(level.money.as_ref().unwrap()) -= affordance.price;
        self.state.progress += 1;
        if self.state.progress == affordance.ticks {
            self.add(&affordance.completion_effects);
            self.state.progress = 0;
        }
        self.clip();
        Some(here as u8)
    }

    fn mask(&self) -> Vec<bool> {
        let mut mask: Vec<_> = (0..4).map(|action| self.neighbour(action) != self.state.cell).collect();
        mask.push(self.here().is_some_and(|here| {
            let affordance = &self.level.affordances[here];
            self.can_pay(affordance) && self.is_open(affordance)
        }));
        mask
    }

    fn observation(&self) -> Vec<f32> {
        let (level, state) = (self.level, &self.state);
        let mut row = Vec::new();
        match level.observability {
            Observability::Full => {
                row.extend(
                    (0..level.grid.cells()).map(|i| f32::from(u8::from(i == level.grid.index(state.cell)))),
                );
            }
            Observability::Partial => {
                let (x, y) = (i32::from(state.cell.x), i32::from(state.cell.y));
                let range = i32::from(level.vision_range);
                for dy in -range..=range {
                    for dx in -range..=range {
                        let stands = |cell: &Cell| (i32::from(cell.x), i32::from(cell.y)) == (x + dx, y + dy);
                        row.push(f32::from(u8::from(state.affordances.as_ref().unwrap().iter().any(stands))));
                    }
                }
                row.push(x as f32 / f32::from(level.grid.width - 1));
                row.push(y as f32 / f32::from(level.grid.height - 1));
            }
        }
        row.extend(&state.meters);
        let none = level.affordances.len();
        let here = self.here().unwrap_or(none);
        row.extend((0..=none).map(|i| f32::from(u8::from(i == here))));
        if level.clock {
            row.push((f64::from(state.hour) / 23.0) as f32);
            row.push(f32::from(state.progress) / 10.0);
        }
        row
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_level_agrees_on_every_bit(
        (level, stages) in common::any_level().prop_flat_map(|level| {
            let stages = vec(of(common::any_stage(&level)), 3);
            (Just(level), stages)
        }),
        seed in any::<u64>(),
        actions in common::actions(3, 80),
    ) {
        let mut town = Town::new(level.clone(), 3).unwrap();
        for (i, stage) in stages.iter().enumerate() {
            if let Some(stage) = stage {
                town.set_stage(i, stage).unwrap();
            }
        }
        town.reset(seed);
        let start = |town: &Town, i: usize| Restatement::new(&level, stages[i].as_ref(), town.state(i));
        let mut agents: Vec<_> = (0..3).map(|i| start(&town, i)).collect();
        for actions in &actions {
            let features = town.observation_layout().len();
            for (i, agent) in agents.iter().enumerate() {
                prop_assert_eq!(&town.action_masks()[i * 5..][..5], agent.mask());
                prop_assert_eq!(bits(&town.observations()[i * features..][..features]), bits(&agent.observation()));
            }
            let step = town.step(actions).unwrap();
            let mut interactions = Vec::new();
            for (i, (agent, &action)) in agents.iter_mut().zip(actions).enumerate() {
                let outcome = agent.take(action);
                prop_assert_eq!(step.rewards[i].to_bits(), outcome.reward.to_bits());
                prop_assert_eq!(step.terminated[i], outcome.terminated);
                prop_assert_eq!(step.truncated[i], outcome.truncated);
                let (observation, mask) = step.outcome(i);
                prop_assert_eq!(bits(observation), bits(&agent.observation()));
                prop_assert_eq!(mask, agent.mask());
                interactions.push(outcome.interaction);
            }
            prop_assert_eq!(town.interactions(), interactions);
            for (i, agent) in agents.iter_mut().enumerate() {
                prop_assert_eq!(&town.outcome(i), &agent.state);
                if town.episode_steps()[i] == 0 {
                    *agent = start(&town, i);
                }
            }
        }
    }

    #[test]
    fn layouts_are_distinct_cells_of_the_grid(mut level in common::any_level(), seed in any::<u64>()) {
        level.layout = Layout::Shuffled;
        let mut town = Town::new(level, 4).unwrap();
        town.reset(seed);
        for agent in 0..4 {
            let cells: std::collections::BTreeSet<_> = town.affordance_cells(agent).collect();
            prop_assert_eq!(cells.len(), town.level().affordances.len());
            prop_assert!(cells.iter().all(|&cell| town.level().grid.contains(cell)));
        }
    }

    #[test]
    fn every_level_survives_writing_and_reading(level in common::any_level()) {
        prop_assert_eq!(&Level::from_toml(&level.to_toml(), "any.toml").unwrap(), &level);
        let json = serde_json::to_string(&level).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Level>(&json).unwrap(), &level);
    }
}
