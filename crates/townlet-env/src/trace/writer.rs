//! Recording a town.

use std::io::{self, Write};

use serde::Serialize;

use super::{TraceAffordance, TraceCounts, TraceEnd, TraceEpisode, TraceHeader, TraceStart, TraceStep};
use crate::{Action, Layout, Level, Town, VectorEnv};

/// Records episodes of agents of a [`Town`], one after the other, as a trace.
///
/// The header holds the whole level, so a trace replays on its own. Episodes may begin from a prepared
/// state ([`Town::place`]) and may take actions that the mask forbids.
///
/// ```
/// use townlet_env::trace::TraceWriter;
/// use townlet_env::{Level, Town, VectorEnv};
///
/// let mut town = Town::new(Level::builtin("pomdp")?, 3)?;
/// let mut trace = TraceWriter::new(Vec::new(), town.level(), "an example")?;
/// trace.begin("the second agent goes up until it dies", &town, 1)?;
/// loop {
///     town.step(&[0, 0, 0])?;
///     if trace.step(&town, 0)? {
///         break;
///     }
/// }
/// assert!(trace.into_inner()?.ends_with(b"}\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TraceWriter<W> {
    out: W,
    level: Level,
    episode: Option<OpenEpisode>,
    written: TraceCounts,
}

/// The episode that is being recorded.
#[derive(Debug)]
struct OpenEpisode {
    agent: usize,
    /// The mask that the next action is chosen under.
    mask: Vec<bool>,
}

impl<W: Write> TraceWriter<W> {
    /// Writes the header of a trace of `level`. `source` says, for a person, who recorded it.
    ///
    /// The writer writes many small pieces; give it a [`BufWriter`](io::BufWriter) where that matters.
    ///
    /// # Errors
    ///
    /// Where the output cannot be written.
    pub fn new(out: W, level: &Level, source: &str) -> io::Result<Self> {
        let written = TraceCounts::default();
        let mut writer = Self { out, level: level.clone(), episode: None, written };
        writer.write(&TraceHeader::new(level, source))?;
        Ok(writer)
    }

    /// Begins to record an agent, which must stand at the start of an episode. What was recorded of another
    /// episode ends here, whether that episode is over or not.
    ///
    /// # Errors
    ///
    /// Where the output cannot be written.
    ///
    /// # Panics
    ///
    /// Where `town` has another level than this trace, there is no such agent, or it is not at step 0 of
    /// its episode.
    pub fn begin(&mut self, name: &str, town: &Town, agent: usize) -> io::Result<()> {
        assert!(*town.level() == self.level, "a trace holds one level, and this town has another");
        assert!(agent < town.num_envs(), "there is no agent {agent}");
        assert_eq!(town.episode_steps()[agent], 0, "agent {agent} is not at the start of an episode");
        let state = town.state(agent);
        let affordances = state.affordances.filter(|_| self.level.layout == Layout::Shuffled).map(|cells| {
            let named = self.level.affordances.iter().zip(cells);
            named.map(|(it, cell)| TraceAffordance { name: it.name.clone(), cell: Some(cell) }).collect()
        });
        let features = town.observation_layout().len();
        self.write(&TraceEpisode {
            episode: name.to_owned(),
            start: TraceStart {
                cell: state.cell,
                meters: state.meters,
                observation: town.observations()[agent * features..][..features].to_vec(),
                hour: self.level.clock.then_some(state.hour),
                progress: state.progress,
            },
            affordances,
        })?;
        self.written.episodes += 1;
        self.episode = Some(OpenEpisode { agent, mask: mask_of(town, agent) });
        Ok(())
    }

    /// Records the step that `town` has just taken, in which the recorded agent did `action`. True where that
    /// ended the episode; nothing can be recorded then until the next [`begin`](Self::begin).
    ///
    /// # Errors
    ///
    /// Where the output cannot be written.
    ///
    /// # Panics
    ///
    /// Where no episode is being recorded.
    pub fn step(&mut self, town: &Town, action: Action) -> io::Result<bool> {
        let OpenEpisode { agent, mask } = self.episode.take().expect("an episode is being recorded");
        let step = town.last_step();
        let state = town.outcome(agent);
        let used = town.interactions()[agent];
        self.write(&TraceStep {
            action,
            mask,
            cell: state.cell,
            meters: state.meters,
            reward: step.rewards[agent],
            terminated: step.terminated[agent],
            truncated: step.truncated[agent],
            interaction: used.map(|index| self.level.affordances[usize::from(index)].name.clone()),
            hour: self.level.clock.then_some(state.hour),
            // A level without a clock keeps no progress that anyone could see.
            progress: self.level.clock.then_some(state.progress),
            observation: step.outcome(agent).0.to_vec(),
        })?;
        self.written.steps += 1;
        let ended = step.ended(agent);
        if !ended {
            self.episode = Some(OpenEpisode { agent, mask: mask_of(town, agent) });
        }
        Ok(ended)
    }

    /// Ends the trace with the line that makes it whole, and gives back its output, flushed.
    ///
    /// # Errors
    ///
    /// Where the output cannot be written.
    pub fn into_inner(mut self) -> io::Result<W> {
        self.write(&TraceEnd { end: self.written })?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }
}

fn mask_of(town: &Town, agent: usize) -> Vec<bool> {
    let actions = town.num_actions();
    town.action_masks()[agent * actions..][..actions].to_vec()
}
