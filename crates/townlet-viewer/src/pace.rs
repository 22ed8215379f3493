//! When the next step of a session is due.

use std::time::{Duration, Instant};

use crate::Session;

/// How long an episode that is over stays to be seen.
const CURTAIN: Duration = Duration::from_millis(700);

/// The clock of whoever drives a session.
#[derive(Debug)]
pub(crate) struct Pace {
    due: Instant,
}

impl Pace {
    /// A first step that is due now.
    pub(crate) fn new(now: Instant) -> Self {
        Self { due: now }
    }

    /// How long to wait for the next step; none where the session does not go on by itself.
    pub(crate) fn wait(&self, session: &Session, now: Instant) -> Option<Duration> {
        match session.goes_on() {
            (false, _) => None,
            (true, true) => Some(Duration::ZERO),
            (true, false) => Some(self.due.saturating_duration_since(now)),
        }
    }

    /// Notes that a step was taken.
    pub(crate) fn stepped(&mut self, session: &Session, now: Instant) {
        let period = Duration::from_secs_f64(1.0 / f64::from(session.status().speed));
        let pause = if session.episode_is_over() { period.max(CURTAIN) } else { period };
        // Steps that came late are not caught up with.
        self.due = (self.due + pause).max(now);
    }

    /// Notes that a command has changed what is shown, so that speed counts from here.
    pub(crate) fn interrupted(&mut self, session: &Session, now: Instant) {
        let period = Duration::from_secs_f64(1.0 / f64::from(session.status().speed));
        self.due = self.due.min(now + period);
    }
}
