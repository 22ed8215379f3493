//! Evaluation plays one whole episode in each environment.

use townlet_drqn::{Policy, RandomPolicy, ValueFault, evaluate};
use townlet_env::{Action, Level, Town, VectorEnv};

/// Random play that notes when it was told that an episode ended.
struct Watched {
    random: RandomPolicy,
    steps: u64,
    first_end: Vec<Option<u64>>,
}

impl Policy<Town> for Watched {
    fn act(&mut self, town: &Town, actions: &mut [Action]) -> Result<(), ValueFault> {
        self.steps += 1;
        self.random.act(town, actions)
    }

    fn ended(&mut self, ended: &[bool]) {
        for (first, _) in self.first_end.iter_mut().zip(ended).filter(|(_, ended)| **ended) {
            first.get_or_insert(self.steps);
        }
    }
}

#[test]
fn each_environment_plays_one_episode_to_its_end_and_no_longer() {
    const AGENTS: usize = 40;
    let level = Level { step_limit: 110, ..Level::builtin("pomdp").expect("built in") };
    let mut town = Town::new(level, AGENTS).expect("a valid level");
    let mut policy = Watched { random: RandomPolicy::new(1), steps: 0, first_end: vec![None; AGENTS] };
    let mut called = vec![0; AGENTS];
    let outcomes = evaluate(&mut town, &mut policy, 5, |town: &Town, agent, outcome| {
        called[agent] += 1;
        assert_eq!(u64::from(town.final_episode_steps()[agent]), outcome.length);
        assert_eq!(outcome.terminated, !town.deaths()[agent].is_empty());
    })
    .expect("the policy chooses actions that exist");

    assert_eq!(called, [1; AGENTS]);
    for (agent, outcome) in outcomes.iter().enumerate() {
        assert_eq!(Some(outcome.length), policy.first_end[agent], "agent {agent}");
        assert!(outcome.terminated != outcome.truncated, "agent {agent}");
        assert_eq!(outcome.truncated, outcome.length == 110, "agent {agent}");
        // Milestones of 0.5 and 5, and -100 for a death.
        let survived = outcome.length - u64::from(outcome.terminated);
        let paid = 0.5 * survived.div_ceil(10) as f64 + 5.0 * survived.div_ceil(100) as f64;
        let expected = if outcome.terminated { paid - 100.0 } else { paid };
        assert_eq!(outcome.total_reward, expected, "agent {agent}");
    }
    assert_eq!(policy.steps, outcomes.iter().map(|outcome| outcome.length).max().expect("there are agents"));
    assert!(outcomes.iter().any(|outcome| outcome.terminated));
    assert!(outcomes.iter().any(|outcome| outcome.truncated));
    assert_eq!(town.num_envs(), AGENTS);
}
