//! The event file that TensorBoard reads.
//!
//! The axis is environment steps. Every record of the run is one event with one or more values:
//!
//! | Record | Values |
//! |---|---|
//! | episode | `episode/survival`, `episode/return`, `episode/extrinsic_reward`, `episode/intrinsic_reward`, `episode/intrinsic_weight`, `episode/epsilon`, `curriculum/stage` |
//! | update | `update/loss`, `update/grad_norm`, `update/mean_q`, `update/mean_target`, `update/epsilon`, `update/learning_rate` |
//! | evaluation | `evaluation/survival_mean`, `evaluation/survival_standard_error`, `evaluation/reached_limit`, `evaluation/mean_return` |
//! | histogram | its own tag |

mod messages;
mod record_file;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use prost::Message;

use crate::error::MetricsError;
use crate::recovery::Loss;
use crate::rows::{Position, Record};
use messages::{Event, HistogramProto, Shown, Summary, Value, What};
use record_file::{Found, RecordReader, write_record};

/// How the names of event files begin. TensorBoard asks for "tfevents" in them.
const PREFIX: &str = "events.out.tfevents.";

/// What event files are called in messages where there is none.
pub(crate) const EVENTS: &str = "events.out.tfevents.*";

/// What the first event of a file says.
const VERSION: &str = "brain.Event:2";

/// Counts the episodes in a file: every episode has one.
const SURVIVAL: &str = "episode/survival";

/// The event file of a run that is being recorded.
#[derive(Debug)]
pub(crate) struct EventFile {
    path: PathBuf,
    file: BufWriter<File>,
    /// Where the run was resumed, and what the file holds of that very step.
    resumed: Option<(u64, BTreeSet<String>)>,
}

impl EventFile {
    /// Begins the event file of a new run in the folder, at `now` in seconds since 1970.
    pub(crate) fn create(folder: &Path, now: f64) -> Result<Self, MetricsError> {
        Self::create_at(folder, Position::default(), now)
    }

    /// Begins the event file of a run that is at `at` and has none so far.
    pub(crate) fn create_at(folder: &Path, at: Position, now: f64) -> Result<Self, MetricsError> {
        if let Some(path) = find(folder)? {
            return Err(MetricsError::AlreadyExists { path });
        }
        // The time in the name is what TensorBoard's own writers put there.
        let path = folder.join(format!("{PREFIX}{:010}.townlet", now.max(0.0) as u64));
        let file =
            OpenOptions::new().write(true).create_new(true).open(&path).map_err(MetricsError::io(&path))?;
        Self::begin(path, file, at, now)
    }

    fn begin(path: PathBuf, file: File, at: Position, now: f64) -> Result<Self, MetricsError> {
        let mut events = Self { path, file: BufWriter::new(file), resumed: None };
        events.append(&Event {
            wall_time: now,
            // Says nothing to TensorBoard. Here it tells how many episodes of the run are not in this file.
            step: at.episodes as i64,
            what: Some(What::FileVersion(VERSION.to_owned())),
        })?;
        events.flush()?;
        Ok(events)
    }

    /// Goes on with the event file in the folder, cut before the first event that is later than `at`; begins
    /// one where there is none.
    pub(crate) fn resume(folder: &Path, at: Position, now: f64) -> Result<Self, MetricsError> {
        let Some((path, kept)) = Self::cut(folder, at)? else {
            return Self::create_at(folder, at, now);
        };
        let file = OpenOptions::new().append(true).open(&path).map_err(MetricsError::io(&path))?;
        if kept.end == 0 {
            return Self::begin(path, file, at, now);
        }
        Ok(Self { path, file: BufWriter::new(file), resumed: Some((at.steps, kept.at_the_end)) })
    }

    /// Cuts the event file in the folder before the first event that is later than `at`, if there is one.
    pub(crate) fn cut(folder: &Path, at: Position) -> Result<Option<(PathBuf, Kept)>, MetricsError> {
        let Some(path) = find(folder)? else { return Ok(None) };
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(MetricsError::io(&path))?;
        let kept = kept_until(&path, &file, at)?;
        file.set_len(kept.end).map_err(MetricsError::io(&path))?;
        Ok(Some((path, kept)))
    }

    /// Takes in a record, at `now` in seconds since 1970. It is in the file after the next
    /// [`flush`](Self::flush).
    pub(crate) fn write(&mut self, record: &Record, now: f64) -> Result<(), MetricsError> {
        let (step, value) = match record {
            Record::Episode(episode) => {
                let row = &episode.row;
                let values = [
                    (SURVIVAL, row.survival_time as f64),
                    ("episode/return", row.total_reward),
                    ("episode/extrinsic_reward", row.extrinsic_reward),
                    ("episode/intrinsic_reward", row.intrinsic_reward),
                    ("episode/intrinsic_weight", row.intrinsic_weight),
                    ("episode/epsilon", row.epsilon),
                    ("curriculum/stage", row.curriculum_stage as f64),
                ];
                (row.steps, scalars(&values))
            }
            Record::Update(row) => {
                let values = [
                    ("update/loss", row.loss),
                    ("update/grad_norm", row.grad_norm),
                    ("update/mean_q", row.mean_q),
                    ("update/mean_target", row.mean_target),
                    ("update/epsilon", row.epsilon),
                    ("update/learning_rate", row.learning_rate),
                ];
                (row.steps, scalars(&values))
            }
            Record::Evaluation(row) => {
                let values = [
                    ("evaluation/survival_mean", row.survival_mean),
                    ("evaluation/survival_standard_error", row.survival_standard_error),
                    ("evaluation/reached_limit", row.reached_limit),
                    ("evaluation/mean_return", row.mean_return),
                ];
                (row.steps, self.not_yet_there(row.steps, scalars(&values)))
            }
            Record::Histogram(histogram) => {
                let shown = HistogramProto::of(&histogram.values).map(Shown::Histogram);
                let value = shown.map(|shown| Value { tag: histogram.tag.clone(), shown: Some(shown) });
                (histogram.steps, self.not_yet_there(histogram.steps, value.into_iter().collect()))
            }
            Record::Death(_) | Record::Stage(_) | Record::State(_) => return Ok(()),
        };
        if value.is_empty() {
            return Ok(());
        }
        self.append(&Event {
            wall_time: now,
            step: step as i64,
            what: Some(What::Summary(Summary { value })),
        })
    }

    /// Leaves out what the file held already when the run was resumed: an evaluation or a histogram of that
    /// very step is made again if it came after the checkpoint.
    fn not_yet_there(&self, steps: u64, mut values: Vec<Value>) -> Vec<Value> {
        if let Some((at, there)) = &self.resumed
            && steps == *at
        {
            values.retain(|value| !there.contains(&value.tag));
        }
        values
    }

    fn append(&mut self, event: &Event) -> Result<(), MetricsError> {
        write_record(&mut self.file, &event.encode_to_vec()).map_err(MetricsError::io(&self.path))
    }

    /// Hands over to the system what was taken in so far.
    pub(crate) fn flush(&mut self) -> Result<(), MetricsError> {
        self.file.flush().map_err(MetricsError::io(&self.path))
    }

    /// Puts on the disk what was taken in so far.
    pub(crate) fn sync(&mut self) -> Result<(), MetricsError> {
        self.flush()?;
        self.file.get_ref().sync_all().map_err(MetricsError::io(&self.path))
    }
}

/// One event with all its values.
fn scalars(values: &[(&str, f64)]) -> Vec<Value> {
    values
        .iter()
        .map(|&(tag, value)| Value { tag: tag.to_owned(), shown: Some(Shown::SimpleValue(value as f32)) })
        .collect()
}

/// The event file in the folder: the last one by name, if there are several. Those that were set aside are none.
pub(crate) fn find(folder: &Path) -> Result<Option<PathBuf>, MetricsError> {
    let mut found = None;
    for entry in fs::read_dir(folder).map_err(MetricsError::io(folder))? {
        let entry = entry.map_err(MetricsError::io(folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && !Loss::is_set_aside(&name) {
            found = found.max(Some(entry.path()));
        }
    }
    Ok(found)
}

/// What a resumed run keeps of its event file.
#[derive(Debug)]
pub(crate) struct Kept {
    /// How many bytes.
    end: u64,
    /// Which evaluations and histograms it has of the step at which the run is resumed.
    at_the_end: BTreeSet<String>,
}

fn kept_until(path: &Path, file: &File, at: Position) -> Result<Kept, MetricsError> {
    let length = file.metadata().map_err(MetricsError::io(path))?.len();
    let mut reader = RecordReader::new(BufReader::new(file), length);
    let mut kept = Kept { end: 0, at_the_end: BTreeSet::new() };
    let mut episodes = 0;
    loop {
        let bytes = match reader.next().map_err(MetricsError::io(path))? {
            Found::Record(bytes) => bytes,
            Found::Damaged if kept.end == 0 => return Err(foreign(path)),
            // What was recorded before a checkpoint was on the disk before it, so damage later than that is
            // what a power cut leaves.
            Found::Damaged if episodes < at.episodes => {
                return Err(MetricsError::Damaged {
                    path: path.to_path_buf(),
                    at: kept.end,
                    steps: at.steps,
                });
            }
            // Emptied, or it lost its end. Nothing in it is wrong, but what follows would not belong to it.
            Found::Torn | Found::End if episodes < at.episodes => {
                let (what, path) = ("episodes", path.to_path_buf());
                return Err(MetricsError::Behind { path, what, found: episodes, expected: at.episodes });
            }
            Found::Damaged | Found::Torn | Found::End => return Ok(kept),
        };
        let event = Event::decode(&bytes[..]).map_err(|_| foreign(path))?;
        match event.what {
            Some(What::FileVersion(version)) if kept.end == 0 && version == VERSION => {
                episodes = event.step.max(0) as u64;
            }
            _ if kept.end == 0 => return Err(foreign(path)),
            _ if event.step as u64 > at.steps => return Ok(kept),
            Some(What::Summary(summary)) => {
                for Value { tag, .. } in summary.value {
                    episodes += u64::from(tag == SURVIVAL);
                    if event.step as u64 == at.steps {
                        kept.at_the_end.insert(tag);
                    }
                }
            }
            _ => {}
        }
        kept.end = reader.position();
    }
}

fn foreign(path: &Path) -> MetricsError {
    MetricsError::Foreign {
        path: path.to_path_buf(),
        expected: "a file of TensorBoard's events",
        found: "something else".to_owned(),
    }
}

#[cfg(test)]
mod tests;
