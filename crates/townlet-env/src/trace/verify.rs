//! A trace, replayed and compared bit by bit.

use std::fmt;
use std::io::BufRead;

use townlet_text::printable;

use super::{TraceEpisode, TraceError, TraceFault, TraceReader, TraceRecord, TraceStep};
use crate::{Action, AgentState, Layout, Level, Town, VectorEnv};

/// What a replay found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceReport {
    /// How many episodes were begun.
    pub episodes: usize,
    /// How many steps were compared, the one that differs included.
    pub steps: usize,
    /// Whether the trace is of the format that says where it ends. Of an older one nobody can tell whether anything
    /// is missing after its last line.
    pub has_end: bool,
    /// Where replay and trace part, if they do. Nothing after it was compared.
    pub difference: Option<TraceDifference>,
}

/// The first value in which a replay differs from its trace.
///
/// ```
/// use townlet_env::trace::TraceDifference;
///
/// let difference = TraceDifference {
///     line: 9,
///     episode: "first".to_owned(),
///     step: Some(6),
///     field: "meters",
///     index: Some(2),
///     expected: "0.5".to_owned(),
///     found: "0.49999997".to_owned(),
/// };
/// assert_eq!(
///     difference.to_string(),
///     "line 9, episode `first`, step 6: meters[2] is 0.5 in the trace and 0.49999997 in the replay"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceDifference {
    /// The line of the trace, from 1.
    pub line: usize,
    /// The name of the episode.
    pub episode: String,
    /// The step within the episode, from 0; none for its start.
    pub step: Option<usize>,
    /// The key of the value.
    pub field: &'static str,
    /// Where in the list, if the value is one.
    pub index: Option<usize>,
    /// What the trace says.
    pub expected: String,
    /// What the replay gives.
    pub found: String,
}

impl fmt::Display for TraceDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, episode `{}`, ", self.line, printable(&self.episode))?;
        match self.step {
            Some(step) => write!(f, "step {step}: ")?,
            None => f.write_str("start: ")?,
        }
        f.write_str(self.field)?;
        if let Some(index) = self.index {
            write!(f, "[{index}]")?;
        }
        let (expected, found) = (printable(&self.expected), printable(&self.found));
        write!(f, " is {expected} in the trace and {found} in the replay")
    }
}

/// Replays every episode of a trace and compares all that it says, to the last bit, until something differs.
///
/// `source_name` names the input in errors, usually the path of the file. The world is `level` where one is
/// given, and otherwise what [`TraceHeader::replay_level`](super::TraceHeader::replay_level) finds: the
/// level in the header, or a built-in one.
///
/// ```
/// use townlet_env::trace::{TraceWriter, verify};
/// use townlet_env::{Level, Town, VectorEnv};
///
/// let mut town = Town::new(Level::builtin("pomdp")?, 1)?;
/// let mut trace = TraceWriter::new(Vec::new(), town.level(), "an example")?;
/// trace.begin("first", &town, 0)?;
/// town.step(&[0])?;
/// trace.step(&town, 0)?;
/// let trace = String::from_utf8(trace.into_inner()?)?;
///
/// // The agent survived its first step, which pays 5.5.
/// let forged = trace.replace(r#""reward":5.5"#, r#""reward":5.6"#);
/// let difference = verify(forged.as_bytes(), "forged.jsonl", None)?.difference.unwrap();
/// assert_eq!((difference.episode.as_str(), difference.step), ("first", Some(0)));
/// assert_eq!((difference.field, difference.found.as_str()), ("reward", "5.5"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Where the trace cannot be read, is not whole, makes no sense, or plays in another world than `level`. A different
/// outcome is not an error, but the report's [`difference`](TraceReport::difference).
pub fn verify(
    input: impl BufRead,
    source_name: &str,
    level: Option<&Level>,
) -> Result<TraceReport, TraceError> {
    let mut reader = TraceReader::new(input, source_name)?;
    let level = match level {
        Some(level) => reader.header().expect_level(level).map(|()| level.clone()),
        None => reader.header().replay_level(),
    }
    .map_err(|fault| reader.invalid(fault))?;
    let mut replay = Replay::new(level).map_err(|fault| reader.invalid(fault))?;
    let has_end = reader.header().has_end();
    let mut report = TraceReport { episodes: 0, steps: 0, has_end, difference: None };
    while let Some(record) = reader.next().transpose()? {
        replay.line = reader.line();
        let compared = match record {
            TraceRecord::Episode(episode) => {
                report.episodes += 1;
                replay.begin(episode).map_err(|fault| reader.invalid(fault))?
            }
            TraceRecord::Step(step) => {
                report.steps += 1;
                replay.step(&step)
            }
        };
        if let Err(difference) = compared {
            report.difference = Some(*difference);
            break;
        }
    }
    Ok(report)
}

type Compared = Result<(), Box<TraceDifference>>;

/// The worlds that a trace is replayed in, and how far it has come.
struct Replay {
    /// The world as the level lays it out.
    town: Town,
    /// The same world for episodes with a layout of their own, made when the first one comes.
    shuffled: Option<Town>,
    /// Whether the current episode plays there.
    in_shuffled: bool,
    line: usize,
    episode: String,
    step: Option<usize>,
}

impl Replay {
    fn new(level: Level) -> Result<Self, TraceFault> {
        let town = Town::new(level, 1)?;
        Ok(Self { town, shuffled: None, in_shuffled: false, line: 0, episode: String::new(), step: None })
    }

    fn begin(&mut self, episode: TraceEpisode) -> Result<Compared, TraceFault> {
        let start = episode.start;
        let layout = episode.affordances.map(|layout| layout.iter().filter_map(|it| it.cell).collect());
        self.in_shuffled = layout.is_some() && self.town.level().layout == Layout::Fixed;
        let town = if self.in_shuffled {
            if self.shuffled.is_none() {
                let level = Level { layout: Layout::Shuffled, ..self.town.level().clone() };
                self.shuffled = Some(Town::new(level, 1)?);
            }
            self.shuffled.as_mut().expect("made above")
        } else {
            &mut self.town
        };
        let state = AgentState {
            cell: start.cell,
            meters: start.meters,
            hour: start.hour.unwrap_or(0),
            progress: start.progress,
            affordances: layout,
        };
        town.place(0, &state)?;
        self.episode = episode.episode;
        self.step = None;
        let seen = self.town().observations();
        Ok(self.compare_floats("observation", &start.observation, seen))
    }

    fn step(&mut self, step: &TraceStep) -> Compared {
        self.step = Some(self.step.map_or(0, |step| step + 1));
        self.compare_list("mask", &step.mask, self.town().action_masks())?;

        let town = if self.in_shuffled { self.shuffled.as_mut() } else { None }.unwrap_or(&mut self.town);
        let action: [Action; 1] = [step.action];
        let (reward, terminated, truncated, seen) = {
            let result = town.step(&action).expect("the reader has checked the action");
            (result.rewards[0], result.terminated[0], result.truncated[0], result.outcome(0).0.to_vec())
        };

        let town = self.town();
        let state = town.outcome(0);
        self.compare("cell", &step.cell, &state.cell)?;
        self.compare_floats("meters", &step.meters, &state.meters)?;
        if step.reward.to_bits() != reward.to_bits() {
            return self.differs("reward", None, &step.reward, &reward);
        }
        self.compare("terminated", &step.terminated, &terminated)?;
        self.compare("truncated", &step.truncated, &truncated)?;
        let used = town.interactions()[0];
        let used = used.map(|index| town.level().affordances[usize::from(index)].name.as_str());
        let expected = step.interaction.as_deref();
        if expected != used {
            return self.differs("interaction", None, &expected.unwrap_or("null"), &used.unwrap_or("null"));
        }
        if let Some(hour) = step.hour {
            self.compare("hour", &hour, &state.hour)?;
        }
        if let Some(progress) = step.progress {
            self.compare("progress", &progress, &state.progress)?;
        }
        self.compare_floats("observation", &step.observation, &seen)
    }

    fn town(&self) -> &Town {
        if self.in_shuffled { self.shuffled.as_ref() } else { None }.unwrap_or(&self.town)
    }

    fn compare<T: PartialEq + fmt::Display>(&self, field: &'static str, expected: &T, found: &T) -> Compared {
        if expected == found { Ok(()) } else { self.differs(field, None, expected, found) }
    }

    fn compare_list<T: PartialEq + fmt::Display>(
        &self,
        field: &'static str,
        expected: &[T],
        found: &[T],
    ) -> Compared {
        match expected.iter().zip(found).position(|(expected, found)| expected != found) {
            Some(index) => self.differs(field, Some(index), &expected[index], &found[index]),
            None => Ok(()),
        }
    }

    fn compare_floats(&self, field: &'static str, expected: &[f32], found: &[f32]) -> Compared {
        let differ = |(expected, found): (&f32, &f32)| expected.to_bits() != found.to_bits();
        match expected.iter().zip(found).position(differ) {
            Some(index) => self.differs(field, Some(index), &expected[index], &found[index]),
            None => Ok(()),
        }
    }

    fn differs(
        &self,
        field: &'static str,
        index: Option<usize>,
        expected: &dyn fmt::Display,
        found: &dyn fmt::Display,
    ) -> Compared {
        Err(Box::new(TraceDifference {
            line: self.line,
            episode: self.episode.clone(),
            step: self.step,
            field,
            index,
            expected: expected.to_string(),
            found: found.to_string(),
        }))
    }
}
