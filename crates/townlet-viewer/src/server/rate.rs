//! How many messages a client may send: a bucket of tokens that fills again.

use std::time::Instant;

/// After so many messages too many in a row, a client is let go.
const FLOOD: u32 = 500;

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Read it.
    Fine,
    /// Refuse it, and say so.
    TooFast,
    /// Refuse it; it has been said.
    Ignored,
    /// Let the client go.
    Flood,
}

/// The tokens of one client: as many as it may send in two seconds, at most.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    per_second: u32,
    tokens: f64,
    filled: Instant,
    refused: u32,
}

impl Rate {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, tokens: 2.0 * f64::from(per_second), filled: now, refused: 0 }
    }

    /// Counts a message that comes now.
    pub(super) fn count(&mut self, now: Instant) -> Verdict {
        let rate = f64::from(self.per_second);
        let gained = rate * now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + gained).min(2.0 * rate);
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            self.refused = 0;
            return Verdict::Fine;
        }
        self.refused += 1;
        match self.refused {
            1 => Verdict::TooFast,
            FLOOD.. => Verdict::Flood,
            _ => Verdict::Ignored,
        }
    }

    /// What a client that is too fast is told.
    pub(super) fn complaint(&self) -> String {
        format!("too many messages: expected at most {} a second; this one was not read", self.per_second)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_empties_fills_and_gives_up() {
        let start = Instant::now();
        let mut rate = Rate::new(10, start);
        assert!((0..20).all(|_| rate.count(start) == Verdict::Fine));
        assert_eq!(rate.count(start), Verdict::TooFast);
        assert_eq!(rate.count(start), Verdict::Ignored);
        let later = start + Duration::from_millis(250);
        assert_eq!([(); 3].map(|()| rate.count(later)), [Verdict::Fine, Verdict::Fine, Verdict::TooFast]);
        let verdicts: Vec<_> = (0..FLOOD).map(|_| rate.count(later)).collect();
        assert!(verdicts.contains(&Verdict::Flood));
    }
}
