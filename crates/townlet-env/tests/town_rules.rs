//! The rules of the built-in town, each on an example worked out by hand.

mod common;

use std::fmt::Write;

use common::{DOWN, INTERACT, LEFT, RIGHT, UP, builtin};
use townlet_env::{
    AgentState, Cell, Layout, Level, RewardMode, Stage, StageError, StepError, Town, TownError, VectorEnv,
};

const ENERGY: usize = 0;
const MONEY: usize = 3;
const HEALTH: usize = 6;

fn start(cell: [u8; 2]) -> AgentState {
    AgentState {
        cell: Cell { x: cell[0], y: cell[1] },
        meters: vec![1.0, 1.0, 1.0, 0.5, 1.0, 1.0, 1.0, 1.0],
        hour: 0,
        progress: 0,
        affordances: None,
    }
}

fn with_meter(mut state: AgentState, meter: usize, value: f32) -> AgentState {
    state.meters[meter] = value;
    state
}

fn at_hour(hour: u8, state: AgentState) -> AgentState {
    AgentState { hour, ..state }
}

fn placed(level: &str, state: &AgentState) -> Town {
    let mut town = builtin(level, 1);
    town.place(0, state).unwrap();
    town
}

fn can_interact(town: &Town) -> bool {
    town.action_masks()[usize::from(INTERACT)]
}

#[test]
fn the_first_step_pays_both_milestones() {
    let mut town = placed("pomdp", &start([3, 3]));
    assert_eq!(town.step(&[UP]).unwrap().rewards, [5.5]);
    let rewards: Vec<_> = (1..=10).map(|_| town.step(&[UP]).unwrap().rewards[0]).collect();
    assert_eq!(rewards, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]);
}

#[test]
fn one_move_costs_what_the_table_says() {
    let mut town = placed("pomdp", &start([3, 3]));
    town.step(&[RIGHT]).unwrap();
    let state = town.state(0);
    // Each loss is rounded on its own: 1 - 0.005 - 0.005, and so on. Health falls with a fitness of 0.998.
    let expected = [0.99, 0.994, 0.992, 0.5, 0.999, 0.994, 0.999_495, 0.998];
    for (found, expected) in state.meters.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{:?}", state.meters);
    }
    assert_eq!(state.meters[HEALTH], 0.999_495);
    assert_eq!(state.cell, Cell { x: 4, y: 3 });
}

#[test]
fn walls_stop_an_agent_and_still_cost() {
    for (corner, actions) in [([0, 0], [UP, LEFT]), ([7, 7], [DOWN, RIGHT])] {
        for action in actions {
            let mut town = placed("pomdp", &start(corner));
            assert!(!town.action_masks()[usize::from(action)]);
            town.step(&[action]).unwrap();
            assert_eq!(town.state(0).cell, start(corner).cell);
            assert_eq!(town.meter(ENERGY), [1.0 - 0.005 - 0.005]);
        }
    }
}

#[test]
fn a_price_that_is_exactly_met_is_paid() {
    let bed = with_meter(start([1, 1]), ENERGY, 0.2);
    let mut rich_enough = placed("pomdp", &with_meter(bed.clone(), MONEY, 0.05));
    assert!(can_interact(&rich_enough));
    rich_enough.step(&[INTERACT]).unwrap();
    assert_eq!(rich_enough.interactions(), [Some(0)]);
    assert_eq!(rich_enough.meter(MONEY), [0.0]);
    assert_eq!(rich_enough.meter(ENERGY), [0.2 + 0.5 - 0.005]);

    let mut too_poor = placed("pomdp", &with_meter(bed, MONEY, 0.049));
    assert!(!can_interact(&too_poor));
    too_poor.step(&[INTERACT]).unwrap();
    assert_eq!(too_poor.interactions(), [None]);
    assert_eq!(too_poor.meter(MONEY), [0.049]);
    assert_eq!(too_poor.meter(ENERGY), [0.2 - 0.005]);
}

#[test]
fn a_low_meter_pulls_down_others() {
    // Satiation 0 after depletion: a full deficit, 0.004 from health beside its own loss.
    let mut town = placed("pomdp", &with_meter(start([3, 3]), 2, 0.0));
    town.step(&[INTERACT]).unwrap();
    assert_eq!(town.meter(HEALTH), [0.999_495 - 0.004]);
    assert_eq!(town.meter(ENERGY), [1.0 - 0.005 - 0.005]);
}

#[test]
fn death_pays_minus_100_and_starts_the_next_episode() {
    let dying = with_meter(start([3, 3]), ENERGY, 0.009);
    let mut town = placed("temporal", &at_hour(5, dying));
    let first_row: Vec<f32>;
    {
        let step = town.step(&[UP]).unwrap();
        assert_eq!(step.rewards, [-100.0]);
        assert_eq!((step.terminated, step.truncated), (&[true][..], &[false][..]));
        let (final_row, final_mask) = step.outcome(0);
        let meters = 27..35;
        assert_eq!(final_row[meters.start + ENERGY], 0.0);
        assert_eq!(final_row[50], 6.0 / 23.0);
        assert_eq!(final_mask, [true, true, true, true, false]);
        assert_eq!(step.observations[meters.start + ENERGY], 1.0);
        assert_eq!(step.observations[50], 0.0);
        first_row = step.observations.to_vec();
    }
    let (outcome, state) = (town.outcome(0), town.state(0));
    assert_eq!(outcome.cell, Cell { x: 3, y: 2 });
    assert_eq!((outcome.meters[ENERGY], outcome.hour), (0.0, 6));
    assert_eq!(state.meters, [1.0, 1.0, 1.0, 0.5, 1.0, 1.0, 1.0, 1.0]);
    assert_eq!((state.hour, town.episode_steps()[0], town.episodes()[0]), (0, 0, 1));
    assert_eq!(town.final_episode_steps(), [1]);
    assert_eq!(town.deaths()[0].iter().collect::<Vec<_>>(), [ENERGY]);
    assert_eq!(town.observations(), first_row);
}

#[test]
fn two_meters_can_run_out_at_once() {
    let state = with_meter(with_meter(start([3, 3]), ENERGY, 0.001), HEALTH, 0.0001);
    let mut town = placed("pomdp", &state);
    town.step(&[INTERACT]).unwrap();
    assert_eq!(town.deaths()[0].iter().collect::<Vec<_>>(), [ENERGY, HEALTH]);
    assert_eq!(format!("{:?}", town.deaths()[0]), "{0, 6}");
}

#[test]
fn an_episode_is_cut_off_at_the_step_limit() {
    let mut level = Level::builtin("pomdp").unwrap();
    level.step_limit = 3;
    let mut town = Town::new(level, 1).unwrap();
    for ended in [false, false, true, false, false, true] {
        let step = town.step(&[UP]).unwrap();
        assert_eq!((step.terminated, step.truncated), (&[false][..], &[ended][..]));
    }
    assert_eq!(town.episodes(), [2]);
    assert!(town.deaths()[0].is_empty());
}

#[test]
fn a_death_at_the_step_limit_is_no_truncation() {
    let mut level = Level::builtin("pomdp").unwrap();
    level.step_limit = 1;
    let mut town = Town::new(level, 1).unwrap();
    town.place(0, &with_meter(start([3, 3]), ENERGY, 0.001)).unwrap();
    let step = town.step(&[UP]).unwrap();
    assert_eq!((step.terminated, step.truncated), (&[true][..], &[false][..]));
    assert_eq!(step.rewards, [-100.0]);
}

#[test]
fn an_episode_of_500_steps_returns_50() {
    let mut level = Level::builtin("pomdp").unwrap();
    for meter in &mut level.meters {
        meter.depletion = 0.0;
    }
    level.modulations.clear();
    level.movement_cost.clear();
    let mut town = Town::new(level, 1).unwrap();
    let total: f32 = (0..500).map(|_| town.step(&[UP]).unwrap().rewards[0]).sum();
    assert_eq!((total, town.episodes()[0]), (50.0, 1));
}

#[test]
fn the_mask_follows_the_opening_hours() {
    // Per affordance, the hours at which INTERACT is allowed, as runs.
    let day: &[u8] = &[8, 18];
    let always: &[u8] = &[0, 24];
    let table: [(&str, &[u8]); 14] = [
        ("Bed", always),
        ("LuxuryBed", always),
        ("Shower", always),
        ("HomeMeal", always),
        ("FastFood", always),
        ("Job", day),
        ("Labor", day),
        ("Gym", always),
        ("Bar", &[0, 4, 18, 24]),
        ("Park", &[6, 22]),
        ("Recreation", &[8, 22]),
        ("Therapist", day),
        ("Doctor", day),
        ("Hospital", always),
    ];
    let mut town = builtin("temporal", 1);
    for (index, (name, runs)) in table.into_iter().enumerate() {
        assert_eq!(town.level().affordances[index].name, name);
        let cell = town.affordance_cells(0).nth(index).unwrap();
        for hour in 0..24 {
            let state = with_meter(at_hour(hour, start([cell.x, cell.y])), MONEY, 1.0);
            town.place(0, &state).unwrap();
            let open = runs.chunks(2).any(|run| (run[0]..run[1]).contains(&hour));
            assert_eq!(can_interact(&town), open, "{name} at {hour}");
            town.step(&[INTERACT]).unwrap();
            assert_eq!(town.interactions()[0].is_some(), open, "{name} at {hour}");
        }
    }
}

#[test]
fn hours_can_bind_the_mask_alone() {
    let mut level = Level::builtin("temporal").unwrap();
    level.hours_enforced = false;
    let mut town = Town::new(level, 1).unwrap();
    let job = start([6, 6]);
    town.place(0, &job).unwrap();
    assert!(!can_interact(&town));
    town.step(&[INTERACT]).unwrap();
    assert_eq!(town.interactions(), [Some(5)]);
    assert_eq!(town.progress(), [1]);
}

#[test]
fn progress_needs_an_agent_to_stay() {
    let mut town = placed("temporal", &with_meter(start([0, 4]), ENERGY, 0.5));
    town.place(0, &at_hour(6, town.state(0))).unwrap();
    let park = |town: &mut Town, action| {
        town.step(&[action]).unwrap();
        town.progress()[0]
    };
    assert_eq!(park(&mut town, INTERACT), 1);
    assert_eq!(town.observations()[51], 0.1);
    assert_eq!(park(&mut town, LEFT), 1, "a wall does not end it");
    assert_eq!(park(&mut town, INTERACT), 0, "done");
    assert_eq!(park(&mut town, INTERACT), 1);
    assert_eq!(park(&mut town, RIGHT), 0, "leaving does");
    assert_eq!(park(&mut town, LEFT), 0);
    assert_eq!(park(&mut town, INTERACT), 1);
}

#[test]
fn five_hours_of_sleep_complete_it() {
    let mut town = placed("temporal", &with_meter(start([1, 1]), ENERGY, 0.1));
    for tick in 1..=5 {
        town.step(&[INTERACT]).unwrap();
        assert_eq!(town.interactions(), [Some(0)]);
        assert_eq!(town.progress(), [tick % 5]);
    }
    assert_eq!(town.hours(), [5]);
    // 0.1 + 5 * 0.075 + 0.125 - 5 * 0.005, and five prices of 0.01.
    assert!((town.meter(ENERGY)[0] - 0.575).abs() < 1e-6);
    assert!((town.meter(MONEY)[0] - 0.45).abs() < 1e-6);
}

#[test]
fn the_day_has_24_hours() {
    let mut town = placed("temporal", &at_hour(22, start([3, 3])));
    let hours: Vec<_> = (0..3)
        .map(|_| {
            town.step(&[INTERACT]).unwrap();
            town.hours()[0]
        })
        .collect();
    assert_eq!(hours, [23, 0, 1]);
}

#[test]
fn a_window_shows_that_something_stands_there() {
    let mut level = Level::builtin("pomdp-shuffled").unwrap();
    level.vision_range = 1;
    level.affordances.truncate(2);
    let mut town = Town::new(level, 1).unwrap();
    let mut state = start([0, 0]);
    state.affordances = Some(vec![Cell { x: 1, y: 0 }, Cell { x: 0, y: 0 }]);
    town.place(0, &state).unwrap();
    let mut expected = vec![0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0];
    expected.extend([0.0, 0.0]);
    expected.extend(&state.meters);
    expected.extend([0.0, 1.0, 0.0]);
    assert_eq!(town.observations(), expected);
    assert_eq!(town.affordance_cells(0).collect::<Vec<_>>(), state.affordances.unwrap());
}

#[test]
fn a_shuffled_layout_lasts_for_an_episode() {
    let mut town = builtin("pomdp-shuffled", 1);
    town.reset(3);
    let first: Vec<_> = town.affordance_cells(0).collect();
    while town.episodes()[0] == 0 {
        assert!(town.affordance_cells(0).eq(first.iter().copied()));
        town.step(&[UP]).unwrap();
    }
    assert!(!town.affordance_cells(0).eq(first.iter().copied()));
    assert_eq!(town.outcome(0).affordances, Some(first));
}

#[test]
fn a_town_of_another_shape_works() {
    let mut text = "name = 'wide'\ngrid = [12, 12]\nobservability = 'partial'\nvision_range = 3\n\
        step_limit = 40\nclock = true\n[reward]\ndeath = -1.0\n"
        .to_owned();
    for meter in 0..5 {
        write!(text, "[[meters]]\nname = 'm{meter}'\nstart = 1\ndepletion = 0.01\n").unwrap();
    }
    for i in 0..20 {
        let (x, y) = (i % 12, i / 12);
        write!(text, "[[affordances]]\nname = 'a{i}'\ncell = [{x}, {y}]\neffects = {{ m4 = 1 }}\n").unwrap();
    }
    for layout in [Layout::Fixed, Layout::Shuffled] {
        let mut level = Level::from_toml(&text, "wide.toml").unwrap();
        level.layout = layout;
        let mut town = Town::new(level, 200).unwrap();
        let shape = town.observation_layout();
        assert_eq!(
            (shape.window(), shape.position(), shape.meters()),
            (Some(0..49), Some(49..51), Some(51..56))
        );
        assert_eq!((shape.affordance(), shape.hour(), shape.progress()), (Some(56..77), Some(77), Some(78)));
        for step in 0..40 {
            let actions: Vec<u8> = (0..200).map(|i| ((i + step) % 5) as u8).collect();
            let step = town.step(&actions).unwrap();
            assert_eq!(step.observations.len(), 200 * 79);
        }
        assert_eq!(town.episodes(), [1; 200]);
    }
}

#[test]
fn wrong_actions_are_refused_and_change_nothing() {
    let mut town = builtin("pomdp", 2);
    let before = town.observations().to_vec();
    assert_eq!(town.step(&[0]).unwrap_err(), StepError::NumActions { expected: 2, found: 1 });
    let missing = StepError::NoSuchAction { env: 1, action: 5, num_actions: 5 };
    assert_eq!(town.step(&[0, 5]).unwrap_err(), missing);
    assert_eq!(town.observations(), before);
}

#[test]
fn impossible_states_are_refused() {
    let mut town = builtin("temporal", 1);
    let good = start([3, 3]);
    let mut refuse = |state: AgentState, part: &str| {
        let message = town.place(0, &state).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    refuse(start([8, 0]), "[8, 0] lies off the 8 x 8 grid");
    refuse(with_meter(good.clone(), 1, 1.5), "`hygiene` to be 0 to 1, found 1.5");
    refuse(with_meter(good.clone(), 1, f32::NAN), "`hygiene`");
    refuse(with_meter(good.clone(), HEALTH, 0.0), "terminal meter `health` at 0");
    refuse(at_hour(24, good.clone()), "found hour 24");
    refuse(AgentState { meters: vec![1.0], ..good.clone() }, "expected 8 meters, found 1");
    refuse(AgentState { progress: 1, ..good.clone() }, "a progress of at most 0 on [3, 3], found 1");
    refuse(AgentState { progress: 5, ..start([1, 1]) }, "at most 4 on [1, 1], found 5");
    let one = vec![Cell { x: 0, y: 0 }];
    refuse(AgentState { affordances: Some(one.clone()), ..good.clone() }, "14 affordances, found 1");
    refuse(
        AgentState { affordances: Some(one.repeat(14)), ..good.clone() },
        "two affordances stand on [0, 0]",
    );
    let mut moved: Vec<_> = (0..14).map(|x| Cell { x: x % 8, y: x / 8 }).collect();
    refuse(AgentState { affordances: Some(moved.clone()), ..good.clone() }, "`temporal` is fixed");
    moved[0].x = 8;
    refuse(AgentState { affordances: Some(moved), ..good.clone() }, "[8, 0] lies off");

    assert!(matches!(town.place(1, &good), Err(TownError::NoSuchAgent { agent: 1, num_agents: 1 })));
    let at_noon = builtin("pomdp", 1).place(0, &at_hour(12, good)).unwrap_err();
    assert!(at_noon.to_string().contains("hour 0 without a clock"));
    assert!(matches!(Town::new(Level::builtin("pomdp").unwrap(), 0), Err(TownError::NoAgents)));
}

#[test]
fn a_state_can_be_put_back() {
    let mut town = builtin("pomdp-shuffled", 2);
    town.reset(5);
    for step in 0..30 {
        town.step(&[step % 5, (step + 1) % 4]).unwrap();
    }
    let (state, row) = (town.state(1), town.observations()[50..].to_vec());
    let mut other = builtin("pomdp-shuffled", 3);
    other.place(2, &state).unwrap();
    assert_eq!(other.state(2), state);
    assert_eq!(other.observations()[100..], row);
}

/// Two agents that start alike, the second in this stage.
fn two(stage: &Stage) -> Town {
    let mut town = builtin("pomdp", 2);
    for agent in 0..2 {
        town.place(agent, &start([3, 3])).unwrap();
    }
    town.set_stage(1, stage).unwrap();
    town
}

#[test]
fn a_stage_scales_depletion_and_holds_other_meters_for_one_agent_alone() {
    let mut town = two(&Stage::new(&["energy", "social"], 0.5, RewardMode::Sparse));
    town.step(&[RIGHT, RIGHT]).unwrap();
    // A move takes 0.005 of energy, depletion 0.005 of energy and 0.006 of social.
    for (meter, expected) in
        [(ENERGY, [0.99, 0.9925]), (2, [0.992, 1.0]), (5, [0.994, 0.997]), (7, [0.998, 1.0])]
    {
        for (found, expected) in town.meter(meter).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "meter {meter}: {found}, expected {expected}");
        }
    }
    assert_eq!(town.state(0), {
        let mut alone = placed("pomdp", &start([3, 3]));
        alone.step(&[RIGHT]).unwrap();
        alone.state(0)
    });
}

#[test]
fn nothing_is_paid_from_held_money_and_nobody_dies_of_a_held_meter() {
    let mut town = builtin("pomdp", 1);
    town.set_stage(0, &Stage::new(&["health"], 1.0, RewardMode::Sparse)).unwrap();
    town.place(0, &with_meter(start([1, 1]), ENERGY, 0.001)).unwrap();
    for _ in 0..100 {
        town.step(&[INTERACT]).unwrap();
        assert_eq!(town.interactions(), [Some(0)], "the bed costs 0.05 each time");
        assert_eq!((town.meter(MONEY)[0], town.meter(ENERGY)[0]), (0.5, 1.0));
    }
    town.place(0, &with_meter(start([0, 0]), ENERGY, 0.001)).unwrap();
    assert!(!town.step(&[RIGHT]).unwrap().terminated[0]);
    town.place(0, &with_meter(start([0, 0]), HEALTH, 1e-4)).unwrap();
    assert!(town.step(&[RIGHT]).unwrap().terminated[0], "health is active");
}

#[test]
fn the_shaped_reward_pays_each_step_and_death_stays_what_it_is() {
    let mut town = two(&Stage::new(&["energy", "health"], 1.0, RewardMode::Shaped));
    let rewards = town.step(&[RIGHT, RIGHT]).unwrap().rewards.to_vec();
    // 0.02, and 0.01 times each meter: energy 0.99, money 0.5, health 0.9995 at the full fitness held, and 5 full ones.
    assert_eq!(rewards[0], 5.5);
    assert!((rewards[1] - (0.02 + 0.01 * (0.99 + 0.5 + 0.9995 + 5.0))).abs() < 1e-6, "{rewards:?}");
    town.place(1, &with_meter(start([3, 3]), ENERGY, 0.001)).unwrap();
    assert_eq!(town.step(&[RIGHT, RIGHT]).unwrap().rewards, [0.0, -100.0]);
}

#[test]
fn a_level_may_pay_the_shaped_reward_by_itself_and_a_stage_the_milestones() {
    let mut level = Level::builtin("pomdp").unwrap();
    level.reward.mode = RewardMode::Shaped;
    let names: Vec<_> = level.meters.iter().map(|meter| meter.name.clone()).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut town = Town::new(level, 2).unwrap();
    town.set_stage(1, &Stage::new(&all, 1.0, RewardMode::Sparse)).unwrap();
    let step = town.step(&[INTERACT, INTERACT]).unwrap();
    assert!(step.rewards[0] > 0.09 && step.rewards[0] < 0.1, "{:?}", step.rewards);
    assert_eq!(step.rewards[1], 5.5);
}

#[test]
fn a_stage_lasts_over_resets_until_the_next_one() {
    let mut town = two(&Stage::new(&["energy"], 1.0, RewardMode::Sparse));
    town.reset(3);
    town.step(&[RIGHT, RIGHT]).unwrap();
    assert_eq!(town.meter(5), [0.994, 1.0]);
    let meters: Vec<String> = town.level().meters.iter().map(|meter| meter.name.clone()).collect();
    let all: Vec<&str> = meters.iter().map(String::as_str).collect();
    town.set_stage(1, &Stage::new(&all, 1.0, RewardMode::Sparse)).unwrap();
    town.reset(3);
    town.step(&[RIGHT, RIGHT]).unwrap();
    assert_eq!(town.meter(5), [0.994, 0.994]);
}

#[test]
fn a_stage_that_cannot_be_changes_nothing() {
    let mut level = Level::builtin("pomdp").unwrap();
    level.reward.shaped = None;
    let mut town = Town::new(level, 2).unwrap();
    let energy = |reward| Stage::new(&["energy"], 0.5, reward);
    assert_eq!(
        town.set_stage(2, &energy(RewardMode::Sparse)),
        Err(StageError::NoSuchEnv { env: 2, num_envs: 2 })
    );
    let error = town.set_stage(0, &energy(RewardMode::Shaped)).unwrap_err();
    assert!(
        error.to_string().contains("`pomdp`") && error.to_string().contains("[reward.shaped]"),
        "{error}"
    );
    let error = town.set_stage(0, &Stage::new(&["enrgy"], 0.5, RewardMode::Sparse)).unwrap_err();
    assert!(matches!(error, StageError::NoSuchMeter { .. }), "{error}");
    town.step(&[INTERACT, INTERACT]).unwrap();
    assert_eq!(town.meter(ENERGY), [0.995, 0.995]);
}
