//! The replay, with episodes whose every number says where it comes from.

use proptest::prelude::*;
use townlet_drqn::{EmptyReplay, Extras, SequenceBatch, SequenceReplay};
use townlet_env::{Action, Step, stream};

const FEATURES: usize = 2;
const ACTIONS: usize = 3;

/// What happens to one environment at one step.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    On,
    Terminated,
    Truncated,
}

/// Writes its own position into everything: observation `[episode, step]`, reward `episode + step / 1000`,
/// action `step % 3`, and a mask that forbids exactly action `step % 3`.
struct Clockwork {
    episode: Vec<u32>,
    step: Vec<u32>,
    next_episode: u32,
    /// Whether states are recorded; a state is the observation that follows it.
    remembers: bool,
    /// Whether novelty is recorded; it is the number of the step, and one.
    explores: bool,
    replay: SequenceReplay,
}

fn observation(episode: u32, step: u32) -> [f32; FEATURES] {
    [episode as f32, step as f32]
}

fn mask(step: u32) -> [bool; ACTIONS] {
    std::array::from_fn(|action| action as u32 != step % 3)
}

impl Clockwork {
    fn new(envs: usize, capacity: usize, trace_length: usize) -> Self {
        let mut replay = SequenceReplay::new(capacity, trace_length, envs, FEATURES, ACTIONS);
        let episode: Vec<u32> = (0..envs as u32).collect();
        let observations: Vec<f32> = episode.iter().flat_map(|&episode| observation(episode, 0)).collect();
        let masks: Vec<bool> = episode.iter().flat_map(|_| mask(0)).collect();
        replay.start(&observations, &masks);
        Self {
            next_episode: envs as u32,
            remembers: false,
            explores: false,
            step: vec![0; envs],
            episode,
            replay,
        }
    }

    /// The same, drawn by priority.
    fn prioritised(envs: usize, capacity: usize, trace_length: usize, alpha: f64, beta: f64) -> Self {
        Self::new(envs, capacity, trace_length).with(envs, |replay| replay.prioritised(alpha, beta))
    }

    /// The same, still before its first step, with a changed replay.
    fn with(self, envs: usize, change: impl Fn(SequenceReplay) -> SequenceReplay) -> Self {
        let mut clockwork = Self { replay: change(self.replay), ..self };
        let observations: Vec<f32> = (0..envs as u32).flat_map(|episode| observation(episode, 0)).collect();
        let masks: Vec<bool> = (0..envs).flat_map(|_| mask(0)).collect();
        clockwork.replay.start(&observations, &masks);
        clockwork
    }

    /// One episode of `length` steps in the only environment.
    fn episode(&mut self, length: usize) {
        for _ in 1..length {
            self.step(&[Next::On]);
        }
        self.step(&[Next::Terminated]);
    }

    /// Draws so many windows that each comes up, and gives each the error that `error` says for its episode
    /// and start; `error` is that of every step.
    fn learn(&mut self, error: impl Fn(u32, u32) -> f32) {
        let batch = self.sample(3_000, 99);
        let errors: Vec<f32> = (0..batch.batch)
            .flat_map(|row| {
                let (episode, start, _) = check(&batch, row).expect("unbroken");
                vec![error(episode, start); batch.time]
            })
            .collect();
        self.replay.update_priorities(&batch, &errors);
    }

    /// How often each start of `episode` comes up in a large draw.
    fn counts<const N: usize>(&self, episode: u32) -> [u32; N] {
        let batch = self.sample(20_000, 1);
        let mut counts = [0; N];
        for row in 0..batch.batch {
            let (found, start, _) = check(&batch, row).expect("unbroken");
            if found == episode {
                counts[start as usize] += 1;
            }
        }
        counts
    }

    fn step(&mut self, nexts: &[Next]) {
        let actions: Vec<Action> = self.step.iter().map(|step| (step % 3) as Action).collect();
        let states: Vec<f32> =
            self.episode.iter().zip(&self.step).flat_map(|(&e, &s)| observation(e, s)).collect();
        let rewards: Vec<f32> =
            self.episode.iter().zip(&self.step).map(|(&e, &s)| e as f32 + s as f32 / 1000.0).collect();
        let novelty: Vec<f32> = self.step.iter().map(|&step| step as f32 + 1.0).collect();
        let (mut observations, mut masks) = (Vec::new(), Vec::new());
        let (mut finals, mut final_masks) = (Vec::new(), Vec::new());
        for (env, next) in nexts.iter().enumerate() {
            finals.extend(observation(self.episode[env], self.step[env] + 1));
            final_masks.extend(mask(self.step[env] + 1));
            if *next == Next::On {
                self.step[env] += 1;
            } else {
                (self.episode[env], self.step[env]) = (self.next_episode, 0);
                self.next_episode += 1;
            }
            observations.extend(observation(self.episode[env], self.step[env]));
            masks.extend(mask(self.step[env]));
        }
        let terminated: Vec<bool> = nexts.iter().map(|&next| next == Next::Terminated).collect();
        let truncated: Vec<bool> = nexts.iter().map(|&next| next == Next::Truncated).collect();
        self.replay.record_with(
            &actions,
            &Step {
                observations: &observations,
                action_masks: &masks,
                rewards: &rewards,
                terminated: &terminated,
                truncated: &truncated,
                final_observations: &finals,
                final_action_masks: &final_masks,
            },
            Extras {
                states: if self.remembers { &states } else { &[] },
                intrinsic: if self.explores { &novelty } else { &[] },
            },
        );
    }

    fn sample(&self, batch_size: usize, seed: u64) -> SequenceBatch {
        let mut batch = SequenceBatch::new();
        self.replay.sample(batch_size, &mut stream(seed, "test", 0, 0), &mut batch).expect("not empty");
        batch
    }
}

/// Checks that sequence `row` is one unbroken piece of one episode and says its first episode and step.
fn check(batch: &SequenceBatch, row: usize) -> Result<(u32, u32, usize), TestCaseError> {
    let time = batch.time;
    let at = |t: usize| &batch.observations[(row * (time + 1) + t) * FEATURES..][..FEATURES];
    let (episode, start) = (at(0)[0] as u32, at(0)[1] as u32);
    let steps = batch.valid[row * time..][..time].iter().take_while(|&&valid| valid).count();
    prop_assert!(steps > 0);
    prop_assert!(batch.valid[row * time + steps..][..time - steps].iter().all(|valid| !valid));
    for t in 0..=steps {
        let step = start + t as u32;
        prop_assert_eq!(at(t), observation(episode, step));
        prop_assert_eq!(&batch.action_masks[(row * (time + 1) + t) * ACTIONS..][..ACTIONS], mask(step));
    }
    for t in 0..steps {
        let step = start + t as u32;
        let slot = row * time + t;
        prop_assert_eq!(batch.actions[slot], (step % 3) as Action);
        prop_assert_eq!(batch.rewards[slot], episode as f32 + step as f32 / 1000.0);
        let ended = batch.terminated[slot] || batch.truncated[slot];
        prop_assert!(!ended || t + 1 == steps, "an end in the middle of a window");
    }
    let before = batch.burn_in.get(row).copied().unwrap_or(0);
    let first: usize = batch.burn_in.iter().take(row).sum();
    for t in 0..before {
        let found = &batch.burn_in_observations[(first + t) * FEATURES..][..FEATURES];
        prop_assert_eq!(found, observation(episode, start - (before - t) as u32));
    }
    if !batch.states.is_empty() {
        let state = &batch.states[row * FEATURES..][..FEATURES];
        prop_assert_eq!(state, observation(episode, start - before as u32));
    }
    Ok((episode, start, steps))
}

fn next() -> impl Strategy<Value = Next> {
    prop_oneof![6 => Just(Next::On), 1 => Just(Next::Terminated), 1 => Just(Next::Truncated)]
}

proptest! {
    /// Whatever happened, a sampled window is an unbroken piece of one episode, with the right masks,
    /// actions, rewards and ends, and nothing but padding after it.
    #[test]
    fn a_window_never_mixes_episodes(
        steps in prop::collection::vec(prop::collection::vec(next(), 3), 1..120),
        capacity in 1_usize..60,
        trace_length in 1_usize..9,
        seed: u64,
    ) {
        let mut clockwork = Clockwork::new(3, capacity, trace_length);
        for nexts in &steps {
            clockwork.step(nexts);
        }
        let batch = clockwork.sample(16, seed);
        for row in 0..batch.batch {
            check(&batch, row)?;
        }
    }

    /// The same by priority, with errors that arrive late: also for windows that were overwritten since.
    #[test]
    fn a_window_drawn_by_priority_never_mixes_episodes(
        steps in prop::collection::vec(prop::collection::vec(next(), 3), 1..120),
        capacity in 1_usize..60,
        trace_length in 1_usize..9,
        seed: u64,
    ) {
        let mut clockwork = Clockwork::prioritised(3, capacity, trace_length, 0.9, 0.6);
        let mut late = None;
        for (round, nexts) in steps.iter().enumerate() {
            clockwork.step(nexts);
            if round % 3 == 0 {
                let batch = clockwork.sample(4, seed.wrapping_add(round as u64));
                for row in 0..batch.batch {
                    check(&batch, row)?;
                }
                let errors = vec![round as f32; batch.batch * batch.time];
                if let Some((batch, errors)) = late.replace((batch, errors)) {
                    clockwork.replay.update_priorities(&batch, &errors);
                }
            }
        }
    }

    /// Whatever windows, steps before them and states are asked for, they are of the window's own episode.
    #[test]
    fn a_window_brings_along_its_own_past(
        steps in prop::collection::vec(prop::collection::vec(next(), 3), 1..120),
        capacity in 1_usize..60,
        trace_length in 1_usize..9,
        period in 1_usize..5,
        periods in 0_usize..4,
        remembers: bool,
        by_priority: bool,
        whole: bool,
        seed: u64,
    ) {
        let period = period.min(trace_length);
        let mut clockwork = Clockwork::new(3, capacity, trace_length);
        clockwork.remembers = remembers;
        let mut clockwork = clockwork.with(3, |replay| {
            let replay = replay.windowed(period, periods * period);
            let replay = if whole { replay.whole_episodes() } else { replay };
            if by_priority { replay.prioritised(0.9, 0.6) } else { replay }
        });
        for nexts in &steps {
            clockwork.step(nexts);
            let batch = clockwork.sample(4, seed);
            prop_assert_eq!(batch.states.is_empty(), !remembers);
            for row in 0..batch.batch {
                check(&batch, row)?;
            }
            clockwork.replay.update_priorities(&batch, &vec![1.0; batch.batch * batch.time]);
        }
    }

    /// Finished episodes never take more room than there is.
    #[test]
    fn the_capacity_is_kept(
        ends in prop::collection::vec(1_usize..12, 1..60),
        capacity in 1_usize..40,
    ) {
        let mut clockwork = Clockwork::new(1, capacity, 4);
        for length in ends {
            for _ in 1..length {
                clockwork.step(&[Next::On]);
            }
            clockwork.step(&[Next::Terminated]);
            prop_assert!(clockwork.replay.len() <= capacity);
            prop_assert!(!clockwork.replay.is_empty());
        }
    }
}

#[test]
fn an_empty_replay_says_so() {
    let replay = SequenceReplay::new(10, 4, 1, FEATURES, ACTIONS);
    let sampled = replay.sample(1, &mut stream(0, "test", 0, 0), &mut SequenceBatch::new());
    assert_eq!(sampled, Err(EmptyReplay));
}

#[test]
fn terminations_and_truncations_stay_apart() {
    for (next, terminated, truncated) in [(Next::Terminated, true, false), (Next::Truncated, false, true)] {
        let mut clockwork = Clockwork::new(1, 10, 2);
        clockwork.step(&[Next::On]);
        clockwork.step(&[next]);
        let batch = clockwork.sample(1, 0);
        assert_eq!(batch.terminated, [false, terminated]);
        assert_eq!(batch.truncated, [false, truncated]);
    }
}

#[test]
fn a_short_episode_is_padded_and_not_dropped() {
    let mut clockwork = Clockwork::new(1, 10, 5);
    clockwork.step(&[Next::On]);
    clockwork.step(&[Next::Terminated]);
    let batch = clockwork.sample(1, 0);
    assert_eq!(batch.valid, [true, true, false, false, false]);
    assert_eq!(batch.num_valid(), 2);
    // The observation in which it ended is there, for the last step to look at.
    assert_eq!(batch.observations[2 * FEATURES..3 * FEATURES], observation(0, 2));
}

#[test]
fn a_running_episode_can_be_sampled_as_far_as_it_has_come() {
    let mut clockwork = Clockwork::new(1, 10, 3);
    for _ in 0..3 {
        clockwork.step(&[Next::On]);
    }
    let batch = clockwork.sample(1, 0);
    assert_eq!(batch.valid, [true; 3]);
    assert_eq!(batch.terminated, [false; 3]);
    assert_eq!(batch.truncated, [false; 3]);
    assert_eq!(batch.observations[3 * FEATURES..], observation(0, 3));
}

/// An episode longer than the whole replay is kept as far as it fits, and does not empty the replay.
#[test]
fn an_episode_longer_than_the_capacity_keeps_its_newest_part() {
    let mut clockwork = Clockwork::new(1, 8, 4);
    for _ in 0..30 {
        clockwork.step(&[Next::On]);
    }
    clockwork.step(&[Next::Terminated]);
    let replay = &clockwork.replay;
    assert!(!replay.is_empty() && replay.len() <= 8, "{} transitions", replay.len());
    let newest = (0..50).map(|seed| check(&clockwork.sample(1, seed), 0).expect("unbroken").1).max();
    assert!(newest >= Some(24), "the newest window begins at step {newest:?}");
}

/// One long and one short episode: windows of the long one must come up as often as there are more of them.
#[test]
fn every_window_is_equally_likely() {
    let mut clockwork = Clockwork::new(1, 200, 4);
    for length in [103, 4] {
        for _ in 1..length {
            clockwork.step(&[Next::On]);
        }
        clockwork.step(&[Next::Terminated]);
    }
    // 100 windows in the first episode, 1 in the second.
    let batch = clockwork.sample(20_000, 1);
    let mut counts = [0_u32; 101];
    for row in 0..batch.batch {
        let (episode, start, _) = check(&batch, row).expect("unbroken");
        counts[if episode == 0 { start as usize } else { 100 }] += 1;
    }
    // 198 expected each, standard deviation 14.
    assert!(counts.iter().all(|&count| (125..275).contains(&count)), "{counts:?}");
}

/// Ten windows of one episode, of errors 1 to 10: of 55 draws, as many as the error says.
#[test]
fn a_window_with_a_larger_error_is_drawn_proportionally_more_often() {
    let mut clockwork = Clockwork::prioritised(1, 100, 4, 1.0, 0.0);
    clockwork.episode(13);
    clockwork.learn(|_, start| start as f32 + 1.0);
    for (start, count) in clockwork.counts::<10>(0).into_iter().enumerate() {
        let expected = 20_000.0 * (start as f64 + 1.0) / 55.0;
        // Five standard deviations at most.
        let tolerance = 5.0 * expected.sqrt();
        assert!((f64::from(count) - expected).abs() < tolerance, "window {start} was drawn {count} times");
    }
}

/// Errors 1 and 9 on two steps: 0.9 · 9 + 0.1 · 5 = 8.6, against 8.6 everywhere. With half the power, errors
/// of 16 and 1 are drawn 4 to 1.
#[test]
fn a_priority_is_a_power_of_the_largest_and_the_mean_error() {
    let mut clockwork = Clockwork::prioritised(1, 100, 2, 0.5, 0.0);
    clockwork.episode(4);
    let drawn = |clockwork: &mut Clockwork, errors: [[f32; 2]; 3]| {
        let batch = clockwork.sample(100, 5);
        let of_row = |row| errors[check(&batch, row).expect("unbroken").1 as usize];
        let all: Vec<f32> = (0..batch.batch).flat_map(of_row).collect();
        clockwork.replay.update_priorities(&batch, &all);
        clockwork.counts::<3>(0).map(|count| f64::from(count) / 20_000.0)
    };
    let even = drawn(&mut clockwork, [[1.0, 9.0], [-8.6, 8.6], [8.6, 8.6]]);
    assert!(even.iter().all(|share| (share - 1.0 / 3.0).abs() < 0.02), "{even:?}");
    let powers = drawn(&mut clockwork, [[16.0, 16.0], [1.0, 1.0], [1.0, -1.0]]);
    assert!((powers[0] - 4.0 / 6.0).abs() < 0.02, "{powers:?}");
}

/// With β = 1 the weighted mean of anything is its mean over all windows; here of the start, 4.5.
#[test]
fn importance_weights_undo_the_uneven_draw_in_expectation() {
    let mut clockwork = Clockwork::prioritised(1, 100, 4, 1.0, 1.0);
    clockwork.episode(13);
    clockwork.learn(|_, start| start as f32 + 1.0);
    let batch = clockwork.sample(20_000, 2);
    let starts: Vec<f64> =
        (0..batch.batch).map(|row| f64::from(check(&batch, row).expect("unbroken").1)).collect();
    let weights: Vec<f64> = batch.weights.iter().copied().map(f64::from).collect();
    let plain = starts.iter().sum::<f64>() / 20_000.0;
    let weighted = starts.iter().zip(&weights).map(|(s, w)| s * w).sum::<f64>() / weights.iter().sum::<f64>();
    assert!((plain - 6.0).abs() < 0.1, "the draw prefers late starts: {plain}");
    assert!((weighted - 4.5).abs() < 0.1, "the weights make up for it: {weighted}");
    assert_eq!(batch.weights.iter().copied().fold(0.0, f32::max), 1.0);
}

#[test]
fn without_priorities_there_are_no_weights() {
    let mut clockwork = Clockwork::new(1, 100, 4);
    clockwork.episode(13);
    let batch = clockwork.sample(10, 0);
    assert!(batch.weights.is_empty() && batch.windows.is_empty());
}

/// New windows are as urgent as the most urgent ever was.
#[test]
fn a_new_window_has_the_largest_priority_there_was() {
    let mut clockwork = Clockwork::prioritised(1, 100, 4, 1.0, 0.0);
    clockwork.episode(13);
    clockwork.learn(|_, start| if start == 7 { 30.0 } else { 0.0 });
    clockwork.learn(|_, start| if start == 7 { 10.0 } else { 0.0 });
    clockwork.episode(4);
    let (old, new) = (clockwork.counts::<10>(0)[7], clockwork.counts::<1>(1)[0]);
    assert!((2.5..3.5).contains(&(f64::from(new) / f64::from(old))), "{new} against {old}");
}

/// Errors of a batch whose windows have been overwritten must not reach what lies in their place.
#[test]
fn errors_of_overwritten_windows_are_passed_over() {
    let mut clockwork = Clockwork::prioritised(1, 13, 4, 1.0, 0.0);
    clockwork.episode(13);
    let stale = clockwork.sample(100, 0);
    clockwork.episode(13);
    let errors: Vec<f32> = (0..400).map(|step| step as f32).collect();
    clockwork.replay.update_priorities(&stale, &errors);
    let counts = clockwork.counts::<10>(1);
    // 2,000 expected each, standard deviation 42.
    assert!(counts.iter().all(|count| (1_780..2_220).contains(count)), "{counts:?}");
}

#[test]
fn running_episodes_are_drawn_by_priority_only_until_one_has_finished() {
    let mut clockwork = Clockwork::prioritised(2, 100, 2, 0.9, 0.6);
    clockwork.step(&[Next::On, Next::On]);
    let batch = clockwork.sample(10, 0);
    assert!(batch.weights.is_empty(), "nothing is known of running episodes");
    clockwork.step(&[Next::Terminated, Next::On]);
    let batch = clockwork.sample(10, 0);
    assert!((0..10).all(|row| check(&batch, row).expect("unbroken").0 == 0));
}

/// Eleven steps in windows of four, every three: the last begins at step 9 and has two steps.
#[test]
fn windows_begin_at_every_step_that_the_period_says() {
    let mut clockwork = Clockwork::new(1, 100, 4).with(1, |replay| replay.windowed(3, 6));
    clockwork.episode(11);
    let batch = clockwork.sample(8_000, 1);
    let mut counts = [0_u32; 4];
    for row in 0..batch.batch {
        let (_, start, steps) = check(&batch, row).expect("unbroken");
        assert_eq!((start % 3, steps), (0, if start == 9 { 2 } else { 4 }));
        assert_eq!(batch.burn_in[row], (start as usize).min(6), "as many steps before as there are");
        counts[start as usize / 3] += 1;
    }
    // 2,000 expected each, standard deviation 39.
    assert!(counts.iter().all(|count| (1_800..2_200).contains(count)), "{counts:?}");
}

#[test]
fn without_burn_in_nothing_comes_along() {
    let mut clockwork = Clockwork::new(1, 100, 4);
    clockwork.episode(11);
    let batch = clockwork.sample(10, 0);
    assert!(batch.burn_in.is_empty() && batch.burn_in_observations.is_empty() && batch.states.is_empty());
}

/// The weight of the moment, once, on what was found when the step was made: in finished episodes and in
/// running ones.
#[test]
fn an_intrinsic_reward_is_added_once_with_its_weight() {
    for ended in [false, true] {
        let mut clockwork = Clockwork::new(1, 20, 4);
        clockwork.explores = true;
        if ended {
            clockwork.episode(9);
        } else {
            (0..9).for_each(|_| clockwork.step(&[Next::On]));
        }
        for weight in [1.0, 0.5, 0.0] {
            clockwork.replay.set_intrinsic_weight(weight);
            let batch = clockwork.sample(30, 1);
            for slot in (0..batch.batch * batch.time).filter(|&slot| batch.valid[slot]) {
                let row = slot / batch.time;
                let step = batch.observations[(row * (batch.time + 1) + slot % batch.time) * FEATURES + 1];
                assert_eq!(batch.rewards[slot], step / 1000.0 + weight as f32 * (step + 1.0), "{weight}");
            }
        }
    }
}

/// Episodes of three and nine steps, and one that is still running after six: each whole, from its first step,
/// as often as it is long.
#[test]
fn whole_episodes_are_drawn_as_often_as_they_are_long() {
    let mut clockwork = Clockwork::new(1, 100, 4).with(1, SequenceReplay::whole_episodes);
    clockwork.episode(3);
    assert_eq!(clockwork.sample(5, 0).time, 3, "a batch is as long as its longest episode");
    clockwork.episode(9);
    (0..6).for_each(|_| clockwork.step(&[Next::On]));
    let batch = clockwork.sample(18_000, 1);
    let mut counts = [0_u32; 3];
    for row in 0..batch.batch {
        let (episode, start, steps) = check(&batch, row).expect("unbroken");
        assert_eq!((start, steps), (0, [3, 9, 6][episode as usize]));
        counts[episode as usize] += 1;
    }
    // Standard deviations below 70.
    assert!(
        counts.iter().zip([3_000, 9_000, 6_000]).all(|(&n, expected)| n.abs_diff(expected) < 350),
        "{counts:?}"
    );
}

/// Priorities of 1 and 2 on episodes of nine and three steps: 9 to 6. The weights make up for the priorities and
/// not for the lengths.
#[test]
fn whole_episodes_have_priorities_beside_their_length() {
    let mut clockwork =
        Clockwork::new(1, 100, 4).with(1, |replay| replay.whole_episodes().prioritised(1.0, 1.0));
    clockwork.episode(9);
    clockwork.episode(3);
    clockwork.learn(|episode, _| episode as f32 + 1.0);
    let batch = clockwork.sample(20_000, 3);
    let short: Vec<bool> = (0..batch.batch).map(|row| check(&batch, row).expect("unbroken").0 == 1).collect();
    let drawn = short.iter().filter(|&&short| short).count();
    assert!(drawn.abs_diff(8_000) < 350, "the short one was drawn {drawn} times");
    for (weight, short) in batch.weights.iter().zip(short) {
        assert!((weight - if short { 0.5 } else { 1.0 }).abs() < 1e-4, "{weight}");
    }
}
