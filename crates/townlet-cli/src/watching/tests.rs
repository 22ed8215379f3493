//! What is watched is what is evaluated.

use std::rc::Rc;
use std::sync::Arc;

use townlet_drqn::{NetworkPolicy, Policy, Trainer};
use townlet_env::VectorEnv;
use townlet_nets::Actor;
use townlet_viewer::{Beside, Session, SessionOptions, Source, SurvivalPoint};

use super::run_source::{RunSource, curve};
use crate::run_config::RunConfig;
use crate::run_directory::{RunDirectory, Weights};
use crate::run_setup::Place;
use crate::settings::{SourceFile, resolve, within};

/// Settings of a small network, in the level where the map is new in every episode.
const SETTINGS: &str = "\
level = { base = \"pomdp-shuffled\", step_limit = 120 }
seed = 4
agents = 2
steps = 100

[network]
hidden = 16
vision_channels = [2, 2]
vision_features = 8
encoder_features = 4
head_features = 8
";

/// A run directory in which nothing has been saved yet.
fn begun(folder: &std::path::Path) -> (RunDirectory, RunConfig) {
    let file = SourceFile { path: "watched.toml".into(), text: SETTINGS.to_owned() };
    let table = file.toml().parse().unwrap();
    let said = within(Rc::new(file), "", table).unwrap();
    let config = resolve(vec![said]).unwrap().config;
    let run = Place::Named(folder.join("run")).make(&config).unwrap().0;
    (run, config)
}

/// One with a network that was never trained; what matters is that it is one and the same.
fn run(folder: &std::path::Path) -> (RunDirectory, RunConfig) {
    let (run, config) = begun(folder);
    let network = config.network.init(9, &config.backend.device().unwrap());
    run.save_weights(Weights::Last, &network, &config, 0).unwrap();
    (run, config)
}

#[test]
fn the_viewer_shows_the_values_memory_and_actions_that_an_evaluation_acts_with() {
    let folder = tempfile::tempdir().unwrap();
    let (run, config) = run(folder.path());
    let network = run.load_network(Weights::Last, &config, config.backend).unwrap();
    let mut world = config.view().world(1).unwrap();
    world.reset(7);
    let mut policy = NetworkPolicy::new(&network, 1, 0.0, 7);
    let mut actor = Actor::new(&network, 1);
    let mut memory = Vec::new();

    let options = SessionOptions { seed: 7, beside: Beside::MemoryWiped {}, ..SessionOptions::default() };
    let mut session = Session::watch(Arc::new(RunSource::new(run, config).unwrap()), options).unwrap();
    let (mut steps, mut apart) = (0, 0);
    for episode in 0..2 {
        let mut ended = false;
        while !ended {
            let frame = session.frame();
            let thought = frame.lanes[0].thought.clone().expect("a network thinks");
            let values = actor.values(world.observations()).to_vec();
            assert_eq!(thought.values, values, "episode {episode}, step {steps}");
            actor.write_state(&mut memory);
            let shown = memory[..16].iter().zip(&thought.memory);
            assert!(shown.clone().count() == 16 && shown.clone().all(|(a, b)| (a - b).abs() < 1e-4));
            let mut actions = [0];
            policy.act(&world, &mut actions).unwrap();
            assert_eq!(thought.action, actions[0], "episode {episode}, step {steps}");
            // The same network beside it, in the same world, without its memory.
            if let Some(wiped) = &frame.lanes[1].thought {
                apart += usize::from(wiped.values != thought.values);
            }
            let step = world.step(&actions).unwrap();
            ended = step.ended(0);
            Policy::<crate::world::World>::ended(&mut policy, &[ended]);
            actor.forget(&[ended]);
            session.advance().unwrap();
            steps += 1;
        }
        while !session.episode_is_over() {
            session.advance().unwrap();
        }
        session.advance().unwrap();
    }
    assert!(steps > 60 && apart > steps / 2, "{apart} of {steps} moments differ");
}

#[test]
fn a_run_is_watched_from_its_beginning_and_followed_when_it_saves() {
    let folder = tempfile::tempdir().unwrap();
    let (run, config) = begun(folder.path());
    let device = config.backend.device().unwrap();
    let world = config.view().world(config.agents).unwrap();
    let trainer = Trainer::new(world, &config.network, config.learner.clone(), config.seed, &device).unwrap();
    let mut beginning = Actor::new(&trainer.learner().acting_network(), 1);

    let source = RunSource::new(RunDirectory::open(run.path()).unwrap().0, config.clone()).unwrap();
    let mut session = Session::watch(Arc::new(source), SessionOptions::default()).unwrap();
    let mut world = config.view().world(1).unwrap();
    world.reset(0);
    let thought = session.frame().lanes[0].thought.clone().unwrap();
    assert_eq!(thought.values, beginning.values(world.observations()), "what the trainer begins with");
    assert_eq!(session.status().checkpoint.as_deref(), Some("untrained"));

    let network = config.network.init(9, &device);
    run.save_weights(Weights::Last, &network, &config, 50).unwrap();
    session.poll();
    while !session.episode_is_over() {
        session.advance().unwrap();
    }
    session.advance().unwrap();
    assert_eq!(session.status().checkpoint.as_deref(), Some("last"));
}

#[test]
fn a_run_is_told_of_by_its_name_and_not_by_where_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let (run, config) = begun(folder.path());
    let path = run.path().to_path_buf();
    run.save_weights(Weights::Last, &config.network.init(9, &config.backend.device().unwrap()), &config, 0)
        .unwrap();
    let source = RunSource::new(run, config).unwrap();
    let facts = source.facts();
    assert_eq!(facts.name, "run");
    assert_eq!(serde_json::to_string(&facts.reward_scale).unwrap(), "0.01", "as the program has it");
    // Errors are shown to everybody, too.
    std::fs::write(path.join("weights.safetensors"), "torn").unwrap();
    let error = source.brain("last").err().expect("torn weights").to_string();
    assert!(
        error.contains("weights.safetensors") && !error.contains(&*folder.path().to_string_lossy()),
        "{error}"
    );
}

#[test]
fn the_curve_of_a_run_does_not_vanish_between_its_first_and_its_second_evaluation() {
    let points = |count: u64| -> Vec<SurvivalPoint> {
        (0..count).map(|steps| SurvivalPoint { steps, survival: 100.0 }).collect()
    };
    for (evaluations, episodes, expected) in
        [(0, 9, (9, false)), (1, 9, (9, false)), (2, 9, (2, true)), (1, 0, (1, true)), (0, 0, (0, false))]
    {
        let (curve, evaluated) = curve(points(evaluations), || points(episodes));
        assert_eq!((curve.len(), evaluated), expected, "{evaluations} evaluations, {episodes} episodes");
    }
}
