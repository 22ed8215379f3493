//! Counting what test programs report.
//!
//! Understood are libtest's lines, which libtest-mimic prints as well:
//!
//! - `test result: ok. 3 passed; 0 failed; 1 ignored; ...`, one for each program;
//! - `test NAME ... ignored, REASON` and `skipped NAME: REASON`, for each test that did not run.
//!
//! A program that dies, or ends before its result line, counts as one failed test.

use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::child;

/// How many tests passed, failed and were skipped.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// Tests that passed.
    pub(crate) passed: usize,
    /// Tests that failed, and programs that did not get to their result line.
    pub(crate) failed: usize,
    /// Tests that did not run.
    pub(crate) skipped: usize,
    /// Why tests did not run: `NAME: REASON`.
    pub(crate) skips: Vec<String>,
    /// What went wrong outside any test: a crash, a missing backend.
    pub(crate) troubles: Vec<String>,
    /// Wall-clock time.
    pub(crate) elapsed: Duration,
}

impl Outcome {
    /// The outcome of something that could not be run and ought to have been.
    pub(crate) fn trouble(reason: String) -> Self {
        Self { failed: 1, troubles: vec![reason], ..Self::default() }
    }

    /// The outcome of something left out on purpose.
    pub(crate) fn skip(reason: String) -> Self {
        Self { skipped: 1, skips: vec![reason], ..Self::default() }
    }

    /// Runs the test program `name`, showing its output as it comes.
    pub(crate) fn of(name: &str, command: &mut Command) -> Result<Self> {
        let start = Instant::now();
        let mut reader = Reader::default();
        let status = child::follow(command, |line| {
            println!("{line}");
            reader.read(line);
        })?;
        let mut outcome = reader.finish(name, status);
        outcome.elapsed = start.elapsed();
        Ok(outcome)
    }

    /// Adds `other` to this outcome.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.skips.extend(other.skips);
        self.troubles.extend(other.troubles);
        self.elapsed += other.elapsed;
    }
}

/// Reads the output of one test program, line by line.
#[derive(Default)]
struct Reader {
    outcome: Outcome,
    results: usize,
}

impl Reader {
    fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.results += 1;
            for part in counts.split(['.', ';']) {
                let Some((count, what)) = part.trim().split_once(' ') else { continue };
                let Ok(count) = count.parse::<usize>() else { continue };
                match what {
                    "passed" => self.outcome.passed += count,
                    "failed" => self.outcome.failed += count,
                    "ignored" => self.outcome.skipped += count,
                    _ => {}
                }
            }
        } else if let Some(skip) = skip(line)
            && !self.outcome.skips.contains(&skip)
        {
            self.outcome.skips.push(skip);
        }
    }

    fn finish(mut self, name: &str, status: ExitStatus) -> Outcome {
        if self.results == 0 {
            self.outcome.add(Outcome::trouble(format!("{name} ended without a result line ({status})")));
        } else if self.outcome.failed == 0 && !status.success() {
            self.outcome.add(Outcome::trouble(format!("{name} failed outside any test ({status})")));
        }
        self.outcome
    }
}

/// The test that a line says was skipped, and why: `NAME: REASON`.
fn skip(line: &str) -> Option<String> {
    // A test that says so itself may do it on a line that its harness has begun.
    if let Some(skip) = line.rsplit(" ... ").next()?.strip_prefix("skipped ") {
        return skip.contains(": ").then(|| skip.to_owned());
    }
    let (name, reason) = line.strip_prefix("test ")?.split_once(" ... ignored")?;
    // libtest writes `ignored, REASON`, libtest-mimic `ignored (REASON)`.
    let reason = match (reason.strip_prefix(", "), reason.strip_prefix(" (")) {
        (Some(reason), _) => reason,
        (_, Some(reason)) => reason.strip_suffix(')').unwrap_or(reason),
        _ => "ignored, and it does not say why",
    };
    Some(format!("{}: {reason}", name.trim_end()))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    /// What a program that printed `output` and ended with `wait_status` amounts to.
    fn outcome(output: &str, wait_status: i32) -> Outcome {
        let mut reader = Reader::default();
        output.lines().for_each(|line| reader.read(line));
        reader.finish("suite", ExitStatus::from_raw(wait_status))
    }

    const EXIT_101: i32 = 101 << 8;
    const SIGSEGV: i32 = 11;

    #[test]
    fn a_result_line_gives_the_counts() {
        let outcome = outcome(
            "running 4 tests\n\
             test learns ... ok\n\n\
             test result: FAILED. 2 passed; 1 failed; 1 ignored; 7 measured; 9 filtered out; finished in 0.41s\n",
            EXIT_101,
        );
        assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (2, 1, 1));
        assert_eq!(outcome.troubles, Vec::<String>::new());
    }

    #[test]
    fn several_result_lines_add_up() {
        let line = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n";
        let outcome = outcome(&line.repeat(2), 0);
        assert_eq!((outcome.passed, outcome.failed, outcome.skipped), (6, 0, 2));
    }

    #[test]
    fn skips_keep_their_reasons_once_each() {
        let outcome = outcome(
            "test nets::unroll          ... ignored, 40 s of shader compilation\n\
             test nets::forward ... ignored\n\
             skipped nets::unroll: 40 s of shader compilation\n\
             test learner  ... ignored (no f16 (on this adapter))\n\
             test targets  ... skipped targets: too slow\n\
             skipped replay: no f64: not on this adapter\n\
             skipped because of nothing in particular\n\
             test result: ok. 0 passed; 0 failed; 5 ignored; 0 measured; 0 filtered out\n",
            0,
        );
        assert_eq!(
            outcome.skips,
            [
                "nets::unroll: 40 s of shader compilation",
                "nets::forward: ignored, and it does not say why",
                "learner: no f16 (on this adapter)",
                "targets: too slow",
                "replay: no f64: not on this adapter",
            ]
        );
        assert_eq!(outcome.skipped, 5);
    }

    #[test]
    fn a_crash_before_the_result_line_is_one_failure() {
        let outcome = outcome("running 2 tests\ntest learns ... ok\n", SIGSEGV);
        assert_eq!((outcome.passed, outcome.failed), (0, 1));
        assert!(outcome.troubles[0].contains("signal: 11"), "{:?}", outcome.troubles);
    }

    #[test]
    fn a_crash_after_a_good_result_line_is_one_failure() {
        let outcome = outcome("test result: ok. 2 passed; 0 failed; 0 ignored\n", SIGSEGV);
        assert_eq!((outcome.passed, outcome.failed), (2, 1));
    }

    #[test]
    fn leaving_early_with_success_is_one_failure() {
        assert_eq!(outcome("running 2 tests\n", 0).failed, 1);
    }
}
