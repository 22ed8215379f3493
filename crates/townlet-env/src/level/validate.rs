//! Whether a level makes a world.

use std::fmt::{self, Write};
use std::ops::RangeInclusive;

use townlet_text::{NameFault, check_name, check_prose, nearest};

use super::{
    Affordance, Amounts, HOURS_PER_DAY, Hours, Layout, Level, LevelError, LevelFault, LevelPlace,
    MAX_AFFORDANCES, MAX_METERS, MAX_SIDE, MAX_STEP_LIMIT, MAX_VISION_RANGE, Observability,
};
use crate::RewardMode;

/// The path of a key, such as `affordances[3].effects.energy`.
#[derive(Clone)]
struct Key(String);

impl Key {
    fn root(name: &str) -> Self {
        Self(name.to_owned())
    }

    fn at(&self, index: usize) -> Self {
        let mut key = self.clone();
        write!(key.0, "[{index}]").expect("writing to a string");
        key
    }

    fn field(&self, name: &str) -> Self {
        Self(format!("{}.{name}", self.0))
    }

    fn fault(&self, fault: LevelFault) -> LevelError {
        let place = LevelPlace { key: self.0.clone(), ..LevelPlace::default() };
        LevelError::Invalid { place, fault: Box::new(fault) }
    }

    fn finite(&self, value: f32) -> Result<(), LevelError> {
        if value.is_finite() { Ok(()) } else { Err(self.fault(LevelFault::NotFinite { found: value })) }
    }

    fn within<T: PartialOrd + fmt::Display>(
        &self,
        value: &T,
        range: &RangeInclusive<T>,
        expected: &'static str,
    ) -> Result<(), LevelError> {
        self.ensure(range.contains(value), value, expected)
    }

    fn ensure(
        &self,
        holds: bool,
        found: impl fmt::Display,
        expected: &'static str,
    ) -> Result<(), LevelError> {
        let fault = || LevelFault::OutOfRange { expected, found: found.to_string() };
        if holds { Ok(()) } else { Err(self.fault(fault())) }
    }
}

impl Level {
    /// Checks that the level makes a world and that its names can be shown, as reading it from a file does.
    ///
    /// # Errors
    ///
    /// The first fault found, with its key.
    pub fn validate(&self) -> Result<(), LevelError> {
        self.validate_names()?;
        self.validate_mechanics()
    }

    /// Checks that the level makes a world, whatever its names look like: runs and traces that were written before
    /// names were checked still open.
    pub(crate) fn validate_mechanics(&self) -> Result<(), LevelError> {
        self.validate_world()?;
        self.validate_meters()?;
        self.validate_dynamics()?;
        self.validate_affordances()?;
        self.validate_reward()
    }

    fn validate_names(&self) -> Result<(), LevelError> {
        let name = |key: Key, name: &str| {
            check_name(name).map_err(|fault| key.field("name").fault(LevelFault::Name(fault)))
        };
        let root = |key: &str, checked: Result<(), NameFault>| {
            checked.map_err(|fault| Key::root(key).fault(LevelFault::Name(fault)))
        };
        root("name", check_name(&self.name))?;
        root("description", check_prose(&self.description))?;
        for (index, meter) in self.meters.iter().enumerate() {
            name(Key::root("meters").at(index), &meter.name)?;
        }
        for (index, affordance) in self.affordances.iter().enumerate() {
            name(Key::root("affordances").at(index), &affordance.name)?;
        }
        Ok(())
    }

    fn validate_world(&self) -> Result<(), LevelError> {
        let grid = Key::root("grid");
        for side in [self.grid.width, self.grid.height] {
            grid.within(&side, &(2..=MAX_SIDE), "2 to 64 cells along each side")?;
        }
        if self.observability == Observability::Partial {
            Key::root("vision_range").within(
                &self.vision_range,
                &(1..=MAX_VISION_RANGE),
                "1 to 8 cells in each direction",
            )?;
        }
        Key::root("step_limit").within(&self.step_limit, &(1..=MAX_STEP_LIMIT), "1 to 1000000 steps")
    }

    fn validate_meters(&self) -> Result<(), LevelError> {
        let meters = Key::root("meters");
        meters.within(&self.meters.len(), &(1..=MAX_METERS), "1 to 32 meters")?;
        for (index, meter) in self.meters.iter().enumerate() {
            let key = meters.at(index);
            distinct_name(&key, &meters, self.meters.iter().map(|meter| meter.name.as_str()), index)?;
            key.field("start").finite(meter.start)?;
            key.field("start").within(&meter.start, &(0.0..=1.0), "a start from 0 to 1")?;
            key.field("depletion").finite(meter.depletion)?;
            let alive = !meter.terminal || meter.start > 0.0;
            key.field("start").ensure(
                alive,
                meter.start,
                "a start above 0, for a terminal meter at 0 is death",
            )?;
        }
        if let Some(money) = &self.money {
            self.validate_meter_name(&Key::root("money"), money)?;
        }
        Ok(())
    }

    fn validate_dynamics(&self) -> Result<(), LevelError> {
        self.validate_amounts(&Key::root("movement_cost"), &self.movement_cost)?;
        for (index, modulation) in self.modulations.iter().enumerate() {
            let key = Key::root("modulations").at(index);
            self.validate_meter_name(&key.field("source"), &modulation.source)?;
            self.validate_meter_name(&key.field("target"), &modulation.target)?;
            key.field("rate").finite(modulation.rate)?;
            key.field("base").finite(modulation.base)?;
            key.field("range").finite(modulation.range)?;
        }
        for (index, cascade) in self.cascades.iter().enumerate() {
            let key = Key::root("cascades").at(index);
            self.validate_meter_name(&key.field("source"), &cascade.source)?;
            self.validate_meter_name(&key.field("target"), &cascade.target)?;
            let threshold = cascade.threshold;
            key.field("threshold").finite(threshold)?;
            key.field("threshold").ensure(
                threshold > 0.0 && threshold <= 1.0,
                threshold,
                "a threshold above 0 and at most 1",
            )?;
            key.field("strength").finite(cascade.strength)?;
        }
        Ok(())
    }

    fn validate_affordances(&self) -> Result<(), LevelError> {
        let affordances = Key::root("affordances");
        affordances.within(&self.affordances.len(), &(0..=MAX_AFFORDANCES), "at most 254 affordances")?;
        let (count, cells) = (self.affordances.len(), self.grid.cells());
        if count > cells {
            return Err(affordances.fault(LevelFault::NoRoom { affordances: count, cells }));
        }
        for (index, affordance) in self.affordances.iter().enumerate() {
            let key = affordances.at(index);
            let names = self.affordances.iter().map(|affordance| affordance.name.as_str());
            distinct_name(&key, &affordances, names, index)?;
            self.validate_cell(&key, index, affordance)?;
            let price = affordance.price;
            key.field("price").finite(price)?;
            key.field("price").ensure(price >= 0.0, price, "a price of 0 or more")?;
            if price > 0.0 && self.money.is_none() {
                return Err(key.field("price").fault(LevelFault::PriceWithoutMoney));
            }
            if let Some(hours) = affordance.hours {
                self.validate_hours(&key.field("hours"), hours)?;
            }
            key.field("ticks").ensure(affordance.ticks > 0, affordance.ticks, "1 to 255 ticks")?;
            self.validate_amounts(&key.field("effects"), &affordance.effects)?;
            self.validate_amounts(&key.field("completion_effects"), &affordance.completion_effects)?;
        }
        Ok(())
    }

    fn validate_cell(&self, key: &Key, index: usize, affordance: &Affordance) -> Result<(), LevelError> {
        let Some(cell) = affordance.cell else {
            let needed = self.layout == Layout::Fixed;
            return if needed { Err(key.fault(LevelFault::NoCell)) } else { Ok(()) };
        };
        if !self.grid.contains(cell) {
            return Err(key.field("cell").fault(LevelFault::OffGrid { cell, grid: self.grid }));
        }
        match self.affordances[..index].iter().find(|other| other.cell == Some(cell)) {
            Some(other) => {
                Err(key.field("cell").fault(LevelFault::CellTaken { cell, other: other.name.clone() }))
            }
            None => Ok(()),
        }
    }

    fn validate_hours(&self, key: &Key, hours: Hours) -> Result<(), LevelError> {
        let Hours { open, close } = hours;
        if !self.clock {
            return Err(key.fault(LevelFault::HoursWithoutClock));
        }
        key.within(&open, &(0..=HOURS_PER_DAY - 1), "an opening hour from 0 to 23")?;
        key.within(&close, &(0..=HOURS_PER_DAY), "a closing hour from 0 to 24")?;
        if open == close { Err(key.fault(LevelFault::EmptyHours { hour: open })) } else { Ok(()) }
    }

    fn validate_reward(&self) -> Result<(), LevelError> {
        let reward = Key::root("reward");
        reward.field("death").finite(self.reward.death)?;
        for (index, milestone) in self.reward.milestones.iter().enumerate() {
            let key = reward.field("milestones").at(index);
            key.field("every").ensure(milestone.every > 0, milestone.every, "every 1 step or more")?;
            key.field("amount").finite(milestone.amount)?;
        }
        match &self.reward.shaped {
            Some(shaped) => {
                let key = reward.field("shaped");
                key.field("per_step").finite(shaped.per_step)?;
                self.validate_amounts(&key.field("meters"), &shaped.meters)
            }
            None if self.reward.mode == RewardMode::Shaped => {
                Err(reward.field("mode").fault(LevelFault::NoShapedReward))
            }
            None => Ok(()),
        }
    }

    fn validate_amounts(&self, key: &Key, amounts: &Amounts) -> Result<(), LevelError> {
        for (name, &amount) in amounts {
            self.validate_meter_name(&key.field(name), name)?;
            key.field(name).finite(amount)?;
        }
        Ok(())
    }

    fn validate_meter_name(&self, key: &Key, name: &str) -> Result<(), LevelError> {
        if self.meter_index(name).is_some() {
            return Ok(());
        }
        let meters: Vec<_> = self.meters.iter().map(|meter| meter.name.clone()).collect();
        let nearest = nearest(name, meters.iter().map(String::as_str)).map(str::to_owned);
        Err(key.fault(LevelFault::NoSuchMeter { name: name.to_owned(), meters, nearest }))
    }
}

/// Checks that entry `index` of a list has a name, and one that no entry before it has.
fn distinct_name<'a>(
    key: &Key,
    list: &Key,
    mut names: impl Iterator<Item = &'a str> + Clone,
    index: usize,
) -> Result<(), LevelError> {
    let name = names.clone().nth(index).unwrap_or_default();
    if name.is_empty() {
        return Err(key.field("name").fault(LevelFault::Name(NameFault::Empty)));
    }
    match names.position(|other| other == name) {
        Some(other) if other < index => Err(key
            .field("name")
            .fault(LevelFault::DuplicateName { name: name.to_owned(), other: list.at(other).0 })),
        _ => Ok(()),
    }
}
