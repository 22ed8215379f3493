//! What a session does when it is asked.

use townlet_env::{Action, Town};

use super::Session;
use super::options::{check_epsilon, check_seed, check_speed};
use crate::command::{Beside, Command};
use crate::session_error::SessionError;

impl Session {
    fn act(&mut self, action: Action) -> Result<(), SessionError> {
        let actions = Town::ACTION_NAMES.len();
        if usize::from(action) >= actions {
            let expected = format!("0 to {}", actions - 1);
            return Err(SessionError::OutOfRange { what: "action", expected, found: action.to_string() });
        }
        if self.episode_is_over() {
            return Ok(());
        }
        self.step_lanes(Some(action))?;
        if let Some(recorder) = &mut self.recorder {
            recorder.step(self.lanes[0].town(), action)?;
        }
        Ok(())
    }

    /// Does what a viewer asks.
    ///
    /// # Errors
    ///
    /// Where the command does not fit this session, is out of its range, or names what the source does not
    /// have. The session is then as it was.
    pub fn apply(&mut self, command: &Command) -> Result<(), SessionError> {
        if !command.fits(self.mode) {
            return Err(SessionError::NotInMode { command: command.name(), mode: self.mode });
        }
        match command {
            Command::Play {} => self.paused = false,
            Command::Pause {} => (self.paused, self.finishing) = (true, false),
            Command::Step {} => {
                (self.paused, self.finishing) = (true, false);
                self.advance()?;
            }
            Command::FinishEpisode {} => {
                (self.paused, self.finishing) = (true, true);
                if self.episode_is_over() {
                    self.advance()?;
                }
            }
            Command::Restart {} => self.start_over()?,
            Command::Speed { steps_per_second } => {
                check_speed(*steps_per_second)?;
                self.speed = *steps_per_second;
            }
            Command::Seed { seed } => {
                check_seed(*seed)?;
                self.seed = *seed;
                self.start_over()?;
            }
            Command::Epsilon { epsilon } => {
                check_epsilon(*epsilon)?;
                self.epsilon = *epsilon;
            }
            Command::Level { level } => self.set_level(level)?,
            Command::Checkpoint { checkpoint } => {
                let checkpoint = self.find_checkpoint(Some(checkpoint))?;
                self.try_rebuild(|session| {
                    session.checkpoint = Some(checkpoint);
                    session.follow = false;
                })?;
            }
            Command::Follow { enabled } => {
                self.follow = *enabled;
                self.pending = None;
                self.poll();
            }
            Command::SideBySide { beside } => {
                if let Beside::Checkpoint { checkpoint } = beside {
                    self.find_checkpoint(Some(checkpoint))?;
                }
                let beside = beside.clone();
                self.try_rebuild(|session| session.beside = beside)?;
            }
            Command::Act { action } => self.act(*action)?,
            Command::NextEpisode {} => {
                if self.episode_is_over() {
                    self.next_episode()?;
                    self.record_beginning()?;
                }
            }
            Command::Seek { step } => {
                self.paused = true;
                self.go_to(*step)?;
            }
            Command::Episode { episode } => {
                let count = self.scene.recorded_episodes.len();
                if *episode >= count {
                    return Err(SessionError::OutOfRange {
                        what: "episode",
                        expected: format!("0 to {}", count - 1),
                        found: episode.to_string(),
                    });
                }
                self.recorded_episode = *episode;
                self.go_to(0)?;
            }
        }
        Ok(())
    }

    fn set_level(&mut self, level: &str) -> Result<(), SessionError> {
        if self.recorder.is_some() {
            return Err(SessionError::Recorded);
        }
        if !self.catalogue.levels.iter().any(|known| known == level) {
            return Err(SessionError::NoSuchLevel {
                name: level.to_owned(),
                known: self.catalogue.levels.join(", "),
            });
        }
        self.try_rebuild(|session| level.clone_into(&mut session.level))
    }

    /// Changes what lanes are made from and makes them anew; leaves everything as it was where that fails.
    fn try_rebuild(&mut self, change: impl FnOnce(&mut Self)) -> Result<(), SessionError> {
        let before = (self.level.clone(), self.checkpoint.clone(), self.beside.clone(), self.follow);
        change(self);
        let rebuilt = self.rebuild();
        if rebuilt.is_err() {
            (self.level, self.checkpoint, self.beside, self.follow) = before;
        }
        rebuilt
    }
}
