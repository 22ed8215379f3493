//! A trace, read line by line.

use std::io::BufRead;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    TRACE_FORMAT, TRACE_FORMAT_WITHOUT_END, TraceAffordance, TraceCounts, TraceEnd, TraceEpisode, TraceError,
    TraceFault, TraceHeader, TraceStart, TraceStep,
};

/// Reads a trace and checks that every line fits its header and its place: names, lengths, order. Where the trace
/// ends before its end, the last record is an error; of one in the format of [`TRACE_FORMAT_WITHOUT_END`] nothing
/// tells.
///
/// It does not replay anything; see [`verify`](super::verify) for that.
///
/// ```
/// use townlet_env::trace::{TraceReader, TraceRecord, TraceWriter};
/// use townlet_env::{Level, Town, VectorEnv};
///
/// let mut town = Town::new(Level::builtin("pomdp")?, 1)?;
/// let mut trace = TraceWriter::new(Vec::new(), town.level(), "an example")?;
/// trace.begin("one step", &town, 0)?;
/// town.step(&[0])?;
/// trace.step(&town, 0)?;
/// let trace = trace.into_inner()?;
///
/// let mut reader = TraceReader::new(&trace[..], "example.jsonl")?;
/// assert_eq!(reader.header().meters[0], "energy");
/// let records = reader.collect::<Result<Vec<_>, _>>()?;
/// let [TraceRecord::Episode(episode), TraceRecord::Step(step)] = &records[..] else { panic!() };
/// assert_eq!(episode.episode, "one step");
/// assert_eq!(step.action, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TraceReader<R> {
    lines: Lines<R>,
    header: TraceHeader,
    observation_len: usize,
    /// The episode that steps belong to now, and whether it is over.
    episode: Option<(String, bool)>,
    /// What was read so far.
    counts: TraceCounts,
    ended: bool,
    failed: bool,
}

/// A line of a trace after its header.
#[derive(Clone, Debug, PartialEq)]
pub enum TraceRecord {
    /// An episode begins.
    Episode(TraceEpisode),
    /// The current episode goes on.
    Step(TraceStep),
}

impl<R: BufRead> TraceReader<R> {
    /// Reads the header. `source_name` names the input in errors, usually the path of the file.
    ///
    /// # Errors
    ///
    /// Where there is no header, or it has another format.
    pub fn new(input: R, source_name: &str) -> Result<Self, TraceError> {
        let mut lines = Lines { input, source_name: source_name.to_owned(), text: String::new(), number: 0 };
        if !lines.advance()? {
            lines.number = 1;
            return Err(lines.invalid(TraceFault::NoHeader));
        }
        let tag: FormatTag<'_> = lines.parse()?;
        let found = tag.format.map_or("no such key", RawValue::get);
        let known =
            |format: &str| found.strip_prefix('"').and_then(|it| it.strip_suffix('"')) == Some(format);
        if ![TRACE_FORMAT, TRACE_FORMAT_WITHOUT_END].into_iter().any(known) {
            let found = found.to_owned();
            return Err(lines.invalid(TraceFault::Format { found }));
        }
        let header: TraceHeader = lines.parse()?;
        let observation_len = header.observation_layout().len();
        let counts = TraceCounts::default();
        Ok(Self { lines, header, observation_len, episode: None, counts, ended: false, failed: false })
    }

    /// The header.
    pub fn header(&self) -> &TraceHeader {
        &self.header
    }

    /// The number of the line that was read last, from 1.
    pub fn line(&self) -> usize {
        self.lines.number
    }

    /// An error at the line that was read last.
    pub(super) fn invalid(&self, fault: TraceFault) -> TraceError {
        self.lines.invalid(fault)
    }

    fn read(&mut self) -> Result<Option<TraceRecord>, TraceError> {
        if !self.lines.advance()? {
            if self.ended || !self.header.has_end() {
                return Ok(None);
            }
            let (source_name, line) = (self.lines.source_name.clone(), self.lines.number);
            return Err(TraceError::NoEnd { source_name, line });
        }
        if self.ended {
            return Err(self.invalid(TraceFault::AfterEnd));
        }
        let kind: LineKind = self.lines.parse()?;
        let record = match kind {
            LineKind { end: Some(_), .. } => {
                let TraceEnd { end } = self.lines.parse()?;
                self.check_end(end).map_err(|fault| self.invalid(fault))?;
                self.ended = true;
                return self.read();
            }
            LineKind { episode: Some(_), .. } => TraceRecord::Episode(self.lines.parse()?),
            LineKind { action: Some(_), .. } => TraceRecord::Step(self.lines.parse()?),
            _ => return Err(self.invalid(TraceFault::UnknownLine)),
        };
        match &record {
            TraceRecord::Episode(episode) => {
                self.counts.episodes += 1;
                self.check_episode(episode)
            }
            TraceRecord::Step(step) => {
                self.counts.steps += 1;
                self.check_step(step)
            }
        }
        .map_err(|fault| self.invalid(fault))?;
        Ok(Some(record))
    }

    fn check_end(&self, said: TraceCounts) -> Result<(), TraceFault> {
        if !self.header.has_end() {
            return Err(TraceFault::EndWithoutFormat);
        }
        let found = self.counts;
        if said == found { Ok(()) } else { Err(TraceFault::Counts { said, found }) }
    }

    fn check_episode(&mut self, episode: &TraceEpisode) -> Result<(), TraceFault> {
        self.episode = Some((episode.episode.clone(), false));
        let TraceStart { meters, observation, hour, .. } = &episode.start;
        expect_len("start.meters", self.header.meters.len(), meters.len())?;
        expect_len("start.observation", self.observation_len, observation.len())?;
        self.expect_temporal("start.hour", hour.is_some())?;
        match &episode.affordances {
            Some(layout) => self.check_layout(layout),
            None if self.header.affordances.iter().any(|affordance| affordance.cell.is_none()) => {
                let reason = "the header does not say where the affordances stand";
                Err(TraceFault::MissingKey { key: "affordances", reason })
            }
            None => Ok(()),
        }
    }

    fn check_layout(&self, layout: &[TraceAffordance]) -> Result<(), TraceFault> {
        expect_len("affordances", self.header.affordances.len(), layout.len())?;
        for (index, (expected, found)) in self.header.affordances.iter().zip(layout).enumerate() {
            expect_equal(|| format!("affordances[{index}].name"), &expected.name, &found.name)?;
            if found.cell.is_none() {
                let reason = "an episode with a layout of its own says where every affordance stands";
                return Err(TraceFault::MissingKey { key: "cell", reason });
            }
        }
        Ok(())
    }

    fn check_step(&mut self, step: &TraceStep) -> Result<(), TraceFault> {
        match &mut self.episode {
            None => return Err(TraceFault::StepBeforeEpisode),
            Some((episode, true)) => return Err(TraceFault::StepAfterEnd { episode: episode.clone() }),
            Some((_, over)) => *over = step.terminated || step.truncated,
        }
        let num_actions = self.header.actions.len();
        if usize::from(step.action) >= num_actions {
            return Err(TraceFault::UnknownAction { found: step.action, num_actions });
        }
        expect_len("mask", num_actions, step.mask.len())?;
        expect_len("meters", self.header.meters.len(), step.meters.len())?;
        expect_len("observation", self.observation_len, step.observation.len())?;
        self.expect_temporal("hour", step.hour.is_some())?;
        self.expect_temporal("progress", step.progress.is_some())?;
        match &step.interaction {
            Some(name) if self.header.affordances.iter().all(|affordance| affordance.name != *name) => {
                let names: Vec<_> = self.header.affordances.iter().map(|it| it.name.as_str()).collect();
                Err(TraceFault::Mismatch {
                    key: "interaction".to_owned(),
                    expected: format!("null or one of {}", names.join(", ")),
                    found: format!("`{name}`"),
                })
            }
            _ => Ok(()),
        }
    }

    fn expect_temporal(&self, key: &'static str, present: bool) -> Result<(), TraceFault> {
        match (self.header.temporal, present) {
            (true, false) => {
                Err(TraceFault::MissingKey { key, reason: "the header says `\"temporal\": true`" })
            }
            (false, true) => Err(TraceFault::NotTemporal { key }),
            _ => Ok(()),
        }
    }
}

/// The records after the header, up to the first error.
impl<R: BufRead> Iterator for TraceReader<R> {
    type Item = Result<TraceRecord, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let record = self.read();
        self.failed = record.is_err();
        record.transpose()
    }
}

fn expect_len(key: &'static str, expected: usize, found: usize) -> Result<(), TraceFault> {
    if expected == found { Ok(()) } else { Err(TraceFault::Length { key, expected, found }) }
}

/// Holds one value of a line against what it must be, and says both as JSON where they differ.
pub(super) fn expect_equal<T: Serialize + PartialEq>(
    key: impl FnOnce() -> String,
    expected: &T,
    found: &T,
) -> Result<(), TraceFault> {
    if expected == found {
        return Ok(());
    }
    let json = |value: &T| serde_json::to_string(value).unwrap_or_else(|error| error.to_string());
    Err(TraceFault::Mismatch { key: key(), expected: json(expected), found: json(found) })
}

/// What is looked at before a first line is read as a header.
#[derive(Deserialize)]
struct FormatTag<'a> {
    #[serde(borrow)]
    format: Option<&'a RawValue>,
}

/// The keys that tell the lines after the header apart.
#[derive(Deserialize)]
struct LineKind {
    episode: Option<IgnoredAny>,
    action: Option<IgnoredAny>,
    end: Option<IgnoredAny>,
}

/// The input, a line at a time.
#[derive(Debug)]
struct Lines<R> {
    input: R,
    source_name: String,
    text: String,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line; false at the end of the input.
    fn advance(&mut self) -> Result<bool, TraceError> {
        self.text.clear();
        match self.input.read_line(&mut self.text) {
            Ok(0) => Ok(false),
            Ok(_) => {
                self.number += 1;
                Ok(true)
            }
            Err(source) => {
                let line = self.number + 1;
                Err(TraceError::Read { source_name: self.source_name.clone(), line, source })
            }
        }
    }
}

impl<R> Lines<R> {
    /// The current line as JSON.
    fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, TraceError> {
        serde_json::from_str(&self.text).map_err(|error| {
            let (source_name, line) = (self.source_name.clone(), self.number);
            if error.is_eof() && !self.text.ends_with('\n') {
                return TraceError::CutOff { source_name, line };
            }
            // The parser counts lines within this one.
            let message = error.to_string();
            let message = message.rsplit_once(" at line ").map_or(&*message, |(message, _)| message);
            TraceError::Malformed { source_name, line, column: error.column(), message: message.to_owned() }
        })
    }

    fn invalid(&self, fault: TraceFault) -> TraceError {
        TraceError::Invalid { source_name: self.source_name.clone(), line: self.number, fault }
    }
}
