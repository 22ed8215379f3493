//! What a step gave to and took from each meter, by cause.

use townlet_env::{Action, Level, Town};

use crate::frame::{Bite, MeterFrame};

/// A level's rules on meters, with names turned into indices.
///
/// This restates the arithmetic of `Town` step by step, so that every loss can be shown with its cause. The
/// results are the town's to the last bit; a test holds them together.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    money: Option<usize>,
    movement: Vec<(usize, f32)>,
    depletion: Vec<f32>,
    modulations: Vec<(usize, usize, f32, f32, f32)>,
    cascades: Vec<(usize, usize, f32, f32)>,
    /// Per affordance: price, ticks, effects and completion effects.
    affordances: Vec<(f32, u8, Vec<f32>, Vec<f32>)>,
}

impl Ledger {
    /// The rules of a valid level.
    pub(crate) fn new(level: &Level) -> Self {
        let meter = |name: &str| level.meter_index(name);
        let amounts = |amounts: &townlet_env::Amounts| {
            let named = |it: &townlet_env::Meter| amounts.get(&it.name).copied().unwrap_or(0.0);
            level.meters.iter().map(named).collect::<Vec<f32>>()
        };
        Self {
            money: level.money.as_deref().and_then(meter),
            movement: amounts(&level.movement_cost).into_iter().enumerate().collect(),
            depletion: level.meters.iter().map(|meter| meter.depletion).collect(),
            modulations: level
                .modulations
                .iter()
                .filter_map(|it| Some((meter(&it.source)?, meter(&it.target)?, it.rate, it.base, it.range)))
                .collect(),
            cascades: level
                .cascades
                .iter()
                .filter_map(|it| Some((meter(&it.source)?, meter(&it.target)?, it.threshold, it.strength)))
                .collect(),
            affordances: level
                .affordances
                .iter()
                .map(|it| (it.price, it.ticks, amounts(&it.effects), amounts(&it.completion_effects)))
                .collect(),
        }
    }

    /// Meters that nothing has happened to yet.
    pub(crate) fn open(meters: &[f32]) -> Vec<MeterFrame> {
        meters.iter().map(|&value| MeterFrame { value, ..MeterFrame::default() }).collect()
    }

    /// Whether a tick after `progress` others completes the affordance.
    pub(crate) fn completes(&self, affordance: usize, progress: u8) -> bool {
        progress + 1 == self.affordances[affordance].1
    }

    /// What `action` does to meters that were `before`, where it uses the affordance `used` after
    /// `progress` ticks.
    pub(crate) fn account(
        &self,
        before: &[f32],
        progress: u8,
        action: Action,
        used: Option<u8>,
    ) -> (Vec<MeterFrame>, Vec<Bite>) {
        let mut meters = Self::open(before);
        if action != Town::INTERACT {
            for &(meter, cost) in &self.movement {
                let paid = set(&mut meters[meter], |value| value - cost);
                meters[meter].moving += paid;
            }
        }
        if let Some(used) = used.map(usize::from) {
            let (price, _, effects, completion) = &self.affordances[used];
            let completes = self.completes(used, progress);
            for (index, meter) in meters.iter_mut().enumerate() {
                let given = set(meter, |mut value| {
                    value += effects[index];
                    if self.money == Some(index) {
                        value -= price;
                    }
                    if completes {
                        value += completion[index];
                    }
                    value
                });
                meter.interaction += given;
            }
        }
        for (meter, depletion) in meters.iter_mut().zip(&self.depletion) {
            let taken = set(meter, |value| value - depletion);
            meter.depletion += taken;
        }
        for &(source, target, rate, base, range) in &self.modulations {
            let factor = base + range * (1.0 - meters[source].value);
            let taken = set(&mut meters[target], |value| value - rate * factor);
            meters[target].modulation += taken;
        }
        let mut bites = Vec::new();
        for (cascade, &(source, target, threshold, strength)) in self.cascades.iter().enumerate() {
            let low = meters[source].value;
            if low < threshold {
                let deficit = (threshold - low) / threshold;
                let taken = set(&mut meters[target], |value| value - strength * deficit);
                meters[target].cascades += taken;
                bites.push(Bite { cascade, amount: taken });
            }
        }
        (meters, bites)
    }
}

/// Changes a meter, limits it, and says by how much it changed.
fn set(meter: &mut MeterFrame, change: impl FnOnce(f32) -> f32) -> f32 {
    let before = meter.value;
    meter.value = change(before).clamp(0.0, 1.0);
    meter.value - before
}

#[cfg(test)]
mod tests {
    use townlet_env::{VectorEnv, random_allowed};

    use super::*;

    #[test]
    fn the_ledger_comes_to_the_meters_of_the_town_on_every_bit() {
        for name in Level::builtin_names() {
            let level = Level::builtin(name).unwrap();
            let ledger = Ledger::new(&level);
            let mut town = Town::new(level, 1).unwrap();
            town.reset(5);
            let (mut bitten, mut used) = (0, 0);
            for step in 0..3000 {
                let before = town.state(0);
                // Among all actions, so that walls are run into as well.
                let mask = if step % 3 == 0 { &[true; 5] } else { town.action_masks() };
                let action = random_allowed(mask, &mut townlet_env::stream(1, "ledger", 0, step));
                town.step(&[action]).unwrap();
                let (meters, bites) =
                    ledger.account(&before.meters, before.progress, action, town.interactions()[0]);
                let values: Vec<u32> = meters.iter().map(|meter| meter.value.to_bits()).collect();
                let expected: Vec<u32> = town.outcome(0).meters.iter().map(|it| it.to_bits()).collect();
                assert_eq!(values, expected, "{name}, step {step}");
                for (meter, before) in meters.iter().zip(&before.meters) {
                    let causes = meter.moving
                        + meter.interaction
                        + meter.depletion
                        + meter.modulation
                        + meter.cascades;
                    assert!((meter.value - before - causes).abs() < 1e-6);
                }
                bitten += bites.len();
                used += usize::from(town.interactions()[0].is_some());
            }
            assert!(bitten > 50 && used > 50, "{name}: {bitten} bites, {used} uses");
        }
    }
}
