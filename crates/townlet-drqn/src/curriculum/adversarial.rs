//! The curriculum that makes the world harder for whoever lives long in it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use townlet_env::{RewardMode, Stage};

use super::{CurriculumError, StageChange};
use crate::config_error::{ConfigError, POSITIVE, check};
use crate::evaluate::EpisodeOutcome;
use crate::state_fault::StateFault;

/// The stages of an [`AdversarialCurriculum`], and when an agent moves from one to the next.
///
/// Stages and numbers are those of the reference implementation that Townlet re-imagines, but for two: the
/// last two stages activate every meter of the town, so that the last is the level itself (there, health and
/// fitness are in none); and see [`reward_progress`](Self::reward_progress).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct AdversarialConfig {
    /// The stages, from the easiest. Every agent starts in the first.
    pub stages: Vec<Stage>,
    /// An agent advances only where mean survival is above this share of the step limit.
    pub advance_survival: f64,
    /// An agent retreats where mean survival is below this share of the step limit.
    pub retreat_survival: f64,
    /// An agent advances only where the entropy of its policy, 0 to 1, is below this. Above 1 it asks for
    /// nothing. See [`policy_entropy`](super::policy_entropy) for what it is measured by.
    pub max_entropy: f64,
    /// The temperature at which that entropy is taken, in the units of the world's rewards: actions are as
    /// likely as softmax(values / temperature).
    pub temperature: f64,
    /// Nobody moves before having lived so many steps in a stage, over finished episodes.
    pub min_steps: u64,
    /// Over how many of the last finished episodes of the stage survival and reward are averaged.
    pub window: usize,
    /// Whether the rewards of a stage are judged too.
    pub reward_progress: RewardProgress,
}

/// Whether rewards decide about a move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RewardProgress {
    /// Survival decides.
    #[default]
    Ignored,
    /// An agent advances only where the mean reward of a step is above what it was when it came to the stage,
    /// and retreats where it is below. The reference's rule, for teaching: stages pay differently, so an
    /// agent that has just advanced to a harder one is sent back for its rewards though it lives long; and
    /// one that lives for ever earns the same in two stages, and never advances again.
    AboveBaseline,
}

impl Default for AdversarialConfig {
    fn default() -> Self {
        let meters = ["energy", "hygiene", "satiation", "money", "mood", "social", "health", "fitness"];
        let shaped = |count: usize, multiplier| Stage::new(&meters[..count], multiplier, RewardMode::Shaped);
        Self {
            stages: vec![
                shaped(2, 0.2),
                shaped(3, 0.5),
                shaped(4, 0.8),
                shaped(8, 1.0),
                Stage::new(&meters, 1.0, RewardMode::Sparse),
            ],
            advance_survival: 0.7,
            retreat_survival: 0.3,
            max_entropy: 0.5,
            temperature: 1.0,
            min_steps: 1_000,
            window: 10,
            reward_progress: RewardProgress::default(),
        }
    }
}

impl AdversarialConfig {
    /// Checks that every setting makes sense. Whether the stages do only the world knows.
    ///
    /// # Errors
    ///
    /// The first setting that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let Self { advance_survival, retreat_survival, max_entropy, temperature, window, .. } = *self;
        check(!self.stages.is_empty(), "curriculum.stages", "none", "at least one")?;
        check(
            share(advance_survival),
            "curriculum.advance_survival",
            advance_survival,
            "a number from 0 to 1",
        )?;
        check(
            (0.0..=advance_survival).contains(&retreat_survival),
            "curriculum.retreat_survival",
            retreat_survival,
            "a number from 0 to advance_survival",
        )?;
        check(max_entropy > 0.0, "curriculum.max_entropy", max_entropy, "a positive number")?;
        check(temperature > 0.0 && temperature.is_finite(), "curriculum.temperature", temperature, POSITIVE)?;
        check(window > 0, "curriculum.window", window, "at least 1")
    }
}

/// The stage of each agent, and how it has lived there.
///
/// At the end of each episode of an agent, retreat is tested before advance:
///
/// - it retreats where it has lived at least `min_steps` in a stage above the first, and its mean survival is
///   below `retreat_survival`;
/// - it advances where it has lived that long in a stage below the last, its mean survival is above
///   `advance_survival`, and the entropy of its policy below `max_entropy`.
///
/// Survival is the mean length of its last `window` *finished* episodes of the stage over the step limit. The
/// reference takes the steps of the episode that is running instead: near 0 whenever one begins, so an agent
/// that lives for 450 of 500 steps every time is sent back at the start of its next life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct AdversarialCurriculum {
    config: AdversarialConfig,
    step_limit: u32,
    agents: Vec<Standing>,
}

/// What a file says an [`AdversarialCurriculum`] is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    config: AdversarialConfig,
    step_limit: u32,
    agents: Vec<Standing>,
}

/// Where an agent stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Standing {
    /// The index of its stage.
    stage: usize,
    /// The steps of all episodes that it has finished there.
    steps: u64,
    /// The mean reward of a step when it came there; 0 at the start of the run.
    baseline: f64,
    /// Its last finished episodes there, at most `window` of them.
    recent: VecDeque<Finished>,
}

/// An episode that is over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Finished {
    length: u64,
    total_reward: f64,
}

impl TryFrom<Stored> for AdversarialCurriculum {
    type Error = CurriculumError;

    fn try_from(Stored { config, step_limit, agents }: Stored) -> Result<Self, CurriculumError> {
        config.validate()?;
        if step_limit == 0 {
            return Err(CurriculumError::NoStepLimit);
        }
        let stages = config.stages.len();
        match agents.iter().position(|standing| standing.stage >= stages) {
            Some(agent) => {
                let stage = agents[agent].stage.saturating_add(1);
                Err(CurriculumError::NoSuchStage { agent, stage, stages })
            }
            None => Ok(Self { config, step_limit, agents }),
        }
    }
}

impl AdversarialCurriculum {
    /// The curriculum of `num_agents` agents, all in the first stage, whose episodes are cut off after
    /// `step_limit` steps.
    ///
    /// # Errors
    ///
    /// Where a setting makes no sense, or the limit is 0.
    pub fn new(
        config: &AdversarialConfig,
        num_agents: usize,
        step_limit: u32,
    ) -> Result<Self, CurriculumError> {
        let agents = vec![Standing::default(); num_agents];
        Self::try_from(Stored { config: config.clone(), step_limit, agents })
    }

    /// Checks that a saved state can stand in the place of `fresh`, in a run that has made so many steps in each
    /// environment.
    pub(crate) fn check(&self, fresh: &Self, rounds: u64) -> Result<(), StateFault> {
        StateFault::same("config", &self.config, &fresh.config)?;
        StateFault::same("step_limit", &self.step_limit, &fresh.step_limit)?;
        StateFault::length("agents", self.agents.len(), fresh.agents.len())?;
        let check = |standing: &Standing| standing.check(&self.config, self.step_limit, rounds);
        let mut agents = self.agents.iter().enumerate();
        agents.try_for_each(|(agent, standing)| {
            check(standing).map_err(|fault| fault.of(&format!("agents[{agent}]")))
        })
    }

    /// The temperature at which the entropy of a policy is to be taken, in the units of the world's rewards.
    pub fn temperature(&self) -> f64 {
        self.config.temperature
    }

    /// How many agents follow the curriculum.
    pub fn num_agents(&self) -> usize {
        self.agents.len()
    }

    /// The stage of an agent; none where there is no such agent.
    pub fn stage(&self, agent: usize) -> Option<&Stage> {
        self.agents.get(agent).and_then(|standing| self.config.stages.get(standing.stage))
    }

    /// The number of an agent's stage, from 1; none where there is no such agent.
    pub fn stage_number(&self, agent: usize) -> Option<usize> {
        self.agents.get(agent).map(|standing| standing.stage + 1)
    }

    /// Takes in a finished episode of an agent, and says so where it moves the agent to another stage. An
    /// agent that does not exist never moves.
    pub fn on_episode_end(
        &mut self,
        agent: usize,
        outcome: &EpisodeOutcome,
        policy_entropy: f64,
    ) -> Option<StageChange> {
        let config = &self.config;
        let standing = self.agents.get_mut(agent)?;
        standing.take_in(outcome, config.window);
        if standing.steps < config.min_steps {
            return None;
        }
        let survival = standing.mean_length() / f64::from(self.step_limit);
        let reward = standing.mean_reward();
        let progress = reward - standing.baseline;
        let judged = config.reward_progress == RewardProgress::AboveBaseline;

        let retreats =
            standing.stage > 0 && (survival < config.retreat_survival || (judged && progress < 0.0));
        let advances = standing.stage + 1 < config.stages.len()
            && survival > config.advance_survival
            && policy_entropy < config.max_entropy
            && (progress > 0.0 || !judged);
        let to = match (retreats, advances) {
            (true, _) => standing.stage - 1,
            (false, true) => standing.stage + 1,
            (false, false) => return None,
        };
        let change = StageChange {
            agent,
            from: standing.stage + 1,
            to: to + 1,
            survival,
            progress,
            entropy: policy_entropy,
            steps: standing.steps,
        };
        *standing = Standing { stage: to, baseline: reward, ..Standing::default() };
        Some(change)
    }
}

impl Standing {
    fn check(&self, config: &AdversarialConfig, step_limit: u32, rounds: u64) -> Result<(), StateFault> {
        let Self { stage, steps, baseline, recent } = self;
        let stages = config.stages.len();
        StateFault::ensure(*stage < stages, "stage", stage, format_args!("a stage below {stages}"))?;
        StateFault::ensure(*steps <= rounds, "steps", steps, format_args!("at most {rounds}"))?;
        StateFault::ensure(baseline.is_finite(), "baseline", baseline, "a finite number")?;
        let (len, most) = (recent.len(), config.window);
        StateFault::ensure(
            len <= most,
            "recent",
            format_args!("a list of {len}"),
            format_args!("at most {most}"),
        )?;
        let lengths = recent.iter().map(|episode| episode.length);
        let limit = u64::from(step_limit).min(rounds);
        let expected = format!("1 to {limit} steps");
        StateFault::each("recent.length", lengths, |length| (1..=limit).contains(&length), &expected)?;
        StateFault::finite("recent.total_reward", recent.iter().map(|episode| episode.total_reward))
    }

    fn take_in(&mut self, outcome: &EpisodeOutcome, window: usize) {
        self.steps = self.steps.saturating_add(outcome.length);
        self.recent.push_back(Finished { length: outcome.length, total_reward: outcome.total_reward });
        while self.recent.len() > window {
            self.recent.pop_front();
        }
    }

    /// The mean length of the recent episodes, in steps.
    fn mean_length(&self) -> f64 {
        let total: f64 = self.recent.iter().map(|episode| episode.length as f64).sum();
        total / self.recent.len().max(1) as f64
    }

    /// The mean reward of a step over the recent episodes.
    fn mean_reward(&self) -> f64 {
        let steps: f64 = self.recent.iter().map(|episode| episode.length as f64).sum();
        let total: f64 = self.recent.iter().map(|episode| episode.total_reward).sum();
        total / steps.max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METERS: [&str; 8] =
        ["energy", "hygiene", "satiation", "money", "mood", "social", "health", "fitness"];

    fn curriculum(config: &AdversarialConfig) -> AdversarialCurriculum {
        AdversarialCurriculum::new(config, 2, 500).unwrap()
    }

    /// An episode that ends after so many of 500 steps and pays 0.1 a step, and -100 for dying.
    fn outcome(length: u64) -> EpisodeOutcome {
        let terminated = length < 500;
        let death = if terminated { -100.0 } else { 0.0 };
        EpisodeOutcome {
            length,
            total_reward: 0.1 * length as f64 + death,
            terminated,
            truncated: !terminated,
        }
    }

    /// The stage of agent 0 after each of these episodes, its policy decided.
    fn stages(curriculum: &mut AdversarialCurriculum, lengths: &[u64]) -> Vec<usize> {
        let after = |&length: &u64| {
            curriculum.on_episode_end(0, &outcome(length), 0.2);
            curriculum.stage_number(0).unwrap()
        };
        lengths.iter().map(after).collect()
    }

    #[test]
    fn the_stages_are_those_of_the_reference_and_end_with_the_level_itself() {
        let AdversarialConfig { stages, .. } = AdversarialConfig::default();
        let shape = |stage: &Stage| (stage.active_meters.len(), stage.depletion_multiplier);
        let shapes: Vec<_> = stages.iter().map(shape).collect();
        assert_eq!(shapes, [(2, 0.2), (3, 0.5), (4, 0.8), (8, 1.0), (8, 1.0)]);
        assert_eq!(stages[1].active_meters, ["energy", "hygiene", "satiation"]);
        let last = stages.last().unwrap();
        assert_eq!(last.reward, RewardMode::Sparse);
        assert!(METERS.iter().all(|&meter| last.active_meters.iter().any(|active| active == meter)));
    }

    #[test]
    fn an_agent_that_lives_long_advances_to_the_last_stage_and_stays() {
        let mut curriculum = curriculum(&AdversarialConfig::default());
        // A thousand steps a stage are three episodes of 450 steps.
        let found = stages(&mut curriculum, &[450; 15]);
        assert_eq!(found, [1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 5]);
        assert_eq!(curriculum.stage_number(1), Some(1), "the other agent has not lived yet");
    }

    #[test]
    fn a_change_says_what_it_was_judged_by() {
        let mut curriculum = curriculum(&AdversarialConfig::default());
        assert_eq!(curriculum.on_episode_end(1, &outcome(500), 0.3), None);
        let change = curriculum.on_episode_end(1, &outcome(500), 0.3).unwrap();
        assert_eq!((change.agent, change.from, change.to, change.steps), (1, 1, 2, 1_000));
        assert_eq!((change.survival, change.entropy), (1.0, 0.3));
        assert!((change.progress - 0.1).abs() < 1e-12);
        assert_eq!(curriculum.stage(1), Some(&AdversarialConfig::default().stages[1]));
    }

    #[test]
    fn an_agent_that_dies_young_retreats_but_not_below_the_first_stage() {
        let mut curriculum = curriculum(&AdversarialConfig::default());
        stages(&mut curriculum, &[500; 4]);
        assert_eq!(curriculum.stage_number(0), Some(3));
        // Ten episodes of 100 steps are the thousand that are waited for.
        let found = stages(&mut curriculum, &[100; 40]);
        let mut expected = vec![3; 9];
        expected.extend([2; 10]);
        expected.extend([1; 21]);
        assert_eq!(found, expected);
    }

    #[test]
    fn an_agent_between_the_limits_stays() {
        let mut curriculum = curriculum(&AdversarialConfig::default());
        stages(&mut curriculum, &[500; 2]);
        // Exactly at either limit, and between.
        for length in [350, 150, 250] {
            assert_eq!(stages(&mut curriculum, &[length; 30]), [2; 30], "{length} steps");
        }
    }

    #[test]
    fn an_undecided_policy_does_not_advance() {
        let mut curriculum = curriculum(&AdversarialConfig::default());
        for _ in 0..10 {
            assert_eq!(curriculum.on_episode_end(0, &outcome(500), 0.5), None);
        }
        assert!(curriculum.on_episode_end(0, &outcome(500), 0.49).is_some());
        for _ in 0..10 {
            assert_eq!(curriculum.on_episode_end(0, &outcome(500), f64::NAN), None);
        }
    }

    /// The reference's judgement, made in every step: survival is how long the running episode has lasted.
    fn demoted_while_running(stage: usize, steps_at_stage: u64, running: u64) -> bool {
        stage > 1 && steps_at_stage >= 1_000 && (running as f64 / 500.0) < 0.3
    }

    /// Lives step by step. A curriculum that judged running episodes would demote this agent at the first
    /// step of its next life, as the reference's rule, asked beside it, does.
    #[test]
    fn a_good_agent_is_never_demoted_at_the_start_of_an_episode() {
        let mut curriculum = curriculum(&AdversarialConfig::default());
        let mut demotions_while_running = 0;
        let mut steps_at_stage = 0;
        for _episode in 0..30 {
            for running in 1..=450 {
                steps_at_stage += 1;
                let before = curriculum.stage_number(0).unwrap();
                if running == 450
                    && let Some(change) = curriculum.on_episode_end(0, &outcome(450), 0.2)
                {
                    assert!(change.to > change.from, "a good agent was demoted: {change:?}");
                    assert_eq!(change.survival, 0.9);
                    steps_at_stage = 0;
                }
                demotions_while_running += u32::from(demoted_while_running(before, steps_at_stage, running));
            }
        }
        assert_eq!(curriculum.stage_number(0), Some(5));
        assert!(demotions_while_running > 1_000, "running episodes would have demoted it");
    }

    #[test]
    fn one_early_death_does_not_demote_a_good_agent() {
        let mut curriculum = curriculum(&AdversarialConfig::default());
        stages(&mut curriculum, &[450; 12]);
        assert_eq!(stages(&mut curriculum, &[450, 450, 450, 450, 450, 5, 450, 450]), [5; 8]);
    }

    #[test]
    fn a_stage_is_judged_by_its_own_episodes() {
        let mut curriculum = curriculum(&AdversarialConfig::default());
        stages(&mut curriculum, &[500; 4]);
        stages(&mut curriculum, &[100; 10]);
        // Back in the second stage after many early deaths: one of them more would not lift the mean, but
        // they were lived in another stage.
        assert_eq!(stages(&mut curriculum, &[500, 500]), [2, 3]);
    }

    #[test]
    fn rewards_beside_a_baseline_keep_back_agents_that_live_for_ever() {
        let judged = AdversarialConfig {
            reward_progress: RewardProgress::AboveBaseline,
            ..AdversarialConfig::default()
        };
        assert_eq!(stages(&mut curriculum(&judged), &[500; 40])[39], 2, "no more to earn, no way up");
        assert_eq!(stages(&mut curriculum(&AdversarialConfig::default()), &[500; 40])[39], 5);
        // Survival of 0.9 pays less than it did for living for ever in the stage before.
        let mut demoted = curriculum(&judged);
        stages(&mut demoted, &[500; 2]);
        assert_eq!(stages(&mut demoted, &[450; 3]), [2, 2, 1]);
    }

    #[test]
    fn settings_and_stages_that_make_no_sense_are_refused() {
        let base = AdversarialConfig::default;
        let fault = |config: AdversarialConfig| config.validate().unwrap_err().key;
        let advance = AdversarialConfig { advance_survival: 1.5, ..base() };
        assert_eq!(fault(advance), "curriculum.advance_survival");
        let retreat = AdversarialConfig { retreat_survival: 0.8, ..base() };
        assert_eq!(fault(retreat), "curriculum.retreat_survival");
        assert_eq!(fault(AdversarialConfig { max_entropy: f64::NAN, ..base() }), "curriculum.max_entropy");
        assert_eq!(fault(AdversarialConfig { window: 0, ..base() }), "curriculum.window");
        base().validate().unwrap();

        let without = AdversarialConfig { stages: Vec::new(), ..base() };
        assert_eq!(fault(without), "curriculum.stages");
        let cold = AdversarialConfig { temperature: 0.0, ..base() };
        assert_eq!(fault(cold), "curriculum.temperature");
        assert_eq!(AdversarialCurriculum::new(&base(), 1, 0), Err(CurriculumError::NoStepLimit));
    }

    #[test]
    fn a_stored_curriculum_goes_on_and_a_damaged_one_is_refused() {
        fn is_stored<T: Serialize + for<'de> Deserialize<'de>>(_: &T) {}

        let mut curriculum = curriculum(&AdversarialConfig::default());
        stages(&mut curriculum, &[500, 500, 500]);
        is_stored(&curriculum);
        let AdversarialCurriculum { config, step_limit, mut agents } = curriculum.clone();
        let stored = Stored { config: config.clone(), step_limit, agents: agents.clone() };
        assert_eq!(AdversarialCurriculum::try_from(stored), Ok(curriculum));
        agents[1].stage = 5;
        let beyond = AdversarialCurriculum::try_from(Stored { config, step_limit, agents });
        assert_eq!(beyond, Err(CurriculumError::NoSuchStage { agent: 1, stage: 6, stages: 5 }));
    }
}
