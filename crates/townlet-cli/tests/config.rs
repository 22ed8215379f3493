//! `townlet config`, and the layers that settings come in.

mod common;

use std::collections::BTreeSet;

use common::Sandbox;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use serde_json::Value;

fn stdout(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let output = sandbox.townlet(arguments).assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

#[test]
fn what_is_shown_is_what_is_trained() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "mine.toml",
        "agents = 3\nseed = 7\nlevel = \"temporal\"\n[learner]\nn_step = 4\nbatch_size = 5\n",
    );
    let settings = [
        "--config",
        "tiny.toml",
        "--config",
        "mine.toml",
        "--set",
        "learner.n_step=2",
        "--set",
        "network.core={ kind = \"gru\" }",
        "--set",
        "learner.loss=mse",
        "--set",
        "level.step_limit=90",
        "--steps",
        "40",
        "--agents",
        "2",
    ];
    let with = |command: &[&'static str]| [command, &settings].concat();
    let shown = stdout(&sandbox, &with(&["config", "show"]));
    let plain = stdout(&sandbox, &with(&["config", "show", "--plain"]));
    assert_eq!(shown.parse::<toml::Table>().unwrap(), plain.parse().unwrap(), "comments change nothing");
    for line in [
        "agents = 2  # --agents",
        "seed = 7  # mine.toml:2",
        "steps = 40  # --steps",
        "n_step = 2  # --set",
        "batch_size = 5  # mine.toml:6",
        "trace_length = 4  # tiny.toml:7",
        "kind = \"gru\"  # --set",
        "step_limit = 90  # --set",
        "discount = 0.995  # recipe best",
        "replay_capacity = 42  # fitted to the run",
        "adam_epsilon = 1e-8  # default",
    ] {
        let found = shown.lines().any(|shown| shown.replace("0.00000001", "1e-8").contains(line));
        assert!(found, "{line} is not in\n{shown}");
    }
    sandbox.townlet(&with(&["train", "--quiet", "--out", "run"])).assert().success();
    assert_eq!(sandbox.read("run/run.toml"), plain);
}

#[test]
fn a_wrong_set_names_the_flag() {
    let sandbox = Sandbox::new();
    let refused = |set: &str, message: &str| {
        sandbox
            .townlet(&["train", "--out", "run", "--set", set])
            .assert()
            .code(1)
            .stdout(is_empty())
            .stderr(contains(message.to_owned()));
        assert!(!sandbox.path("run").exists(), "nothing is written before everything is checked");
    };
    refused("learner.lerning_rate=1", "did you mean `learning_rate`?");
    refused(
        "learner.lerning_rate=1",
        "error: --set learner.lerning_rate=1: learner.lerning_rate: unknown field",
    );
    refused("learning_rate=1", "did you mean `learner.learning_rate`?");
    refused("learner.trace_length=4", "learner.period is 10 (recipe best)");
    refused("learner.discount", "error: --set learner.discount: expected KEY=VALUE");
    refused("learner.discount=high", "learner.discount: invalid type: string \"high\", expected a number");
    refused("level.step_limt=3", "did you mean `step_limit`?");
}

#[test]
fn steps_and_episodes_of_a_file_give_way_to_flags() {
    let sandbox = Sandbox::new();
    sandbox.write("mine.toml", "episodes = 7\n");
    let budget = |arguments: &[&str]| {
        let arguments = [&["config", "show", "--plain", "--config", "mine.toml"], arguments].concat();
        stdout(&sandbox, &arguments).parse::<toml::Table>().unwrap()["budget"].clone()
    };
    assert_eq!(budget(&[])["episodes"].as_integer(), Some(7));
    assert_eq!(budget(&["--steps", "30"])["steps"].as_integer(), Some(30));
    assert_eq!(budget(&["--set", "steps=30"])["steps"].as_integer(), Some(30));
}

#[test]
fn every_kind_of_file_is_checked() {
    let sandbox = Sandbox::new();
    sandbox.write("level.toml", stdout(&sandbox, &["levels", "pomdp"]));
    let study = "name = \"s\"\nseeds = [1]\n[settings]\nsteps = 10\n[[arms]]\nname = \"a\"\n\
                 [[arms]]\nname = \"b\"\nsettings = { learner = { discount = 0.9 } }\n";
    sandbox.write("study.toml", study);
    sandbox.write("mine.yaml", "population:\n  gamma: 0.9\n");
    sandbox
        .townlet(&["config", "check", "tiny.toml", "level.toml", "study.toml", "mine.yaml"])
        .assert()
        .success()
        .stdout(contains("tiny.toml: fine; settings over the recipe best, level pomdp"))
        .stdout(contains("level.toml: fine; the level pomdp"))
        .stdout(contains("study.toml: fine; a study (arms: 2, seeds: 1)"))
        .stdout(contains("mine.yaml: fine; settings over the recipe drqn, level full"));

    let fails = |name: &str, text: String, message: &str| {
        sandbox.write(name, text);
        sandbox.townlet(&["config", "check", name]).assert().code(1).stderr(contains(message.to_owned()));
    };
    fails(
        "a.toml",
        "[learner]\nlos = \"mse\"\n".to_owned(),
        "error: a.toml:2: learner.los: unknown field `los`; did you mean `loss`?",
    );
    fails("a.toml", "agents = \n".to_owned(), "error: a.toml:1: ");
    let level = sandbox.read("level.toml").replacen("step_limit", "step_limt", 1);
    fails("l.toml", level, "step_limt: unknown field `step_limt`; did you mean `step_limit`?");
    fails(
        "s.toml",
        study.replace("seeds = [1]", "seeds = []"),
        "error: s.toml:2: seeds: expected at least one seed",
    );
    fails(
        "s.toml",
        study.replace("discount = 0.9", "discount = 9"),
        "error: s.toml:9: arms[1].settings.learner.discount: expected a number",
    );
    fails(
        "s.toml",
        study.replace("steps = 10", "stesp = 10"),
        "error: s.toml:4: settings.stesp: unknown field `stesp`; did you mean `steps`?",
    );
    fails(
        "s.toml",
        study.replace("steps = 10", "seed = 10"),
        "error: s.toml:4: settings.seed: belongs to the study",
    );
    fails(
        "m.yaml",
        "population:\n  gama: 0.9\n".to_owned(),
        "error: m.yaml:2: population.gama: unknown key `gama`; did you mean `gamma`?",
    );
    sandbox
        .townlet(&["config", "check", "none.toml"])
        .assert()
        .code(1)
        .stderr(contains("cannot read none.toml"));
    sandbox.townlet(&["config", "check"]).assert().code(2);
    sandbox
        .townlet(&["config", "check", "tiny.toml", "--as", "level"])
        .assert()
        .code(1)
        .stderr(contains("tiny.toml"));
    sandbox.townlet(&["config"]).assert().code(2);
    sandbox
        .townlet(&["config", "check", "a.toml", "tiny.toml", "m.yaml"])
        .assert()
        .code(1)
        .stdout(contains("tiny.toml: fine"))
        .stderr(contains("error: 2 of 3 files have faults:\n  a.toml:1:").and(contains("\n  m.yaml:2:")));
}

#[test]
fn a_study_with_a_wrong_arm_trains_nothing() {
    let sandbox = Sandbox::new();
    let text = "name = \"s\"\nseeds = [1]\n[[arms]]\nname = \"a\"\n[[arms]]\nname = \"b\"\nsettings = { agents = 0 }\n";
    sandbox.write("study.toml", text);
    sandbox
        .townlet(&["study", "study.toml"])
        .assert()
        .code(1)
        .stderr(contains("error: study.toml:7: arms[1].settings.agents: expected 1 to 65536, found 0"));
    assert!(!sandbox.path("studies").exists());
}

/// The recipes and other files of this repository, with the schema that they are of.
fn files() -> Vec<(&'static str, &'static str, &'static str)> {
    vec![
        ("config", "best.toml", include_str!("../recipes/best.toml")),
        ("config", "shuffled.toml", include_str!("../recipes/shuffled.toml")),
        ("config", "r2d2.toml", include_str!("../recipes/r2d2.toml")),
        ("config", "drqn.toml", include_str!("../recipes/drqn.toml")),
        ("config", "tiny.toml", common::TINY),
        ("level", "full.toml", include_str!("../../townlet-env/levels/full.toml")),
        ("level", "pomdp.toml", include_str!("../../townlet-env/levels/pomdp.toml")),
        ("level", "temporal.toml", include_str!("../../townlet-env/levels/temporal.toml")),
        ("level", "pomdp-shuffled.toml", include_str!("../../townlet-env/levels/pomdp-shuffled.toml")),
    ]
}

fn schema_of(sandbox: &Sandbox, kind: &str) -> Value {
    serde_json::from_str(&stdout(sandbox, &["config", "schema", kind])).unwrap()
}

fn faults(schema: &Value, text: &str) -> Vec<String> {
    let value = serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
    let mut faults = Vec::new();
    validate(schema, schema, &value, "", &mut faults);
    faults
}

#[test]
fn recipes_and_levels_follow_their_schema() {
    let sandbox = Sandbox::new();
    for (kind, name, text) in files() {
        assert_eq!(faults(&schema_of(&sandbox, kind), text), [] as [&str; 0], "{name}");
    }
}

#[test]
fn the_schema_finds_mistakes() {
    let sandbox = Sandbox::new();
    let schema = schema_of(&sandbox, "config");
    for (text, at) in [
        ("agnets = 3\n", "agnets"),
        ("agents = 0\n", "agents"),
        ("seed = \"a\"\n", "seed"),
        ("recipe = \"bst\"\n", "recipe"),
        ("[learner]\nlerning_rate = 1.0\n", "learner.lerning_rate"),
        ("[learner]\nloss = \"hubber\"\n", "learner.loss"),
        ("[learner]\nepsilon = { kind = \"ladder\", bse = 0.5, exponent = 4.0 }\n", "learner.epsilon"),
        ("[learner]\nintrinsic = { kind = \"counts\", bin = 3 }\n", "learner.intrinsic"),
        ("[learner]\ncurriculum = { kind = \"adversarial\", windw = 3 }\n", "learner.curriculum"),
        ("[network]\ncore = { kind = \"frames\" }\n", "network.core"),
        ("[level]\nstep_limt = 3\n", "level"),
    ] {
        let faults = faults(&schema, text);
        assert!(faults.iter().any(|fault| fault.starts_with(at)), "{text}{faults:?}");
    }
    for text in [
        "level = \"mine.toml\"\n",
        "[level]\nbase = \"full\"\nstep_limit = 9\n",
        "[learner]\nintrinsic = { kind = \"counts\", bins = 3 }\nannealing = { kind = \"none\" }\n",
        "[learner]\ncurriculum = { kind = \"adversarial\", window = 3 }\nepsilon = { kind = \"linear\", start = 1, end = 0, steps = 5 }\n",
    ] {
        assert_eq!(faults(&schema, text), [] as [&str; 0], "{text}");
    }
}

#[test]
fn the_schema_knows_every_setting_and_what_it_means() {
    let sandbox = Sandbox::new();
    let schema = schema_of(&sandbox, "config");
    let shown = stdout(&sandbox, &["config", "show", "--plain"]).parse::<toml::Table>().unwrap();
    let resolve = |value: &Value| -> Value {
        let target = value["$ref"].as_str().map(|target| target.trim_start_matches('#'));
        target.and_then(|target| schema.pointer(target)).unwrap_or(value).clone()
    };
    let keys =
        |table: &toml::Value| -> BTreeSet<String> { table.as_table().unwrap().keys().cloned().collect() };
    let learner = resolve(&schema["properties"]["learner"]);
    let described = learner["properties"].as_object().unwrap();
    let known: BTreeSet<String> = described.keys().cloned().collect();
    assert_eq!(known, keys(&shown["learner"]));
    for (key, property) in described {
        let text = property["description"].as_str().unwrap_or_default();
        assert!(!text.is_empty() && !text.contains("](") && !text.contains("```"), "{key}: {text}");
    }
    assert_eq!(learner["properties"]["batch_size"]["default"], 16);
}

/// What of JSON Schema the schemas here are made of; anything else fails, so that it is not passed over.
fn validate(root: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let passes = |schema: &Value| {
        let mut faults = Vec::new();
        validate(root, schema, value, at, &mut faults);
        faults.is_empty()
    };
    let refuse = |faults: &mut Vec<String>, why: String| faults.push(format!("{at}: {why}"));
    let join = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let list = || rule.as_array().unwrap();
        match keyword.as_str() {
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap();
                validate(root, target, value, at, faults);
            }
            "anyOf" if !list().iter().any(passes) => refuse(faults, format!("{value} is none of {rule}")),
            "oneOf" if list().iter().filter(|schema| passes(schema)).count() != 1 => {
                refuse(faults, format!("{value} is not one of {rule}"));
            }
            "const" if value != rule => refuse(faults, format!("{value} is not {rule}")),
            "enum" if !list().contains(value) => refuse(faults, format!("{value} is not in {rule}")),
            "type" => {
                let is = match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    other => panic!("the type {other}"),
                };
                if !is {
                    refuse(faults, format!("{value} is no {rule}"));
                }
            }
            "minimum" if value.as_f64() < rule.as_f64() => refuse(faults, format!("{value} is below {rule}")),
            "maximum" if value.as_f64() > rule.as_f64() => refuse(faults, format!("{value} is above {rule}")),
            "required" => {
                for key in list() {
                    if value.get(key.as_str().unwrap()).is_none() {
                        refuse(faults, format!("{key} is missing"));
                    }
                }
            }
            "minItems" if value.as_array().map(Vec::len) < rule.as_u64().map(|n| n as usize) => {
                refuse(faults, "has too few".to_owned());
            }
            "maxItems" if value.as_array().map(Vec::len) > rule.as_u64().map(|n| n as usize) => {
                refuse(faults, "has too many".to_owned());
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    validate(root, rule, value, &format!("{at}[{index}]"), faults);
                }
            }
            "additionalProperties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    if schema["properties"].get(key).is_none() {
                        let at = join(key);
                        if rule == &Value::Bool(false) {
                            faults.push(format!("{at}: is not known"));
                        } else if rule.is_object() {
                            validate(root, rule, value, &at, faults);
                        }
                    }
                }
            }
            // What holds, and what says nothing of values.
            "anyOf" | "oneOf" | "const" | "enum" | "minimum" | "maximum" | "minItems" | "maxItems"
            | "$schema" | "$defs" | "title" | "description" | "default" | "format" | "properties" => {}
            other => panic!("{at}: the keyword {other}"),
        }
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (key, schema) in properties {
            if let Some(value) = value.get(key) {
                validate(root, schema, value, &join(key), faults);
            }
        }
    }
}
