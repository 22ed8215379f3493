//! What a session shows is what the world and the brain did, and commands do what they say.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use townlet_env::trace::{TraceError, TraceWriter, verify};
use townlet_env::{Level, PreviousInputs, Town, VectorEnv, random_allowed};
use townlet_viewer::frame::Refusal;
use townlet_viewer::{
    Beside, Brain, CheckpointInfo, Command, EchoBrain, RandomBrain, Recording, RunFacts, Session,
    SessionError, SessionOptions, Source, SourceError, Thought, UntrainedSource, World,
};

fn watch(checkpoint: &str, level: &str) -> Session {
    let options = SessionOptions {
        level: Some(level.to_owned()),
        checkpoint: Some(checkpoint.to_owned()),
        seed: 3,
        ..SessionOptions::default()
    };
    Session::watch(Arc::new(UntrainedSource::default()), options).unwrap()
}

#[test]
fn frames_hold_what_the_world_and_the_brain_give() {
    let mut session = watch("echo", "temporal");
    let mut brain = EchoBrain::new(0, 64);
    let mut town = Town::new(Level::builtin("temporal").unwrap(), 1).unwrap();
    town.reset(3);
    brain.forget();
    let (mut episodes, mut total) = (0, 0.0);
    for _ in 0..1500 {
        let frame = session.frame();
        let lane = &frame.lanes[0];
        assert_eq!(frame.episode, episodes);
        if lane.ended.is_some() {
            session.advance().unwrap();
            episodes += 1;
            total = 0.0;
            brain.forget();
            continue;
        }
        let state = town.state(0);
        let thought = brain.act(town.observations(), town.action_masks());
        let shown = lane.thought.as_ref().unwrap();
        assert_eq!(shown.values, thought.values, "values are not rounded");
        assert_eq!(shown.action, thought.action);
        assert_eq!(shown.memory.len(), 64);
        assert_eq!(lane.cell, <[u8; 2]>::from(state.cell));
        assert_eq!((lane.hour, lane.step), (state.hour, town.episode_steps()[0]));
        assert_eq!(lane.mask, town.action_masks());
        let window: Vec<bool> = town.observations()[..25].iter().map(|&cell| cell == 1.0).collect();
        assert_eq!(lane.window.as_ref(), Some(&window));
        assert_eq!(lane.meters.iter().map(|it| it.value).collect::<Vec<_>>(), state.meters);
        assert_eq!(lane.total_reward, total);
        assert_eq!(lane.visits.iter().sum::<u32>(), lane.step + 1);
        let step = town.step(&[thought.action]).unwrap();
        total += f64::from(step.rewards[0]);
        session.advance().unwrap();
    }
    assert!(episodes > 2, "{episodes} episodes");
    let certificate = session.certificates().next().unwrap();
    assert!(certificate.died && !certificate.causes.is_empty());
    assert_eq!(certificate.last_steps.len(), 20);
    assert_eq!(certificate.last_steps[19].step, certificate.steps);
}

#[test]
fn exploration_draws_what_an_evaluation_with_epsilon_draws() {
    let mut session = watch("echo", "pomdp");
    session.apply(&Command::Epsilon { epsilon: 1.0 }).unwrap();
    session.apply(&Command::Restart {}).unwrap();
    let mut different = 0;
    for _ in 0..50 {
        let frame = session.frame();
        let thought = frame.lanes[0].thought.clone().unwrap();
        assert!(thought.explored);
        let greedy = Thought::greedy(thought.values, vec![], &frame.lanes[0].mask);
        different += usize::from(greedy.action != thought.action);
        session.advance().unwrap();
        assert!(session.frame().lanes[0].taken.as_ref().unwrap().explored);
    }
    assert!(different > 10);
}

#[test]
fn side_by_side_shares_the_world_and_differs_in_memory() {
    let mut session = watch("echo", "pomdp-shuffled");
    session.apply(&Command::SideBySide { beside: Beside::MemoryWiped {} }).unwrap();
    let start = session.frame();
    let [kept, wiped] = &start.lanes[..] else { panic!("expected two lanes") };
    assert_eq!((kept.cell, &kept.places, &kept.meters), (wiped.cell, &wiped.places, &wiped.meters));
    assert_eq!(kept.thought, wiped.thought, "nothing to remember yet");
    assert!(session.scene().lanes[0].keeps_memory && !session.scene().lanes[1].keeps_memory);
    let mut different = 0;
    for _ in 0..100 {
        session.advance().unwrap();
        let frame = session.frame();
        let values = |lane: usize| frame.lanes[lane].thought.as_ref().map(|it| it.values.clone());
        different += usize::from(values(0) != values(1));
    }
    assert!(different > 90, "{different} of 100");
}

#[test]
fn a_lane_that_is_done_waits_for_the_other() {
    let mut session = watch("scripted", "pomdp");
    session
        .apply(&Command::SideBySide { beside: Beside::Checkpoint { checkpoint: "random".into() } })
        .unwrap();
    let mut waited = 0;
    while !session.episode_is_over() {
        session.advance().unwrap();
        let frame = session.frame();
        waited += usize::from(frame.lanes[0].step != frame.lanes[1].step);
    }
    assert!(waited > 0, "the two die at different steps");
    assert_eq!(session.certificates().map(|it| it.lane).collect::<Vec<_>>().len(), 2);
    session.advance().unwrap();
    let frame = session.frame();
    assert_eq!((frame.episode, frame.lanes[0].step, frame.lanes[1].step), (1, 0, 0));
    assert_eq!(frame.lanes[0].cell, frame.lanes[1].cell);
}

#[test]
fn commands_do_what_they_say_and_refuse_what_they_must() {
    let mut session = watch("random", "pomdp");
    session.apply(&Command::Speed { steps_per_second: 200 }).unwrap();
    assert_eq!(session.status().speed, 200);
    session.apply(&Command::Pause {}).unwrap();
    assert!(session.status().paused);
    session.apply(&Command::Step {}).unwrap();
    assert_eq!(session.frame().lanes[0].step, 1);
    session.apply(&Command::Seed { seed: 9 }).unwrap();
    let begun = session.frame();
    assert_eq!((session.status().seed, begun.lanes[0].step), (9, 0));
    session.advance().unwrap();
    session.apply(&Command::Restart {}).unwrap();
    assert_eq!(session.frame().lanes[0].cell, begun.lanes[0].cell);
    let scene = session.scene().id;
    session.apply(&Command::Level { level: "full".to_owned() }).unwrap();
    assert!(session.scene().id > scene && session.scene().level.vision_range.is_none());
    session.apply(&Command::Checkpoint { checkpoint: "echo".to_owned() }).unwrap();
    assert_eq!(session.status().checkpoint.as_deref(), Some("echo"));

    let before = (session.status(), session.frame());
    for (command, expected) in [
        (Command::Speed { steps_per_second: 0 }, "1 to 200"),
        (Command::Speed { steps_per_second: 201 }, "1 to 200"),
        (Command::Epsilon { epsilon: 1.5 }, "0 to 1"),
        (Command::Epsilon { epsilon: f64::NAN }, "0 to 1"),
        (Command::Seed { seed: u64::MAX }, "9007199254740991"),
        (Command::Level { level: "../../etc/passwd".to_owned() }, "expected one of"),
        (Command::Checkpoint { checkpoint: "/etc/passwd".to_owned() }, "random, scripted, echo"),
        (Command::SideBySide { beside: Beside::Checkpoint { checkpoint: "no".into() } }, "no checkpoint"),
        (Command::Act { action: 0 }, "`act`"),
        (Command::Seek { step: 1 }, "`seek`"),
    ] {
        let error = session.apply(&command).unwrap_err().to_string();
        assert!(error.contains(expected), "{command:?}: {error}");
        assert_eq!((session.status(), session.frame()), before, "{command:?} changed something");
    }
}

/// A source that grows, and whose networks see previous inputs.
#[derive(Default)]
struct Growing(Mutex<u64>);

struct Fitted(EchoBrain);

impl Brain for Fitted {
    fn act(&mut self, observation: &[f32], mask: &[bool]) -> Thought {
        assert_eq!(observation.len(), 56);
        self.0.act(observation, mask)
    }
    fn forget(&mut self) {
        self.0.forget();
    }
    fn accepts(&self, layout: &townlet_env::ObservationLayout) -> Result<(), String> {
        if layout.len() == 56 { Ok(()) } else { Err(format!("expected 56 features, found {}", layout.len())) }
    }
}

impl Source for Growing {
    fn checkpoints(&self) -> Vec<CheckpointInfo> {
        let info = |steps| CheckpointInfo {
            id: format!("step-{steps}"),
            steps,
            episodes: None,
            label: format!("{steps} steps"),
            epsilon: None,
        };
        (0..=*self.0.lock().unwrap()).map(info).collect()
    }
    fn brain(&self, checkpoint: &str) -> Result<Box<dyn Brain>, SourceError> {
        let steps = checkpoint.trim_start_matches("step-").parse().unwrap();
        if steps == 2 {
            return Err(SourceError::Other("cannot read step-2: it is half written".into()));
        }
        Ok(Box::new(Fitted(EchoBrain::new(steps, 8))))
    }
    fn levels(&self) -> Vec<String> {
        vec!["pomdp".to_owned(), "full".to_owned()]
    }
    fn world(&self, level: &str) -> Result<Box<dyn World>, SourceError> {
        let level = Level::builtin(level).expect("one of the levels");
        Ok(Box::new(PreviousInputs::new(Town::new(level, 1)?, 0.1)))
    }
    fn facts(&self) -> RunFacts {
        RunFacts { training: true, ..RunFacts::default() }
    }
}

#[test]
fn a_session_follows_a_run_between_episodes_only() {
    let source = Arc::new(Growing::default());
    let mut session = Session::watch(source.clone(), SessionOptions::default()).unwrap();
    assert!(session.status().follow);
    session.advance().unwrap();
    *source.0.lock().unwrap() = 1;
    session.poll();
    assert_eq!(session.status().checkpoint.as_deref(), Some("step-0"), "not within an episode");
    while session.frame().episode == 0 {
        session.advance().unwrap();
    }
    assert_eq!(session.status().checkpoint.as_deref(), Some("step-1"));
    assert_eq!(session.scene().lanes[0].trained_steps, Some(1));
    assert_eq!(session.frame().lanes[0].step, 0);

    // One that cannot be loaded is reported, and the old one goes on.
    *source.0.lock().unwrap() = 2;
    session.poll();
    let error = loop {
        if let Err(error) = session.advance() {
            break error;
        }
    };
    assert!(error.to_string().contains("half written"), "{error}");
    assert_eq!(session.status().checkpoint.as_deref(), Some("step-1"));
    assert_eq!(session.frame().lanes[0].step, 0);
    session.advance().unwrap();
    assert_eq!(session.frame().lanes[0].step, 1);

    // A network that does not fit a level is refused, and everything stays.
    let error = session.apply(&Command::Level { level: "full".to_owned() }).unwrap_err();
    assert!(matches!(&error, SessionError::DoesNotFit { .. }), "{error}");
    assert!(error.to_string().contains("expected 56 features"), "{error}");
    assert_eq!(session.status().level, "pomdp");
}

/// A file that can still be read.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_a_person_plays_is_recorded_and_replays() {
    let file = Shared::default();
    let options = SessionOptions { level: Some("pomdp-shuffled".to_owned()), ..SessionOptions::default() };
    let source = Arc::new(UntrainedSource::default());
    let mut session = Session::play(source, &options, Some(Box::new(file.clone()))).unwrap();
    assert!(session.apply(&Command::Act { action: 9 }).unwrap_err().to_string().contains("0 to 4"));
    let mut random = RandomBrain::new(1);
    while session.frame().episode < 2 {
        let mask = session.frame().lanes[0].mask.clone();
        let action = random.act(&[], &mask).action;
        session.apply(&Command::Act { action }).unwrap();
        session.advance().unwrap();
        if session.episode_is_over() {
            let ended = session.frame();
            session.apply(&Command::Act { action }).unwrap();
            assert_eq!(session.frame(), ended, "a key after death begins nothing");
            session.apply(&Command::NextEpisode {}).unwrap();
        }
        let begun = session.frame();
        session.apply(&Command::NextEpisode {}).unwrap();
        assert_eq!(session.frame(), begun, "no episode is cut short");
    }
    let error = session.apply(&Command::Level { level: "pomdp".to_owned() }).unwrap_err();
    assert!(matches!(error, SessionError::Recorded), "{error}");
    let lived: Vec<u32> = session.certificates().map(|it| it.steps).collect();

    // What a kill would leave: all of it, and that it is not whole.
    let bytes = file.0.lock().unwrap().clone();
    let cut = verify(&bytes[..], "played.jsonl", None).unwrap_err();
    assert!(matches!(cut, TraceError::NoEnd { .. }), "{cut}");
    let cut = Recording::read(&bytes[..], "played.jsonl").unwrap();
    assert!(cut.is_cut_short() && cut.episodes().len() == 3);

    // The record ends with the session.
    drop(session);
    let bytes = file.0.lock().unwrap().clone();
    let report = verify(&bytes[..], "played.jsonl", None).unwrap();
    assert_eq!((report.episodes, report.difference), (3, None));

    // And plays again, to the same end.
    let recording = Recording::read(&bytes[..], "played.jsonl").unwrap();
    assert!(!recording.is_cut_short());
    let mut replay = Session::replay(recording, &SessionOptions::default()).unwrap();
    while !replay.status().paused {
        replay.advance().unwrap();
    }
    let replayed: Vec<u32> = replay.certificates().map(|it| it.steps).collect();
    assert_eq!(replayed, lived);
}

fn recorded() -> Vec<u8> {
    let mut town = Town::new(Level::builtin("temporal").unwrap(), 1).unwrap();
    town.reset(4);
    let mut trace = TraceWriter::new(Vec::new(), town.level(), "a test").unwrap();
    let mut random = RandomBrain::new(4);
    for episode in 0..2 {
        trace.begin(&format!("number {episode}"), &town, 0).unwrap();
        let mut ended = false;
        while !ended {
            let action = random.act(&[], town.action_masks()).action;
            town.step(&[action]).unwrap();
            ended = trace.step(&town, action).unwrap();
        }
    }
    trace.into_inner().unwrap()
}

#[test]
fn a_replay_can_be_sought_in() {
    let recording = Recording::read(&recorded()[..], "recorded.jsonl").unwrap();
    let steps = recording.episodes()[0].steps();
    let mut replay = Session::replay(recording, &SessionOptions::default()).unwrap();
    let mut frames = vec![replay.frame()];
    for _ in 0..steps {
        replay.advance().unwrap();
        frames.push(replay.frame());
    }
    for step in [40, 7, 0, steps - 1, steps, 3, u32::MAX] {
        replay.apply(&Command::Seek { step }).unwrap();
        assert_eq!(replay.frame(), frames[step.min(steps) as usize], "step {step}");
    }
    assert!(replay.frame().lanes[0].ended.is_some());
    replay.apply(&Command::Episode { episode: 1 }).unwrap();
    assert_eq!((replay.frame().episode, replay.frame().lanes[0].step), (1, 0));
    assert!(replay.apply(&Command::Episode { episode: 2 }).is_err());
    assert!(replay.apply(&Command::Level { level: "pomdp".to_owned() }).is_err());
}

#[test]
fn a_recording_that_does_not_replay_is_refused() {
    let text = String::from_utf8(recorded()).unwrap();
    let forged = text.replacen("\"reward\":5.5", "\"reward\":5.6", 1);
    let error = Recording::read(forged.as_bytes(), "forged.jsonl").unwrap_err().to_string();
    assert!(error.contains("forged.jsonl") && error.contains("5.6"), "{error}");
    let header = text.lines().next().unwrap().to_owned() + "\n";
    let error = Recording::read(header.as_bytes(), "empty.jsonl").unwrap_err().to_string();
    assert!(error.contains("no episode"), "{error}");
    assert!(Recording::load("no/such/file.jsonl").unwrap_err().to_string().contains("no/such/file.jsonl"));
}

#[test]
fn a_step_that_did_nothing_says_why() {
    let mut session =
        Session::play(Arc::new(UntrainedSource::default()), &SessionOptions::default(), None).unwrap();
    assert_eq!(session.status().level, "temporal", "where places close");
    let mut seen = std::collections::BTreeSet::new();
    for step in 0..12_000 {
        if step == 4000 {
            // Where they cost more.
            session.apply(&Command::Level { level: "pomdp".to_owned() }).unwrap();
            assert_eq!(session.status().longest, 0);
        }
        let before = session.frame().lanes[0].clone();
        // Among all actions, whether they are allowed or not.
        let action = random_allowed(&[true; 5], &mut townlet_env::stream(3, "refusals", 0, step));
        session.apply(&Command::Act { action }).unwrap();
        let frame = session.frame();
        let taken = frame.lanes[0].taken.clone().unwrap();
        assert_eq!(taken.refused.is_some(), !taken.allowed, "step {step}: {taken:?}");
        let place = before.progress.map(|progress| progress.place);
        let money = before.meters[3].value;
        match taken.refused {
            None => assert!(action != Town::INTERACT || taken.used.is_some()),
            Some(Refusal::Wall) => assert_eq!(before.cell, frame.lanes[0].cell),
            Some(Refusal::NothingHere) => assert_eq!(place, None),
            Some(Refusal::Closed) => assert!(!before.places[place.unwrap()].open),
            Some(Refusal::TooExpensive) => {
                assert!(session.scene().level.places[place.unwrap()].price > money);
            }
        }
        seen.extend(taken.refused.map(|it| format!("{it:?}")));
        if session.episode_is_over() {
            session.apply(&Command::NextEpisode {}).unwrap();
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert!(session.status().longest >= 50);
}
