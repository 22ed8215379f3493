//! Making the agents of a session: from checkpoints, for a person, from a recording.

use std::sync::Arc;

use townlet_env::Town;
use townlet_text::printable;

use super::Session;
use crate::command::Beside;
use crate::frame::{LaneFacts, LevelFacts, Mode, Scene};
use crate::lane::Lane;
use crate::recording::Recording;
use crate::session_error::SessionError;
use crate::{Brain, CheckpointInfo, Source};

impl Session {
    /// Begins the next episode, with a newer checkpoint where one is pending.
    pub(super) fn next_episode(&mut self) -> Result<(), SessionError> {
        self.episode += 1;
        let loaded = match self.pending.take() {
            Some(checkpoint) => self.put_in(checkpoint),
            None => Ok(()),
        };
        for lane in &mut self.lanes {
            lane.begin(self.epsilon);
        }
        loaded
    }

    /// Gives the lanes that share the session's checkpoint another one.
    pub(super) fn put_in(&mut self, checkpoint: CheckpointInfo) -> Result<(), SessionError> {
        let count = if matches!(self.beside, Beside::MemoryWiped {}) { 2 } else { 1 };
        // All are loaded before any is put in, so that lanes never differ by accident.
        let brains = (0..count).map(|_| self.load(&checkpoint)).collect::<Result<Vec<_>, _>>()?;
        let names_weights = matches!(self.beside, Beside::Checkpoint { .. });
        for (lane, brain) in self.lanes.iter_mut().zip(brains) {
            let title = if names_weights { &checkpoint.label } else { &lane.facts.title };
            let facts = LaneFacts {
                title: title.clone(),
                checkpoint: Some(checkpoint.id.clone()),
                trained_steps: Some(checkpoint.steps),
                ..lane.facts.clone()
            };
            lane.set_brain(facts, brain);
        }
        self.checkpoint = Some(checkpoint);
        self.set_scene();
        Ok(())
    }

    pub(super) fn load(&self, checkpoint: &CheckpointInfo) -> Result<Box<dyn Brain>, SessionError> {
        let source = self.source()?;
        let (brain, world) = (source.brain(&checkpoint.id)?, source.world(&self.level)?);
        brain.accepts(world.observation_layout()).map_err(|reason| SessionError::DoesNotFit {
            checkpoint: checkpoint.id.clone(),
            level: self.level.clone(),
            reason,
        })?;
        Ok(brain)
    }

    pub(super) fn source(&self) -> Result<&Arc<dyn Source>, SessionError> {
        self.source.as_ref().ok_or(SessionError::NoSource)
    }

    pub(super) fn find_checkpoint(&self, id: Option<&str>) -> Result<CheckpointInfo, SessionError> {
        let known = &self.catalogue.checkpoints;
        let found = match id {
            None => known.last(),
            Some(id) => known.iter().find(|checkpoint| checkpoint.id == id),
        };
        found.cloned().ok_or_else(|| SessionError::NoSuchCheckpoint {
            id: id.unwrap_or("latest").to_owned(),
            known: known.iter().map(|checkpoint| checkpoint.id.as_str()).collect::<Vec<_>>().join(", "),
        })
    }

    /// Makes the lanes anew, and starts over.
    pub(super) fn rebuild(&mut self) -> Result<(), SessionError> {
        let lanes = match self.mode {
            Mode::Watch => self.watched_lanes()?,
            Mode::Play => {
                let facts = lane_facts("you", None, true);
                vec![Lane::new(facts, None, self.source()?.world(&self.level)?)]
            }
            Mode::Replay => {
                let Some(recording) = &self.recording else { return Ok(()) };
                let town = Town::new(recording.level().clone(), 1)?;
                vec![Lane::new(lane_facts(recording.source(), None, true), None, Box::new(town))]
            }
        };
        if lanes[0].town().level() != self.lanes.first().map_or(lanes[0].town(), Lane::town).level() {
            self.longest = 0;
        }
        self.lanes = lanes;
        self.pending = None;
        self.set_scene();
        self.start_over()
    }

    pub(super) fn watched_lanes(&self) -> Result<Vec<Lane>, SessionError> {
        let checkpoint = match &self.checkpoint {
            Some(checkpoint) => checkpoint.clone(),
            None => self.find_checkpoint(None)?,
        };
        let lane = |title: &str, checkpoint: &CheckpointInfo, keeps_memory| {
            let facts = lane_facts(title, Some(checkpoint), keeps_memory);
            let world = self.source()?.world(&self.level)?;
            Ok::<_, SessionError>(Lane::new(facts, Some(self.load(checkpoint)?), world))
        };
        Ok(match &self.beside {
            Beside::Nobody {} => vec![lane("agent", &checkpoint, true)?],
            Beside::MemoryWiped {} => vec![
                lane("memory kept", &checkpoint, true)?,
                lane("memory wiped every step", &checkpoint, false)?,
            ],
            Beside::Checkpoint { checkpoint: other } => {
                let other = self.find_checkpoint(Some(other))?;
                vec![lane(&checkpoint.label, &checkpoint, true)?, lane(&other.label, &other, true)?]
            }
        })
    }

    pub(super) fn set_scene(&mut self) {
        let episodes = self.recording.as_ref().map_or(&[][..], Recording::episodes);
        self.scene = Arc::new(Scene {
            id: self.scene.id + 1,
            mode: self.mode,
            level: LevelFacts::new(self.lanes[0].town().level()),
            lanes: self.lanes.iter().map(|lane| lane.facts.clone()).collect(),
            recorded_episodes: episodes.iter().map(|it| printable(&it.name).into_owned()).collect(),
        });
    }

    pub(super) fn start_over(&mut self) -> Result<(), SessionError> {
        self.episode = 0;
        self.finishing = false;
        if self.mode == Mode::Replay {
            self.recorded_episode = 0;
            return self.go_to(0);
        }
        for lane in &mut self.lanes {
            lane.reset(self.seed, self.epsilon);
        }
        self.record_beginning()
    }
}

fn lane_facts(title: &str, checkpoint: Option<&CheckpointInfo>, keeps_memory: bool) -> LaneFacts {
    LaneFacts {
        title: title.to_owned(),
        checkpoint: checkpoint.map(|checkpoint| checkpoint.id.clone()),
        trained_steps: checkpoint.map(|checkpoint| checkpoint.steps),
        keeps_memory,
    }
}
