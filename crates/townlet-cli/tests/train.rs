//! `townlet train`: what a run leaves behind, and what it refuses.

mod common;

use std::fs;

use common::Sandbox;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use serde_json::Value;
use townlet_metrics::{EvaluationRow, Metrics};

#[test]
fn a_run_leaves_everything_behind() {
    let sandbox = Sandbox::new();
    sandbox
        .train("run", &["--steps", "1200", "--seed", "5", "--level", "temporal"])
        .assert()
        .success()
        .stdout(contains("Trained for 1200 steps").and(contains("Mean survival: ")))
        .stdout(contains("Next: townlet watch run\n      townlet eval run\n"));

    let run: toml::Table = sandbox.read("run/run.toml").parse().unwrap();
    assert_eq!(run["seed"].as_integer(), Some(5));
    assert_eq!(run["agents"].as_integer(), Some(4));
    assert_eq!(run["backend"].as_str(), Some("flex"));
    assert_eq!(run["budget"]["steps"].as_integer(), Some(1200));
    assert_eq!(run["network"]["hidden"].as_integer(), Some(8));
    assert_eq!(run["learner"]["batch_size"].as_integer(), Some(2));
    assert_eq!(run["learner"]["schedule"]["update_every"].as_integer(), Some(50));
    assert_eq!(run["learner"]["estimator"].as_str(), Some("double"), "what the file leaves out stays");
    assert_eq!(run["level"]["name"].as_str(), Some("temporal"));

    let level: toml::Table = sandbox.read("run/level.toml").parse().unwrap();
    assert_eq!(Some(&toml::Value::Table(level)), run.get("level"));

    let weights = fs::read(sandbox.path("run/weights.safetensors")).unwrap();
    let header = String::from_utf8_lossy(&weights[8..600]);
    for fact in [r#"\"format\":\"townlet-weights/1\""#, r#"\"level\":\"temporal\""#, r#"\"seed\":5"#] {
        assert!(header.contains(fact), "{fact} is not in {header}");
    }
    assert!(header.contains(r#"\"steps\":1200"#), "{header}");
    let mut left: Vec<String> = fs::read_dir(sandbox.path("run"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .map(|name| if name.starts_with("events.out.tfevents.") { "events".to_owned() } else { name })
        .collect();
    left.sort();
    let expected = [
        "checkpoints",
        "events",
        "level.toml",
        "lock",
        "metrics.sqlite",
        "provenance.json",
        "run.toml",
        "status.json",
        "weights.safetensors",
    ];
    assert_eq!(left, expected, "no partial file is left");

    let provenance: Value = serde_json::from_str(&sandbox.read("run/provenance.json")).unwrap();
    assert_eq!((&provenance["seed"], &provenance["backend"]), (&5.into(), &"flex".into()));
    assert_eq!(provenance["command"][1], "train");
    let status: Value = serde_json::from_str(&sandbox.read("run/status.json")).unwrap();
    assert_eq!((&status["state"], &status["steps"]), (&"finished".into(), &1200.into()));
}

#[test]
fn a_run_is_evaluated_on_its_way() {
    let sandbox = Sandbox::new();
    let arguments = ["--steps", "1000", "--evaluate-every", "400"];
    sandbox.train("run", &arguments).assert().success().stdout(contains("Evaluated: after 1000 steps"));

    let rows = Metrics::open(&sandbox.path("run")).unwrap().evaluations().unwrap();
    let steps: Vec<u64> = rows.iter().map(|row| row.steps).collect();
    assert_eq!(steps, [400, 800, 1000], "the end is evaluated, too");
    let survival = |row: &EvaluationRow| row.survival_mean;
    let best = rows.iter().map(survival).fold(0.0, f64::max);
    assert!(best >= 1.0);
    let seconds: Vec<f64> = rows.iter().map(|row| row.training_seconds).collect();
    assert!(seconds[0] > 0.0 && seconds.is_sorted(), "{seconds:?}");

    // The weights that are kept are those of the best evaluation, and training does not notice any.
    let weights = |run: &str, which: &str| fs::read(sandbox.path(run).join(which)).unwrap();
    let at_the_end = survival(&rows[2]).to_bits() == best.to_bits()
        && survival(&rows[1]) < best
        && survival(&rows[0]) < best;
    let same = weights("run", "best.safetensors") == weights("run", "weights.safetensors");
    assert_eq!(same, at_the_end);
    sandbox.train("unseen", &["--steps", "1000"]).assert().success();
    assert!(weights("run", "weights.safetensors") == weights("unseen", "weights.safetensors"));
}

#[test]
fn a_run_stops_when_it_is_good_enough() {
    let sandbox = Sandbox::new();
    let arguments = ["--steps", "100000", "--evaluate-every", "400", "--until", "1"];
    sandbox.train("run", &arguments).assert().success().stdout(contains("Trained for 400 steps"));
    sandbox
        .train("never", &["--until", "1"])
        .assert()
        .failure()
        .stderr(contains("--until needs evaluations; give --evaluate-every"));
    assert!(!sandbox.path("never").exists(), "nothing is written before everything is checked");
}

#[test]
fn a_curriculum_and_novelty_leave_their_marks() {
    let sandbox = Sandbox::new();
    let text = sandbox.read("tiny.toml").replace(
        "[learner]",
        "[learner]\nintrinsic = { kind = \"counts\" }\n\
         curriculum = { kind = \"adversarial\", min_steps = 1, window = 1, advance_survival = 0.0, retreat_survival = 0.0, max_entropy = 1.0 }",
    );
    sandbox.write("staged.toml", text);
    let arguments = ["train", "--config", "staged.toml", "--agents", "4", "--steps", "4000", "--out", "run"];
    sandbox.townlet(&arguments).assert().success();
    let metrics = Metrics::open(&sandbox.path("run")).unwrap();
    let stages = metrics.stages().unwrap();
    assert_eq!((stages[0].from, stages[0].to), (1, 2));
    let episodes = metrics.episodes().unwrap();
    assert!(episodes.iter().all(|row| row.intrinsic_reward > 0.0 && row.intrinsic_weight == 1.0));
    assert!(episodes.iter().any(|row| row.curriculum_stage == 1));
    assert!(episodes.iter().any(|row| row.curriculum_stage > 1));
    let paid = &episodes[0];
    assert_eq!(paid.total_reward, paid.extrinsic_reward + paid.intrinsic_reward);
}

#[test]
fn every_recipe_trains_and_plays() {
    let sandbox = Sandbox::new();
    for (recipe, estimator) in
        [("best", "double"), ("shuffled", "double"), ("r2d2", "double"), ("drqn", "max")]
    {
        sandbox.train(recipe, &["--recipe", recipe, "--steps", "300"]).assert().success();
        let run: toml::Table = sandbox.read(&format!("{recipe}/run.toml")).parse().unwrap();
        assert_eq!(run["recipe"].as_str(), Some(recipe));
        let level = if recipe == "shuffled" { "pomdp-shuffled" } else { "pomdp" };
        assert_eq!(run["level"]["name"].as_str(), Some(level), "{recipe}");
        assert_eq!(run["learner"]["estimator"].as_str(), Some(estimator), "{recipe}");
        let weights = fs::read(sandbox.path(recipe).join("weights.safetensors")).unwrap();
        let dueling = String::from_utf8_lossy(&weights).contains("advantage_head.0.weight");
        assert_eq!(dueling, recipe == "r2d2", "{recipe}");
        let previous = String::from_utf8_lossy(&weights).contains("previous_encoder.0.weight");
        assert_eq!(previous, recipe == "r2d2", "{recipe}");
        sandbox.townlet(&["eval", recipe, "--episodes", "3"]).assert().success();
        sandbox.townlet(&["trace", "record", recipe, "--out", "t.jsonl"]).assert().success();
        sandbox.townlet(&["trace", "verify", "t.jsonl"]).assert().success();
    }
}

#[test]
fn episodes_are_recorded_with_what_happened_in_them() {
    let sandbox = Sandbox::new();
    sandbox.train("run", &["--episodes", "6"]).assert().success();

    let metrics = Metrics::open(&sandbox.path("run")).unwrap();
    let rows = metrics.episodes().unwrap();
    assert!(rows.len() >= 6);
    for (number, row) in rows.iter().enumerate() {
        assert_eq!(row.episode, number as u64);
        assert!(row.terminated || row.truncated);
        assert_eq!(row.cause.is_empty(), !row.terminated, "{row:?}");
        assert!(["", "energy", "health", "energy+health"].contains(&row.cause.as_str()), "{row:?}");
        assert!((0.0..=1.0).contains(&row.epsilon));
        let heat = metrics.heat(row.episode).unwrap();
        assert_eq!(heat.iter().map(|cell| cell.visit_count).sum::<u64>(), row.survival_time);
        let visits = metrics.visits(row.episode).unwrap();
        assert!(visits.iter().filter(|visit| visit.from_affordance == "start").count() <= 1);
    }
    let deaths = metrics.deaths().unwrap();
    assert_eq!(deaths.len(), rows.iter().filter(|row| row.terminated).count());
    let updates = metrics.updates().unwrap();
    assert!(updates.iter().zip(1..).all(|(row, number)| row.update == number));
    assert!(updates.last().unwrap().loss.is_finite());
    assert!(metrics.system_state().unwrap().iter().any(|fact| fact.value == "completed"));
}

#[test]
fn recording_can_be_left_out_and_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.train("seen", &["--steps", "800"]).assert().success();
    sandbox.train("unseen", &["--steps", "800", "--no-metrics"]).assert().success();
    assert!(!sandbox.path("unseen/metrics.sqlite").exists());
    let weights = |run: &str| fs::read(sandbox.path(run).join("weights.safetensors")).unwrap();
    assert!(weights("seen") == weights("unseen"));
}

#[test]
fn the_same_seed_gives_the_same_files() {
    let sandbox = Sandbox::new();
    for (run, seed) in [("a", "1"), ("b", "1"), ("c", "2")] {
        sandbox.train(run, &["--steps", "600", "--seed", seed]).assert().success();
    }
    let file = |run: &str, name: &str| fs::read(sandbox.path(run).join(name)).unwrap();
    for name in ["weights.safetensors", "run.toml", "level.toml"] {
        assert!(file("a", name) == file("b", name), "{name} differs from run to run");
    }
    assert!(file("a", "weights.safetensors") != file("c", "weights.safetensors"));
}

#[test]
fn the_directory_is_named_after_level_time_and_seed() {
    let sandbox = Sandbox::new();
    sandbox
        .townlet(&["train", "--config", "tiny.toml", "--agents", "2", "--steps", "10", "--seed", "3"])
        .assert()
        .success()
        .stdout(contains("No episode has finished."))
        .stdout(contains("Next: townlet watch runs/").and(contains("      townlet eval runs/")));
    let made: Vec<_> =
        fs::read_dir(sandbox.path("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [made] = made.as_slice() else { panic!("one run was made: {made:?}") };
    let name = made.file_name().unwrap().to_str().unwrap();
    let parts: Vec<&str> = name.split('-').collect();
    assert_eq!((parts[0], parts[1].len(), parts[2].len(), parts[3]), ("pomdp", 8, 6, "3"), "{name}");
    assert!(made.join("weights.safetensors").is_file());
    assert_eq!(Metrics::open(made).unwrap().episode_count().unwrap(), 0);
}

#[test]
fn the_end_can_be_json() {
    let sandbox = Sandbox::new();
    let output = sandbox.train("run", &["--steps", "600", "--json", "--quiet"]).assert().success();
    let said: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert_eq!((&said["run"], &said["status"]["steps"]), (&"run".into(), &600.into()));
    assert_eq!(said["status"]["state"], "finished");
}

#[test]
fn a_run_never_overwrites_another() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("run")).unwrap();
    sandbox.write("run/notes.txt", "mine");
    sandbox
        .train("run", &["--steps", "10"])
        .assert()
        .code(1)
        .stderr(contains("error: run is not empty, and a run never overwrites another"));
    assert_eq!(fs::read_dir(sandbox.path("run")).unwrap().count(), 1);
    sandbox
        .train("tiny.toml", &["--steps", "10"])
        .assert()
        .code(1)
        .stderr(contains("tiny.toml as a directory"));

    fs::create_dir(sandbox.path("empty")).unwrap();
    sandbox.train("empty", &["--steps", "10"]).assert().success();
}

#[test]
fn a_quiet_run_says_nothing_on_stderr() {
    let sandbox = Sandbox::new();
    sandbox.train("run", &["--steps", "10", "--quiet"]).assert().success().stderr(is_empty());
}

#[test]
fn a_misspelt_setting_is_found() {
    let sandbox = Sandbox::new();
    let refused = |text: &str, message: &str| {
        sandbox.write("bad.toml", text);
        sandbox
            .townlet(&["train", "--config", "bad.toml", "--steps", "10", "--out", "run"])
            .assert()
            .code(1)
            .stderr(contains(message));
        assert!(!sandbox.path("run").exists(), "nothing is written before everything is checked");
    };
    refused("[learner]\nlerning_rate = 1e-3\n", "error: bad.toml:2: learner.lerning_rate: unknown field");
    refused("\n[network]\nhidden = 0\n", "error: bad.toml:3: network.hidden: expected 1 to 16384, found 0");
    refused("[learner]\nbatch_size = \"two\"\n", "error: bad.toml:2: learner.batch_size: invalid type");
    sandbox
        .townlet(&["train", "--config", "none.toml"])
        .assert()
        .code(1)
        .stderr(contains("cannot read the configuration file none.toml"));
}

#[test]
fn a_misspelt_level_key_is_found() {
    let sandbox = Sandbox::new();
    let level = sandbox.townlet(&["levels", "pomdp"]).output().unwrap().stdout;
    let level = String::from_utf8(level).unwrap().replace("depletion = 0.006", "depletoin = 0.006");
    sandbox.write("mine.toml", level);
    sandbox
        .train("run", &["--level", "mine.toml"])
        .assert()
        .code(1)
        .stderr(predicates::str::is_match(r"^error: mine\.toml:\d+: .*unknown field `depletoin`").unwrap());
    sandbox
        .train("run", &["--level", "moonbase"])
        .assert()
        .code(1)
        .stderr(contains("there is no built-in level `moonbase`; expected full, pomdp"));
    assert!(!sandbox.path("run").exists());
}

#[test]
fn a_diverging_run_keeps_what_it_had() {
    let sandbox = Sandbox::new();
    // Steps so large that the values overflow.
    let diverging = common::TINY.replace("[learner]", "[learner]\nlearning_rate = 1e30");
    sandbox.write("tiny.toml", diverging);
    sandbox
        .train("run", &["--steps", "5000"])
        .assert()
        .code(1)
        .stderr(contains("error: training stopped after"))
        // The agents act by the first update that went astray before another one is made.
        .stderr(contains("the network values action").and(contains("expected a finite number")))
        .stderr(contains("run holds the episodes and the weights so far"));
    assert!(sandbox.path("run/weights.safetensors").is_file());
    assert!(Metrics::open(&sandbox.path("run")).unwrap().episode_count().unwrap() > 0);
}

#[test]
fn an_unknown_backend_is_wrong_usage() {
    let sandbox = Sandbox::new();
    sandbox
        .train("run", &["--backend", "cuda"])
        .assert()
        .code(2)
        .stderr(contains("there is no backend 'cuda'; expected one of flex, ndarray, wgpu"));
}

#[cfg(not(feature = "ndarray"))]
#[test]
fn a_backend_that_is_not_in_the_build_names_its_feature() {
    let sandbox = Sandbox::new();
    sandbox
        .train("run", &["--backend", "ndarray"])
        .assert()
        .code(1)
        .stderr(contains("the ndarray backend is not in this build").and(contains("--features ndarray")));
    assert!(!sandbox.path("run").exists());
}

#[test]
fn steps_and_episodes_exclude_each_other() {
    let sandbox = Sandbox::new();
    sandbox.train("run", &["--steps", "10", "--episodes", "1"]).assert().code(2);
    sandbox.train("run", &["--steps", "0"]).assert().code(2);
    sandbox.train("run", &["--agents", "0"]).assert().code(2);
}
