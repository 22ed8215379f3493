//! What layers come to, and what is said of those that are wrong.

use std::path::PathBuf;
use std::rc::Rc;

use townlet_drqn::{DrqnConfig, EpsilonSchedule};

use super::*;
use crate::error_message;

/// What a file `a.toml` with this text says.
fn file(text: &str) -> Result<Said> {
    let file = SourceFile { path: PathBuf::from("a.toml"), text: text.to_owned() };
    let table = file.toml().parse()?;
    within(Rc::new(file), "", table)
}

fn resolved(text: &str, sets: &[&str]) -> Result<Resolved> {
    let mut said = vec![file(text)?];
    for set in sets {
        said.push(Said::new(set::layer(set)?)?);
    }
    resolve(said)
}

fn learner(text: &str, sets: &[&str]) -> DrqnConfig {
    resolved(text, sets).unwrap().config.learner
}

fn fault_of(text: &str) -> String {
    resolved(text, &[]).err().unwrap().to_string()
}

fn fault_of_set(set: &str) -> String {
    resolved("", &[set]).err().unwrap().to_string()
}

#[test]
fn what_is_left_out_stays() {
    let Resolved { config, .. } = resolved("", &[]).unwrap();
    assert_eq!((config.network.hidden, config.agents), (256, 64));
    assert_eq!((config.recipe, config.level.name.as_str()), (Recipe::Best, "pomdp"));
    let mut expected = config.learner;

    let text = "[learner]\nbatch_size = 4\n[learner.schedule]\nupdate_every = 8\n[network]\nhidden = 16\n";
    let Resolved { config, .. } = resolved(text, &[]).unwrap();
    assert_eq!((config.network.hidden, config.network.head_features), (16, 128));
    expected.batch_size = 4;
    expected.schedule.update_every = 8;
    assert_eq!(config.learner, expected);
}

#[test]
fn the_last_word_holds() {
    let text = "seed = 3\nepisodes = 5\n[learner]\ndiscount = 0.9\nn_step = 2\n";
    let Resolved { config, layers, .. } =
        resolved(text, &["learner.discount=0.8", "learner.discount=0.7", "recipe=drqn"]).unwrap();
    assert_eq!((config.learner.discount, config.learner.n_step, config.seed), (0.7, 2, 3));
    assert_eq!((config.recipe, config.agents), (Recipe::Drqn, 1));
    assert_eq!(config.budget, Budget::Episodes(5), "the recipe's steps are taken back");
    let from = |key: &str| layers.origin(key).describe(key);
    assert_eq!(from("learner.discount"), "--set");
    assert_eq!(from("learner.n_step"), "a.toml:5");
    assert_eq!(from("learner.batch_size"), "recipe drqn");
    assert_eq!(from("learner.adam_epsilon"), "default");
    assert_eq!(from("level.step_limit"), "level pomdp");
}

#[test]
fn a_kind_is_replaced_as_a_whole_or_changed_in_part() {
    let text = "[learner]\nepsilon = { kind = \"linear\", start = 1, end = 0.1, steps = 10 }\n";
    assert_eq!(learner(text, &[]).epsilon, EpsilonSchedule::Linear { start: 1.0, end: 0.1, steps: 10 });
    let part = learner(text, &["learner.epsilon.steps=20"]).epsilon;
    assert_eq!(part, EpsilonSchedule::Linear { start: 1.0, end: 0.1, steps: 20 });
}

#[test]
fn recipes_are_fitted_to_the_run_and_files_are_not() {
    let short = resolved("steps = 600\nagents = 4\n", &[]).unwrap();
    assert_eq!(
        (short.config.learner.replay_capacity, short.config.learner.schedule.learning_starts),
        (604, 150)
    );
    assert_eq!(short.layers.origin("learner.replay_capacity").describe(""), "fitted to the run");
    assert_eq!(short.layers.origin("learner.schedule.update_every").describe(""), "recipe best");
    let own = learner("steps = 600\n[learner]\nreplay_capacity = 5000\n", &[]);
    assert_eq!(own.replay_capacity, 5_000);
    let checkpoints = |text: &str| resolved(text, &[]).unwrap().config.checkpoints.every;
    let every = ["steps = 600\n", "steps = 50_000\n", "steps = 4_500_000\n", "steps = 90_000_000\n"];
    assert_eq!(every.map(checkpoints), [5_000, 5_000, 450_000, 500_000]);
    assert_eq!(checkpoints("steps = 50_000\n[checkpoints]\nevery = 0\n"), 0);
    assert_eq!(checkpoints("episodes = 90\n"), 500_000);
    let alone = learner("agents = 1\n", &[]);
    assert!(matches!(alone.epsilon, EpsilonSchedule::Linear { .. }), "a ladder has one rung for one agent");
}

#[test]
fn a_recipe_may_bring_a_level() {
    let level = |text: &str, set: &[&str]| {
        let level = resolved(text, set).unwrap().config.level;
        (level.name, level.step_limit)
    };
    assert_eq!(level("recipe = \"shuffled\"\n", &[]).0, "pomdp-shuffled");
    let changed = level("recipe = \"shuffled\"\n", &["level.step_limit=300"]);
    assert_eq!(changed, ("pomdp-shuffled".to_owned(), 300));
    let named = level("recipe = \"shuffled\"\nlevel = \"temporal\"\n", &[]).0;
    assert_eq!(named, "temporal", "whoever names a level has it");
}

#[test]
fn a_level_is_named_and_changed() {
    let text = "level = \"temporal\"\n[learner]\nn_step = 2\n";
    let Resolved { config, .. } = resolved(text, &["level.step_limit=300", "level.vision_range=1"]).unwrap();
    assert_eq!((config.level.name.as_str(), config.level.step_limit), ("temporal", 300));
    assert_eq!(config.network.layout.window_side(), Some(3), "the network sees what the level shows");
    let table = resolved("[level]\nbase = \"full\"\nstep_limit = 20\n", &[]).unwrap().config.level;
    assert_eq!((table.name.as_str(), table.step_limit), ("full", 20));

    assert_eq!(
        fault_of("[level]\nstep_limt = 3\n"),
        "a.toml:2: level.step_limt: unknown field `step_limt`; did you mean `step_limit`?"
    );
    assert_eq!(
        fault_of("[level]\nstep_limit = 0\n"),
        "a.toml:2: level.step_limit: expected 1 to 1000000 steps, found 0"
    );
    let small = fault_of("\n[level]\ngrid = [6, 6]\n");
    let expected = "a.toml:3: level.grid: [6, 6] does not fit the level: level.affordances";
    assert!(small.starts_with(expected) && small.contains("lies off the 6 x 6 grid"), "{small}");
    let unknown = format!("{:#}", resolved("level = \"moon\"\n", &[]).err().unwrap());
    assert!(unknown.starts_with("a.toml:1: level: there is no built-in level `moon`"), "{unknown}");
    assert!(fault_of("level = 3\n").starts_with("a.toml:1: level: expected the name of a level"));
    assert!(
        fault_of("[level]\nbase = 3\n").starts_with("a.toml:2: level.base: expected the name of a level")
    );
}

#[test]
fn sizes_have_limits() {
    for (text, expected) in [
        (
            "[learner]\nreplay_capacity = 1000000000000\n",
            "a.toml:2: learner.replay_capacity: expected at most 100000000, found 1000000000000",
        ),
        ("agents = 0\n", "a.toml:1: agents: expected 1 to 65536, found 0"),
        ("steps = 0\n", "a.toml:1: steps: expected at least 1, found 0"),
        ("episodes = 0\n", "a.toml:1: episodes: expected at least 1, found 0"),
        ("[evaluation]\nepisodes = 0\n", "a.toml:2: evaluation.episodes: expected 1 to 100000, found 0"),
        ("[network]\nhidden = 0\n", "a.toml:2: network.hidden: expected 1 to 16384, found 0"),
        (
            "[network]\nvision_channels = [1, 0]\n",
            "a.toml:2: network.vision_channels: expected 1 to 16384, found 0",
        ),
    ] {
        assert_eq!(fault_of(text), expected);
    }
    let frames = fault_of("[network]\ncore = { kind = \"frames\", count = 1 }\n");
    let expected = "a.toml:2: network.core.count: expected 2 to 64 frames, found 1";
    assert!(frames.starts_with(expected), "{frames}");
    let both = fault_of("steps = 1\nepisodes = 1\n");
    assert!(both.starts_with("a.toml:2: episodes: ") && both.ends_with("found both"), "{both}");
}

#[test]
fn mistakes_in_files_have_a_place() {
    for (text, expected) in [
        (
            "[learner]\n\nlerning_rate = 1.0\n",
            "a.toml:3: learner.lerning_rate: unknown field `lerning_rate`; did you mean `learning_rate`?",
        ),
        ("[lerner]\n", "a.toml:1: lerner: unknown field `lerner`; did you mean `learner`?"),
        (
            "learning_rate = 1e-3\n",
            "a.toml:1: learning_rate: unknown field `learning_rate`; did you mean `learner.learning_rate`?",
        ),
        (
            "[learner]\n[learner.epsilon]\nkind = \"ladder\"\nbse = 0.5\nexponent = 4\n",
            "a.toml:4: learner.epsilon.bse: unknown field `bse`; did you mean `base`?",
        ),
        (
            "[learner]\nepsilon = { kind = \"lader\" }\n",
            "a.toml:2: learner.epsilon.kind: unknown variant `lader`; did you mean `ladder`?",
        ),
        (
            "[learner]\nn_step = 1\ndiscount = 1.5\n",
            "a.toml:3: learner.discount: expected a number from 0 to 1, found 1.5",
        ),
        (
            "[learner]\nbatch_size = \"two\"\n",
            "a.toml:2: learner.batch_size: invalid type: string \"two\", expected a whole number of 0 or more",
        ),
        ("recipe = \"bst\"\n", "a.toml:1: recipe: unknown variant `bst`; did you mean `best`?"),
    ] {
        assert_eq!(fault_of(text), expected);
    }
    let layers = fault_of("[network]\nlayers = 2\n");
    assert!(
        layers.starts_with("a.toml:2: network.layers: unknown field `layers`, expected one of"),
        "{layers}"
    );
    let text = fault_of("[network\n");
    assert!(text.starts_with("a.toml:1: "), "{text}");
}

#[test]
fn a_wrong_key_in_any_table_is_refused_with_the_key_that_was_meant() {
    let wrong = wrong_keys(schema::settings_schema());
    let tables = ["network.core.kinf", "learner.curriculum.stages[0].rewardx", "level.affordances[0].hoursx"];
    for table in tables {
        assert!(wrong.iter().any(|it| it.key == table), "{table} is not tried");
    }
    for WrongKey { key, meant, table } in wrong {
        let said = Said::new(Layer { origin: Origin::Flag("--all"), table: table.clone() }).unwrap();
        let fault = resolve(vec![said]).err().unwrap_or_else(|| panic!("{key} is accepted")).to_string();
        let word = key.rsplit('.').next().unwrap();
        assert_eq!(fault, format!("--all: {key}: unknown field `{word}`; did you mean `{meant}`?"));

        // The types refuse it as well, wherever they are read from.
        let typed = match table.get("level") {
            Some(level) => Level::deserialize(level.clone()).map(drop),
            None => Document::deserialize(Value::Table(table)).map(drop),
        };
        let fault = typed.err().unwrap_or_else(|| panic!("the types accept {key}")).to_string();
        let unknown = fault.contains(&format!("unknown field `{word}`"));
        assert!(unknown || word == "kinf" && fault.contains("missing field `kind`"), "{key}: {fault}");
    }
}

#[test]
fn keys_of_another_kind_say_so() {
    for (set, expected) in [
        (
            "network.core.count=4",
            "network.core.count: unknown field `count`: it belongs to the kind `frames`, and this is `lstm` (default)",
        ),
        (
            "network.core={ kmnd = \"frames\", count = 4 }",
            "network.core.kmnd: unknown field `kmnd`; did you mean `kind`?",
        ),
        (
            "network.core={ kind = \"lstm\", layers = 2 }",
            "network.core.layers: unknown field `layers`: the kind `lstm` has no settings",
        ),
        (
            "learner.target_update={ kind = \"copy\", tau = 0.01 }",
            "learner.target_update.tau: unknown field `tau`: it belongs to the kind `polyak`, and this is `copy`",
        ),
        ("learner.annealing={ foo = 3 }", "learner.annealing.foo: unknown field `foo`"),
    ] {
        let fault = fault_of_set(set);
        assert!(fault.contains(expected), "{fault}");
    }
}

#[test]
fn a_key_without_end_is_refused_at_once_and_shown_in_short() {
    let long = "x".repeat(300_000);
    for text in [
        format!("{long} = 1\n"),
        format!("[learner]\n{long} = 1\n"),
        format!("[learner]\nepsilon = {{ kind = \"{long}\" }}\n"),
        format!("recipe = \"{long}\"\n"),
        format!("level = \"{long}\"\n"),
        format!("backend = \"{long}\"\n"),
        format!("agents = \"{long}\"\n"),
        format!("[level]\nmoney = \"{long}\"\n"),
        format!("[level]\nname = \"{long}\"\n"),
        (0..30_000).fold(String::new(), |text, number| format!("{text}key{number} = 1\n")),
    ] {
        let fault = error_message::of(&resolved(&text, &[]).err().unwrap());
        assert!(
            fault.starts_with("a.toml:") && fault.len() < 9_000,
            "{} bytes: {}",
            fault.len(),
            &fault[..200]
        );
    }
    for set in [format!("{long}=1"), format!("agents={long}"), format!("learner.{long}=1"), long.clone()] {
        let fault =
            set::layer(&set).and_then(|layer| resolve(vec![Said::new(layer)?]).map(drop)).unwrap_err();
        assert!(error_message::of(&fault).len() < 9_000);
    }
}

#[test]
fn what_a_file_says_is_shown_without_what_would_control_a_terminal() {
    for text in [
        "\"\\u001b[31m\" = 1\n",
        "[learner]\nloss = \"\\u001b[31m\"\n",
        "[learner.epsilon]\nkind = \"\\u001b[31m\"\n",
        "[level]\nname = \"\\u001b[31m\"\n",
        "recipe = \"\\u001b[31m\"\n",
        "agents = \"\\u001b[31m\\n\"\n",
        "[level]\nbase = 3\n\"\\u202e\" = 1\n",
    ] {
        let fault = error_message::of(&resolved(text, &[]).err().unwrap());
        assert!(!fault.contains(char::is_control) && !fault.contains('\u{202e}'), "{fault:?}");
    }
}

#[test]
fn a_curriculum_that_spares_agents_a_death_says_so() {
    let notes =
        |curriculum: &str| resolved(&format!("[learner]\ncurriculum = {curriculum}\n"), &[]).unwrap().notes;
    let spared = notes("{ kind = \"static\" }");
    assert!(spared[0].starts_with("learner.curriculum.stage holds health at the start value"), "{spared:?}");
    let stage = "{ active_meters = [\"energy\", \"health\"], depletion_multiplier = 1, reward = \"sparse\" }";
    assert!(notes(&format!("{{ kind = \"static\", stage = {stage} }}")).is_empty());
    assert!(notes("{ kind = \"adversarial\" }").is_empty() && notes("{ kind = \"none\" }").is_empty());
}

#[test]
fn mistakes_in_sets_name_the_flag() {
    for (set, expected) in [
        (
            "learner.lerning_rate=1",
            "--set learner.lerning_rate=1: learner.lerning_rate: unknown field `lerning_rate`; did you mean \
             `learning_rate`?",
        ),
        (
            "learner.discount=2",
            "--set learner.discount=2: learner.discount: expected a number from 0 to 1, found 2",
        ),
        (
            "network.core=gru",
            "--set network.core=gru: network.core: invalid type: string \"gru\", expected a table with a kind, \
             such as { kind = \"gru\" }",
        ),
        (
            "learner.batch_size=-1",
            "--set learner.batch_size=-1: learner.batch_size: invalid value: integer `-1`, expected a whole \
             number of 0 or more",
        ),
        (
            "learner.epsilon.steps=4",
            "--set learner.epsilon.steps=4: learner.epsilon.steps: unknown field `steps`: it belongs to the kind \
             `linear`, and this is `ladder` (recipe best)",
        ),
    ] {
        assert_eq!(fault_of_set(set), expected);
    }
}

#[test]
fn a_value_that_is_wrong_only_beside_another_says_where_both_are_from() {
    assert_eq!(
        fault_of("[learner]\ntrace_length = 4\n"),
        "a.toml:2: learner.period: expected 1 to trace_length, found 10; learner.trace_length is 4 (a.toml:2), \
         learner.period is 10 (recipe best)"
    );
    let set = fault_of_set("learner.trace_length=4");
    assert!(
        set.starts_with("--set learner.trace_length=4: learner.period: expected 1 to trace_length"),
        "{set}"
    );
    let period = fault_of("[learner]\nperiod = 30\n");
    assert_eq!(
        period,
        "a.toml:2: learner.period: expected 1 to trace_length, found 30; learner.trace_length is 20 (recipe best)"
    );
    let whole = fault_of("[learner]\nsequences = \"whole-episodes\"\n");
    assert!(
        whole.starts_with("a.toml:2: learner.start_state: expected zero") && whole.contains("recipe best"),
        "{whole}"
    );
}

#[test]
fn a_table_of_another_file_has_its_own_place() {
    let text = "name = \"s\"\n[settings]\nagents = 2\n[[arms]]\nsettings = { learner = { discount = 3 } }\n";
    let file = Rc::new(SourceFile { path: PathBuf::from("s.toml"), text: text.to_owned() });
    let table: Table = file.toml().parse().unwrap();
    let arm = table["arms"][0]["settings"].as_table().unwrap().clone();
    let said = within(Rc::clone(&file), "arms[0].settings", arm).unwrap();
    let fault = resolve(vec![said]).err().unwrap().to_string();
    assert_eq!(fault, "s.toml:5: arms[0].settings.learner.discount: expected a number from 0 to 1, found 3");
}

#[test]
fn what_is_shown_reads_back_and_says_where_it_is_from() {
    let text = "steps = 900\n[learner]\ncurriculum = { kind = \"adversarial\", window = 4 }\n[network]\nprevious = true\n";
    let resolved = resolved(text, &["level.description=\"a # b\"", "backend=ndarray"]).unwrap();
    let shown = show(&resolved).unwrap();
    assert_eq!(toml::from_str::<RunConfig>(&shown).unwrap(), resolved.config, "{shown}");
    for line in [
        "recipe = \"best\"  # default",
        "backend = \"ndarray\"  # --set",
        "steps = 900  # a.toml:1",
        "discount = 0.995  # recipe best",
        "learning_starts = 225  # fitted to the run",
        "window = 4  # a.toml:3",
        "temperature = 1.0  # default",
        "description = \"a # b\"  # --set",
        "vision_channels = [16, 32]  # default",
        "[[network.layout]]  # what agents see in the level",
        "[[level.affordances]]  # level pomdp",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in\n{shown}");
    }
}
