//! A run that never was: agents that learn to live longer, with the records of a real one.

use townlet_metrics::{
    EpisodeRow, EvaluationRow, FinishedEpisode, HeatRow, Histogram, MetricsError, Recorder, StageRow,
    SystemState, UpdateRow, VisitRow,
};

const AGENTS: u64 = 64;
const LIMIT: f64 = 500.0;
const SIZE: u64 = 8;
const AFFORDANCES: [(&str, u64, u64); 7] = [
    ("Bed", 1, 1),
    ("Shower", 2, 2),
    ("HomeMeal", 1, 3),
    ("Job", 6, 6),
    ("Doctor", 5, 1),
    ("Bar", 7, 0),
    ("Gym", 7, 3),
];

/// How a made-up run goes.
pub(crate) struct Run {
    /// Decides its chances.
    pub(crate) seed: u64,
    /// How many episodes finish.
    pub(crate) episodes: u64,
    /// How long agents live in the end, in steps.
    pub(crate) reaches: f64,
}

/// Pseudo-random numbers (xorshift*), good enough to look at.
struct Chance(u64);

impl Chance {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal, with mean 0 and standard deviation 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }

    fn below(&mut self, count: u64) -> u64 {
        (self.next() * count as f64) as u64
    }
}

impl Run {
    /// Records all of it.
    pub(crate) fn record(&self, recorder: &Recorder) -> Result<(), MetricsError> {
        let mut chance = Chance(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        recorder.record(state("training_status", "running"))?;
        let (mut steps, mut updates) = (0, 0);
        for episode in 0..self.episodes {
            let progress = episode as f64 / self.episodes as f64;
            let mean = self.survival(progress);
            let finished = self::episode(episode, steps, mean, progress, &mut chance);
            steps += finished.row.survival_time;
            let death = finished.row.death();
            recorder.record(finished)?;
            if let Some(death) = death {
                recorder.record(death)?;
            }
            while updates < steps / 256 {
                updates += 1;
                recorder.record(update(updates, steps, mean, progress, &mut chance))?;
            }
            if episode.is_multiple_of((self.episodes / 20).max(1)) {
                recorder.record(self.evaluation(steps, updates, mean, &mut chance))?;
                recorder.record(histogram("weights/lstm", steps, 0.1 + progress * 0.2, &mut chance))?;
                recorder.record(histogram("q_values", steps, 1.0 + progress * 3.0, &mut chance))?;
            }
            if episode > 0 && episode.is_multiple_of((self.episodes / 4).max(1)) {
                let to = episode / (self.episodes / 4).max(1);
                recorder.record(StageRow {
                    steps,
                    agent: 0,
                    from: to - 1,
                    to,
                    survival: mean / LIMIT,
                    entropy: 0.4,
                })?;
            }
        }
        recorder.record(state("training_status", "completed"))
    }

    /// Slow at first, then a plateau, then a jump.
    fn survival(&self, progress: f64) -> f64 {
        let rise = |at: f64, width: f64| 1.0 / (1.0 + (-(progress - at) / width).exp());
        100.0 + (self.reaches - 100.0) * (0.6 * rise(0.2, 0.05) + 0.4 * rise(0.7, 0.03))
    }

    fn evaluation(&self, steps: u64, updates: u64, mean: f64, chance: &mut Chance) -> EvaluationRow {
        let survival_mean = (mean * 1.08 + 8.0 * chance.normal()).clamp(0.0, LIMIT);
        EvaluationRow {
            steps,
            updates,
            training_seconds: steps as f64 / (3_000.0 + 200.0 * self.seed as f64),
            episodes: 200,
            survival_mean,
            survival_standard_error: 6.0 + chance.next(),
            reached_limit: (survival_mean / LIMIT).powi(4),
            mean_return: survival_mean * 0.05 - 4.0,
        }
    }
}

fn episode(episode: u64, steps: u64, mean: f64, progress: f64, chance: &mut Chance) -> FinishedEpisode {
    let survival = (mean * (1.0 + 0.3 * chance.normal())).clamp(20.0, LIMIT).round();
    let died = survival < LIMIT;
    let cause = match chance.next() {
        share if share < 0.7 - 0.4 * progress => "energy",
        share if share < 0.9 - 0.2 * progress => "health",
        _ => "starvation",
    };
    let extrinsic_reward = survival * 0.05 - if died { 5.0 } else { 0.0 };
    let intrinsic_weight = 0.1 * (1.0 - progress);
    let intrinsic_reward = 4.0 * (1.0 - progress) + 0.2 * chance.next();
    let row = EpisodeRow {
        episode,
        steps: steps + survival as u64,
        agent: episode % AGENTS,
        survival_time: survival as u64,
        total_reward: extrinsic_reward + intrinsic_weight * intrinsic_reward,
        extrinsic_reward,
        intrinsic_reward,
        intrinsic_weight,
        curriculum_stage: (progress * 4.0) as u64,
        epsilon: epsilon(progress),
        terminated: died,
        truncated: !died,
        cause: if died { cause.to_owned() } else { String::new() },
    };
    let mut at = ("", 3, 4);
    let mut visits = Vec::new();
    let mut counts = [0_u64; (SIZE * SIZE) as usize];
    for _ in 0..survival as u64 / 12 {
        let to = AFFORDANCES[chance.below(2 + ((AFFORDANCES.len() - 2) as f64 * progress) as u64) as usize];
        // Along the row, then along the column.
        let (mut x, mut y) = (at.1, at.2);
        while (x, y) != (to.1, to.2) {
            if x == to.1 {
                y = if y < to.2 { y + 1 } else { y - 1 };
            } else {
                x = if x < to.1 { x + 1 } else { x - 1 };
            }
            counts[(y * SIZE + x) as usize] += 1;
        }
        visits.push(VisitRow {
            episode,
            from_affordance: at.0.to_owned(),
            to_affordance: to.0.to_owned(),
            visit_count: 1,
        });
        at = to;
    }
    let heat = (0..SIZE * SIZE).filter(|&cell| counts[cell as usize] > 0).map(|cell| HeatRow {
        episode,
        x: cell % SIZE,
        y: cell / SIZE,
        visit_count: counts[cell as usize],
        novelty_value: Some(1.0 / (1.0 + episode as f64)),
    });
    FinishedEpisode { row, visits, heat: heat.collect() }
}

fn epsilon(progress: f64) -> f64 {
    (1.0 - progress * 2.0).max(0.05)
}

fn update(update: u64, steps: u64, mean: f64, progress: f64, chance: &mut Chance) -> UpdateRow {
    let mean_q = mean * 0.02 + 0.1 * chance.normal();
    UpdateRow {
        update,
        steps,
        loss: (0.02 + 2.0 * (-progress * 12.0).exp()) * (0.4 * chance.normal()).exp(),
        grad_norm: (0.5 * chance.normal()).exp(),
        mean_q,
        mean_target: mean_q * 1.01,
        epsilon: epsilon(progress),
        learning_rate: 1e-4,
    }
}

fn histogram(tag: &str, steps: u64, spread: f64, chance: &mut Chance) -> Histogram {
    let values = (0..500).map(|_| (spread * chance.normal()) as f32).collect();
    Histogram { tag: tag.to_owned(), steps, values }
}

fn state(key: &str, value: &str) -> SystemState {
    SystemState { key: key.to_owned(), value: value.to_owned() }
}
