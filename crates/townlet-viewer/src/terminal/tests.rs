//! The terminal, drawn on a screen that is not there.

use std::sync::Arc;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::View;
use super::keys::{Outcome, press};
use crate::{Session, SessionOptions, UntrainedSource};

fn options() -> SessionOptions {
    SessionOptions { checkpoint: Some("echo".to_owned()), paused: true, ..SessionOptions::default() }
}

fn source() -> Arc<UntrainedSource> {
    Arc::new(UntrainedSource::demo(0))
}

fn watch() -> (Session, View) {
    let session = Session::watch(source(), options()).unwrap();
    let mut view = View::default();
    view.remember(&session);
    (session, view)
}

fn type_keys(session: &mut Session, view: &mut View, keys: &[KeyCode]) -> Outcome {
    let mut outcome = Outcome::GoOn;
    for &code in keys {
        outcome = press(KeyEvent::new(code, KeyModifiers::NONE), session, view);
        view.remember(session);
    }
    outcome
}

fn screen(view: &View, session: &Session, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view.draw(frame, session)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(row).collect()
}

#[test]
fn the_first_screen_of_a_seed_is_this_one() {
    let (mut session, mut view) = watch();
    type_keys(&mut session, &mut view, &[KeyCode::Char('s'); 3]);
    let screen = screen(&view, &session, 80, 24).join("\n");
    let expected = include_str!("screen_80x24.txt");
    if std::env::var_os("UPDATE_SCREEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/terminal/screen_80x24.txt");
        std::fs::write(path, screen + "\n").unwrap();
        return;
    }
    assert_eq!(screen.trim_end(), expected.trim_end(), "\n{screen}\n\nUPDATE_SCREEN=1 accepts it");
}

#[test]
fn everything_is_on_the_screen_at_80_by_24_and_larger() {
    for (width, height) in [(80, 24), (100, 30), (132, 43), (200, 60)] {
        let (mut session, mut view) = watch();
        type_keys(&mut session, &mut view, &[KeyCode::Char('s'); 12]);
        let screen = screen(&view, &session, width, height).join("\n");
        for expected in [
            "Town",
            "energy",
            "fitness",
            "INTERACT",
            "< chosen",
            "Memory ±0.",
            "rewards",
            "step 12 of 500",
            "12:00",
            "Hospital",
            "q quit",
            "paused",
        ] {
            assert!(screen.contains(expected), "{width} x {height} lacks {expected}:\n{screen}");
        }
    }
    let (session, view) = watch();
    assert!(screen(&view, &session, 79, 24).join("\n").contains("too small"));
    assert!(screen(&view, &session, 3, 2).len() == 2);
}

#[test]
fn keys_steer_the_session() {
    let (mut session, mut view) = watch();
    type_keys(&mut session, &mut view, &[KeyCode::Char(' ')]);
    assert!(!session.status().paused);
    type_keys(&mut session, &mut view, &[KeyCode::Char(' '), KeyCode::Right, KeyCode::Char('s')]);
    assert_eq!(session.frame().lanes[0].step, 2);
    type_keys(&mut session, &mut view, &[KeyCode::Char('+'); 30]);
    assert_eq!(session.status().speed, 200);
    type_keys(&mut session, &mut view, &[KeyCode::Char('-'); 40]);
    assert_eq!(session.status().speed, 1);
    type_keys(&mut session, &mut view, &[KeyCode::Char('m')]);
    assert_eq!(session.frame().lanes.len(), 2);
    type_keys(&mut session, &mut view, &[KeyCode::Char('s'); 5]);
    let both = screen(&view, &session, 80, 24).join("\n");
    assert!(both.contains("memory kept, step 5") && both.contains("memory wiped"), "{both}");
    type_keys(&mut session, &mut view, &[KeyCode::Char('m'), KeyCode::Char('r')]);
    assert_eq!((session.frame().lanes.len(), session.frame().lanes[0].step), (1, 0));
    assert_eq!(type_keys(&mut session, &mut view, &[KeyCode::Char('q')]), Outcome::Quit);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(press(control_c, &mut session, &mut view), Outcome::Quit);
}

#[test]
fn an_end_is_told() {
    let (mut session, mut view) = watch();
    while !session.episode_is_over() {
        type_keys(&mut session, &mut view, &[KeyCode::Char('s')]);
    }
    let shown = screen(&view, &session, 80, 24).join("\n");
    assert!(shown.contains("died of"), "{shown}");
    assert!(shown.contains('\u{2020}'), "{shown}");
    type_keys(&mut session, &mut view, &[KeyCode::Char('s')]);
    assert!(screen(&view, &session, 80, 24).join("\n").contains("before: agent died of"));
}

#[test]
fn a_person_plays_with_what_the_agent_sees() {
    let mut session = Session::play(source(), &options(), None).unwrap();
    let mut view = View::default();
    view.remember(&session);
    type_keys(&mut session, &mut view, &[KeyCode::Right, KeyCode::Char(' '), KeyCode::Up]);
    assert_eq!(session.frame().lanes[0].step, 3);
    let all = screen(&view, &session, 80, 24).join("\n");
    assert!(all.contains("others live, in steps: random 102, trained 498"), "{all}");
    type_keys(&mut session, &mut view, &[KeyCode::Char('v')]);
    let own = screen(&view, &session, 80, 24)[2..10].join("\n");
    assert!(own.contains('?') && own.matches('\u{00b7}').count() < 200, "{own}");
    type_keys(&mut session, &mut view, &[KeyCode::Char('m')]);
    assert_eq!(session.frame().lanes.len(), 1);
}
