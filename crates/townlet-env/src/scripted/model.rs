//! What one agent's actions lead to, foreseen without a town.

use crate::{Amounts, Cascade, HOURS_PER_DAY, Level, MAX_METERS, Modulation};

/// How many meters are worked on at a time.
const LANES: usize = 8;

/// The meters of one agent, or an amount for each. Those that the level does not have are 0.
pub(super) type Meters = [f32; MAX_METERS];

/// One agent's state, but for where it stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Body {
    pub(super) meters: Meters,
    pub(super) hour: u8,
    /// The ticks done of an unfinished interaction.
    pub(super) progress: u8,
}

/// The rules of a level for one agent, in the order and precision in which a town applies them.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) num_meters: usize,
    pub(super) money: usize,
    pub(super) depletion: Meters,
    pub(super) movement_cost: Meters,
    pub(super) modulations: Vec<Flow>,
    pub(super) cascades: Vec<Flow>,
    pub(super) terminal: Vec<usize>,
    pub(super) places: Vec<Place>,
    clock: bool,
    /// How many times [`LANES`] meters there are.
    chunks: usize,
}

/// What the fall of one meter does to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    pub(super) source: usize,
    pub(super) target: usize,
    /// The rate of a modulation, the strength of a cascade.
    pub(super) rate: f32,
    /// The base of a modulation, the threshold of a cascade.
    pub(super) from: f32,
    /// The range of a modulation.
    pub(super) range: f32,
}

/// An affordance, wherever it stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) price: f32,
    pub(super) ticks: u8,
    pub(super) effects: Meters,
    pub(super) completion_effects: Meters,
    /// A bit for each hour in which it is open.
    open: u32,
}

impl Place {
    pub(super) fn is_open(&self, hour: u8) -> bool {
        self.open >> hour & 1 == 1
    }

    /// What a whole interaction adds to a meter.
    pub(super) fn gain(&self, meter: usize) -> f32 {
        f32::from(self.ticks) * self.effects[meter] + self.completion_effects[meter]
    }
}

impl Model {
    pub(super) fn new(level: &Level) -> Self {
        let meter = |name: &str| level.meter_index(name).expect("a valid level names meters that exist");
        let row = |amounts: &Amounts| {
            let mut row = [0.0; MAX_METERS];
            for (name, &amount) in amounts {
                row[meter(name)] = amount;
            }
            row
        };
        let mut depletion = [0.0; MAX_METERS];
        for (depletion, meter) in depletion.iter_mut().zip(&level.meters) {
            *depletion = meter.depletion;
        }
        let modulation = |it: &Modulation| Flow {
            source: meter(&it.source),
            target: meter(&it.target),
            rate: it.rate,
            from: it.base,
            range: it.range,
        };
        let cascade = |it: &Cascade| Flow {
            source: meter(&it.source),
            target: meter(&it.target),
            rate: it.strength,
            from: it.threshold,
            range: 0.0,
        };
        let places = level.affordances.iter().map(|it| Place {
            price: it.price,
            ticks: it.ticks,
            effects: row(&it.effects),
            completion_effects: row(&it.completion_effects),
            open: (0..HOURS_PER_DAY)
                .filter(|&hour| it.hours.is_none_or(|hours| hours.contains(hour)))
                .map(|hour| 1 << hour)
                .sum(),
        });
        Self {
            num_meters: level.meters.len(),
            money: level.money.as_deref().map_or(0, meter),
            depletion,
            movement_cost: row(&level.movement_cost),
            modulations: level.modulations.iter().map(modulation).collect(),
            cascades: level.cascades.iter().map(cascade).collect(),
            terminal: (0..level.meters.len()).filter(|&index| level.meters[index].terminal).collect(),
            places: places.collect(),
            clock: level.clock,
            chunks: level.meters.len().div_ceil(LANES),
        }
    }

    /// Takes a step to another cell. Returns whether the agent lives.
    pub(super) fn walk(&self, body: &mut Body) -> bool {
        body.progress = 0;
        self.change(&mut body.meters, &self.movement_cost, |value, cost| clip(value - cost));
        self.change(&mut body.meters, &self.depletion, |value, depletion| clip(value - depletion));
        self.decline(body)
    }

    /// Whether INTERACT is allowed on the place with this index.
    pub(super) fn serves(&self, body: &Body, place: usize) -> bool {
        let place = &self.places[place];
        body.meters[self.money] >= place.price && place.is_open(body.hour)
    }

    /// Does a tick on the place with this index, which serves. Returns whether the agent lives.
    pub(super) fn interact(&self, body: &mut Body, place: usize) -> bool {
        let place = &self.places[place];
        body.progress += 1;
        self.change(&mut body.meters, &place.effects, |value, effect| value + effect);
        body.meters[self.money] -= place.price;
        if body.progress == place.ticks {
            body.progress = 0;
            self.change(&mut body.meters, &place.completion_effects, |value, effect| value + effect);
        }
        self.change(&mut body.meters, &self.depletion, |value, depletion| clip(clip(value) - depletion));
        self.decline(body)
    }

    /// Everything in a step that comes after depletion.
    fn decline(&self, body: &mut Body) -> bool {
        let meters = &mut body.meters;
        for flow in &self.modulations {
            let loss = flow.rate * (flow.from + flow.range * (1.0 - meters[flow.source]));
            meters[flow.target] = clip(meters[flow.target] - loss);
        }
        for flow in &self.cascades {
            if meters[flow.source] < flow.from {
                let deficit = (flow.from - meters[flow.source]) / flow.from;
                meters[flow.target] = clip(meters[flow.target] - flow.rate * deficit);
            }
        }
        if self.clock {
            body.hour = if body.hour == HOURS_PER_DAY - 1 { 0 } else { body.hour + 1 };
        }
        self.terminal.iter().all(|&meter| body.meters[meter] > 0.0)
    }

    /// Changes every meter by its amount.
    fn change(&self, meters: &mut Meters, amounts: &Meters, by: impl Fn(f32, f32) -> f32) {
        let (meters, _) = meters.as_chunks_mut::<LANES>();
        let (amounts, _) = amounts.as_chunks::<LANES>();
        for (meters, amounts) in meters.iter_mut().zip(amounts).take(self.chunks) {
            for (meter, &amount) in meters.iter_mut().zip(amounts) {
                *meter = by(*meter, amount);
            }
        }
    }
}

fn clip(value: f32) -> f32 {
    value.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Action, Town, VectorEnv};

    #[test]
    fn the_model_foresees_the_town_to_the_last_bit() {
        for name in Level::builtin_names() {
            let mut town = Town::new(Level::builtin(name).unwrap(), 1).unwrap();
            let model = Model::new(town.level());
            let (mut deaths, mut ticks) = (0, 0);
            for time in 0..6_000_u32 {
                let before = town.state(0);
                let mut meters = [0.0; MAX_METERS];
                meters[..before.meters.len()].copy_from_slice(&before.meters);
                let mut body = Body { meters, hour: before.hour, progress: before.progress };
                let mask = &town.action_masks()[..5];
                // Mostly interacts where it may.
                let action = if mask[4] && time % 7 < 6 {
                    4
                } else {
                    (0..4).map(|i| ((time * time / 5 + i) % 4) as usize).find(|&move_| mask[move_]).unwrap()
                };
                let here = before.affordances.unwrap().iter().position(|&cell| cell == before.cell);
                if let Some(here) = here {
                    assert_eq!(model.serves(&body, here), mask[4]);
                }
                let lives = if action == 4 {
                    ticks += 1;
                    model.interact(&mut body, here.unwrap())
                } else {
                    model.walk(&mut body)
                };
                let step = town.step(&[action as Action]).unwrap();
                assert_eq!(lives, !step.terminated[0], "step {time} of `{name}`");
                deaths += u32::from(!lives);
                let after = town.outcome(0);
                assert_eq!(body.meters[..after.meters.len()], after.meters, "step {time} of `{name}`");
                assert_eq!((body.hour, body.progress), (after.hour, after.progress));
            }
            assert!(deaths > 3 && ticks > 100, "`{name}`: {deaths} deaths, {ticks} ticks");
        }
    }
}
