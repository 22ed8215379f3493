//! How a training run is going, on stderr.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use townlet_drqn::Progress;

use crate::run_config::Budget;

/// How often the bar is drawn.
const BAR_INTERVAL: Duration = Duration::from_millis(200);
/// How often a line is written where there is no terminal to draw a bar on.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// Over how long speed is measured.
const SPEED_WINDOW: Duration = Duration::from_secs(5);

/// What is shown besides the counts.
pub(crate) struct Status {
    /// The mean length of the last episodes.
    pub(crate) survival: Option<f64>,
    /// The mean epsilon of all agents.
    pub(crate) epsilon: f64,
    /// The loss of the last update.
    pub(crate) loss: Option<f32>,
    /// The mean survival in the last evaluation.
    pub(crate) evaluated: Option<f64>,
}

/// Shows where a run stands: a bar on a terminal, a line now and then elsewhere, or nothing.
pub(crate) struct ProgressDisplay {
    show: Show,
    budget: Budget,
    shown: Instant,
    speed: Speed,
}

enum Show {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl ProgressDisplay {
    pub(crate) fn new(budget: Budget, quiet: bool) -> Self {
        let show = if quiet {
            Show::Nothing
        } else if io::stderr().is_terminal() {
            let (Budget::Steps(goal) | Budget::Episodes(goal)) = budget;
            let bar = ProgressBar::with_draw_target(Some(goal), ProgressDrawTarget::stderr());
            let template = "{wide_bar} {percent:>3} %  {elapsed} of about {duration}\n{msg}";
            bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
            Show::Bar(bar)
        } else {
            Show::Lines
        };
        let now = Instant::now();
        Self { show, budget, shown: now, speed: Speed { since: now, steps: 0, rate: None } }
    }

    /// Shows `progress` if it is time to. `status` is asked only then.
    pub(crate) fn update(&mut self, progress: &Progress, status: impl FnOnce() -> Status) {
        let interval = match self.show {
            Show::Bar(_) => BAR_INTERVAL,
            Show::Lines => LINE_INTERVAL,
            Show::Nothing => return,
        };
        let now = Instant::now();
        if now - self.shown < interval {
            return;
        }
        self.shown = now;
        let speed = self.speed.measure(now, progress.steps);
        let text = describe(progress, &status(), speed);
        match &self.show {
            Show::Bar(bar) => {
                bar.set_position(match self.budget {
                    Budget::Steps(_) => progress.steps,
                    Budget::Episodes(_) => progress.episodes,
                });
                bar.set_message(text);
            }
            Show::Lines => eprintln!("{text}"),
            Show::Nothing => {}
        }
    }

    /// Shows a line that stays.
    pub(crate) fn say(&self, line: &str) {
        match &self.show {
            Show::Bar(bar) => bar.println(line),
            Show::Lines => eprintln!("{line}"),
            Show::Nothing => {}
        }
    }

    /// Takes the bar away, so that what follows stands in its place.
    pub(crate) fn finish(&self) {
        if let Show::Bar(bar) = &self.show {
            bar.finish_and_clear();
        }
    }
}

/// The speed over the last few seconds: over the whole run it would long be that of its quick beginning,
/// when nothing is learned yet.
struct Speed {
    since: Instant,
    steps: u64,
    rate: Option<f64>,
}

impl Speed {
    /// In steps a second.
    fn measure(&mut self, now: Instant, steps: u64) -> f64 {
        let elapsed = now - self.since;
        let rate = (steps - self.steps) as f64 / elapsed.as_secs_f64().max(1e-9);
        if elapsed >= SPEED_WINDOW {
            *self = Self { since: now, steps, rate: Some(rate) };
        }
        self.rate.unwrap_or(rate)
    }
}

fn describe(progress: &Progress, status: &Status, speed: f64) -> String {
    let Progress { steps, episodes, updates, .. } = progress;
    let survival =
        status.survival.map(|mean| format!(", the last ones lasting {mean:.1}")).unwrap_or_default();
    let learned = status.loss.map(|loss| format!("; {updates} updates, loss {loss:.4}")).unwrap_or_default();
    let evaluated = status.evaluated.map(|mean| format!("; greedy ones {mean:.1}")).unwrap_or_default();
    let epsilon = status.epsilon;
    format!(
        "{steps} steps, {speed:.0} a second; {episodes} episodes{survival}{evaluated}; \
         epsilon {epsilon:.3}{learned}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_yet_is_left_out() {
        let mut progress = Progress { steps: 640, ..Progress::default() };
        let mut status = Status { survival: None, epsilon: 0.5, loss: None, evaluated: None };
        assert_eq!(describe(&progress, &status, 99.6), "640 steps, 100 a second; 0 episodes; epsilon 0.500");
        (progress.episodes, progress.updates) = (3, 7);
        (status.survival, status.loss, status.evaluated) = (Some(120.25), Some(0.5), Some(99.9));
        assert_eq!(
            describe(&progress, &status, 99.6),
            "640 steps, 100 a second; 3 episodes, the last ones lasting 120.2; greedy ones 99.9; \
             epsilon 0.500; 7 updates, loss 0.5000"
        );
    }

    #[test]
    fn speed_forgets_the_beginning() {
        let start = Instant::now();
        let mut speed = Speed { since: start, steps: 0, rate: None };
        assert_eq!(speed.measure(start + Duration::from_secs(1), 1_000), 1_000.0);
        assert_eq!(speed.measure(start + Duration::from_secs(10), 10_000), 1_000.0);
        assert_eq!(speed.measure(start + Duration::from_secs(20), 10_100), 10.0);
    }
}
