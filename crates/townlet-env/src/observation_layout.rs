//! Which feature of an observation means what.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// What a range of an observation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Feature {
    /// The square of cells around the agent, row by row from the top left: 1 where an affordance stands.
    Window,
    /// The agent's own cell, one-hot over the whole grid, row by row.
    Cell,
    /// The agent's column and row, each divided by the largest possible.
    Position,
    /// The meters in the order of the level, each in `[0, 1]`.
    Meters,
    /// The affordance under the agent, one-hot; the last entry means none.
    Affordance,
    /// The hour of the day, 0 to 1.
    Hour,
    /// How many ticks of the current interaction are done, divided by ten.
    Progress,
    /// Anything else that a world shows.
    Features,
    /// The action taken before, one-hot, and what it paid; all 0 where an episode begins. See
    /// [`PreviousInputs`](crate::PreviousInputs).
    Previous,
}

/// The named ranges of one observation row, in order and without gaps.
///
/// A world says once what its observations hold; whoever reads them (a network's encoders, a viewer)
/// asks here and hard-codes no index.
///
/// ```
/// use townlet_env::ObservationLayout;
///
/// // What the partially observed town shows: 5 x 5 cells, x and y, 8 meters, 14 affordances or none.
/// let layout = ObservationLayout::builder().window(5).position().meters(8).affordance(14).build();
/// assert_eq!(layout.len(), 50);
/// assert_eq!(layout.window(), Some(0..25));
/// assert_eq!(layout.meters(), Some(27..35));
/// assert_eq!(layout.hour(), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObservationLayout {
    segments: Vec<Segment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Segment {
    feature: Feature,
    len: usize,
}

impl ObservationLayout {
    /// Starts an empty layout; ranges follow each other in the order in which they are named.
    pub fn builder() -> ObservationLayoutBuilder {
        ObservationLayoutBuilder { segments: Vec::new() }
    }

    /// The number of features of one observation.
    pub fn len(&self) -> usize {
        self.segments.iter().map(|segment| segment.len).sum()
    }

    /// Whether an observation has no features at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every range with its meaning, in order.
    pub fn ranges(&self) -> impl Iterator<Item = (Feature, Range<usize>)> + '_ {
        self.segments.iter().scan(0, |start, segment| {
            let range = *start..*start + segment.len;
            *start = range.end;
            Some((segment.feature, range))
        })
    }

    /// Where `feature` stands, if the observation has it.
    pub fn range(&self, feature: Feature) -> Option<Range<usize>> {
        self.ranges().find_map(|(found, range)| (found == feature).then_some(range))
    }

    /// The window of cells around the agent, `side * side` features.
    pub fn window(&self) -> Option<Range<usize>> {
        self.range(Feature::Window)
    }

    /// The number of cells along one side of the window.
    pub fn window_side(&self) -> Option<usize> {
        self.window().map(|range| range.len().isqrt())
    }

    /// The agent's own cell, one-hot over the grid.
    pub fn cell(&self) -> Option<Range<usize>> {
        self.range(Feature::Cell)
    }

    /// Column and row, normalised.
    pub fn position(&self) -> Option<Range<usize>> {
        self.range(Feature::Position)
    }

    /// The meters.
    pub fn meters(&self) -> Option<Range<usize>> {
        self.range(Feature::Meters)
    }

    /// The affordance under the agent, one-hot, the last entry meaning none.
    pub fn affordance(&self) -> Option<Range<usize>> {
        self.range(Feature::Affordance)
    }

    /// The hour of the day.
    pub fn hour(&self) -> Option<usize> {
        self.range(Feature::Hour).map(|range| range.start)
    }

    /// The progress of the current interaction.
    pub fn progress(&self) -> Option<usize> {
        self.range(Feature::Progress).map(|range| range.start)
    }

    /// Features that have no name of their own here.
    pub fn features(&self) -> Option<Range<usize>> {
        self.range(Feature::Features)
    }

    /// The previous action and reward.
    pub fn previous(&self) -> Option<Range<usize>> {
        self.range(Feature::Previous)
    }

    /// This layout with `len` more features at its end: the previous action and reward.
    ///
    /// # Panics
    ///
    /// Where it has them already.
    #[must_use]
    pub fn with_previous(&self, len: usize) -> Self {
        ObservationLayoutBuilder { segments: self.segments.clone() }.previous(len).build()
    }
}

/// Names the ranges of an [`ObservationLayout`], one after the other.
#[derive(Clone, Debug)]
pub struct ObservationLayoutBuilder {
    segments: Vec<Segment>,
}

impl ObservationLayoutBuilder {
    fn push(mut self, feature: Feature, len: usize) -> Self {
        assert!(
            self.segments.iter().all(|segment| segment.feature != feature),
            "an observation holds {feature:?} at most once"
        );
        self.segments.push(Segment { feature, len });
        self
    }

    /// A window of `side * side` cells.
    ///
    /// # Panics
    ///
    /// This and the other ranges: where the same one is named twice.
    #[must_use]
    pub fn window(self, side: usize) -> Self {
        self.push(Feature::Window, side * side)
    }

    /// The agent's cell, one-hot over `cells` cells.
    #[must_use]
    pub fn cell(self, cells: usize) -> Self {
        self.push(Feature::Cell, cells)
    }

    /// The agent's column and row.
    #[must_use]
    pub fn position(self) -> Self {
        self.push(Feature::Position, 2)
    }

    /// `count` meters.
    #[must_use]
    pub fn meters(self, count: usize) -> Self {
        self.push(Feature::Meters, count)
    }

    /// The affordance under the agent: one of `count`, or none. Takes `count + 1` features.
    #[must_use]
    pub fn affordance(self, count: usize) -> Self {
        self.push(Feature::Affordance, count + 1)
    }

    /// The hour of the day.
    #[must_use]
    pub fn hour(self) -> Self {
        self.push(Feature::Hour, 1)
    }

    /// The progress of the current interaction.
    #[must_use]
    pub fn progress(self) -> Self {
        self.push(Feature::Progress, 1)
    }

    /// `count` features of any other kind.
    #[must_use]
    pub fn features(self, count: usize) -> Self {
        self.push(Feature::Features, count)
    }

    /// The previous action and reward: as many features as there are actions, and one. Named last.
    #[must_use]
    pub fn previous(self, len: usize) -> Self {
        self.push(Feature::Previous, len)
    }

    /// The finished layout.
    #[must_use]
    pub fn build(self) -> ObservationLayout {
        ObservationLayout { segments: self.segments }
    }
}
