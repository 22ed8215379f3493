//! What each key does.

use std::time::{Duration, Instant};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use townlet_env::Town;

use super::View;
use crate::command::SPEEDS;
use crate::frame::Mode;
use crate::{Beside, Command, Session};

/// How long the keys have to be still after a death, before one of them begins the next life: whoever dies is still
/// pressing them.
const PAUSE: Duration = Duration::from_millis(700);

/// Whether the session goes on after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    GoOn,
    Quit,
}

/// The keys that a session of this mode has, for its last line.
pub(super) fn help(mode: Mode) -> &'static str {
    match mode {
        Mode::Watch => "space pause  s step  f end  +/- speed  r restart  m memory wiped  v view  q quit",
        Mode::Play => "arrows move  space use the place  r restart  v your view/whole town  q quit",
        Mode::Replay => {
            "space pause  \u{2190}/\u{2192} step  PgUp/PgDn 20  [ ] episode  +/- speed  v view  q quit"
        }
    }
}

/// Does what a key asks; what goes wrong stands in the view.
pub(super) fn press(key: KeyEvent, session: &mut Session, view: &mut View, now: Instant) -> Outcome {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return Outcome::Quit,
        KeyCode::Char('c' | 'd') if control => return Outcome::Quit,
        KeyCode::Char('v') => view.masked = !view.masked,
        code => {
            let was_over = session.episode_is_over();
            let rested = view.settled.is_some_and(|settled| now.saturating_duration_since(settled) >= PAUSE);
            if let Some(command) = command(code, session, rested) {
                view.message =
                    session.apply(&command).err().map_or_else(String::new, |error| error.to_string());
            }
            view.settled = match (was_over, session.episode_is_over()) {
                (_, false) => None,
                (false, true) => Some(now),
                // Every key begins the pause anew, so that one that is held down ends it never.
                (true, true) => view.settled.map(|_| now),
            };
        }
    }
    Outcome::GoOn
}

fn command(code: KeyCode, session: &Session, rested: bool) -> Option<Command> {
    let status = session.status();
    if code == KeyCode::Char('r') {
        return Some(Command::Restart {});
    }
    if status.mode == Mode::Play && session.episode_is_over() {
        let begins = matches!(code, KeyCode::Enter | KeyCode::Char(' '));
        return (begins && rested).then_some(Command::NextEpisode {});
    }
    if status.mode == Mode::Play {
        let action = match code {
            KeyCode::Up => 0,
            KeyCode::Down => 1,
            KeyCode::Left => 2,
            KeyCode::Right => 3,
            KeyCode::Char(' ') => Town::INTERACT,
            _ => return None,
        };
        return Some(Command::Act { action });
    }
    let replayed = status.replay;
    let step = session.frame().lanes[0].step;
    Some(match code {
        KeyCode::Char(' ') if status.paused => Command::Play {},
        KeyCode::Char(' ') => Command::Pause {},
        KeyCode::Char('s') | KeyCode::Right => Command::Step {},
        KeyCode::Char('f') => Command::FinishEpisode {},
        KeyCode::Char('+' | '=') => Command::Speed { steps_per_second: faster(status.speed) },
        KeyCode::Char('-') => Command::Speed { steps_per_second: slower(status.speed) },
        KeyCode::Char('m') if replayed.is_none() => Command::SideBySide {
            beside: match status.beside {
                Beside::MemoryWiped {} => Beside::Nobody {},
                _ => Beside::MemoryWiped {},
            },
        },
        code => {
            let replayed = replayed?;
            match code {
                KeyCode::Left => Command::Seek { step: step.saturating_sub(1) },
                KeyCode::PageUp => Command::Seek { step: step.saturating_sub(20) },
                KeyCode::PageDown => Command::Seek { step: step.saturating_add(20) },
                KeyCode::Home => Command::Seek { step: 0 },
                KeyCode::End => Command::Seek { step: replayed.steps },
                KeyCode::Char('[') => Command::Episode { episode: replayed.episode.checked_sub(1)? },
                KeyCode::Char(']') => Command::Episode { episode: replayed.episode + 1 },
                _ => return None,
            }
        }
    })
}

/// Half as fast again, and at least a step a second more.
fn faster(speed: u16) -> u16 {
    (speed + (speed / 2).max(1)).min(*SPEEDS.end())
}

fn slower(speed: u16) -> u16 {
    (speed - (speed / 3).max(1).min(speed - 1)).max(*SPEEDS.start())
}
