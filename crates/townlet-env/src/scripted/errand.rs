//! What an agent may set out to do, and which of it is best.

use super::comfort::Comfort;
use super::model::{Body, Model};

/// How many ticks of one errand are considered.
const MOST_TICKS: u8 = 16;
/// How many steps an agent waits for a place to open.
const MOST_WAITING: u32 = 12;
/// How many of the best errands are looked at together with the one after it, where the agent can go on after
/// any of the pairs. All are, where it cannot.
const LOOKED_INTO: usize = 2;

/// A way to a place, and a number of ticks there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errand {
    pub(super) place: usize,
    pub(super) ticks: u8,
}

/// An errand, and what it leads to.
#[derive(Clone, Debug)]
struct Prospect {
    errand: Errand,
    /// How many steps have passed at its end since now.
    steps: u32,
    /// For each of these steps, by how much it is better than walking about.
    gain: f32,
    /// The state at its end.
    body: Body,
}

/// Finds errands for one agent after another.
///
/// An errand is as good as the comfort at its end, compared with that after walking about for as long, for each
/// step that it takes. The best few are continued by each errand that may follow; the agent does both of the best
/// pair before it plans again, so that it does not put off the second one for ever. An errand on which the agent
/// would die is none.
#[derive(Clone, Debug)]
pub(super) struct Planner {
    pub(super) model: Model,
    comfort: Comfort,
    /// The comfort after walking about for 0, 1, 2 … steps.
    idle: Vec<f32>,
    /// The state at the end of `idle`.
    idler: Body,
    prospects: Vec<Prospect>,
}

impl Planner {
    pub(super) fn new(model: Model, comfort: Comfort) -> Self {
        Self { model, comfort, idle: Vec::new(), idler: Body::default(), prospects: Vec::new() }
    }

    /// The best errand to one of `places` and the one to do after it. `distance` is that to a place: from another
    /// one, or, if none is given, from the agent.
    pub(super) fn choose(
        &mut self,
        body: &Body,
        places: &[usize],
        distance: impl Fn(Option<usize>, usize) -> u32,
    ) -> Option<(Errand, Option<Errand>)> {
        self.begin(body);
        let mut prospects = std::mem::take(&mut self.prospects);
        prospects.clear();
        prospects
            .extend(places.iter().filter_map(|&place| self.foresee(body, 0, place, distance(None, place))));
        // Stable, so that equals keep the order of the level.
        prospects.sort_by(|a, b| b.gain.total_cmp(&a.gain));

        let mut best = None;
        let mut most = (false, f32::NEG_INFINITY);
        for (index, first) in prospects.iter().enumerate() {
            if index >= LOOKED_INTO && most.0 {
                break;
            }
            for &place in places {
                let way = distance(Some(first.errand.place), place);
                let Some(second) = self.foresee(&first.body, first.steps, place, way) else { continue };
                // Most pairs are no better than the best, whether the agent can go on after them or not.
                if (true, second.gain) > most {
                    let can_go_on = self.can_go_on(&second.body, places, |to| distance(Some(place), to));
                    if (can_go_on, second.gain) > most {
                        most = (can_go_on, second.gain);
                        best = Some((first.errand, Some(second.errand)));
                    }
                }
            }
        }
        // Where nothing can follow, at least the first.
        let best = best.or_else(|| prospects.first().map(|first| (first.errand, None)));
        self.prospects = prospects;
        best
    }

    /// By how much each step at a place under the agent would leave it better off than walking about, if it can do
    /// anything there.
    pub(super) fn gain_here(&mut self, body: &Body, place: usize) -> Option<f32> {
        self.begin(body);
        self.foresee(body, 0, place, 0).map(|prospect| prospect.gain)
    }

    /// Compares what follows with walking about from this state on.
    fn begin(&mut self, body: &Body) {
        self.idle.clear();
        self.idle.push(self.comfort.of(body));
        self.idler.clone_from(body);
    }

    /// The best errand to a place that is `way` steps off, if the agent lives through any. `before` steps have
    /// passed since now, and have led to `body`.
    fn foresee(&mut self, body: &Body, before: u32, place: usize, way: u32) -> Option<Prospect> {
        let mut body = body.clone();
        let mut steps = before;
        for _ in 0..way {
            if !self.model.walk(&mut body) {
                return None;
            }
            steps += 1;
        }
        let mut waited = 0;
        while !self.model.places[place].is_open(body.hour) && waited < MOST_WAITING {
            // Off the cell and back again.
            if !(self.model.walk(&mut body) && self.model.walk(&mut body)) {
                return None;
            }
            waited += 2;
        }
        steps += waited;

        let mut best: Option<Prospect> = None;
        let mut improved = false;
        for ticks in 1..=MOST_TICKS {
            if !self.model.serves(&body, place) || !self.model.interact(&mut body, place) {
                break;
            }
            steps += 1;
            let gain = (self.comfort.of(&body) - self.idle(steps)) / steps as f32;
            if best.as_ref().is_none_or(|best| gain > best.gain) {
                best = Some(Prospect { errand: Errand { place, ticks }, steps, gain, body: body.clone() });
                improved = true;
            }
            // Where a whole interaction was of no more use, the next is of less.
            if body.progress == 0 && !std::mem::take(&mut improved) {
                break;
            }
        }
        best
    }

    /// Whether the agent can still do something about each of its terminal meters: get to a place where it rises,
    /// be served, and be off again with enough to cross the grid there and back.
    fn can_go_on(&self, body: &Body, places: &[usize], distance: impl Fn(usize) -> u32) -> bool {
        let Self { model, comfort, .. } = self;
        model.terminal.iter().all(|&meter| {
            let enough = comfort.for_a_round_trip(meter);
            places.iter().any(|&place| {
                let gain = model.places[place].gain(meter);
                if gain <= 0.0 || gain + body.meters[meter] < enough {
                    return false;
                }
                let mut body = body.clone();
                let arrives = (0..distance(place)).all(|_| model.walk(&mut body));
                let ticks = model.places[place].ticks;
                let serves = |body: &mut Body| model.serves(body, place) && model.interact(body, place);
                arrives && (0..ticks).all(|_| serves(&mut body)) && body.meters[meter] >= enough
            })
        })
    }

    /// The comfort after walking about for so many steps, if nobody died.
    fn idle(&mut self, steps: u32) -> f32 {
        while self.idle.len() <= steps as usize {
            self.model.walk(&mut self.idler);
            self.idle.push(self.comfort.of(&self.idler));
        }
        self.idle[steps as usize]
    }
}
