//! What is said to a side and what it says back: one JSON object a line, in both directions.
//!
//! | Request | Answer |
//! |---|---|
//! | `{"work": "about"}` | [`About`] |
//! | `{"work": "train", "backend": "flex", "path": "kernels", "batch": 16, "time": 8, "seconds": 2.0}` | [`Timing`] of one update |
//! | the same with `"path": "composed"` | the same, the network composed of Burn's operations |
//! | `{"work": "act", "backend": "flex", "batch": 16, "seconds": 2.0}` | [`Timing`] of one step of all agents |
//! | `{"work": "loop", "backend": "flex", "settings": "plain", "agents": 1, "seconds": 2.0}` | [`Pace`] |
//!
//! `seconds` is how long to measure, after a warm-up of a quarter of it. PyTorch measures an update in two
//! forms, each for so long, answers with the faster, and does not know `loop`; what it does not need of a
//! request it passes over. Instead of any answer a side may send `{"error": "..."}`.

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::backend::Backend;

/// One line to a side.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Request {
    #[serde(flatten)]
    pub(super) work: Work,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seconds: Option<f64>,
}

/// What a side can do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "work", rename_all = "lowercase")]
pub(super) enum Work {
    /// Say what it is.
    About,
    /// Updates of plain DRQN from `batch` sequences of `time` steps.
    Train { backend: Backend, path: Path, batch: usize, time: usize },
    /// Steps of `batch` agents with memory, up to the greedy action of each.
    Act { backend: Backend, batch: usize },
    /// Training in the world.
    Loop { backend: Backend, settings: Settings, agents: usize },
}

/// How a network computes. PyTorch knows only its own way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Path {
    /// Through the kernels.
    Kernels,
    /// Through Burn's operations.
    Composed,
}

/// How a whole loop learns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Settings {
    /// Plain DRQN with 16 sequences of 8 steps every 4 environment steps.
    Plain,
    /// What `townlet train` does when nobody tells it otherwise.
    Program,
}

/// What a side is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) program: String,
    pub(super) version: String,
    pub(super) threads: u32,
}

/// The time of one piece of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Timing {
    pub(super) median_ms: f64,
    pub(super) repetitions: u64,
    /// How many parameters the network has.
    pub(super) parameters: u64,
    /// Which of several forms this is, where a side tries some and answers with the fastest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) form: Option<String>,
}

/// How fast a whole loop goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pace {
    /// Counted over all agents.
    pub(super) steps_per_second: f64,
    pub(super) updates_per_second: f64,
}

/// Reads an answer.
///
/// # Errors
///
/// Where the line is no answer, and where it says what went wrong on the other side.
pub(super) fn parse<A: DeserializeOwned>(line: &str) -> Result<A> {
    let answer: Value = serde_json::from_str(line).with_context(|| format!("not an answer: {line}"))?;
    if let Some(error) = answer.get("error") {
        match error.as_str() {
            Some(error) => bail!("{error}"),
            None => bail!("{error}"),
        }
    }
    serde_json::from_value(answer).with_context(|| format!("not the answer to what was asked: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(work: Work) -> String {
        serde_json::to_string(&Request { work, seconds: Some(2.0) }).unwrap()
    }

    #[test]
    fn a_request_is_one_flat_object() {
        assert_eq!(
            written(Work::Train { backend: Backend::Ndarray, path: Path::Composed, batch: 16, time: 8 }),
            r#"{"work":"train","backend":"ndarray","path":"composed","batch":16,"time":8,"seconds":2.0}"#
        );
        assert_eq!(
            written(Work::Act { backend: Backend::Flex, batch: 1 }),
            r#"{"work":"act","backend":"flex","batch":1,"seconds":2.0}"#
        );
        assert_eq!(
            written(Work::Loop { backend: Backend::Flex, settings: Settings::Plain, agents: 1 }),
            r#"{"work":"loop","backend":"flex","settings":"plain","agents":1,"seconds":2.0}"#
        );
        let about = Request { work: Work::About, seconds: None };
        assert_eq!(serde_json::to_string(&about).unwrap(), r#"{"work":"about"}"#);
    }

    #[test]
    fn an_answer_reads_back() {
        let about: About = parse(r#"{"program": "PyTorch", "version": "2.0+cpu", "threads": 2}"#).unwrap();
        assert_eq!((about.version.as_str(), about.threads), ("2.0+cpu", 2));
        let timing: Timing = parse(r#"{"median_ms": 1.5, "repetitions": 9, "parameters": 7}"#).unwrap();
        assert_eq!((timing.median_ms, timing.repetitions, timing.form), (1.5, 9, None));
        let timing: Timing =
            parse(r#"{"median_ms": 1, "repetitions": 9, "parameters": 7, "form": "fused Adam"}"#).unwrap();
        assert_eq!(timing.form.as_deref(), Some("fused Adam"));
        let pace: Pace = parse(r#"{"steps_per_second": 100.0, "updates_per_second": 25.0}"#).unwrap();
        assert_eq!(pace, Pace { steps_per_second: 100.0, updates_per_second: 25.0 });
    }

    #[test]
    fn a_side_can_say_what_went_wrong() {
        let error = parse::<Pace>(r#"{"error": "the request has no 'batch'"}"#).unwrap_err();
        assert_eq!(error.to_string(), "the request has no 'batch'");
    }

    #[test]
    fn what_is_no_answer_is_quoted() {
        for line in ["", "Warning: hot", r#"{"median_ms": 1.5}"#, "[]", "3"] {
            let error = parse::<Timing>(line).unwrap_err();
            assert!(error.to_string().contains(line), "{error}");
        }
    }
}
