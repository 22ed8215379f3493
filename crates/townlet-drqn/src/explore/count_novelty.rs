//! Count-based novelty: what was seen often is worth little, what was seen rarely is worth much.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use townlet_env::{Action, Feature, ObservationLayout};

use crate::config_error::{ConfigError, POSITIVE, check};
use crate::state_fault::StateFault;

/// How many rows of counters there are. The more, the rarer it is that two observations are mixed up.
const ROWS: usize = 3;

/// The most counters that a row may have: a table of 3 GiB.
const MAX_COUNTERS: usize = 1 << 28;

/// How novelty is counted and what it is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CountNoveltyConfig {
    /// β: what the first visit is worth, in the units of the world's rewards. Bellemare et al. 2016 take 0.05
    /// where the world pays -1 to 1.
    pub scale: f32,
    /// Into how many equal parts the range of a feature, 0 to 1, is cut. One part of it is one and the same
    /// for the counts.
    pub bins: u16,
    /// Whether pairs of observation and action are counted (Strehl and Littman 2008), or observations alone
    /// (Bellemare et al. 2016). Pairs tell a place that was used from one that was only walked over.
    pub count_actions: bool,
    /// The number of counters in each of the three rows of the table; four bytes each.
    pub counters: usize,
    /// Which parts of the observation are looked at; those that it does not have are passed over. The fewer,
    /// the sooner everything has been seen.
    pub features: Vec<Feature>,
    /// Which meters are looked at, where meters are, counted from 0 in the order of the level; none named means
    /// all.
    pub meters: Vec<usize>,
}

impl Default for CountNoveltyConfig {
    fn default() -> Self {
        Self {
            scale: 0.05,
            bins: 4,
            count_actions: true,
            counters: 1 << 16,
            features: vec![
                Feature::Cell,
                Feature::Position,
                Feature::Meters,
                Feature::Affordance,
                Feature::Features,
            ],
            meters: Vec::new(),
        }
    }
}

impl CountNoveltyConfig {
    /// Checks that every setting makes sense.
    ///
    /// # Errors
    ///
    /// The first setting that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let positive = self.scale > 0.0 && self.scale.is_finite();
        check(positive, "intrinsic.scale", self.scale, POSITIVE)?;
        check(self.bins >= 2, "intrinsic.bins", self.bins, "at least 2")?;
        let counters = (1..=MAX_COUNTERS).contains(&self.counters);
        check(counters, "intrinsic.counters", self.counters, "1 to 268435456")?;
        let repeated =
            (1..self.features.len()).find(|&index| self.features[..index].contains(&self.features[index]));
        check(
            !self.features.is_empty() && repeated.is_none(),
            "intrinsic.features",
            format!("{:?}", self.features),
            "at least one part of the observation, each once",
        )
    }

    /// The columns of an observation that are looked at.
    fn columns(&self, layout: &ObservationLayout) -> Result<Vec<usize>, CountNoveltyError> {
        let mut columns = Vec::new();
        for &feature in &self.features {
            let Some(range) = layout.range(feature) else { continue };
            if feature == Feature::Meters && !self.meters.is_empty() {
                let num_meters = range.len();
                if let Some(&meter) = self.meters.iter().find(|&&meter| meter >= num_meters) {
                    return Err(CountNoveltyError::NoSuchMeter { meter, num_meters });
                }
                columns.extend(self.meters.iter().map(|meter| range.start + meter));
            } else {
                columns.extend(range);
            }
        }
        Ok(columns)
    }
}

/// Why something cannot be counted.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum CountNoveltyError {
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nothing of an observation is looked at, so nothing would ever be new.
    #[error("no feature is counted; expected at least one column of the observation")]
    NoColumns,
    /// A column that an observation does not have.
    #[error("column {column} is to be counted; expected one below the {num_features} of an observation")]
    NoSuchColumn {
        /// The column.
        column: usize,
        /// How many an observation has.
        num_features: usize,
    },
    /// A meter that the level does not have.
    #[error("meter {meter} is to be counted; expected one below the {num_meters} of the level")]
    NoSuchMeter {
        /// The meter.
        meter: usize,
        /// How many the level has.
        num_meters: usize,
    },
    /// Observations and actions that do not belong together.
    #[error("expected {expected} features for {actions} actions, found {found}")]
    NumFeatures {
        /// The number of actions.
        actions: usize,
        /// The number of features that many observations have.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A stored table of another size than its settings say.
    #[error("a table of counts has {found} entries; expected {expected}")]
    TableSize {
        /// The number of counters that the settings ask for.
        expected: usize,
        /// How many were stored.
        found: usize,
    },
}

/// One table of visits for all environments, and the reward β / √n of the n-th visit.
///
/// The reward is that of MBIE-EB (Strehl and Littman 2008, equation 6), which Bellemare et al. 2016 (section
/// 5.1) carry over to worlds too large for a table: here by looking at some columns of the observation only
/// and at each of them coarsely, as the hashes of Tang et al. 2017 (section 2.2) do.
///
/// The table is a count-min sketch (Cormode and Muthukrishnan 2005) with conservative update: three rows of
/// counters, in each of which a hash points at one; the smallest of the three is the count. Its memory is
/// bounded whatever is seen. Where observations collide in every row, they are taken for one: a count is
/// never too small, so the reward of something new may be too small and never too large.
///
/// Nothing here is random, and hashes are the same on every machine: the same visits in the same order give
/// the same rewards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct CountNovelty {
    config: CountNoveltyConfig,
    num_features: usize,
    /// The columns of an observation that are looked at.
    columns: Vec<usize>,
    /// `[ROWS, counters]`
    counts: Vec<u32>,
}

/// What a file says a [`CountNovelty`] is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    config: CountNoveltyConfig,
    num_features: usize,
    columns: Vec<usize>,
    counts: Vec<u32>,
}

impl TryFrom<Stored> for CountNovelty {
    type Error = CountNoveltyError;

    fn try_from(stored: Stored) -> Result<Self, CountNoveltyError> {
        // Asked before there is a table: a file must not ask for more memory than it has.
        let (expected, found) = (stored.config.counters.saturating_mul(ROWS), stored.counts.len());
        if found != expected {
            return Err(CountNoveltyError::TableSize { expected, found });
        }
        let empty = Self::new(stored.config, stored.num_features, stored.columns)?;
        Ok(Self { counts: stored.counts, ..empty })
    }
}

impl CountNovelty {
    /// A table in which nothing was seen, for observations of `num_features` features of which `columns` are
    /// looked at. Each should be between 0 and 1; what lies outside is taken for the nearer end.
    ///
    /// # Errors
    ///
    /// Where a setting makes no sense, no column is named, or one that does not exist.
    pub fn new(
        config: CountNoveltyConfig,
        num_features: usize,
        columns: impl IntoIterator<Item = usize>,
    ) -> Result<Self, CountNoveltyError> {
        config.validate()?;
        let columns: Vec<usize> = columns.into_iter().collect();
        if columns.is_empty() {
            return Err(CountNoveltyError::NoColumns);
        }
        if let Some(&column) = columns.iter().find(|&&column| column >= num_features) {
            return Err(CountNoveltyError::NoSuchColumn { column, num_features });
        }
        let counts = vec![0; ROWS * config.counters];
        Ok(Self { config, num_features, columns, counts })
    }

    /// The same for observations of this layout, in which the settings say what is looked at.
    ///
    /// # Errors
    ///
    /// Where a setting makes no sense, or nothing of what is to be looked at is there.
    pub fn of_layout(
        config: CountNoveltyConfig,
        layout: &ObservationLayout,
    ) -> Result<Self, CountNoveltyError> {
        config.validate()?;
        let columns = config.columns(layout)?;
        Self::new(config, layout.len(), columns)
    }

    /// Checks that a saved table can stand in the place of `fresh`, an empty one.
    pub(crate) fn check(&self, fresh: &Self) -> Result<(), StateFault> {
        StateFault::same("config", &self.config, &fresh.config)?;
        StateFault::same("num_features", &self.num_features, &fresh.num_features)?;
        StateFault::same("columns", &self.columns, &fresh.columns)
    }

    /// Counts one visit for each environment, in their order, and writes what each is worth into `rewards`.
    ///
    /// # Shapes
    ///
    /// - `observations`: `[num_envs, features]`, what the actions were chosen by
    /// - `actions`: `[num_envs]`
    /// - `rewards`: `[num_envs]`, overwritten
    ///
    /// # Errors
    ///
    /// Where there is not one observation for each action. Nothing has been counted then.
    pub fn visit(
        &mut self,
        observations: &[f32],
        actions: &[Action],
        rewards: &mut Vec<f32>,
    ) -> Result<(), CountNoveltyError> {
        self.check_shape(observations, actions)?;
        rewards.clear();
        for (observation, &action) in observations.chunks_exact(self.num_features).zip(actions) {
            let slots = self.slots(observation, action);
            let count = self.smallest(slots).saturating_add(1);
            for slot in slots {
                // A counter that is larger already was raised by others too.
                self.counts[slot] = self.counts[slot].max(count);
            }
            rewards.push(self.config.scale / (count as f32).sqrt());
        }
        Ok(())
    }

    /// How often something like this was seen, or more.
    ///
    /// # Errors
    ///
    /// Where the observation has another number of features.
    pub fn count(&self, observation: &[f32], action: Action) -> Result<u32, CountNoveltyError> {
        self.check_shape(observation, &[action])?;
        Ok(self.smallest(self.slots(observation, action)))
    }

    fn check_shape(&self, observations: &[f32], actions: &[Action]) -> Result<(), CountNoveltyError> {
        let (expected, found) = (actions.len() * self.num_features, observations.len());
        if found == expected {
            Ok(())
        } else {
            Err(CountNoveltyError::NumFeatures { actions: actions.len(), expected, found })
        }
    }

    fn smallest(&self, slots: [usize; ROWS]) -> u32 {
        slots.into_iter().map(|slot| self.counts[slot]).min().unwrap_or(0)
    }

    /// The counter of each row that an observation points at.
    fn slots(&self, observation: &[f32], action: Action) -> [usize; ROWS] {
        let counters = self.config.counters;
        let key = self.key(observation, action);
        std::array::from_fn(|row| row * counters + scatter(key, row as u64, counters))
    }

    /// The 64-bit FNV-1a hash of what is looked at.
    fn key(&self, observation: &[f32], action: Action) -> u64 {
        let bins = self.config.bins;
        let action = if self.config.count_actions { action } else { 0 };
        let parts = self.columns.iter().flat_map(|&column| bin(observation[column], bins).to_le_bytes());
        parts.chain([action]).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}

/// Which of `bins` equal parts of 0 to 1 a number lies in. What is not a number lies in the first.
fn bin(value: f32, bins: u16) -> u16 {
    let part = (value.clamp(0.0, 1.0) * f32::from(bins)) as u16;
    part.min(bins - 1)
}

/// A number below `below` that depends on every bit of `key`, another one in every row (the finaliser of
/// `SplitMix64`, Steele et al. 2014).
fn scatter(key: u64, row: u64, below: usize) -> usize {
    let mut bits = key.wrapping_add((row + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    ((u128::from(bits) * below as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> CountNoveltyConfig {
        CountNoveltyConfig { scale: 2.0, counters: 1 << 12, ..CountNoveltyConfig::default() }
    }

    fn novelty(config: CountNoveltyConfig) -> CountNovelty {
        CountNovelty::new(config, 3, [0, 2]).unwrap()
    }

    fn visit(novelty: &mut CountNovelty, observation: [f32; 3], action: Action) -> f32 {
        let mut rewards = Vec::new();
        novelty.visit(&observation, &[action], &mut rewards).unwrap();
        rewards[0]
    }

    /// Observation number `index` of 4,096 that all differ, for a `CountNovelty` of four columns.
    fn cell(index: u16) -> [f32; 4] {
        [index % 8, index / 8 % 8, index / 64 % 8, index / 512].map(|part| (f32::from(part) + 0.5) / 8.0)
    }

    #[test]
    fn the_nth_visit_is_worth_the_scale_over_the_root_of_n() {
        let mut novelty = novelty(config());
        for n in 1..=100_u8 {
            assert_eq!(visit(&mut novelty, [0.1, 0.5, 0.9], 1), 2.0 / f32::from(n).sqrt());
        }
        assert_eq!(novelty.count(&[0.1, 0.5, 0.9], 1), Ok(100));
    }

    #[test]
    fn what_falls_into_the_same_parts_is_the_same() {
        let mut novelty = novelty(config());
        visit(&mut novelty, [0.10, 0.5, 0.9], 0);
        let count = |observation: [f32; 3]| novelty.count(&observation, 0).unwrap();
        assert_eq!(count([0.24, 0.5, 0.76]), 1, "the same quarters");
        assert_eq!(count([0.10, 0.0, 0.9]), 1, "a column that is not looked at");
        assert_eq!(count([0.26, 0.5, 0.9]), 0, "another quarter of the first column");
        assert_eq!(count([0.10, 0.5, 0.1]), 0, "another quarter of the last column");
    }

    #[test]
    fn columns_are_not_mixed_up() {
        let mut novelty = novelty(config());
        visit(&mut novelty, [0.1, 0.0, 0.9], 0);
        assert_eq!(novelty.count(&[0.9, 0.0, 0.1], 0), Ok(0));
    }

    #[test]
    fn actions_are_told_apart_only_where_they_are_counted() {
        let mut pairs = novelty(config());
        visit(&mut pairs, [0.5; 3], 4);
        assert_eq!(pairs.count(&[0.5; 3], 0), Ok(0));
        let mut alone = novelty(CountNoveltyConfig { count_actions: false, ..config() });
        visit(&mut alone, [0.5; 3], 4);
        assert_eq!(alone.count(&[0.5; 3], 0), Ok(1));
    }

    #[test]
    fn numbers_outside_the_range_are_taken_for_its_ends() {
        assert_eq!([-5.0, 0.0, 0.25, 0.999, 1.0, 7.0, f32::NAN].map(|x| bin(x, 4)), [0, 0, 1, 3, 3, 3, 0]);
    }

    #[test]
    fn what_is_looked_at_is_named_and_not_hard_coded() {
        let layout = ObservationLayout::builder().window(1).position().meters(3).affordance(2).build();
        let columns = |features: &[Feature], meters: &[usize]| {
            let named =
                CountNoveltyConfig { features: features.to_vec(), meters: meters.to_vec(), ..config() };
            CountNovelty::of_layout(named, &layout).map(|novelty| novelty.columns)
        };
        assert_eq!(columns(&CountNoveltyConfig::default().features, &[]), Ok((1..9).collect()));
        assert_eq!(columns(&[Feature::Affordance, Feature::Meters], &[2]), Ok(vec![6, 7, 8, 5]));
        assert_eq!(columns(&[Feature::Hour], &[]), Err(CountNoveltyError::NoColumns));
        let beyond = CountNoveltyError::NoSuchMeter { meter: 3, num_meters: 3 };
        assert_eq!(columns(&[Feature::Meters], &[3]), Err(beyond));
    }

    #[test]
    fn all_environments_share_one_table_in_their_order() {
        let mut together = novelty(config());
        let mut rewards = vec![9.0; 5];
        together.visit(&[0.5; 9], &[1, 1, 1], &mut rewards).unwrap();
        assert_eq!(rewards, [1.0_f32, 2.0, 3.0].map(|n| 2.0 / n.sqrt()));
    }

    #[test]
    fn a_count_is_never_too_small_and_hardly_ever_too_large() {
        let config = CountNoveltyConfig { bins: 8, ..config() };
        let mut novelty = CountNovelty::new(config, 4, 0..4).unwrap();
        let mut rewards = Vec::new();
        for index in 0..1_000 {
            for _ in 0..=index % 3 {
                novelty.visit(&cell(index), &[0], &mut rewards).unwrap();
            }
        }
        let excess: Vec<u32> = (0..1_000)
            .map(|index| novelty.count(&cell(index), 0).unwrap() - u32::from(index % 3 + 1))
            .collect();
        let wrong = excess.iter().filter(|&&excess| excess > 0).count();
        assert!(wrong < 30, "{wrong} of 1,000 counts are too large");
        let unseen = (1_000..2_000).filter(|&index| novelty.count(&cell(index), 0) != Ok(0)).count();
        assert!(unseen < 40, "{unseen} of 1,000 unseen observations count as seen");
    }

    #[test]
    fn memory_is_bounded_and_a_full_table_still_answers() {
        let config = CountNoveltyConfig { bins: 8, counters: 16, ..config() };
        let mut novelty = CountNovelty::new(config, 4, 0..4).unwrap();
        let mut rewards = Vec::new();
        for index in 0..4_096 {
            novelty.visit(&cell(index), &[0], &mut rewards).unwrap();
            assert!(rewards[0] > 0.0 && rewards[0] <= 2.0);
        }
        assert_eq!(novelty.counts.len(), 3 * 16);
        assert!(rewards[0] < 0.5, "a table that is far too small finds nothing new");
        novelty.counts.fill(u32::MAX);
        novelty.visit(&cell(0), &[0], &mut rewards).unwrap();
        assert_eq!(novelty.counts, [u32::MAX; 48], "counters stop at their largest number");
    }

    #[test]
    fn hashes_are_the_same_on_every_machine() {
        // Worked out in Python. The first are the upper bits of the first numbers of SplitMix64 from seed 0.
        let scattered = [0, 1, 2].map(|row| scatter(0, row, 1 << 16));
        assert_eq!(scattered, [0xe220, 0x6e78, 0x06c4]);
        assert_eq!(novelty(config()).key(&[0.1, 0.5, 0.9], 1), 0xed65_cbd9_2a13_e9ad);
    }

    #[test]
    fn the_same_visits_give_the_same_table() {
        let run = || {
            let mut novelty = novelty(config());
            for n in 0..50_u8 {
                visit(&mut novelty, [f32::from(n) / 50.0, 0.0, 0.3], n % 5);
            }
            novelty
        };
        assert_eq!(run(), run());
    }

    #[test]
    fn what_does_not_fit_is_refused_and_counts_nothing() {
        let mut novelty = novelty(config());
        let before = novelty.clone();
        let short = CountNoveltyError::NumFeatures { actions: 2, expected: 6, found: 5 };
        assert_eq!(novelty.visit(&[0.0; 5], &[0, 0], &mut Vec::new()), Err(short));
        assert_eq!(novelty, before);
        assert_eq!(CountNovelty::new(config(), 3, []), Err(CountNoveltyError::NoColumns));
        let beyond = CountNoveltyError::NoSuchColumn { column: 3, num_features: 3 };
        assert_eq!(CountNovelty::new(config(), 3, [1, 3]), Err(beyond));
        let fault = |config: CountNoveltyConfig| config.validate().unwrap_err().key;
        assert_eq!(fault(CountNoveltyConfig { scale: f32::NAN, ..config() }), "intrinsic.scale");
        assert_eq!(fault(CountNoveltyConfig { bins: 1, ..config() }), "intrinsic.bins");
        assert_eq!(fault(CountNoveltyConfig { counters: 0, ..config() }), "intrinsic.counters");
        assert_eq!(fault(CountNoveltyConfig { features: Vec::new(), ..config() }), "intrinsic.features");
        let twice = vec![Feature::Meters, Feature::Meters];
        assert_eq!(fault(CountNoveltyConfig { features: twice, ..config() }), "intrinsic.features");
        CountNoveltyConfig::default().validate().unwrap();
    }

    #[test]
    fn a_stored_table_goes_on_and_a_damaged_one_is_refused() {
        fn is_stored<T: Serialize + for<'de> Deserialize<'de>>(_: &T) {}

        let mut novelty = novelty(config());
        visit(&mut novelty, [0.5; 3], 0);
        is_stored(&novelty);
        let stored =
            |counts: Vec<u32>| Stored { config: config(), num_features: 3, columns: vec![0, 2], counts };
        assert_eq!(CountNovelty::try_from(stored(novelty.counts.clone())), Ok(novelty));
        let expected = 3 << 12;
        let cut = CountNovelty::try_from(stored(vec![0; 7]));
        assert_eq!(cut, Err(CountNoveltyError::TableSize { expected, found: 7 }));
    }
}
