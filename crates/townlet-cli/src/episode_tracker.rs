//! Where the agents are and what they use, counted over each episode.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use townlet_drqn::StateFault;
use townlet_env::{Level, Town, VectorEnv};
use townlet_metrics::{HeatRow, VisitRow};

/// What is written as the affordance used before the first.
const START: &str = "start";

/// The counts of every agent's running episode.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EpisodeTracker {
    width: usize,
    /// How many steps ended in each cell, `[agents, cells]`.
    cells: Vec<u32>,
    /// Of each agent, how often each affordance was used after each other one.
    visits: Vec<Vec<Visit>>,
    /// The affordance that each agent used last.
    last: Vec<Option<u8>>,
    /// Whose episode ended in the step being made.
    ended: Vec<bool>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Visit {
    from: Option<u8>,
    to: u8,
    count: u64,
}

/// The counts of a finished episode.
pub(crate) struct Counts {
    pub(crate) heat: Vec<HeatRow>,
    pub(crate) visits: Vec<VisitRow>,
}

impl EpisodeTracker {
    /// Of a town in which every agent is about to begin.
    pub(crate) fn new(town: &Town) -> Self {
        let agents = town.num_envs();
        let grid = town.level().grid;
        let (width, cells) = (usize::from(grid.width), usize::from(grid.width) * usize::from(grid.height));
        Self {
            width,
            cells: vec![0; agents * cells],
            visits: vec![Vec::new(); agents],
            last: vec![None; agents],
            ended: vec![false; agents],
        }
    }

    /// Checks that counts that were saved can be those of a run in this town, whose agents have lived through their
    /// episodes as far as they have.
    pub(crate) fn check(&self, town: &Town) -> Result<(), StateFault> {
        let fresh = Self::new(town);
        let agents = town.num_envs();
        StateFault::same("width", &self.width, &fresh.width)?;
        StateFault::length("cells", self.cells.len(), fresh.cells.len())?;
        StateFault::length("visits", self.visits.len(), agents)?;
        StateFault::length("last", self.last.len(), agents)?;
        StateFault::same("ended", &self.ended, &fresh.ended)?;
        let count = town.level().affordances.len();
        let known = |used: Option<u8>| used.is_none_or(|used| usize::from(used) < count);
        let expected = format!("an affordance below {count}");
        let limit = u64::from(town.level().step_limit);
        let rows = self.cells.chunks_exact(self.cells.len() / agents);
        for (agent, ((cells, visits), &last)) in rows.zip(&self.visits).zip(&self.last).enumerate() {
            let steps: u64 = cells.iter().map(|&count| u64::from(count)).sum();
            StateFault::ensure(
                steps < limit,
                &format!("cells of agent {agent}"),
                format_args!("{steps} steps"),
                format_args!("fewer than {limit}"),
            )?;
            let field = format!("last[{agent}]");
            StateFault::ensure(known(last), &field, format_args!("{last:?}"), &expected)?;
            let field = format!("visits[{agent}]");
            for Visit { from, to, count } in visits {
                StateFault::ensure(
                    known(*from) && known(Some(*to)),
                    &field,
                    format_args!("{to}"),
                    &expected,
                )?;
                StateFault::ensure(
                    (1..=steps).contains(count),
                    &field,
                    format_args!("{count} uses"),
                    format_args!("1 to {steps}"),
                )?;
            }
            let uses = visits.iter().map(|visit| (visit.from, visit.to));
            let (all, different) = (visits.len(), uses.collect::<BTreeSet<_>>().len());
            StateFault::ensure(all == different, &field, "one pair twice", "every pair once")?;
        }
        Ok(())
    }

    /// Takes in the last step of all agents, once the episodes that it ended have been
    /// [taken out](Self::finish).
    pub(crate) fn step(&mut self, town: &Town) {
        let row = self.cells.len() / self.last.len();
        for (agent, cell) in town.cells().enumerate() {
            if std::mem::take(&mut self.ended[agent]) {
                continue;
            }
            self.cells[agent * row + usize::from(cell.y) * self.width + usize::from(cell.x)] += 1;
            if let Some(used) = town.interactions()[agent] {
                self.visit(agent, used);
            }
        }
    }

    /// What one agent's episode comes to that the last step ended; its next one begins.
    pub(crate) fn finish(&mut self, town: &Town, agent: usize) -> Counts {
        let row = self.cells.len() / self.last.len();
        let cell = town.outcome(agent).cell;
        self.cells[agent * row + usize::from(cell.y) * self.width + usize::from(cell.x)] += 1;
        if let Some(used) = town.interactions()[agent] {
            self.visit(agent, used);
        }
        self.ended[agent] = true;
        self.last[agent] = None;
        let cells = &mut self.cells[agent * row..][..row];
        let heat = cells.iter().enumerate().filter(|(_, count)| **count > 0);
        let heat = heat.map(|(cell, &count)| HeatRow {
            episode: 0,
            x: (cell % self.width) as u64,
            y: (cell / self.width) as u64,
            visit_count: count.into(),
            novelty_value: None,
        });
        let heat = heat.collect();
        cells.fill(0);
        let visits = std::mem::take(&mut self.visits[agent]);
        let visits = visits.into_iter().map(|Visit { from, to, count }| VisitRow {
            episode: 0,
            from_affordance: from.map_or(START, |from| name(town.level(), from)).to_owned(),
            to_affordance: name(town.level(), to).to_owned(),
            visit_count: count,
        });
        Counts { heat, visits: visits.collect() }
    }

    fn visit(&mut self, agent: usize, used: u8) {
        let from = self.last[agent].replace(used);
        let visits = &mut self.visits[agent];
        match visits.iter_mut().find(|visit| (visit.from, visit.to) == (from, used)) {
            Some(visit) => visit.count += 1,
            None => visits.push(Visit { from, to: used, count: 1 }),
        }
    }
}

fn name(level: &Level, affordance: u8) -> &str {
    &level.affordances[usize::from(affordance)].name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_counts_its_own_steps_alone() {
        let mut level = Level::builtin("pomdp").unwrap();
        level.step_limit = 4;
        let bed = level.affordances[0].clone();
        let mut town = Town::new(level, 2).unwrap();
        let mut state = town.state(1);
        state.cell = town.affordance_cells(1).next().unwrap();
        town.place(1, &state).unwrap();
        let mut tracker = EpisodeTracker::new(&town);
        for round in 0..2 {
            for step in 0..4 {
                // The second agent starts on the first affordance, once, and uses it as often as it can.
                town.step(&[0, Town::INTERACT]).unwrap();
                if step == 3 {
                    for agent in 0..2 {
                        let counts = tracker.finish(&town, agent);
                        assert_eq!(counts.heat.iter().map(|row| row.visit_count).sum::<u64>(), 4);
                        let used = counts.visits.iter().map(|row| row.visit_count).sum::<u64>();
                        if (round, agent) == (0, 1) {
                            assert_eq!(counts.visits[0].from_affordance, START);
                            assert_eq!(counts.visits[0].to_affordance, bed.name);
                            assert!(used > 0);
                        } else if agent == 0 {
                            assert_eq!(used, 0, "the first agent only walks");
                        }
                    }
                }
                tracker.step(&town);
            }
        }
    }
}
