//! The same session in a terminal: over ssh, at 80 by 24 characters and larger.

mod draw;
mod end_signals;
mod glyphs;
mod here;
mod keys;
mod lane_view;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, enable_raw_mode};
use ratatui::{DefaultTerminal, Terminal};

use crate::Session;
use crate::frame::Mode;
use crate::pace::Pace;
use end_signals::EndSignals;
pub(crate) use glyphs::letters;
use keys::Outcome;

/// How often the source is asked what is new.
const POLL: Duration = Duration::from_secs(1);
/// How long keys are waited for at most before a signal is noticed.
const NOTICE: Duration = Duration::from_millis(200);
/// The shortest time between two pictures: what an ssh connection can take.
const PICTURE: Duration = Duration::from_millis(33);
/// How many columns of memory are kept.
const HISTORY: usize = 240;

/// Shows a session in the terminal until the person quits, and restores the terminal: after quitting, after
/// an error, after a panic, and after a signal that ends the program.
///
/// # Errors
///
/// Where standard output is not a terminal, or the terminal fails.
pub fn run(session: &mut Session) -> io::Result<()> {
    if !io::stdout().is_terminal() {
        let message = "standard output is not a terminal; leave out `--terminal`, or do not redirect it";
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    let signals = EndSignals::listen()?;
    restore_before_panic_messages();
    let mut terminal = open()?;
    let shown = show(&mut terminal, session, &signals.heard);
    let restored = ratatui::try_restore();
    shown.and(restored)
}

/// From here on a panic restores the terminal before its message is printed.
///
/// Ratatui's own hook prints where the terminal cannot be restored, which is a panic in a panic where nobody
/// reads standard error, and takes the message with it.
fn restore_before_panic_messages() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let _ = ratatui::try_restore();
        before(info);
    }));
}

fn open() -> io::Result<DefaultTerminal> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen)?;
    Terminal::new(CrosstermBackend::new(io::stdout()))
}

fn show(terminal: &mut DefaultTerminal, session: &mut Session, ended: &AtomicBool) -> io::Result<()> {
    let mut view = View::new(session);
    let mut pace = Pace::new(Instant::now());
    let mut polled = Instant::now();
    let mut drawn: Option<Instant> = None;
    let mut stale = true;
    view.remember(session);
    while !ended.load(Ordering::Relaxed) {
        let now = Instant::now();
        if stale && drawn.is_none_or(|drawn| now - drawn >= PICTURE) {
            terminal.draw(|frame| view.draw(frame, session))?;
            (drawn, stale) = (Some(now), false);
        }
        let step = pace.wait(session, now).unwrap_or(POLL);
        let picture = if stale { PICTURE } else { POLL };
        if event::poll(step.min(picture).min(NOTICE))? {
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => {
                    if keys::press(key, session, &mut view, Instant::now()) == Outcome::Quit {
                        return Ok(());
                    }
                    view.remember(session);
                    pace.interrupted(session, Instant::now());
                    (drawn, stale) = (None, true);
                }
                Event::Resize(..) => stale = true,
                _ => {}
            }
            continue;
        }
        let now = Instant::now();
        if now - polled >= POLL {
            polled = now;
            session.poll();
            stale = true;
        }
        if pace.wait(session, now) == Some(Duration::ZERO) {
            if let Err(error) = session.advance() {
                view.message = error.to_string();
            }
            pace.stepped(session, now);
            view.remember(session);
            stale = true;
        }
    }
    Ok(())
}

/// What is remembered from frame to frame to be drawn.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// Columns of memory of each lane, the newest last.
    memory: Vec<VecDeque<Vec<f32>>>,
    /// The moment that was remembered last: scene, episode, and the steps of the lanes.
    remembered: Option<(u64, u64, Vec<u32>)>,
    /// Whether only what the agent sees is shown.
    masked: bool,
    /// What the last command or step had to complain about.
    message: String,
    /// For whoever plays: when the episode ended, or a key was pressed after that.
    settled: Option<Instant>,
}

impl View {
    /// The view that a session begins with: a person who plays sees what an agent sees.
    fn new(session: &Session) -> Self {
        Self { masked: session.status().mode == Mode::Play, ..Self::default() }
    }

    /// Takes in the frame of a session, unless it has been.
    fn remember(&mut self, session: &Session) {
        let frame = session.frame();
        let steps: Vec<u32> = frame.lanes.iter().map(|lane| lane.step).collect();
        let now = (frame.scene, frame.episode, steps);
        if self.remembered.as_ref() == Some(&now) {
            return;
        }
        let goes_on = self.remembered.as_ref().is_some_and(|(scene, episode, steps)| {
            (*scene, *episode) == (now.0, now.1) && steps.iter().zip(&now.2).all(|(old, new)| new >= old)
        });
        if !goes_on {
            self.memory = vec![VecDeque::new(); frame.lanes.len()];
        }
        self.remembered = Some(now);
        for (columns, lane) in self.memory.iter_mut().zip(frame.lanes) {
            if let Some(thought) = lane.thought.filter(|thought| !thought.memory.is_empty()) {
                if columns.len() == HISTORY {
                    columns.pop_front();
                }
                columns.push_back(thought.memory);
            }
        }
    }
}
