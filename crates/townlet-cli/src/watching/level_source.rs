//! A level in which nobody has been trained.

use anyhow::Result;
use townlet_env::{Level, Town};
use townlet_viewer::{Brain, CheckpointInfo, EchoBrain, RandomBrain, RunFacts, Source, SourceError, World};

use super::baselines;
use crate::world::View;

/// The hidden units of the untrained network.
const UNITS: usize = 64;

/// One level, and agents that have learned nothing.
pub(super) struct LevelSource {
    level: Level,
    facts: RunFacts,
}

impl LevelSource {
    pub(super) fn new(level: Level) -> Result<Self> {
        let facts = RunFacts {
            name: format!("level {}", level.name),
            baselines: baselines(&View::plain(level.clone()))?,
            ..RunFacts::default()
        };
        Ok(Self { level, facts })
    }
}

impl Source for LevelSource {
    fn checkpoints(&self) -> Vec<CheckpointInfo> {
        let untrained = |id: &str, label: &str| CheckpointInfo {
            id: id.to_owned(),
            steps: 0,
            episodes: None,
            label: label.to_owned(),
            epsilon: None,
        };
        vec![untrained("untrained", "an untrained network"), untrained("random", "a random agent")]
    }

    fn brain(&self, checkpoint: &str) -> Result<Box<dyn Brain>, SourceError> {
        match checkpoint {
            "random" => Ok(Box::new(RandomBrain::new(0))),
            "untrained" => Ok(Box::new(EchoBrain::new(0, UNITS))),
            _ => Err(SourceError::NoSuchCheckpoint {
                id: checkpoint.to_owned(),
                known: "untrained, random".to_owned(),
            }),
        }
    }

    fn levels(&self) -> Vec<String> {
        vec![self.level.name.clone()]
    }

    fn world(&self, level: &str) -> Result<Box<dyn World>, SourceError> {
        if level != self.level.name {
            let known = self.level.name.clone();
            return Err(SourceError::NoSuchLevel { name: level.to_owned(), known });
        }
        Ok(Box::new(Town::new(self.level.clone(), 1)?))
    }

    fn facts(&self) -> RunFacts {
        self.facts.clone()
    }
}
