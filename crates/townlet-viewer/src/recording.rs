//! Recorded episodes, read from a trace and checked, ready to be played.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;
use townlet_env::trace::{TraceDifference, TraceError, TraceReader, TraceRecord, TraceReport, verify};
use townlet_env::{Action, AgentState, Layout, Level};

/// The episodes of a trace. Every value in it has been compared with a replay, to the last bit.
#[derive(Clone, Debug)]
pub struct Recording {
    source: String,
    level: Level,
    episodes: Vec<RecordedEpisode>,
    cut_short: bool,
}

/// One of its episodes.
#[derive(Clone, Debug)]
pub struct RecordedEpisode {
    /// What it is called.
    pub name: String,
    pub(crate) start: AgentState,
    pub(crate) actions: Vec<Action>,
}

impl RecordedEpisode {
    /// How many steps were recorded.
    pub fn steps(&self) -> u32 {
        self.actions.len() as u32
    }
}

impl Recording {
    /// Reads the trace at `path` and compares it with a replay. One that ends too early at the end of a line is read as
    /// far as it goes; [`is_cut_short`](Self::is_cut_short) tells.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, is not a trace, does not replay, or holds no episode.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, RecordingError> {
        let path = path.as_ref();
        let read = |source| RecordingError::Read { path: path.to_path_buf(), source };
        let file = fs::File::open(path).map_err(read)?;
        Self::read(file, &path.display().to_string())
    }

    /// As [`load`](Self::load), from any input. `source_name` names it in errors.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn read(mut input: impl Read, source_name: &str) -> Result<Self, RecordingError> {
        let mut bytes = Vec::new();
        input
            .read_to_end(&mut bytes)
            .map_err(|source| RecordingError::Read { path: source_name.into(), source })?;
        let cut_short = match verify(&bytes[..], source_name, None) {
            Ok(TraceReport { difference: None, .. }) => false,
            Ok(TraceReport { difference: Some(difference), .. }) => {
                let source_name = source_name.to_owned();
                return Err(RecordingError::Differs { source_name, difference: Box::new(difference) });
            }
            Err(TraceError::NoEnd { .. }) => true,
            Err(error) => return Err(error.into()),
        };
        let reader = TraceReader::new(&bytes[..], source_name)?;
        let source = reader.header().source.clone();
        let level = reader.header().replay_level().map_err(|fault| TraceError::Invalid {
            source_name: source_name.to_owned(),
            line: 1,
            fault,
        })?;
        let mut episodes: Vec<RecordedEpisode> = Vec::new();
        let mut own_layouts = false;
        for record in reader {
            match record {
                Err(TraceError::NoEnd { .. }) => break,
                Err(error) => return Err(error.into()),
                Ok(TraceRecord::Episode(episode)) => {
                    let layout = episode.affordances.map(|it| it.iter().filter_map(|it| it.cell).collect());
                    own_layouts |= layout.is_some();
                    episodes.push(RecordedEpisode {
                        name: episode.episode,
                        start: AgentState {
                            cell: episode.start.cell,
                            meters: episode.start.meters,
                            hour: episode.start.hour.unwrap_or(0),
                            progress: episode.start.progress,
                            affordances: layout,
                        },
                        actions: Vec::new(),
                    });
                }
                Ok(TraceRecord::Step(step)) => {
                    if let Some(episode) = episodes.last_mut() {
                        episode.actions.push(step.action);
                    }
                }
            }
        }
        if episodes.is_empty() {
            return Err(RecordingError::Empty { source_name: source_name.to_owned() });
        }
        let mut recording = Self { source, level, episodes, cut_short };
        if own_layouts {
            recording.lay_out_every_episode();
        }
        Ok(recording)
    }

    /// Makes one world fit all episodes: one in which each says where its affordances stand.
    fn lay_out_every_episode(&mut self) {
        let usual: Option<Vec<_>> = self.level.affordances.iter().map(|it| it.cell).collect();
        self.level.layout = Layout::Shuffled;
        for episode in &mut self.episodes {
            if episode.start.affordances.is_none() {
                episode.start.affordances.clone_from(&usual);
            }
        }
    }

    /// Who recorded it, in the words of the trace.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the trace ends before its end: its recording was stopped, or a copy was.
    pub fn is_cut_short(&self) -> bool {
        self.cut_short
    }

    /// The level that it plays in.
    pub fn level(&self) -> &Level {
        &self.level
    }

    /// The episodes, at least one.
    pub fn episodes(&self) -> &[RecordedEpisode] {
        &self.episodes
    }
}

/// Why a recording cannot be played.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// No bytes.
    #[error("cannot read the trace {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Not a trace.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// A trace of another world.
    #[error("{source_name} does not replay: {difference}; record it again with this version")]
    Differs {
        /// The file.
        source_name: String,
        /// The first difference.
        difference: Box<TraceDifference>,
    },
    /// A trace without an episode.
    #[error("{source_name} holds no episode; record at least one")]
    Empty {
        /// The file.
        source_name: String,
    },
}
