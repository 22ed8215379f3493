//! The town against recorded facts, and traces against damage.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use townlet_env::trace::{
    TraceDifference, TraceError, TraceFault, TraceHeader, TraceReader, TraceRecord, TraceReport, TraceStep,
    TraceWriter, verify,
};
use townlet_env::{AgentState, Cell, Grid, Hours, Layout, Level, Observability, Town, VectorEnv};

fn recorded(name: &str) -> (PathBuf, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/traces");
    let path = folder.join(name).with_extension("jsonl");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (path, text)
}

fn check(trace: &str) -> Result<TraceReport, TraceError> {
    verify(trace.as_bytes(), "test.jsonl", None)
}

/// The report on a trace that is equal, and whole.
fn whole(episodes: usize, steps: usize) -> TraceReport {
    TraceReport { episodes, steps, has_end: true, difference: None }
}

/// The fault of a trace that makes no sense, and its line.
fn fault(trace: &str) -> (usize, String) {
    let error = check(trace).expect_err("a faulty trace");
    assert!(error.to_string().starts_with("test.jsonl:"), "{error}");
    match error {
        TraceError::Invalid { line, fault, .. } => (line, fault.to_string()),
        error => panic!("expected an invalid line, found {error}"),
    }
}

mod the_reference {
    use super::*;

    #[track_caller]
    fn replays_exactly(name: &str, episodes: usize, steps: usize) {
        let (path, text) = recorded(name);
        let report = verify(text.as_bytes(), &path.display().to_string(), None).unwrap();
        let difference = report.difference.as_ref().map(TraceDifference::to_string);
        assert_eq!(difference, None);
        assert!(!report.has_end, "traces from elsewhere do not say where they end");
        assert_eq!((report.episodes, report.steps), (episodes, steps));
    }

    #[test]
    fn full_instant_random() {
        replays_exactly("full_instant_random", 1, 51);
    }

    #[test]
    fn partial_instant_random() {
        replays_exactly("partial_instant_random", 2, 98);
    }

    #[test]
    fn partial_instant_scripted() {
        replays_exactly("partial_instant_scripted", 13, 45);
    }

    #[test]
    fn partial_temporal_random() {
        replays_exactly("partial_temporal_random", 2, 36);
    }

    #[test]
    fn full_temporal_scripted() {
        replays_exactly("full_temporal_scripted", 14, 98);
    }

    #[test]
    fn hours_that_are_enforced_would_be_noticed() {
        let (_, text) = recorded("full_temporal_scripted");
        let enforced = text.replacen(r#""hours_enforced":false"#, r#""hours_enforced":true"#, 1);
        let difference = check(&enforced).unwrap().difference.expect("a closed place that served");
        assert_eq!(difference.episode, "closed_hours_forced");
    }

    #[test]
    fn writing_what_was_read_gives_the_same_text() {
        let (_, text) = recorded("partial_temporal_random");
        for (line, record) in text.lines().skip(1).zip(TraceReader::new(text.as_bytes(), "").unwrap()) {
            let (TraceRecord::Step(step), Ok(read)) =
                (record.unwrap(), serde_json::from_str::<TraceStep>(line))
            else {
                continue;
            };
            assert_eq!(step, read);
            let written = serde_json::to_string(&step).unwrap();
            assert_eq!(sorted_keys(&written), sorted_keys(line));
        }
    }

    /// The keys of a line with the text of their values, whatever their order.
    fn sorted_keys(line: &str) -> BTreeMap<String, String> {
        let line: BTreeMap<String, Box<serde_json::value::RawValue>> = serde_json::from_str(line).unwrap();
        line.into_iter().map(|(key, value)| (key, value.get().to_owned())).collect()
    }
}

mod recording {
    use super::*;

    /// Records `episodes` episodes of one of three agents, with every action that `choose` gives.
    pub(super) fn record(
        level: &Level,
        seed: u64,
        episodes: usize,
        most_steps: usize,
        mut choose: impl FnMut(usize) -> u8,
    ) -> (String, usize) {
        let mut town = Town::new(level.clone(), 3).unwrap();
        town.reset(seed);
        let mut trace = TraceWriter::new(Vec::new(), level, "a test").unwrap();
        let mut steps = 0;
        for episode in 0..episodes {
            let agent = 1;
            if town.episode_steps()[agent] > 0 {
                break;
            }
            trace.begin(&format!("episode {episode}"), &town, agent).unwrap();
            for _ in 0..most_steps {
                let actions = [choose(steps), choose(steps + 1), choose(steps + 2)];
                town.step(&actions).unwrap();
                steps += 1;
                if trace.step(&town, actions[agent]).unwrap() {
                    break;
                }
            }
        }
        (String::from_utf8(trace.into_inner().unwrap()).unwrap(), steps)
    }

    fn worlds() -> impl Strategy<Value = Level> {
        let base = prop_oneof![Just("full"), Just("pomdp"), Just("temporal"), Just("pomdp-shuffled")];
        let shape = (8..=12_u8, 8..=10_u8, 1..=3_u8, any::<bool>(), any::<bool>(), any::<bool>());
        let change = (any::<Index>(), 0.0..0.4_f32, -0.5..0.5_f32, 1..5_u8, 0..24_u8, 1..24_u8);
        (base, shape, proptest::collection::vec(change, 0..6), 5..60_u32).prop_map(
            |(base, (width, height, vision_range, full, shuffled, enforced), changes, step_limit)| {
                let mut level = Level::builtin(base).unwrap();
                level.grid = Grid { width, height };
                level.vision_range = vision_range;
                level.observability = if full { Observability::Full } else { Observability::Partial };
                if shuffled {
                    level.layout = Layout::Shuffled;
                }
                level.hours_enforced = enforced;
                level.step_limit = step_limit;
                for (which, price, effect, ticks, open, span) in changes {
                    let affordance = which.get(&level.affordances).name.clone();
                    let index = level.affordance_index(&affordance).unwrap();
                    let affordance = &mut level.affordances[index];
                    affordance.price = price;
                    affordance.ticks = ticks;
                    affordance.effects.insert("mood".to_owned(), effect);
                    if level.clock {
                        affordance.hours = Some(Hours { open, close: (open + span) % 24 });
                    }
                    level.meters[2].depletion = price / 10.0;
                }
                level
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_recorded_replays_exactly(
            level in worlds(),
            seed: u64,
            actions in proptest::collection::vec(0..5_u8, 60),
        ) {
            prop_assume!(level.validate().is_ok());
            let (trace, steps) = record(&level, seed, 3, 100, |step| actions[step % actions.len()]);
            let report = check(&trace).unwrap();
            prop_assert_eq!(&report.difference, &None);
            prop_assert_eq!(report.steps, steps);
            // Also in the level as it was, without the copy in the header.
            let again = verify(trace.as_bytes(), "test.jsonl", Some(&level)).unwrap();
            prop_assert_eq!(report, again);
        }

        /// The next `f32` after a recorded one is the smallest difference there is.
        #[test]
        fn the_smallest_change_is_found(seed: u64, line: Index, at: Index, which in 0..3_u8) {
            let level = Level::builtin("temporal").unwrap();
            let (trace, _) = record(&level, seed, 1, 30, |step| [3, 1, 4, 4, 0][step % 5]);
            let mut lines: Vec<String> = trace.lines().map(str::to_owned).collect();
            // Neither the header and the episode, nor the end.
            let number = 2 + line.index(lines.len() - 3);
            let mut step: TraceStep = serde_json::from_str(&lines[number]).unwrap();
            let (field, index) = match which {
                0 => {
                    step.reward = step.reward.next_up();
                    ("reward", None)
                }
                1 => {
                    let index = at.index(step.meters.len());
                    step.meters[index] = step.meters[index].next_down();
                    ("meters", Some(index))
                }
                _ => {
                    let index = at.index(step.observation.len());
                    step.observation[index] = step.observation[index].next_up();
                    ("observation", Some(index))
                }
            };
            lines[number] = serde_json::to_string(&step).unwrap();
            let report = check(&format!("{}\n", lines.join("\n"))).unwrap();
            let difference = report.difference.unwrap();
            prop_assert_eq!(difference.line, number + 1);
            prop_assert_eq!(difference.step, Some(number - 2));
            prop_assert_eq!((difference.field, difference.index), (field, index));
        }
    }

    #[test]
    fn the_step_limit_is_recorded_as_truncation() {
        let mut level = Level::builtin("pomdp").unwrap();
        level.step_limit = 4;
        let (trace, steps) = record(&level, 1, 2, 100, |_| 0);
        assert_eq!(steps, 8);
        assert_eq!(trace.matches(r#""truncated":true"#).count(), 2);
        assert_eq!(check(&trace).unwrap().difference, None);
        let denied = trace.replacen(r#""truncated":true,"#, "", 1);
        let difference = check(&denied).unwrap().difference.unwrap();
        assert_eq!((difference.field, difference.step), ("truncated", Some(3)));
    }

    #[test]
    fn prepared_states_are_recorded_with_hour_and_progress() {
        let level = Level::builtin("temporal").unwrap();
        let mut town = Town::new(level.clone(), 1).unwrap();
        let bed = level.affordances[0].cell.unwrap();
        let meters = vec![0.4; level.meters.len()];
        let state = AgentState { cell: bed, meters, hour: 22, progress: 3, affordances: None };
        town.place(0, &state).unwrap();
        let mut trace = TraceWriter::new(Vec::new(), &level, "a test").unwrap();
        trace.begin("asleep", &town, 0).unwrap();
        for _ in 0..4 {
            town.step(&[Town::INTERACT]).unwrap();
            trace.step(&town, Town::INTERACT).unwrap();
        }
        let trace = String::from_utf8(trace.into_inner().unwrap()).unwrap();
        assert!(trace.contains(r#""hour":22,"progress":3}"#), "{trace}");
        assert_eq!(check(&trace).unwrap(), whole(1, 4));
    }

    #[test]
    fn a_shuffled_layout_travels_with_each_episode() {
        let level = Level::builtin("pomdp-shuffled").unwrap();
        let (trace, _) = record(&level, 5, 2, 200, |step| [0, 2, 4][step % 3]);
        let reader = TraceReader::new(trace.as_bytes(), "").unwrap();
        assert!(reader.header().affordances.iter().all(|affordance| affordance.cell.is_none()));
        let layouts: Vec<Vec<Cell>> = reader
            .filter_map(|record| match record.unwrap() {
                TraceRecord::Episode(episode) => episode.affordances,
                TraceRecord::Step(_) => None,
            })
            .map(|layout| layout.iter().filter_map(|affordance| affordance.cell).collect())
            .collect();
        assert_eq!(layouts.len(), 2);
        assert_ne!(layouts[0], layouts[1]);
        assert_eq!(check(&trace).unwrap().difference, None);
    }

    #[test]
    fn a_trace_without_a_level_plays_in_the_built_in_one_that_fits() {
        for (base, observability) in [
            ("full", Observability::Full),
            ("pomdp", Observability::Partial),
            ("temporal", Observability::Full),
            ("temporal", Observability::Partial),
        ] {
            let mut level = Level::builtin(base).unwrap();
            level.observability = observability;
            level.grid = Grid { width: 10, height: 9 };
            level.vision_range = 3;
            level.affordances[0].cell = Some(Cell { x: 9, y: 8 });
            let (trace, steps) = record(&level, 2, 1, 300, |step| [1, 3, 4][step % 3]);
            let (first, rest) = trace.split_once('\n').unwrap();
            let mut header: TraceHeader = serde_json::from_str(first).unwrap();
            assert_eq!(header.replay_level().unwrap(), level);
            assert_eq!(header.observation_layout(), level.observation_layout());
            header.level = None;
            let foreign = format!("{}\n{rest}", serde_json::to_string(&header).unwrap());
            assert!(foreign.len() < trace.len());
            assert_eq!(check(&foreign).unwrap(), whole(1, steps));
        }
    }

    #[test]
    #[should_panic(expected = "not at the start of an episode")]
    fn an_episode_is_recorded_from_its_start() {
        let level = Level::builtin("pomdp").unwrap();
        let mut town = Town::new(level.clone(), 1).unwrap();
        town.step(&[0]).unwrap();
        let _ = TraceWriter::new(Vec::new(), &level, "a test").unwrap().begin("late", &town, 0);
    }
}

mod damage {
    use super::*;

    /// A short trace with two episodes: header, episode, 3 steps, episode, 2 steps, end.
    fn sample() -> Vec<String> {
        let level = Level::builtin("temporal").unwrap();
        let mut town = Town::new(level.clone(), 1).unwrap();
        let mut trace = TraceWriter::new(Vec::new(), &level, "a test").unwrap();
        let start = AgentState { cell: Cell { x: 3, y: 3 }, meters: vec![0.5; 8], ..town.state(0) };
        for (name, actions) in [("first", &[0, 1, 2][..]), ("second", &[3, 4])] {
            town.place(0, &start).unwrap();
            trace.begin(name, &town, 0).unwrap();
            for &action in actions {
                town.step(&[action]).unwrap();
                trace.step(&town, action).unwrap();
            }
        }
        let text = String::from_utf8(trace.into_inner().unwrap()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The sample with `from` on line `line` replaced.
    #[track_caller]
    fn changed(line: usize, from: &str, to: &str) -> String {
        let mut lines = sample();
        let text = &mut lines[line - 1];
        assert!(text.contains(from), "{text}");
        *text = text.replacen(from, to, 1);
        lines.join("\n") + "\n"
    }

    #[track_caller]
    fn expect_fault(trace: &str, line: usize, message: &str) {
        let (found, fault) = fault(trace);
        assert!(fault.contains(message), "{fault}");
        assert_eq!(found, line);
    }

    #[test]
    fn the_sample_itself_is_sound() {
        let report = check(&(sample().join("\n") + "\n")).unwrap();
        assert_eq!(report, whole(2, 5));
        // The last line may lack its newline.
        assert_eq!(check(&sample().join("\n")).unwrap(), report);
    }

    #[test]
    fn a_changed_digit_is_reported_with_episode_step_and_field() {
        // Energy after the second step up and down: 0.5 - 4 * 0.005, give or take the cascades.
        let energy = sample()[3].split(r#""meters":["#).nth(1).unwrap()[..5].to_owned();
        let (before, last) = energy.split_at(4);
        let forged = format!("{before}{}", if last == "9" { "1" } else { "9" });
        let report = check(&changed(4, &format!("[{energy}"), &format!("[{forged}"))).unwrap();
        let difference = report.difference.unwrap();
        assert_eq!((difference.line, difference.episode.as_str(), difference.step), (4, "first", Some(1)));
        assert_eq!((difference.field, difference.index), ("meters", Some(0)));
        assert!(difference.expected.starts_with(&forged), "{difference}");
        assert!(difference.found.starts_with(&energy), "{difference}");
        assert_eq!((report.episodes, report.steps), (1, 2));
    }

    #[test]
    fn every_compared_field_is_compared() {
        let cases = [
            (2, r#""observation":[1"#, r#""observation":[0"#, "observation", None),
            (3, r#""mask":[true"#, r#""mask":[false"#, "mask", Some(0)),
            (3, r#""cell":[3,2]"#, r#""cell":[2,2]"#, "cell", Some(0)),
            (3, r#""meters":[0."#, r#""meters":[1."#, "meters", Some(0)),
            (3, r#""reward":5.5"#, r#""reward":5"#, "reward", Some(0)),
            (3, r#""terminated":false"#, r#""terminated":true"#, "terminated", Some(0)),
            (3, r#""interaction":null"#, r#""interaction":"Bed""#, "interaction", Some(0)),
            (3, r#""hour":1"#, r#""hour":2"#, "hour", Some(0)),
            (3, r#""progress":0"#, r#""progress":1"#, "progress", Some(0)),
            (3, "0.04347826,0]", "0.04347826,1]", "observation", Some(0)),
        ];
        for (line, from, to, field, step) in cases {
            let difference = check(&changed(line, from, to)).unwrap().difference.expect(field);
            assert_eq!((difference.field, difference.step, difference.line), (field, step, line));
        }
    }

    #[test]
    fn a_trace_cut_off_within_a_line_is_told_from_a_bad_line() {
        let whole = sample().join("\n");
        let end = whole.lines().last().unwrap().len() + 1;
        for (bytes, at) in [(1, 9), (10, 9), (end + 1, 8), (end + 200, 8)] {
            match check(&whole[..whole.len() - bytes]) {
                Err(TraceError::CutOff { line, .. }) => assert_eq!(line, at),
                other => panic!("expected a trace cut off at line {at}, found {other:?}"),
            }
        }
        match check(&changed(4, r#""mask":["#, r#""mask":[,"#)) {
            Err(error @ TraceError::Malformed { line: 4, .. }) => {
                assert!(error.to_string().starts_with("test.jsonl:4:"), "{error}");
                assert!(error.to_string().contains("expected value"), "{error}");
            }
            other => panic!("expected a malformed line, found {other:?}"),
        }
    }

    #[test]
    fn a_trace_cut_at_any_line_is_not_whole() {
        let lines = sample();
        for kept in 1..lines.len() {
            for newline in ["", "\n"] {
                match check(&(lines[..kept].join("\n") + newline)) {
                    Err(error @ TraceError::NoEnd { .. }) => {
                        assert_eq!(error.line(), kept);
                        assert!(error.to_string().contains("cut short"), "{error}");
                    }
                    other => panic!("expected a trace without an end, found {other:?}"),
                }
            }
        }
    }

    #[test]
    fn lines_that_are_missing_before_the_end_are_counted() {
        let mut lines = sample();
        // The last step: everything before it replays.
        lines.remove(7);
        let message = "expected 2 episodes and 5 steps before this line, as it says, found 2 and 4";
        expect_fault(&lines.join("\n"), 8, message);
        // A whole episode.
        let mut lines = sample();
        lines.drain(5..8);
        expect_fault(
            &lines.join("\n"),
            6,
            "expected 2 episodes and 5 steps before this line, as it says, found 1 and 3",
        );
        let mut lines = sample();
        lines.push(lines[7].clone());
        expect_fault(&lines.join("\n"), 10, "expected nothing after the `end`");
    }

    #[test]
    fn an_older_trace_has_no_end_and_may_stop_at_any_line() {
        let mut lines = sample();
        lines[0] = lines[0].replacen("townlet-trace/2", "townlet-trace/1", 1);
        expect_fault(&lines.join("\n"), 9, "a trace of the format `townlet-trace/1` has no `end`");
        lines.pop();
        for (kept, episodes, steps) in [(8, 2, 5), (7, 2, 4), (4, 1, 2), (1, 0, 0)] {
            let report = check(&lines[..kept].join("\n")).unwrap();
            assert_eq!(report, TraceReport { has_end: false, ..whole(episodes, steps) });
        }
    }

    #[test]
    fn names_in_a_trace_are_shown_harmlessly() {
        let line = changed(2, r#""episode":"first""#, r#""episode":"\u001b]0;x\u0007""#);
        let mut lines: Vec<&str> = line.lines().collect();
        let forged = lines[2].replacen(r#""reward":5.5"#, r#""reward":7"#, 1);
        lines[2] = &forged;
        let difference = check(&lines.join("\n")).unwrap().difference.unwrap().to_string();
        assert!(difference.contains(r"episode `\u001b]0;x\u0007`"), "{difference}");
        let unknown = changed(3, r#""interaction":null"#, r#""interaction":"\u001b[31m""#);
        expect_fault(&unknown, 3, r"found `\u001b[31m`");
        let key = check(&changed(3, r#""reward""#, r#""\u001b[31m""#)).unwrap_err().to_string();
        assert!(!key.contains('\u{1b}'), "{key}");
    }

    #[test]
    fn keys_are_neither_invented_nor_lost() {
        let malformed = |trace: String, message: &str| match check(&trace) {
            Err(TraceError::Malformed { message: found, .. }) => {
                assert!(found.contains(message), "{found}");
            }
            other => panic!("expected a malformed line, found {other:?}"),
        };
        malformed(changed(3, r#""reward":5.5"#, r#""reward":5.5,"bonus":1"#), "unknown field `bonus`");
        malformed(changed(3, r#""interaction":null,"#, ""), "missing field `interaction`");
        malformed(
            changed(3, r#""reward":5.5"#, r#""reward":null"#),
            "expected a number of 32 bits, found null",
        );
        malformed(changed(3, r#""action":0"#, r#""action":-1"#), "-1");
        malformed(changed(2, r#""cell":[3,3]"#, r#""cell":[3,-3]"#), "cell");
        expect_fault(&changed(3, r#""hour":1,"#, ""), 3, "the key `hour`");
        expect_fault(&changed(2, r#""hour":0"#, r#""progress":0"#), 2, "the key `start.hour`");
    }

    #[test]
    fn an_empty_or_foreign_file_is_no_trace() {
        expect_fault("", 1, "expected a header");
        expect_fault(&changed(1, "townlet-trace/2", "townlet-trace/3"), 1, r#"found "townlet-trace/3""#);
        expect_fault("{\"hello\":1}\n", 1, "no such key");
    }

    #[test]
    fn a_file_that_is_not_text_cannot_be_read() {
        let error = verify(&b"\xff\xfe\n"[..], "test.jsonl", None).unwrap_err();
        assert!(matches!(error, TraceError::Read { line: 1, .. }), "{error:?}");
        assert_eq!(error.line(), 1);
    }

    #[test]
    fn lines_stand_in_order() {
        let mut lines = sample();
        lines.remove(1);
        expect_fault(&lines.join("\n"), 2, "expected an episode before the first step");
        expect_fault(
            &changed(4, r#""action""#, r#""deed""#),
            4,
            "expected an `episode`, an `action` or the `end`",
        );
        let over = changed(4, r#""terminated":false"#, r#""terminated":true"#);
        // The reader alone finds what follows the end; a replay stops at the end that does not come.
        let records: Result<Vec<_>, _> = TraceReader::new(over.as_bytes(), "test.jsonl").unwrap().collect();
        let message = records.unwrap_err().to_string();
        assert_eq!(message, "test.jsonl:5: expected another episode, found a step after the end of `first`");
        assert_eq!(check(&over).unwrap().difference.unwrap().field, "terminated");
    }

    #[test]
    fn actions_and_names_that_do_not_exist() {
        expect_fault(&changed(3, r#""action":0"#, r#""action":5"#), 3, "an action from 0 to 4, found 5");
        expect_fault(&changed(3, r#""interaction":null"#, r#""interaction":"Pub""#), 3, "found `Pub`");
        expect_fault(&changed(1, r#""energy""#, r#""vigour""#), 1, r#"meters[0]: expected "energy""#);
        expect_fault(&changed(1, r#""LEFT""#, r#""WEST""#), 1, r#"actions[2]: expected "LEFT""#);
        expect_fault(&changed(1, r#""name":"Bed""#, r#""name":"Cot""#), 1, "affordances[0]");
    }

    #[test]
    fn lists_have_the_length_of_the_header() {
        expect_fault(&changed(3, r#""mask":["#, r#""mask":[true,"#), 3, "mask: expected 5 entries, found 6");
        expect_fault(
            &changed(3, r#""meters":["#, r#""meters":[1,"#),
            3,
            "meters: expected 8 entries, found 9",
        );
        expect_fault(&changed(2, r#""meters":["#, r#""meters":[1,"#), 2, "start.meters: expected 8");
        expect_fault(
            &changed(4, r#""observation":["#, r#""observation":[1,"#),
            4,
            "expected 52 entries, found 53",
        );
    }

    #[test]
    fn a_start_that_the_world_does_not_allow() {
        expect_fault(&changed(2, r#""cell":[3,3]"#, r#""cell":[8,3]"#), 2, "[8, 3] lies off the 8 x 8 grid");
        expect_fault(&changed(2, r#""meters":[0.5"#, r#""meters":[1.5"#), 2, "`energy`");
        expect_fault(&changed(2, r#""hour":0"#, r#""hour":24"#), 2, "found hour 24");
    }

    #[test]
    fn a_header_agrees_with_its_level_and_with_the_one_that_is_asked_for() {
        expect_fault(&changed(1, r#""temporal":true"#, r#""temporal":false"#), 1, "temporal: expected true");
        expect_fault(
            &changed(1, r#""grid":[8,8]"#, r#""grid":[9,8]"#),
            1,
            "grid: expected [8,8], found [9,8]",
        );
        let other = Level::builtin("pomdp").unwrap();
        let error = verify(sample().join("\n").as_bytes(), "test.jsonl", Some(&other)).unwrap_err();
        let TraceError::Invalid { line: 1, fault: TraceFault::Mismatch { key, .. }, .. } = error else {
            panic!("expected a mismatch, found {error}")
        };
        assert_eq!(key, "temporal");
    }

    #[test]
    fn a_level_that_makes_no_world() {
        let broken = changed(1, r#""step_limit":500"#, r#""step_limit":0"#);
        expect_fault(&broken, 1, "the header makes no world: step_limit");
    }
}
