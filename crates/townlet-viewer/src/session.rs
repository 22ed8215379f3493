//! A session: one or two agents that are watched, a person who plays, or a recording.

use std::collections::VecDeque;
use std::io::{self, LineWriter, Write};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use townlet_env::trace::TraceWriter;
use townlet_env::{Action, Town};

use crate::command::{Beside, Command, MAX_SEED, SPEEDS};
use crate::frame::{Certificate, Frame, LaneFacts, LevelFacts, Mode, Scene};
use crate::lane::Lane;
use crate::recording::Recording;
use crate::session_error::SessionError;
use crate::{CheckpointInfo, RunFacts, Source};

/// How many certificates are kept.
const CERTIFICATES: usize = 12;

/// How a session begins. [`Default`] is the newest checkpoint in the usual level.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionOptions {
    /// The level; none for the usual one.
    pub level: Option<String>,
    /// The checkpoint, to stay on; none for the newest, and to follow.
    pub checkpoint: Option<String>,
    /// What episodes follow from.
    pub seed: u64,
    /// How often to act at random.
    pub epsilon: f64,
    /// Steps a second, 1 to 200.
    pub speed: u16,
    /// Whether to wait to be told to play.
    pub paused: bool,
    /// Who is beside the agent.
    pub beside: Beside,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            level: None,
            checkpoint: None,
            seed: 0,
            epsilon: 0.0,
            speed: 5,
            paused: false,
            beside: Beside::Nobody {},
        }
    }
}

/// What can be changed about a session, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// How it is driven.
    pub mode: Mode,
    /// Whether it waits.
    pub paused: bool,
    /// Steps a second.
    pub speed: u16,
    /// What episodes follow from.
    pub seed: u64,
    /// How often the agent acts at random.
    pub epsilon: f64,
    /// The level.
    pub level: String,
    /// The checkpoint that acts, if one does.
    pub checkpoint: Option<String>,
    /// Whether each new checkpoint is loaded.
    pub follow: bool,
    /// Who is beside the agent.
    pub beside: Beside,
    /// Whether what a person plays is recorded.
    pub recording: bool,
    /// For a replay: which episode, and how many steps it has.
    pub replay: Option<ReplayStatus>,
}

/// Where a replay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayStatus {
    /// The index of the episode.
    pub episode: usize,
    /// How many steps the episode has.
    pub steps: u32,
}

/// What can be chosen from, and what is known of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Catalogue {
    /// The levels.
    pub levels: Vec<String>,
    /// The checkpoints, oldest first.
    pub checkpoints: Vec<CheckpointInfo>,
    /// The run.
    pub run: RunFacts,
}

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
    recorder: Option<TraceWriter<LineWriter<Box<dyn Write + Send>>>>,
    recording: Option<Recording>,
    recorded_episode: usize,
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
            }
        }
        if self.episode_is_over() {
            self.finishing = false;
        }
        Ok(())
    }

    /// Begins the next episode, with a newer checkpoint where one is pending.
    fn next_episode(&mut self) -> Result<(), SessionError> {
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
    fn put_in(&mut self, checkpoint: CheckpointInfo) -> Result<(), SessionError> {
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

    fn load(&self, checkpoint: &CheckpointInfo) -> Result<Box<dyn crate::Brain>, SessionError> {
        let source = self.source()?;
        let (brain, world) = (source.brain(&checkpoint.id)?, source.world(&self.level)?);
        brain.accepts(world.observation_layout()).map_err(|reason| SessionError::DoesNotFit {
            checkpoint: checkpoint.id.clone(),
            level: self.level.clone(),
            reason,
        })?;
        Ok(brain)
    }

    fn source(&self) -> Result<&Arc<dyn Source>, SessionError> {
        self.source.as_ref().ok_or(SessionError::NoSource)
    }

    fn find_checkpoint(&self, id: Option<&str>) -> Result<CheckpointInfo, SessionError> {
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
    fn rebuild(&mut self) -> Result<(), SessionError> {
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
        self.lanes = lanes;
        self.pending = None;
        self.set_scene();
        self.start_over()
    }

    fn watched_lanes(&self) -> Result<Vec<Lane>, SessionError> {
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

    fn set_scene(&mut self) {
        let episodes = self.recording.as_ref().map_or(&[][..], Recording::episodes);
        self.scene = Arc::new(Scene {
            id: self.scene.id + 1,
            mode: self.mode,
            level: LevelFacts::new(self.lanes[0].town().level()),
            lanes: self.lanes.iter().map(|lane| lane.facts.clone()).collect(),
            recorded_episodes: episodes.iter().map(|episode| episode.name.clone()).collect(),
        });
    }

    fn start_over(&mut self) -> Result<(), SessionError> {
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

    /// Goes to a step of the current episode of a replay, or to its last one.
    fn go_to(&mut self, step: u32) -> Result<(), SessionError> {
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

    fn record_beginning(&mut self) -> Result<(), SessionError> {
        if let Some(recorder) = &mut self.recorder {
            recorder.begin(&format!("episode {}", self.episode), self.lanes[0].town(), 0)?;
        }
        Ok(())
    }

    fn act(&mut self, action: Action) -> Result<(), SessionError> {
        let actions = Town::ACTION_NAMES.len();
        if usize::from(action) >= actions {
            let expected = format!("0 to {}", actions - 1);
            return Err(SessionError::OutOfRange { what: "action", expected, found: action.to_string() });
        }
        if self.episode_is_over() {
            self.next_episode()?;
            return self.record_beginning();
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

fn lane_facts(title: &str, checkpoint: Option<&CheckpointInfo>, keeps_memory: bool) -> LaneFacts {
    LaneFacts {
        title: title.to_owned(),
        checkpoint: checkpoint.map(|checkpoint| checkpoint.id.clone()),
        trained_steps: checkpoint.map(|checkpoint| checkpoint.steps),
        keeps_memory,
    }
}

fn check_speed(speed: u16) -> Result<(), SessionError> {
    let expected = || format!("{} to {} steps a second", SPEEDS.start(), SPEEDS.end());
    within("speed", SPEEDS.contains(&speed), expected, speed)
}

fn check_epsilon(epsilon: f64) -> Result<(), SessionError> {
    within("epsilon", (0.0..=1.0).contains(&epsilon), || "0 to 1".to_owned(), epsilon)
}

fn check_seed(seed: u64) -> Result<(), SessionError> {
    within("seed", seed <= MAX_SEED, || format!("0 to {MAX_SEED}"), seed)
}

fn within(
    what: &'static str,
    is_within: bool,
    expected: impl FnOnce() -> String,
    found: impl ToString,
) -> Result<(), SessionError> {
    if is_within {
        Ok(())
    } else {
        Err(SessionError::OutOfRange { what, expected: expected(), found: found.to_string() })
    }
}

impl From<io::Error> for SessionError {
    fn from(error: io::Error) -> Self {
        Self::Record(error)
    }
}
