//! An episode, moment by moment.

use serde::{Deserialize, Serialize};
use townlet_text::printable;

use super::ExportError;
use crate::frame::{Frame, Mode, Scene};
use crate::{Command, Recording, Session, SessionError, SessionOptions};

/// The most frames that a film has. A frame is about 5 KB of JSON.
pub const MOST_FRAMES: usize = 10_000;

/// One episode, from its start to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Film {
    /// Where it comes from, for a person.
    pub source: String,
    /// The world and who is in it.
    pub scene: Scene,
    /// The start, and the moment after each step.
    pub frames: Vec<Frame>,
}

impl Film {
    /// An episode of a recording.
    ///
    /// # Errors
    ///
    /// Where there is no such episode, or it is too long.
    pub fn of_recording(recording: &Recording, episode: usize) -> Result<Self, ExportError> {
        let Some(recorded) = recording.episodes().get(episode) else {
            return Err(ExportError::NoSuchEpisode { episode, last: recording.episodes().len() - 1 });
        };
        let steps = recorded.steps() as usize;
        if steps >= MOST_FRAMES {
            return Err(ExportError::TooLong);
        }
        let source = format!("{}, {}", printable(recording.source()), printable(&recorded.name));
        let mut session = Session::replay(recording.clone(), &SessionOptions::default())?;
        session.apply(&Command::Episode { episode })?;
        Self::play(&mut session, source, |frames, _| frames > steps)
    }

    /// The first episode of a session's seed, played to its end. Unlike a recording it shows what the agent
    /// thought and remembered.
    ///
    /// # Errors
    ///
    /// Where a person plays the session, it cannot be played, or the episode is too long.
    pub fn of_session(session: &mut Session) -> Result<Self, ExportError> {
        let status = session.status();
        if status.mode != Mode::Watch {
            let mode = status.mode;
            return Err(SessionError::NotInMode { command: "finish_episode", mode }.into());
        }
        session.apply(&Command::Restart {})?;
        let agent = status.checkpoint.unwrap_or_default();
        let source = format!("{agent} in {}, seed {}", status.level, status.seed);
        Self::play(session, source, |_, session| session.episode_is_over())
    }

    /// Keeps the first `steps` steps.
    pub fn cut(&mut self, steps: u32) {
        self.frames.truncate((steps as usize).saturating_add(1));
    }

    /// Adds frames until `is_over` says so of their number and the session.
    fn play(
        session: &mut Session,
        source: String,
        is_over: impl Fn(usize, &Session) -> bool,
    ) -> Result<Self, ExportError> {
        let mut frames = vec![session.frame()];
        while !is_over(frames.len(), session) {
            if frames.len() == MOST_FRAMES {
                return Err(ExportError::TooLong);
            }
            session.advance()?;
            frames.push(session.frame());
        }
        Ok(Self { source, scene: session.scene().as_ref().clone(), frames })
    }
}
