//! The terminal, drawn on a screen that is not there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::View;
use super::glyphs::letters;
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
        outcome = press(KeyEvent::new(code, KeyModifiers::NONE), session, view, Instant::now());
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
    assert_eq!(press(control_c, &mut session, &mut view, Instant::now()), Outcome::Quit);
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
    let mut view = View::new(&session);
    view.remember(&session);
    type_keys(&mut session, &mut view, &[KeyCode::Right, KeyCode::Char(' '), KeyCode::Up]);
    assert_eq!(session.frame().lanes[0].step, 3);
    let own = screen(&view, &session, 80, 24);
    assert!(
        own.join("\n").contains("others live, in steps: random 102, scripted 500, trained 498"),
        "{own:?}"
    );
    let map = |screen: &[String]| {
        screen[2..10].iter().map(|row| row.chars().take(26).collect()).collect::<Vec<String>>().join("\n")
    };
    assert!(
        map(&own).contains('?') && !map(&own).contains('H'),
        "it begins with what an agent sees: {own:?}"
    );
    type_keys(&mut session, &mut view, &[KeyCode::Char('v')]);
    let all = screen(&view, &session, 80, 24);
    assert!(map(&all).contains('H') && !map(&all).contains('?'), "{all:?}");
    type_keys(&mut session, &mut view, &[KeyCode::Char('m')]);
    assert_eq!(session.frame().lanes.len(), 1);
}

fn playing(level: &str) -> (Session, View) {
    let options = SessionOptions { level: Some(level.to_owned()), ..options() };
    let session = Session::play(source(), &options, None).unwrap();
    let mut view = View::new(&session);
    view.remember(&session);
    (session, view)
}

#[test]
fn after_a_death_keys_move_nobody_and_the_next_life_waits_for_a_new_press() {
    let (mut session, mut view) = playing("pomdp");
    let mut now = Instant::now();
    let mut type_key = |session: &mut Session, code, later: u64| {
        now += Duration::from_millis(later);
        press(KeyEvent::new(code, KeyModifiers::NONE), session, &mut view, now);
        view.remember(session);
        screen(&view, session, 80, 24).join("\n")
    };
    let mut shown = String::new();
    while !session.episode_is_over() {
        shown = type_key(&mut session, KeyCode::Up, 50);
    }
    let steps = session.frame().lanes[0].step;
    assert!(shown.contains("You died of") && shown.contains("Enter or space"), "{shown}");
    assert!(shown.contains(&format!("your best so far: {steps} steps")), "{shown}");
    for later in [50, 50, 2000, 50] {
        type_key(&mut session, KeyCode::Up, later);
    }
    // Held down, and then pressed too soon.
    for _ in 0..40 {
        type_key(&mut session, KeyCode::Char(' '), 50);
    }
    assert_eq!((session.frame().episode, session.frame().lanes[0].step), (0, steps));
    let shown = type_key(&mut session, KeyCode::Char(' '), 900);
    assert_eq!((session.frame().episode, session.frame().lanes[0].step), (1, 0));
    assert!(!shown.contains("You died of"), "{shown}");
}

#[test]
fn who_plays_is_told_what_a_place_costs_and_why_it_was_not_used() {
    let (mut session, mut view) = playing("temporal");
    // From wherever it begins: to the corner, up to the bar, which opens in the evening.
    type_keys(&mut session, &mut view, &[KeyCode::Right; 7]);
    type_keys(&mut session, &mut view, &[KeyCode::Up; 7]);
    assert_eq!(session.frame().lanes[0].cell, [7, 0]);
    let shown = screen(&view, &session, 80, 24).join("\n");
    for expected in
        ["the edge of the town", "Bar: costs 7.5 a step, 2 steps in a row", "open 18 to 4 h", "mood +7.5"]
    {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    type_keys(&mut session, &mut view, &[KeyCode::Char(' ')]);
    let shown = screen(&view, &session, 80, 24).join("\n");
    assert!(shown.contains("closed at this hour"), "{shown}");
    type_keys(&mut session, &mut view, &[KeyCode::Left, KeyCode::Char(' ')]);
    let shown = screen(&view, &session, 80, 24).join("\n");
    assert!(shown.contains("nothing to use here") && shown.contains("nothing stands here"), "{shown}");
}

#[test]
fn to_play_with_what_an_agent_sees_hides_the_places_of_a_level_in_full_view() {
    let (session, view) = playing("full");
    let shown = screen(&view, &session, 80, 24)[2..10].join("\n");
    let map: Vec<&str> = shown.lines().map(|row| row.split('│').nth(1).unwrap()).collect();
    assert!(map.iter().all(|row| !row.contains('?')), "{shown}");
    let letters = map.iter().flat_map(|row| row.chars()).filter(|it| it.is_alphabetic());
    assert!(letters.count() <= 1, "no place but the one underfoot: {shown}");
}

#[test]
fn a_need_is_red_where_it_is_low_and_not_where_another_pulls_at_it() {
    let (mut session, mut view) = watch();
    let low = |session: &Session| session.frame().lanes[0].bites.first().copied();
    while low(&session).is_none() && !session.episode_is_over() {
        type_keys(&mut session, &mut view, &[KeyCode::Char('s')]);
    }
    let frame = session.frame();
    let target = session.scene().level.cascades[low(&session).expect("a need is low").cascade].target;
    assert!(frame.lanes[0].meters[target].value > 0.4, "the need that is pulled at is well");
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal.draw(|frame| view.draw(frame, &session)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = 2 + target as u16;
    let bar = (26..80).map(|x| &buffer[(x, row)]).find(|cell| cell.symbol() == "\u{2588}").unwrap();
    assert_eq!(bar.fg, ratatui::style::Color::Green);
}

#[test]
fn the_map_in_the_readme_has_the_letters_of_the_terminal_and_a_closed_window() {
    let readme = include_str!("../../../../README.md");
    let (_, map) = readme.split_once("      0   1   2").unwrap();
    let (map, legend) = (map.split_once("```").unwrap().0, readme);
    let level = townlet_env::Level::builtin("pomdp").unwrap();
    let rows: Vec<&str> =
        map.lines().filter(|line| line.starts_with("  ") && line.as_bytes()[2].is_ascii_digit()).collect();
    assert_eq!(rows.len(), usize::from(level.grid.height));
    let at = |x: usize, y: usize| char::from(rows[y].as_bytes()[6 + 4 * x]);
    let mut places = 0;
    for (letter, place) in
        letters(level.affordances.iter().map(|it| it.name.as_str())).iter().zip(&level.affordances)
    {
        let [x, y]: [u8; 2] = place.cell.unwrap().into();
        assert_eq!(at(x.into(), y.into()), *letter, "{}", place.name);
        assert!(
            legend.contains(&format!("{letter}  {}", &place.name[..3])),
            "the legend has no {}",
            place.name
        );
        places += 1;
    }
    let cells: Vec<char> = (0..8).flat_map(|y| (0..8).map(move |x| (x, y))).map(|(x, y)| at(x, y)).collect();
    assert_eq!(cells.iter().filter(|cell| cell.is_ascii_alphabetic()).count(), places);
    // Five cells wide and high, with an edge on every side.
    let agent = cells.iter().position(|&cell| cell == '@').unwrap();
    let (x, y) = (agent % 8, agent / 8);
    let edges: Vec<&str> = map.lines().filter(|line| line.trim() == "+-------------------+").collect();
    assert_eq!(edges.len(), 2, "above and below");
    for row in &rows[y - 2..=y + 2] {
        assert_eq!([&row[4 * x - 4..4 * x - 3], &row[4 * x + 16..4 * x + 17]], ["|", "|"], "{row}");
    }
}
