//! Brains without training: for trying a viewer out, for tests, and to compare with.

use rand::RngExt;
use townlet_env::{Action, Level, Town, random_allowed, stream};

use crate::{Baseline, Brain, CheckpointInfo, RunFacts, Source, SourceError, SurvivalPoint, Thought, World};

/// Any allowed action, each equally likely. Has no values and no memory.
#[derive(Clone, Debug)]
pub struct RandomBrain {
    seed: u64,
    step: u64,
}

impl RandomBrain {
    /// `seed` names the choices.
    pub fn new(seed: u64) -> Self {
        Self { seed, step: 0 }
    }
}

impl Brain for RandomBrain {
    fn act(&mut self, _observation: &[f32], mask: &[bool]) -> Thought {
        let action = random_allowed(mask, &mut stream(self.seed, "random-policy", 0, self.step));
        self.step += 1;
        Thought { action, ..Thought::default() }
    }

    fn forget(&mut self) {}
}

/// The same actions over and over, from the first at the start of every episode.
#[derive(Clone, Debug)]
pub struct ScriptedBrain {
    script: Vec<Action>,
    next: usize,
}

impl ScriptedBrain {
    /// Plays `script`, again and again; an empty one is UP.
    pub fn new(script: &[Action]) -> Self {
        Self { script: script.to_vec(), next: 0 }
    }
}

impl Brain for ScriptedBrain {
    fn act(&mut self, _observation: &[f32], _mask: &[bool]) -> Thought {
        let action = self.script.get(self.next % self.script.len().max(1)).copied().unwrap_or(0);
        self.next += 1;
        Thought { action, ..Thought::default() }
    }

    fn forget(&mut self) {
        self.next = 0;
    }
}

/// An untrained recurrent network: an echo state network (Jaeger 2001) whose weights are drawn once and
/// stay. It has values and a memory that carries the past, so everything that a viewer shows can be seen
/// without training; it does not live long.
#[derive(Clone, Debug)]
pub struct EchoBrain {
    seed: u64,
    /// `[units]`
    memory: Vec<f32>,
    /// `[units, features]`, drawn when the first observation says how many there are.
    input: Vec<f32>,
    /// `[num_actions, units]`
    readout: Vec<f32>,
}

impl EchoBrain {
    /// So many hidden units; `seed` names the weights.
    pub fn new(seed: u64, units: usize) -> Self {
        Self { seed, memory: vec![0.0; units], input: Vec::new(), readout: Vec::new() }
    }

    fn weights(&self, part: u64, len: usize, scale: f32) -> Vec<f32> {
        let mut stream = stream(self.seed, "echo-weights", part, 0);
        (0..len).map(|_| scale * stream.random_range(-1.0..1.0)).collect()
    }
}

impl Brain for EchoBrain {
    fn act(&mut self, observation: &[f32], mask: &[bool]) -> Thought {
        let units = self.memory.len();
        if self.input.len() != units * observation.len() {
            self.input = self.weights(0, units * observation.len(), 0.5);
            self.readout = self.weights(1, units * mask.len(), 1.0);
        }
        let old = self.memory.clone();
        for (unit, (memory, row)) in
            self.memory.iter_mut().zip(self.input.chunks_exact(observation.len())).enumerate()
        {
            let seen: f32 = row.iter().zip(observation).map(|(weight, feature)| weight * feature).sum();
            // A ring, rotated and damped: what was seen travels on and fades.
            *memory = (0.5 * seen + 0.9 * old[(unit + units - 1) % units]).tanh();
        }
        let values = self
            .readout
            .chunks_exact(units)
            .map(|row| row.iter().zip(&self.memory).map(|(weight, memory)| weight * memory).sum())
            .collect();
        Thought::greedy(values, self.memory.clone(), mask)
    }

    fn forget(&mut self) {
        self.memory.fill(0.0);
    }
}

/// A source without training: the built-in levels, and brains that never learned.
///
/// Checkpoints: `random`, `scripted` and `echo`.
#[derive(Clone, Debug, Default)]
pub struct UntrainedSource {
    /// What every brain's choices and weights are named by.
    pub seed: u64,
    /// What [`Source::facts`] says.
    pub facts: RunFacts,
}

impl UntrainedSource {
    /// A source with invented curves, so that every panel of a viewer has something to show.
    pub fn demo(seed: u64) -> Self {
        let survival = (0..60_u32)
            .map(|point| SurvivalPoint {
                steps: u64::from(point) * 50_000,
                survival: 100.0 + 400.0 / (1.0 + (-(f64::from(point) - 35.0) / 6.0).exp()),
            })
            .collect();
        let baseline = |name: &str, survival| Baseline { name: name.to_owned(), survival };
        let facts = RunFacts {
            name: "an invented run".to_owned(),
            training: false,
            steps: 3_000_000,
            survival,
            survival_is_evaluated: true,
            reward_scale: Some(1.0),
            epsilon: Some(0.05),
            stage: Some("3 of 5".to_owned()),
            novelty: Some(0.12),
            baselines: vec![
                baseline("random", 101.7),
                baseline("scripted", 500.0),
                baseline("trained", 498.0),
            ],
        };
        Self { seed, facts }
    }
}

impl Source for UntrainedSource {
    fn checkpoints(&self) -> Vec<CheckpointInfo> {
        ["random", "scripted", "echo"]
            .map(|id| CheckpointInfo {
                id: id.to_owned(),
                steps: 0,
                episodes: None,
                label: format!("{id}, untrained"),
                epsilon: None,
            })
            .to_vec()
    }

    fn brain(&self, checkpoint: &str) -> Result<Box<dyn Brain>, SourceError> {
        match checkpoint {
            "random" => Ok(Box::new(RandomBrain::new(self.seed))),
            "scripted" => Ok(Box::new(ScriptedBrain::new(&[3, 3, 1, 1, 2, 2, 0, 0, 4]))),
            "echo" => Ok(Box::new(EchoBrain::new(self.seed, 64))),
            _ => Err(SourceError::NoSuchCheckpoint {
                id: checkpoint.to_owned(),
                known: "random, scripted, echo".to_owned(),
            }),
        }
    }

    fn levels(&self) -> Vec<String> {
        let mut levels: Vec<_> = Level::builtin_names().map(str::to_owned).collect();
        // The one with most to see.
        levels.sort_by_key(|name| name != "temporal");
        levels
    }

    fn world(&self, level: &str) -> Result<Box<dyn World>, SourceError> {
        let known = || Level::builtin_names().collect::<Vec<_>>().join(", ");
        let level = Level::builtin(level)
            .map_err(|_| SourceError::NoSuchLevel { name: level.to_owned(), known: known() })?;
        Ok(Box::new(Town::new(level, 1)?))
    }

    fn facts(&self) -> RunFacts {
        self.facts.clone()
    }
}
