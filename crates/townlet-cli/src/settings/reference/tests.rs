//! What keys of training files come to.

use std::path::PathBuf;

use townlet_drqn::{Annealing, CurriculumConfig, EpsilonSchedule, Intrinsic};
use townlet_env::Observability;
use townlet_nets::CoreConfig;

use super::*;
use crate::recipe::Recipe;
use crate::run_config::Budget;
use crate::settings::{Resolved, resolve};

/// A partially observed town for a recurrent network.
const POMDP: &str = "\
environment:
  grid_size: 8
  partial_observability: true
  vision_range: 2

population:
  num_agents: 3
  learning_rate: 0.0001
  gamma: 0.98
  replay_buffer_capacity: 12_000
  network_type: recurrent
  train_frequency: 5

curriculum:
  max_steps_per_episode: 400
  survival_advance_threshold: 0.8
  survival_retreat_threshold: 0.2
  entropy_gate: 0.6
  min_steps_at_stage: 900

exploration:
  embed_dim: 64
  initial_intrinsic_weight: 0.1
  min_intrinsic_weight: 0.05
  variance_threshold: 90.0
  survival_window: 50
  decay_rate: 0.98
  rnd_learning_rate: 0.001
  epsilon_start: 0.9
  epsilon_min: 0.02
  epsilon_decay: 0.999

training:
  device: cpu
  num_episodes: 70
";

fn resolved(text: &str, sets: &[&str]) -> Result<Resolved> {
    let file = SourceFile { path: PathBuf::from("a.yaml"), text: text.to_owned() };
    let mut said = vec![read(&file)?];
    for setting in sets {
        said.push(Said::new(set::layer(setting)?)?);
    }
    resolve(said)
}

fn fault(text: &str) -> String {
    resolved(text, &[]).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn every_key_becomes_its_setting() {
    let Resolved { config, layers, notes } = resolved(POMDP, &[]).unwrap();
    assert_eq!(notes, [] as [String; 0]);
    assert_eq!((config.recipe, config.backend), (Recipe::Drqn, Backend::Flex));
    assert_eq!((config.level.name.as_str(), config.level.step_limit), ("pomdp", 400));
    assert_eq!((config.agents, config.budget), (3, Budget::Episodes(70)));
    assert_eq!(config.network.core, CoreConfig::Lstm {});
    let learner = &config.learner;
    assert_eq!((learner.learning_rate, learner.discount, learner.replay_capacity), (1e-4, 0.98, 12_000));
    assert_eq!(learner.schedule.update_every, 15, "five steps of three agents");
    assert_eq!(learner.trace_length, 8, "the reference's");
    let CurriculumConfig::Adversarial(curriculum) = &learner.curriculum else { panic!("{learner:?}") };
    assert_eq!((curriculum.advance_survival, curriculum.retreat_survival), (0.8, 0.2));
    assert_eq!((curriculum.max_entropy, curriculum.min_steps), (0.6, 900));
    let Intrinsic::Rnd(rnd) = &learner.intrinsic else { panic!("{learner:?}") };
    assert_eq!((rnd.embedding, rnd.learning_rate), (64, 1e-3));
    let Annealing::Adaptive(annealing) = &learner.annealing else { panic!("{learner:?}") };
    assert_eq!((annealing.initial_weight, annealing.minimum_weight, annealing.decay), (0.1, 0.05, 0.98));
    assert_eq!((annealing.variance_threshold, annealing.window), (90.0, 50));
    let expected = EpsilonSchedule::Exponential { start: 0.9, end: 0.02, decay_steps: 99_950 };
    assert_eq!(learner.epsilon, expected, "a thousand episodes of a hundred steps, less rounding");
    assert_eq!(layers.origin("learner.discount").describe("learner.discount"), "a.yaml:9 population.gamma");
    let limit = "level.step_limit";
    assert_eq!(layers.origin(limit).describe(limit), "a.yaml:15 curriculum.max_steps_per_episode");
}

#[test]
fn the_world_follows_from_the_file() {
    let level =
        |environment: &str| resolved(&format!("environment:\n{environment}"), &[]).unwrap().config.level;
    assert_eq!(level("  grid_size: 8\n").name, "full");
    assert_eq!(level("  partial_observability: yes\n").name, "pomdp");
    assert_eq!(level("  partial_observability: true\n  vision_range: 3\n").vision_range, 3);
    let temporal = level("  enable_temporal_mechanics: true\n  partial_observability: true\n");
    assert_eq!((temporal.name.as_str(), temporal.observability), ("temporal", Observability::Partial));
    let seen = level("  enable_temporal_mechanics: true\n").observability;
    assert_eq!(seen, Observability::Full);
    assert_eq!(level("  grid_size: 10\n").grid.width, 10);
    let small = fault("environment:\n  grid_size: 6\n");
    assert!(small.starts_with("a.yaml:2: environment.grid_size: level.grid: [6, 6] does not fit"), "{small}");
}

#[test]
fn a_level_that_is_named_is_held_against_the_file() {
    let fine = resolved(POMDP, &["level=pomdp-shuffled"]).err().unwrap().to_string();
    assert!(
        fine.starts_with(
            "a.yaml:15: curriculum.max_steps_per_episode: is 400, and the level pomdp-shuffled has 500"
        ),
        "{fine}"
    );
    let same = POMDP.replace("400", "500");
    assert_eq!(resolved(&same, &["level=pomdp-shuffled"]).unwrap().config.level.name, "pomdp-shuffled");
    for (level, line, has) in [("full", 3, "shows the whole grid"), ("temporal", 5, "has a clock")] {
        let text =
            same.replace("  vision_range: 2\n", "  vision_range: 2\n  enable_temporal_mechanics: false\n");
        let differs = resolved(&text, &[&format!("level={level}")]).err().unwrap().to_string();
        assert!(differs.starts_with(&format!("a.yaml:{line}: ")) && differs.contains(has), "{differs}");
    }
}

#[test]
fn a_simple_network_learns_from_single_transitions() {
    let config = resolved("population:\n  num_agents: 1\n", &[]).unwrap().config;
    assert_eq!(config.network.core, CoreConfig::None {});
    assert_eq!((config.learner.batch_size, config.learner.trace_length), (64, 1));
    let config =
        resolved("population:\n  network_type: simple\n  batch_size: 32\n", &["recipe=r2d2"]).unwrap().config;
    assert_eq!((config.recipe, config.learner.batch_size, config.learner.burn_in), (Recipe::R2d2, 32, 0));
}

#[test]
fn epsilon_may_stay_and_may_not_grow() {
    let epsilon =
        |text: &str| resolved(&format!("exploration:\n{text}"), &[]).unwrap().config.learner.epsilon;
    assert_eq!(
        epsilon("  epsilon_start: 0.5\n  epsilon_decay: 1.0\n"),
        EpsilonSchedule::Linear { start: 0.5, end: 0.5, steps: 0 }
    );
    assert_eq!(
        epsilon("  epsilon_min: 0.1\n"),
        EpsilonSchedule::Exponential { start: 1.0, end: 0.1, decay_steps: 19_950 }
    );
    let grows = fault("exploration:\n  epsilon_decay: 1.5\n");
    assert_eq!(grows, "a.yaml:2: exploration.epsilon_decay: expected a number above 0, at most 1, found 1.5");
}

#[test]
fn other_types_and_devices() {
    let config = |text: &str| resolved(text, &[]).unwrap();
    let fixed = config("curriculum:\n  type: static\n  entropy_gate: 0.5\n");
    assert!(matches!(fixed.config.learner.curriculum, CurriculumConfig::Static(_)));
    assert_eq!(
        fixed.notes,
        [
            "a.yaml:3: curriculum.entropy_gate is not used: a static curriculum has one stage",
            "learner.curriculum.stage holds health at the start value, so no agent dies of that in training; name it \
             in active_meters to change this"
        ]
    );
    let greedy = config("exploration:\n  type: epsilon_greedy\n  embed_dim: 128\n");
    assert_eq!(
        (greedy.config.learner.intrinsic, greedy.config.learner.annealing),
        (Intrinsic::None {}, Annealing::None {})
    );
    assert_eq!(greedy.notes.len(), 1);
    let rnd = config("exploration:\n  type: rnd\n").config.learner;
    assert!(matches!(rnd.intrinsic, Intrinsic::Rnd(_)) && rnd.annealing == Annealing::None {});
    let cuda = config("training:\n  device: cuda\n");
    assert_eq!(cuda.config.backend == Backend::Flex, cuda.notes.len() == 1, "a fallback is said");
    assert_eq!(
        fault("training:\n  device: tpu\n"),
        "a.yaml:2: training.device: expected cpu or cuda, found tpu"
    );
}

#[test]
fn what_means_nothing_is_said() {
    let text = "\
environment:
  vision_range: 8
population:
  state_dim: 70
  action_dim: 5
curriculum:
  device: cuda
exploration:
  rnd_training_batch_size: 128
  obs_dim: 87
visualization:
  enabled: true
  update_frequency: 1
experiment:
  name: demo
";
    let notes = resolved(text, &[]).unwrap().notes;
    let begins = [
        "a.yaml:2: environment.vision_range is not used: without partial_observability",
        "a.yaml:7: curriculum.device is not used: ",
        "a.yaml:9: exploration.rnd_training_batch_size is not used: ",
        "a.yaml: visualization.enabled, visualization.update_frequency are not used: ",
        "a.yaml: experiment.name are not used: ",
        "a.yaml:4: population.state_dim is not used: it is 70, and an observation of this level has 87 numbers",
    ];
    assert_eq!(notes.len(), begins.len(), "{notes:?}");
    for (note, begin) in notes.iter().zip(begins) {
        assert!(note.starts_with(begin), "{note}");
    }
}

#[test]
fn mistakes_have_a_line_and_a_guess() {
    for (text, expected) in [
        (
            "population:\n  lerning_rate: 0.1\n",
            "a.yaml:2: population.lerning_rate: unknown key `lerning_rate`; did you mean `learning_rate`?",
        ),
        (
            "popluation:\n  gamma: 1\n",
            "a.yaml:1: popluation: unknown section `popluation`; did you mean `population`?",
        ),
        (
            "training:\n  train_frequency: 4\n",
            "a.yaml:2: training.train_frequency: unknown key `train_frequency`; did you mean \
             `population.train_frequency`?",
        ),
        (
            "population:\n  num_agents: many\n",
            "a.yaml:2: population.num_agents: expected a whole number of 0 or more, found \"many\"",
        ),
        (
            "population:\n  num_agents: \"3\"\n",
            "a.yaml:2: population.num_agents: expected a whole number of 0 or more, found \"3\"",
        ),
        (
            "population:\n  num_agents: 010\n",
            "a.yaml:2: population.num_agents: expected a number without a leading zero, which is octal for some \
             readers of YAML and not for others, found 010",
        ),
        (
            "population:\n  gamma: 00.5\n",
            "a.yaml:2: population.gamma: expected a number without a leading zero, which is octal for some readers \
             of YAML and not for others, found 00.5",
        ),
        (
            "population:\n  num_agents: 99999999999999999999\n",
            "a.yaml:2: population.num_agents: expected at most 9223372036854775807, found 99999999999999999999",
        ),
        ("population:\n  gamma: [1]\n", "a.yaml:2: population.gamma: expected one value"),
        ("population: 3\n", "a.yaml:1: population: expected keys with values"),
        (
            "population:\n  network_type: recurent\n",
            "a.yaml:2: population.network_type: expected simple or recurrent, found `recurent`; did you mean \
             `recurrent`?",
        ),
        (
            "population:\n\n  gamma: 2\n",
            "a.yaml:3: population.gamma: learner.discount: expected a number from 0 to 1, found 2",
        ),
        (
            "population:\n  action_dim: 6\n",
            "a.yaml:2: population.action_dim: expected 5, the number of actions in the town, found 6",
        ),
        (
            "environment:\n  grid_size: 8\npopulation:\n  grid_size: 9\n",
            "a.yaml:4: population.grid_size: is 9, and environment.grid_size is 8 in line 2; expected the same",
        ),
    ] {
        assert_eq!(fault(text), expected);
    }
    let unlike = fault("population:\n  momentum: 1\n");
    assert!(unlike.contains("unknown key `momentum`; expected one of num_agents, learning_rate"), "{unlike}");
}
