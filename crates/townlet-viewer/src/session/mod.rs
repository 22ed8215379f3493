//! A session: one or two agents that are watched, a person who plays, or a recording.

mod commands;
mod lanes;
mod options;

use std::collections::VecDeque;
use std::io::{self, LineWriter, Write};
use std::sync::Arc;

use townlet_env::Action;
use townlet_env::trace::TraceWriter;

use crate::command::Beside;
use crate::frame::{Certificate, Frame, LevelFacts, Mode, Scene};
use crate::lane::Lane;
use crate::recording::Recording;
use crate::session_error::SessionError;
use crate::{CheckpointInfo, Source};
pub use options::{Catalogue, ReplayStatus, SessionOptions, Status};
use options::{check_epsilon, check_seed, check_speed};

/// How many certificates are kept.
const CERTIFICATES: usize = 12;

/// One or two agents in worlds that are stepped together.
///
/// Nothing in here waits or reads a clock: whoever owns a session calls [`advance`](Self::advance) as often
/// as [`Status::speed`] says, and the same commands in the same order give the same frames.
///
/// ```
/// use std::sync::Arc;
/// use townlet_viewer::{Beside, Command, Session, SessionOptions, UntrainedSource};
///
/// let source = Arc::new(UntrainedSource::default());
/// let options = SessionOptions { checkpoint: Some("echo".to_owned()), seed: 7, ..Default::default() };
/// let mut session = Session::watch(source, options)?;
/// session.apply(&Command::SideBySide { beside: Beside::MemoryWiped {} })?;
/// for _ in 0..10 {
///     session.advance()?;
/// }
/// let frame = session.frame();
/// let values = |lane: usize| frame.lanes[lane].thought.as_ref().map(|it| it.values.clone());
/// assert_eq!(frame.lanes[0].step, 10);
/// assert_ne!(values(0), values(1), "without its memory the same network thinks otherwise");
/// # Ok::<(), townlet_viewer::SessionError>(())
/// ```
pub struct Session {
    mode: Mode,
    source: Option<Arc<dyn Source>>,
    catalogue: Catalogue,
    level: String,
    checkpoint: Option<CheckpointInfo>,
    /// A newer checkpoint, to be loaded when the next episode begins.
    pending: Option<CheckpointInfo>,
    follow: bool,
    beside: Beside,
    seed: u64,
    epsilon: f64,
    speed: u16,
    paused: bool,
    finishing: bool,
    episode: u64,
    scene: Arc<Scene>,
    lanes: Vec<Lane>,
    certificates: VecDeque<Certificate>,
    certified: u64,
    longest: u32,
    recorder: Option<TraceWriter<LineWriter<Box<dyn Write + Send>>>>,
    recording: Option<Recording>,
    recorded_episode: usize,
}

impl Drop for Session {
    /// Ends the record: who stops playing in the middle of an episode has recorded all that there is.
    fn drop(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            // Nobody is left to tell. Without its last line the record says itself that it is cut short.
            drop(recorder.into_inner());
        }
    }
}

impl Session {
    /// Watches what a source has.
    ///
    /// # Errors
    ///
    /// Where an option is out of its range, or the source does not have what it names.
    pub fn watch(source: Arc<dyn Source>, options: SessionOptions) -> Result<Self, SessionError> {
        let mut session = Self::new(Mode::Watch, Some(source), &options)?;
        session.follow = options.checkpoint.is_none();
        session.checkpoint = Some(session.find_checkpoint(options.checkpoint.as_deref())?);
        session.beside = options.beside;
        session.rebuild()?;
        Ok(session)
    }

    /// Lets a person act. What they do is recorded in `record`, as a trace, where that is given.
    ///
    /// # Errors
    ///
    /// As [`watch`](Self::watch), and where the record cannot be written.
    pub fn play(
        source: Arc<dyn Source>,
        options: &SessionOptions,
        record: Option<Box<dyn Write + Send>>,
    ) -> Result<Self, SessionError> {
        let mut session = Self::new(Mode::Play, Some(source), options)?;
        session.rebuild()?;
        if let Some(record) = record {
            let town = session.lanes[0].town();
            let name = concat!("townlet ", env!("CARGO_PKG_VERSION"));
            let source = format!("{name}, a person, seed {}", session.seed);
            session.recorder = Some(TraceWriter::new(LineWriter::new(record), town.level(), &source)?);
            session.record_beginning()?;
        }
        Ok(session)
    }

    /// Plays a recording. `options` decides speed, and whether to wait.
    ///
    /// # Errors
    ///
    /// Where the recording makes no world.
    pub fn replay(recording: Recording, options: &SessionOptions) -> Result<Self, SessionError> {
        let mut session = Self::new(Mode::Replay, None, options)?;
        session.level.clone_from(&recording.level().name);
        session.recording = Some(recording);
        session.rebuild()?;
        Ok(session)
    }

    fn new(
        mode: Mode,
        source: Option<Arc<dyn Source>>,
        options: &SessionOptions,
    ) -> Result<Self, SessionError> {
        check_speed(options.speed)?;
        check_epsilon(options.epsilon)?;
        check_seed(options.seed)?;
        let mut session = Self {
            mode,
            source,
            catalogue: Catalogue::default(),
            level: String::new(),
            checkpoint: None,
            pending: None,
            follow: false,
            beside: Beside::Nobody {},
            seed: options.seed,
            epsilon: options.epsilon,
            speed: options.speed,
            paused: options.paused,
            finishing: false,
            episode: 0,
            scene: Arc::new(Scene {
                id: 0,
                mode,
                level: LevelFacts::default(),
                lanes: Vec::new(),
                recorded_episodes: Vec::new(),
            }),
            lanes: Vec::new(),
            certificates: VecDeque::new(),
            certified: 0,
            longest: 0,
            recorder: None,
            recording: None,
            recorded_episode: 0,
        };
        session.refresh();
        if let Some(level) = options.level.as_ref().or(session.catalogue.levels.first()) {
            session.level = level.clone();
        }
        Ok(session)
    }

    /// What stays the same from frame to frame. Its number changes when it does.
    pub fn scene(&self) -> &Arc<Scene> {
        &self.scene
    }

    /// This moment.
    pub fn frame(&self) -> Frame {
        Frame {
            scene: self.scene.id,
            episode: self.episode,
            lanes: self.lanes.iter().map(|lane| lane.frame().clone()).collect(),
        }
    }

    /// What can be changed, as it is now.
    pub fn status(&self) -> Status {
        let episode = self.recorded_episode;
        Status {
            mode: self.mode,
            paused: self.paused,
            speed: self.speed,
            seed: self.seed,
            epsilon: self.epsilon,
            level: self.level.clone(),
            checkpoint: self.checkpoint.as_ref().map(|checkpoint| checkpoint.id.clone()),
            follow: self.follow,
            beside: self.beside.clone(),
            longest: self.longest,
            recording: self.recorder.is_some(),
            replay: self
                .recording
                .as_ref()
                .map(|recording| ReplayStatus { episode, steps: recording.episodes()[episode].steps() }),
        }
    }

    /// What can be chosen from.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// How the last episodes ended, oldest first; at most 12.
    pub fn certificates(&self) -> impl ExactSizeIterator<Item = &Certificate> {
        self.certificates.iter()
    }

    /// How many certificates there have been.
    pub(crate) fn certified(&self) -> u64 {
        self.certified
    }

    /// Whether it goes on by itself, and would do so without waiting between steps.
    pub(crate) fn goes_on(&self) -> (bool, bool) {
        (self.mode != Mode::Play && (!self.paused || self.finishing), self.finishing)
    }

    /// Whether the episode of every agent is over.
    pub fn episode_is_over(&self) -> bool {
        self.lanes.iter().all(Lane::ended)
    }

    /// Asks the source what is new. A session that follows notes a new checkpoint, and loads it when the
    /// next episode begins.
    pub fn poll(&mut self) {
        if self.follow {
            self.refresh_checkpoint();
        } else {
            self.refresh();
        }
    }

    /// Loads the newest checkpoint when the next episode begins, whether the session follows or not.
    pub fn refresh_checkpoint(&mut self) {
        self.refresh();
        let is_new =
            |latest: &&CheckpointInfo| self.checkpoint.as_ref().is_none_or(|current| current.id != latest.id);
        self.pending = self.catalogue.checkpoints.last().filter(is_new).cloned();
    }

    fn refresh(&mut self) {
        if let Some(source) = &self.source {
            self.catalogue =
                Catalogue { levels: source.levels(), checkpoints: source.checkpoints(), run: source.facts() };
        }
    }

    /// Takes one step in every lane whose episode goes on; where all are over, begins the next episode. A
    /// replay that is at its end waits.
    ///
    /// # Errors
    ///
    /// Where a brain does something impossible, a new checkpoint cannot be loaded (the old one stays), or a
    /// record cannot be written.
    pub fn advance(&mut self) -> Result<(), SessionError> {
        match self.mode {
            Mode::Watch if self.episode_is_over() => self.next_episode(),
            Mode::Watch => self.step_lanes(None),
            Mode::Replay => self.advance_replay(),
            Mode::Play => Ok(()),
        }
    }

    fn advance_replay(&mut self) -> Result<(), SessionError> {
        let Some(recording) = &self.recording else { return Ok(()) };
        let episode = &recording.episodes()[self.recorded_episode];
        let step = self.lanes[0].frame().step;
        match episode.actions.get(step as usize).copied() {
            Some(action) => {
                let last = step + 1 == episode.steps();
                self.step_lanes(Some(action))?;
                if last && self.recorded_episode + 1 == self.scene.recorded_episodes.len() {
                    self.paused = true;
                }
                self.finishing &= !last;
                Ok(())
            }
            None if self.recorded_episode + 1 < recording.episodes().len() => {
                self.recorded_episode += 1;
                self.go_to(0)
            }
            None => {
                self.paused = true;
                Ok(())
            }
        }
    }

    fn step_lanes(&mut self, action: Option<Action>) -> Result<(), SessionError> {
        let was_over: Vec<bool> = self.lanes.iter().map(Lane::ended).collect();
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            lane.advance(action, self.epsilon)?;
            lane.sign(index, self.episode);
        }
        for (lane, was_over) in self.lanes.iter().zip(was_over) {
            if let (false, Some(certificate)) = (was_over, &lane.frame().ended) {
                if self.certificates.len() == CERTIFICATES {
                    self.certificates.pop_front();
                }
                self.certificates.push_back(certificate.clone());
                self.certified += 1;
                self.longest = self.longest.max(certificate.steps);
            }
        }
        if self.episode_is_over() {
            self.finishing = false;
        }
        Ok(())
    }

    /// Goes to a step of the current episode of a replay, or to its last one.
    pub(super) fn go_to(&mut self, step: u32) -> Result<(), SessionError> {
        let Some(recording) = &self.recording else { return Ok(()) };
        let episode = &recording.episodes()[self.recorded_episode];
        self.episode = self.recorded_episode as u64;
        let lane = &mut self.lanes[0];
        if step < lane.frame().step || step == 0 || lane.ended() {
            lane.place(&episode.start)?;
        }
        let steps = step.min(episode.steps()) as usize;
        while (lane.frame().step as usize) < steps {
            lane.advance(Some(episode.actions[lane.frame().step as usize]), 0.0)?;
            lane.sign(0, self.episode);
        }
        Ok(())
    }

    pub(super) fn record_beginning(&mut self) -> Result<(), SessionError> {
        if let Some(recorder) = &mut self.recorder {
            recorder.begin(&format!("episode {}", self.episode), self.lanes[0].town(), 0)?;
        }
        Ok(())
    }
}

impl From<io::Error> for SessionError {
    fn from(error: io::Error) -> Self {
        Self::Record(error)
    }
}
