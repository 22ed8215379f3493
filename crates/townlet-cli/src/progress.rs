//! How a training run is going, on stderr.

use std::time::{Duration, Instant};

use indicatif::{FormattedDuration, HumanDuration, ProgressBar, ProgressStyle};
use townlet_drqn::Progress;

use crate::messages;
use crate::run_config::Budget;

/// How often the bar is drawn.
const BAR_INTERVAL: Duration = Duration::from_millis(200);
/// How often a line is written where there is no terminal to draw a bar on.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// Over how long speed is measured.
const SPEED_WINDOW: Duration = Duration::from_secs(5);
/// Over how long it is measured how soon the budget will be spent, evaluations and checkpoints included.
const PACE_WINDOW: Duration = Duration::from_secs(30);

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
    started: Instant,
    shown: Instant,
    /// In steps.
    speed: Speed,
    /// In what the budget counts.
    pace: Speed,
}

enum Show {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl ProgressDisplay {
    /// For a run that stands at `progress`, which is not its beginning where it is resumed.
    pub(crate) fn new(budget: Budget, progress: &Progress, quiet: bool) -> Self {
        let show = if quiet {
            Show::Nothing
        } else if messages::is_terminal() {
            let (done, goal) = spent(budget, progress);
            let bar = ProgressBar::with_draw_target(Some(goal), messages::bar_target()).with_position(done);
            let template = "{wide_bar} {percent:>3} %  {prefix}\n{msg}";
            bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
            Show::Bar(bar)
        } else {
            Show::Lines
        };
        let now = Instant::now();
        let speed = Speed::new(now, progress.steps, SPEED_WINDOW);
        let pace = Speed::new(now, spent(budget, progress).0, PACE_WINDOW);
        Self { show, budget, started: now, shown: now, speed, pace }
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
        let (done, goal) = spent(self.budget, progress);
        let pace = self.pace.measure(now, done);
        let text = describe(progress, &status(), speed);
        match &self.show {
            Show::Bar(bar) => {
                bar.set_position(done);
                bar.set_prefix(time(now - self.started, goal.saturating_sub(done), pace));
                bar.set_message(text);
            }
            Show::Lines => messages::line(text),
            Show::Nothing => {}
        }
    }

    /// Shows a line that stays.
    pub(crate) fn say(&self, line: &str) {
        match &self.show {
            Show::Bar(bar) => bar.println(line),
            Show::Lines => messages::line(line),
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

/// How much of a budget is spent, and how much there is.
fn spent(budget: Budget, progress: &Progress) -> (u64, u64) {
    match budget {
        Budget::Steps(goal) => (progress.steps, goal),
        Budget::Episodes(goal) => (progress.episodes, goal),
    }
}

/// How long it has taken, and how long it will take at `pace` a second where so much is `left`.
fn time(elapsed: Duration, left: u64, pace: f64) -> String {
    let elapsed = FormattedDuration(elapsed);
    match Duration::try_from_secs_f64(left as f64 / pace) {
        Ok(left) => format!("{elapsed}, about {} to go", HumanDuration(left)),
        // Nothing has been done yet.
        Err(_) => elapsed.to_string(),
    }
}

/// The speed over the last few seconds: over the whole run it would long be that of its quick beginning,
/// when nothing is learned yet.
struct Speed {
    window: Duration,
    since: Instant,
    count: u64,
    rate: Option<f64>,
}

impl Speed {
    /// From `now` on, where so much has been counted already.
    fn new(now: Instant, count: u64, window: Duration) -> Self {
        Self { window, since: now, count, rate: None }
    }

    /// In counts a second.
    fn measure(&mut self, now: Instant, count: u64) -> f64 {
        let elapsed = now - self.since;
        let rate = count.saturating_sub(self.count) as f64 / elapsed.as_secs_f64().max(1e-9);
        if elapsed >= self.window {
            (self.since, self.count, self.rate) = (now, count, Some(rate));
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
    fn the_time_to_go_of_a_resumed_run_is_that_of_what_is_left() {
        let start = Instant::now();
        // Resumed at 950 of 1,000 steps, at ten a second.
        let mut pace = Speed::new(start, 950, PACE_WINDOW);
        let elapsed = Duration::from_secs(2);
        let pace = pace.measure(start + elapsed, 970);
        assert_eq!(time(elapsed, 1_000 - 970, pace), "00:00:02, about 3 seconds to go");
        assert_eq!(time(Duration::ZERO, 30, 0.0), "00:00:00");
    }

    #[test]
    fn speed_forgets_the_beginning() {
        let start = Instant::now();
        let mut speed = Speed::new(start, 0, SPEED_WINDOW);
        assert_eq!(speed.measure(start + Duration::from_secs(1), 1_000), 1_000.0);
        assert_eq!(speed.measure(start + Duration::from_secs(10), 10_000), 1_000.0);
        assert_eq!(speed.measure(start + Duration::from_secs(20), 10_100), 10.0);
    }
}
