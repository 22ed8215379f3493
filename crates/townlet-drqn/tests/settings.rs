//! Settings, schedules and choices that need no tensors.

use townlet_drqn::{
    Annealing, AnnealingConfig, CountNoveltyConfig, DrqnConfig, EpsilonSchedule, Intrinsic, Sampling,
    Sequences, StartState, TargetUpdate, UpdateSchedule, epsilon_greedy,
};

#[test]
fn updates_are_due_by_environment_steps_however_many_environments_there_are() {
    let schedule = UpdateSchedule { learning_starts: 10, update_every: 4, target_copy_every: 100 };
    let total = |envs: u64| -> u64 {
        (0..240 / envs).map(|round| schedule.updates_due(round * envs, (round + 1) * envs)).sum()
    };
    for envs in [1, 2, 4] {
        // Steps 12, 16, ... 240: the two multiples of four before step 10 are too early.
        assert_eq!(total(envs), 58, "{envs} environments");
    }
    assert_eq!(schedule.updates_due(0, 9), 0, "nothing before learning starts");
    assert_eq!(schedule.updates_due(96, 136), 10, "many environments, many updates at once");
}

#[test]
fn epsilon_falls_on_a_line_and_stays() {
    let schedule = EpsilonSchedule::Linear { start: 1.0, end: 0.1, steps: 100 };
    let at = |steps| schedule.epsilon(0, 1, steps);
    assert_eq!((at(0), at(50), at(100), at(1_000_000)), (1.0, 0.55, 0.1, 0.1));
}

#[test]
fn epsilon_falls_by_the_same_factor_in_every_stretch_of_steps() {
    let schedule = EpsilonSchedule::Exponential { start: 1.0, end: 0.25, decay_steps: 100 };
    let above = |steps| schedule.epsilon(0, 1, steps) - 0.25;
    assert_eq!(above(0), 0.75);
    for steps in [0, 50, 300] {
        let factor = above(steps + 100) / above(steps);
        assert!((factor - (-1.0_f64).exp()).abs() < 1e-9, "the factor after {steps} steps is {factor}");
    }
    assert!(schedule.epsilon(0, 1, u64::MAX) == 0.25, "in the end it is there");
}

#[test]
fn the_learning_rate_falls_on_a_line_and_stays() {
    let base = DrqnConfig { learning_rate: 0.5, learning_rate_end: 0.25, ..DrqnConfig::default() };
    assert_eq!(base.learning_rate_after(1_000), 0.5, "over no updates it does not fall");
    let falling = DrqnConfig { learning_rate_updates: 8, ..base };
    let rates = [0, 1, 4, 8, 9, u64::MAX].map(|updates| falling.learning_rate_after(updates));
    assert_eq!(rates, [0.5, 0.46875, 0.375, 0.25, 0.25, 0.25]);
}

#[test]
fn a_ladder_gives_every_environment_its_own_epsilon() {
    let schedule = EpsilonSchedule::Ladder { base: 0.5, exponent: 4.0 };
    let at = |env| schedule.epsilon(env, 64, 0);
    assert_eq!((at(0), at(63)), (0.5, 0.5_f64.powi(5)));
    assert!((0..63).all(|env| at(env) > at(env + 1)), "it falls from one environment to the next");
    assert_eq!(schedule.epsilon(0, 1, 0), 0.5, "a single environment is the first");
}

#[test]
fn greedy_takes_the_best_allowed_action_and_the_first_of_equals() {
    let mut actions = [9; 3];
    let values = [1.0, 5.0, 3.0, 2.0, 2.0, 2.0, -1.0, -2.0, -3.0];
    let masks = [true, false, true, false, true, true, true, true, true];
    epsilon_greedy(&values, &masks, |_| 0.0, 0, 0, &mut actions);
    assert_eq!(actions, [2, 1, 0]);
}

#[test]
fn exploration_is_uniform_over_allowed_actions_and_independent_of_the_others() {
    let mut counts = [0_u32; 4];
    let mask = [true, false, true, true];
    for step in 0..3_000 {
        let mut alone = [9];
        epsilon_greedy(&[0.0; 4], &mask, |_| 1.0, 7, step, &mut alone);
        let mut beside = [9; 3];
        epsilon_greedy(&[0.0; 12], &mask.repeat(3), |_| 1.0, 7, step, &mut beside);
        assert_eq!(alone[0], beside[0], "the first environment chooses alike alone and beside others");
        counts[usize::from(alone[0])] += 1;
    }
    assert_eq!(counts[1], 0, "a masked action was explored");
    // 1,000 expected each, standard deviation 26.
    assert!([0, 2, 3].iter().all(|&action| (870..1130).contains(&counts[action])), "{counts:?}");
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    let base = DrqnConfig::default;
    let adaptive = Annealing::Adaptive;
    let cases = [
        ("discount", DrqnConfig { discount: 1.5, ..base() }),
        ("discount", DrqnConfig { discount: f64::NAN, ..base() }),
        ("n_step", DrqnConfig { n_step: 0, ..base() }),
        ("learning_rate", DrqnConfig { learning_rate: -1.0, ..base() }),
        ("learning_rate_end", DrqnConfig { learning_rate_end: f64::NAN, ..base() }),
        ("trace_length", DrqnConfig { trace_length: 0, ..base() }),
        (
            "schedule.update_every",
            DrqnConfig { schedule: UpdateSchedule { update_every: 0, ..base().schedule }, ..base() },
        ),
        ("period", DrqnConfig { period: 0, ..base() }),
        ("period", DrqnConfig { trace_length: 8, period: 9, ..base() }),
        ("burn_in", DrqnConfig { sequences: Sequences::WholeEpisodes, burn_in: 3, ..base() }),
        ("period", DrqnConfig { sequences: Sequences::WholeEpisodes, period: 2, ..base() }),
        (
            "start_state",
            DrqnConfig { sequences: Sequences::WholeEpisodes, start_state: StartState::Stored, ..base() },
        ),
        ("burn_in", DrqnConfig { start_state: StartState::Stored, burn_in: 3, period: 2, ..base() }),
        (
            "sampling.alpha",
            DrqnConfig { sampling: Sampling::Prioritised { alpha: -0.1, beta: 0.5 }, ..base() },
        ),
        ("sampling.beta", DrqnConfig { sampling: Sampling::Prioritised { alpha: 0.9, beta: 1.1 }, ..base() }),
        ("target_update.tau", DrqnConfig { target_update: TargetUpdate::Polyak { tau: 0.0 }, ..base() }),
        (
            "epsilon.end",
            DrqnConfig { epsilon: EpsilonSchedule::Linear { start: 1.0, end: -0.1, steps: 1 }, ..base() },
        ),
        (
            "epsilon.decay_steps",
            DrqnConfig {
                epsilon: EpsilonSchedule::Exponential { start: 1.0, end: 0.1, decay_steps: 0 },
                ..base()
            },
        ),
        (
            "epsilon.base",
            DrqnConfig { epsilon: EpsilonSchedule::Ladder { base: 2.0, exponent: 1.0 }, ..base() },
        ),
        (
            "intrinsic.bins",
            DrqnConfig {
                intrinsic: Intrinsic::Counts(CountNoveltyConfig { bins: 1, ..CountNoveltyConfig::default() }),
                ..base()
            },
        ),
        ("annealing.kind", DrqnConfig { annealing: adaptive(AnnealingConfig::default()), ..base() }),
        (
            "annealing.window",
            DrqnConfig {
                intrinsic: Intrinsic::Counts(CountNoveltyConfig::default()),
                annealing: adaptive(AnnealingConfig { window: 0, ..AnnealingConfig::default() }),
                ..base()
            },
        ),
    ];
    assert_eq!(base().validate(), Ok(()));
    for (key, config) in cases {
        let error = config.validate().expect_err(key);
        assert_eq!(error.key, key);
        assert!(error.to_string().contains("expected"), "{error}");
    }
}
