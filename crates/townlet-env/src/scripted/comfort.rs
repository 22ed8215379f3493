//! How well off an agent is.

use super::model::{Body, Flow, Meters, Model};
use crate::{Level, MAX_METERS};

/// How much worse a low terminal meter is than any other that is as low.
const TERMINAL_WEIGHT: f32 = 2.0;

/// How often an agent could cross the grid, from corner to corner, in what counts as a short time.
const CROSSINGS: f32 = 20.0;

/// What an agent's meters are worth to it.
///
/// Every meter counts by how long it lasts: one that will be gone in a short time is a hardship, one that lasts
/// much longer is none. Meters that an agent does not die of count for what they do to those it dies of, and
/// money for what it buys. Hardships grow faster than meters fall, so the lowest meters count most.
#[derive(Clone, Debug)]
pub(super) struct Comfort {
    num_meters: usize,
    weights: Meters,
    /// What each meter loses in a short time while the agent walks and all others are full.
    needs: Meters,
    /// What a low meter adds to the needs of another, at its worst.
    modulations: Vec<Flow>,
    cascades: Vec<Flow>,
}

impl Comfort {
    pub(super) fn new(level: &Level, model: &Model) -> Self {
        let mut rates = [0.0; MAX_METERS];
        for (rate, (depletion, cost)) in
            rates.iter_mut().zip(model.depletion.iter().zip(&model.movement_cost))
        {
            *rate = depletion + cost;
        }
        if level.money.is_some() {
            rates[model.money] += spending(model, &rates);
        }
        let short_time = CROSSINGS * (f32::from(level.grid.width) + f32::from(level.grid.height));
        let in_short_time = |flow: &Flow| Flow { rate: short_time * flow.rate, ..*flow };
        Self {
            num_meters: model.num_meters,
            weights: weights(level, model, &rates),
            needs: rates.map(|rate| short_time * rate),
            modulations: model.modulations.iter().map(in_short_time).collect(),
            cascades: model.cascades.iter().map(in_short_time).collect(),
        }
    }

    /// What crossing the grid there and back takes from a meter while all others are full.
    pub(super) fn for_a_round_trip(&self, meter: usize) -> f32 {
        2.0 * self.needs[meter] / CROSSINGS
    }

    /// Minus the sum of all hardships, so that 0 is the best.
    pub(super) fn of(&self, body: &Body) -> f32 {
        let meters = &body.meters;
        let mut needs = self.needs;
        for flow in &self.modulations {
            needs[flow.target] += flow.rate * (flow.from + flow.range * (1.0 - meters[flow.source]));
        }
        for flow in &self.cascades {
            if meters[flow.source] < flow.from {
                needs[flow.target] += flow.rate * (1.0 - meters[flow.source] / flow.from);
            }
        }
        let mut comfort = 0.0;
        for ((weight, need), meter) in self.weights.iter().zip(&needs).zip(meters).take(self.num_meters) {
            // 1 where the meter is empty, a quarter where it lasts for the short time.
            let hardship = need.max(0.0) / (need.max(0.0) + meter + f32::MIN_POSITIVE);
            comfort -= weight * hardship * hardship;
        }
        comfort
    }
}

/// What a step costs in money, if all that it takes from meters is bought back where that is cheapest.
fn spending(model: &Model, rates: &Meters) -> f32 {
    let cheapest = |meter: usize| {
        let prices = model.places.iter().filter_map(|place| {
            let gain = place.gain(meter);
            (gain > 0.0).then(|| f32::from(place.ticks) * place.price / gain)
        });
        prices.reduce(f32::min).unwrap_or(0.0)
    };
    let bought = (0..model.num_meters).filter(|&meter| meter != model.money);
    bought.map(|meter| rates[meter].max(0.0) * cheapest(meter)).sum()
}

/// How much each meter counts.
fn weights(level: &Level, model: &Model, rates: &Meters) -> Meters {
    let flows = || {
        let modulations =
            model.modulations.iter().map(|flow| (flow.source, flow.target, flow.rate * flow.range));
        modulations.chain(model.cascades.iter().map(|flow| (flow.source, flow.target, flow.rate)))
    };
    // What an empty meter takes from terminal ones in a step, and half of what it does by way of others.
    let mut harm = [0.0; MAX_METERS];
    for _ in 0..model.num_meters {
        let mut next = [0.0; MAX_METERS];
        for (source, target, rate) in flows() {
            next[source] += if model.terminal.contains(&target) {
                rate
            } else {
                let share = rate / rates[target].max(f32::MIN_POSITIVE);
                0.5 * share.clamp(0.0, 1.0) * harm[target]
            };
        }
        harm = next;
    }
    let worst = harm.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let mut weights = harm.map(|harm| (harm / worst).clamp(0.0, 1.0));
    if level.money.is_some() {
        weights[model.money] = 1.0;
    }
    for &meter in &model.terminal {
        weights[meter] = TERMINAL_WEIGHT;
    }
    weights
}
