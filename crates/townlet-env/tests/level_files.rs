//! Level files: the built-in ones, and what the errors of a broken one say.

use townlet_env::{Level, LevelError, Town};

/// A small level with a line for everything that a mistake can be made in.
const SMALL: &str = "\
name = 'small'
grid = [3, 3]
observability = 'partial'
step_limit = 100
money = 'coins'
clock = true
[movement_cost]
food = 0.01
[reward]
death = -1.0
milestones = [{ every = 10, amount = 0.5 }]
[[meters]]
name = 'food'
start = 1.0
terminal = true
[[meters]]
name = 'coins'
start = 0.5
[[modulations]]
source = 'coins'
target = 'food'
rate = 0.1
base = 0.5
range = 1.0
[[cascades]]
source = 'coins'
target = 'food'
threshold = 0.3
strength = 0.1
[[affordances]]
name = 'Inn'
cell = [1, 1]
price = 0.1
hours = [8, 18]
ticks = 2
effects = { food = 0.5 }
[[affordances]]
name = 'Mine'
cell = [2, 2]
[affordances.effects]
coins = 0.5
";

/// Replaces `from` in the small level, and checks that every part is in the message about it.
#[track_caller]
fn broken(from: &str, to: &str, parts: &[&str]) {
    assert!(SMALL.contains(from), "`{from}` is not in the level");
    let text = SMALL.replacen(from, to, 1);
    let message = Level::from_toml(&text, "small.toml").unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "expected `{part}` in: {message}");
    }
}

#[test]
fn the_small_level_is_sound() {
    let level = Level::from_toml(SMALL, "small.toml").unwrap();
    assert_eq!(level.affordances[1].effects["coins"], 0.5);
    Town::new(level, 1).unwrap();
}

#[test]
fn text_that_is_no_toml() {
    broken("grid = [3, 3]", "grid = [3, 3", &["small.toml:"]);
    broken("= 'small'", "'small'", &["small.toml:1"]);
    broken("threshold", "target = 'x'\nthreshold", &["small.toml:28", "duplicate key"]);
}

#[test]
fn keys_that_do_not_exist() {
    broken("clock = true", "clok = true", &["small.toml:6: clok", "unknown field `clok`", "`clock`"]);
    broken(
        "ticks = 2",
        "tick = 2",
        &["small.toml:35: affordances[0].tick", "unknown field `tick`", "`ticks`"],
    );
}

#[test]
fn keys_that_are_missing() {
    broken("step_limit = 100\n", "", &["small.toml:", "missing field `step_limit`"]);
    broken("strength = 0.1\n", "", &["small.toml:25: cascades[0]", "missing field `strength`"]);
    broken("name = 'Mine'\n", "", &["small.toml:37: affordances[1]", "missing field `name`"]);
}

#[test]
fn values_of_the_wrong_type() {
    broken("'partial'", "'hidden'", &["small.toml:3: observability", "`full` or `partial`"]);
    broken("start = 0.5", "start = 'half'", &["small.toml:18: meters[1].start", "string \"half\""]);
    broken("cell = [1, 1]", "cell = [1]", &["small.toml:32: affordances[0].cell"]);
    broken(
        "cell = [1, 1]",
        "cell = [-1, 1]",
        &["small.toml:32: affordances[0].cell", "a cell [x, y]", "[-1, 1]"],
    );
    broken(
        "grid = [3, 3]",
        "grid = [300, 3]",
        &["small.toml:2: grid", "[width, height] of 2 to 64", "[300, 3]"],
    );
}

#[test]
fn numbers_out_of_range() {
    broken("[3, 3]", "[1, 3]", &["small.toml:2: grid: expected 2 to 64 cells along each side, found 1"]);
    broken("[3, 3]", "[3, 65]", &["small.toml:2: grid", "found 65"]);
    broken("clock = true", "vision_range = 9", &["small.toml:6: vision_range: expected 1 to 8", "found 9"]);
    broken("= 100", "= 0", &["small.toml:4: step_limit: expected 1 to 1000000 steps, found 0"]);
    broken("start = 0.5", "start = 1.5", &["small.toml:18: meters[1].start: expected a start from 0 to 1"]);
    broken("start = 1.0", "start = 0.0", &["small.toml:14: meters[0].start: expected a start above 0"]);
    broken("= 0.3", "= 0.0", &["small.toml:28: cascades[0].threshold", "above 0 and at most 1, found 0"]);
    broken("price = 0.1", "price = -0.1", &["small.toml:33: affordances[0].price", "0 or more, found -0.1"]);
    broken("ticks = 2", "ticks = 0", &["small.toml:35: affordances[0].ticks: expected 1 to 255 ticks"]);
    broken("every = 10", "every = 0", &["small.toml:11: reward.milestones[0].every", "found 0"]);
    broken("[8, 18]", "[24, 18]", &["small.toml:34: affordances[0].hours", "an opening hour from 0 to 23"]);
    broken("[8, 18]", "[8, 25]", &["small.toml:34: affordances[0].hours", "a closing hour from 0 to 24"]);
    broken("[8, 18]", "[8, 8]", &["small.toml:34: affordances[0].hours: opens and closes at 8"]);
}

#[test]
fn numbers_that_are_not_finite() {
    broken("food = 0.01", "food = nan", &["small.toml:8: movement_cost.food: expected a finite number"]);
    broken("start = 0.5", "start = inf", &["small.toml:18: meters[1].start", "finite number, found inf"]);
    broken("death = -1.0", "death = -inf", &["small.toml:10: reward.death", "finite number, found -inf"]);
    broken("rate = 0.1", "rate = 1e99", &["small.toml:22: modulations[0].rate", "finite number, found inf"]);
    broken("strength = 0.1", "strength = nan", &["small.toml:29: cascades[0].strength", "finite number"]);
    broken("food = 0.5", "food = nan", &["small.toml:36: affordances[0].effects.food", "finite number"]);
}

#[test]
fn shaped_rewards_that_make_no_sense() {
    let milestones = "milestones = [{ every = 10, amount = 0.5 }]";
    let sound =
        format!("{milestones}\nmode = 'shaped'\nshaped = {{ per_step = 0.1, meters = {{ food = 0.5 }} }}");
    let level = Level::from_toml(&SMALL.replacen(milestones, &sound, 1), "small.toml").unwrap();
    assert_eq!(Level::from_toml(&level.to_toml(), "small.toml").unwrap(), level);

    let shaped = |table: &str| format!("{milestones}\nmode = 'shaped'\n[reward.shaped]\n{table}");
    broken(milestones, "mode = 'shaped'", &["small.toml:11: reward.mode", "add one, or leave `mode` out"]);
    broken(milestones, "mode = 'dense'", &["small.toml:11: reward.mode", "`sparse` or `shaped`"]);
    broken(
        milestones,
        &shaped("per_step = inf"),
        &["small.toml:14: reward.shaped.per_step", "finite number"],
    );
    broken(milestones, &shaped("per_stp = 1.0"), &["small.toml:14: reward.shaped.per_stp", "`per_step`"]);
    broken(
        milestones,
        &shaped("meters = { food = 1.0, coin = 0.1 }"),
        &["small.toml:14: reward.shaped.meters.coin", "no meter `coin`", "did you mean `coins`?"],
    );
    broken(
        milestones,
        &shaped("[reward.shaped.meters]\nfood = nan"),
        &["small.toml:15: reward.shaped.meters.food", "finite number"],
    );
}

#[test]
fn names_that_are_taken_or_empty() {
    broken("name = 'coins'", "name = 'food'", &["small.toml:17: meters[1].name", "taken by meters[0]"]);
    broken("'Mine'", "'Inn'", &["small.toml:38: affordances[1].name", "`Inn` is taken by affordances[0]"]);
    broken("'Mine'", "''", &["small.toml:38: affordances[1].name: expected a name"]);
}

#[test]
fn names_that_would_control_a_terminal_are_refused_and_shown_escaped() {
    let escape = r#""\u001b[31mred""#;
    for (from, place) in [
        ("'small'", "small.toml:1: name"),
        ("'food'\nstart", "small.toml:13: meters[0].name"),
        ("'Mine'", "small.toml:38: affordances[1].name"),
    ] {
        let to = format!("{escape}{}", from.trim_start_matches(|c| c != '\n'));
        broken(from, &to, &[place, r"`\u001b[31mred` has the character U+001B", "take it out"]);
    }
    broken("'small'", r#""a\u202eb""#, &["small.toml:1: name", "U+202E"]);
    broken("'small'", r#""a\nb""#, &["small.toml:1: name", "U+000A"]);
    broken("'Mine'", &format!("'{}'", "n".repeat(101)), &["at most 100 characters, found 101"]);
    broken("'small'", "'small'\ndescription = \"\\u001b\"", &["small.toml:2: description", "U+001B"]);
    let lines = SMALL.replacen("'small'", "'mine/v2'\ndescription = \"One.\\nTwo.\"", 1);
    Level::from_toml(&lines, "small.toml").expect("slashes and lines do no harm");
}

#[test]
fn messages_show_no_escapes_and_nothing_endless() {
    for text in [
        SMALL.replacen("name = 'small'", r#""\u001b]0;x\u0007" = 1"#, 1),
        SMALL.replacen("food = 0.01", r#""\u001b]0;x\u0007" = 1.0"#, 1),
        SMALL.replacen("'partial'", r#""\u001b]0;x\u0007""#, 1),
        SMALL.replacen("money = 'coins'", r#"money = "\u001b]0;x\u0007""#, 1),
        SMALL.replacen("money = 'coins'", &format!("money = '{}'", "x".repeat(300_000)), 1),
        SMALL.replacen("'partial'", &format!("'{}'", "x".repeat(300_000)), 1),
        SMALL.replacen("food = 0.01", &format!("{} = 0.01", "x".repeat(300_000)), 1),
    ] {
        let message = Level::from_toml(&text, "small.toml").unwrap_err().to_string();
        assert!(message.starts_with("small.toml:") && !message.contains(char::is_control), "{message:?}");
        assert!(message.len() < 5_000, "{}", message.len());
    }
}

#[test]
fn a_world_is_made_whatever_an_older_file_calls_things() {
    let mut level = Level::from_toml(SMALL, "small.toml").unwrap();
    level.name = "\u{1b}[31mred".to_owned();
    level.affordances[0].name = "n".repeat(300);
    assert!(level.validate().is_err());
    Town::new(level, 1).unwrap();
}

#[test]
fn meters_that_do_not_exist() {
    broken(
        "money = 'coins'",
        "money = 'coin'",
        &["small.toml:5: money", "no meter `coin`", "did you mean `coins`?"],
    );
    broken("food = 0.01", "fod = 0.01", &["small.toml:8: movement_cost.fod", "did you mean `food`?"]);
    broken(
        "source = 'coins'",
        "source = 'luck'",
        &["small.toml:20: modulations[0].source", "one of food, coins"],
    );
    broken("food = 0.5", "mood = 0.5", &["small.toml:36: affordances[0].effects.mood", "no meter `mood`"]);
    broken("coins = 0.5", "con = 0.5", &["small.toml:41: affordances[1].effects.con", "no meter `con`"]);
}

#[test]
fn places_that_cannot_be() {
    broken(
        "[2, 2]",
        "[3, 2]",
        &["small.toml:39: affordances[1].cell: [3, 2] lies off the 3 x 3 grid", "x from 0 to 2"],
    );
    broken("[2, 2]", "[1, 1]", &["small.toml:39: affordances[1].cell: [1, 1] is taken by `Inn`"]);
    broken("cell = [2, 2]\n", "", &["small.toml:37: affordances[1]: expected `cell = [x, y]`"]);
    let crowd: Vec<_> = (0..9).map(|i| format!("[[affordances]]\nname = 'Hut {i}'\n")).collect();
    let text = format!("{SMALL}{}", crowd.concat()).replacen("clock", "layout = 'shuffled'\nclock", 1);
    let message = Level::from_toml(&text, "small.toml").unwrap_err().to_string();
    assert!(message.contains("affordances: 11 affordances do not fit on 9 cells"), "{message}");
}

#[test]
fn things_that_need_one_another() {
    broken("clock = true\n", "", &["small.toml:33: affordances[0].hours: opening hours need a clock"]);
    broken("money = 'coins'\n", "", &["small.toml:32: affordances[0].price: a price needs a meter"]);
}

#[test]
fn a_level_built_in_code_has_no_line() {
    let mut level = Level::builtin("pomdp").unwrap();
    level.affordances[2].effects.insert("hygeine".to_owned(), 0.1);
    let message = level.validate().unwrap_err().to_string();
    assert!(message.starts_with("affordances[2].effects.hygeine: there is no meter `hygeine`"), "{message}");
    assert!(message.contains("did you mean `hygiene`?"));
    assert!(Town::new(level, 1).is_err());
}

#[test]
fn a_file_is_named_by_its_path() {
    let path = std::env::temp_dir().join(format!("townlet-level-{}.toml", std::process::id()));
    std::fs::write(&path, SMALL.replace("[3, 3]", "[3, 1]")).unwrap();
    let message = Level::load(&path).unwrap_err().to_string();
    std::fs::remove_file(&path).unwrap();
    assert!(message.starts_with(&format!("{}:2: grid: ", path.display())), "{message}");
    let missing = Level::load(&path).unwrap_err();
    assert!(matches!(missing, LevelError::Read { .. }));
    assert!(missing.to_string().contains(&path.display().to_string()));
}

#[test]
fn built_in_levels_survive_writing_and_reading() {
    for name in Level::builtin_names() {
        let level = Level::builtin(name).unwrap();
        assert_eq!(level.name, name);
        assert!(!level.description.is_empty());
        assert_eq!(Level::from_toml(&level.to_toml(), name).unwrap(), level);
        assert_eq!(Level::from_toml(Level::builtin_source(name).unwrap(), name).unwrap(), level);
        let json = serde_json::to_string(&level).unwrap();
        assert_eq!(serde_json::from_str::<Level>(&json).unwrap(), level);
    }
}

#[test]
fn built_in_levels_have_the_lengths_that_they_are_known_for() {
    let length = |name| Level::builtin(name).unwrap().observation_layout().len();
    assert_eq!(["full", "pomdp", "temporal", "pomdp-shuffled"].map(length), [87, 50, 52, 50]);
}

#[test]
fn an_unknown_built_in_level_lists_the_known_ones() {
    let message = Level::builtin("pomdb").unwrap_err().to_string();
    assert!(message.contains("`pomdb`; expected full, pomdp, temporal, pomdp-shuffled"), "{message}");
}
