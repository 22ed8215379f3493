//! Where a run comes from: the program, the machine and the command.

use std::env;
use std::fmt::{self, Write};
use std::thread::available_parallelism;

use serde::{Deserialize, Serialize};
use townlet_nets::Backend;
use townlet_nets::device::{adapters, instruction_set};

use crate::run_config::RunConfig;

/// The version of Burn that the workspace pins.
pub(crate) const BURN_VERSION: &str = "0.22.1";

/// Where a run comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Provenance {
    /// The version of this program.
    pub(crate) townlet: String,
    /// The commit that it was built from, where it was built in a checkout.
    pub(crate) git_commit: Option<String>,
    pub(crate) burn: String,
    pub(crate) backend: Backend,
    /// The graphics adapters found, where the backend uses one.
    pub(crate) adapters: Vec<String>,
    pub(crate) os: String,
    pub(crate) arch: String,
    /// What the processor calls itself.
    pub(crate) cpu: Option<String>,
    pub(crate) cpu_cores: Option<usize>,
    /// How many threads compute.
    pub(crate) threads: usize,
    /// What CPU backends compute with, such as AVX2. Not known of older runs.
    #[serde(default)]
    pub(crate) instructions: Option<String>,
    pub(crate) seed: u64,
    /// The command line that made the run.
    pub(crate) command: Vec<String>,
    /// When the run was made, in seconds since 1970.
    pub(crate) started: u64,
    /// Where the run went on, each time that it did.
    #[serde(default)]
    pub(crate) resumed: Vec<Resumption>,
}

/// Where a run went on after a stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Resumption {
    /// After how many environment steps, counted over all agents.
    pub(crate) steps: u64,
    pub(crate) townlet: String,
    pub(crate) git_commit: Option<String>,
    pub(crate) backend: Backend,
    pub(crate) cpu: Option<String>,
    pub(crate) threads: usize,
    pub(crate) instructions: Option<String>,
    /// When, in seconds since 1970.
    pub(crate) started: u64,
}

/// What the last digits of a sum depend on, beside what is in the run's settings.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Arithmetic<'a> {
    backend: Backend,
    threads: usize,
    instructions: Option<&'a str>,
}

impl fmt::Display for Arithmetic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backend, threads, instructions } = self;
        let plural = if *threads == 1 { "" } else { "s" };
        write!(
            f,
            "{threads} thread{plural} of {}",
            instructions.map_or(backend.to_string(), |it| format!("{backend} with {it}"))
        )
    }
}

impl Provenance {
    /// Of a run that this process makes now.
    pub(crate) fn of(config: &RunConfig) -> Self {
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let uses_adapter = config.backend == Backend::Wgpu;
        Self {
            townlet: env!("CARGO_PKG_VERSION").to_owned(),
            git_commit: option_env!("TOWNLET_GIT_COMMIT").map(str::to_owned),
            burn: BURN_VERSION.to_owned(),
            backend: config.backend,
            adapters: if uses_adapter {
                adapters().iter().map(ToString::to_string).collect()
            } else {
                vec![]
            },
            os: env::consts::OS.to_owned(),
            arch: env::consts::ARCH.to_owned(),
            cpu: cpu_name(),
            cpu_cores: available_parallelism().ok().map(std::num::NonZero::get),
            threads: rayon::current_num_threads(),
            instructions: config.backend.is_cpu().then(|| instruction_set().to_owned()),
            seed: config.seed,
            // A path need not be UTF-8; what cannot be written here is shown as the replacement character.
            command: env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            started: since_1970.map_or(0, |time| time.as_secs()),
            resumed: Vec::new(),
        }
    }

    /// Adds that the run goes on after so many steps, in the process that `now` is of. Returns what is different
    /// from before, if that changes the outcome.
    pub(crate) fn goes_on(&mut self, steps: u64, now: Self) -> Option<String> {
        let (before, after) = (self.arithmetic(), now.arithmetic());
        // What is not known of an older run is taken to be the same.
        let same = (before.backend, before.threads) == (after.backend, after.threads)
            && before.instructions.is_none_or(|before| after.instructions == Some(before));
        let change = (after.backend.is_cpu() && !same).then(|| {
            format!(
                "it computed on {before} and goes on with {after}: sums are rounded otherwise, and from here on it is \
                 not the run that it would have been"
            )
        });
        let Self { townlet, git_commit, backend, cpu, threads, instructions, started, .. } = now;
        let now = Resumption { steps, townlet, git_commit, backend, cpu, threads, instructions, started };
        // What came after the checkpoint is forgotten, and with it where it was computed.
        self.resumed.retain(|earlier| earlier.steps < steps);
        self.resumed.push(now);
        change
    }

    /// That of the last part of the run.
    fn arithmetic(&self) -> Arithmetic<'_> {
        match self.resumed.last() {
            Some(Resumption { backend, threads, instructions, .. }) => {
                Arithmetic { backend: *backend, threads: *threads, instructions: instructions.as_deref() }
            }
            None => Arithmetic {
                backend: self.backend,
                threads: self.threads,
                instructions: self.instructions.as_deref(),
            },
        }
    }

    /// The number of threads of each part of the run, as far as they differ: `2, and 1 from step 40000 on`.
    pub(crate) fn threads_of_parts(&self) -> String {
        let mut text = self.threads.to_string();
        let mut threads = self.threads;
        for part in &self.resumed {
            if part.threads != threads {
                threads = part.threads;
                let _ = write!(text, ", and {threads} from step {} on", part.steps);
            }
        }
        text
    }

    /// For a person to read.
    pub(crate) fn facts(&self) -> Vec<(String, String)> {
        let none = || "unknown".to_owned();
        let mut facts = vec![
            ("townlet", self.townlet.clone()),
            ("commit", self.git_commit.clone().unwrap_or_else(none)),
            ("Burn", self.burn.clone()),
            ("backend", self.backend.to_string()),
            ("system", format!("{} {}", self.os, self.arch)),
            ("processor", self.cpu.clone().unwrap_or_else(none)),
            ("threads", self.threads_of_parts()),
            ("seed", self.seed.to_string()),
            ("command", self.command.join(" ")),
        ];
        if !self.adapters.is_empty() {
            facts.push(("adapters", self.adapters.join(", ")));
        }
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// What the processor calls itself, on systems that say so in a file.
fn cpu_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provenance(threads: usize, instructions: Option<&str>) -> Provenance {
        Provenance {
            townlet: "0.1.0".to_owned(),
            git_commit: None,
            burn: BURN_VERSION.to_owned(),
            backend: Backend::Flex,
            adapters: Vec::new(),
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
            cpu: None,
            cpu_cores: None,
            threads,
            instructions: instructions.map(str::to_owned),
            seed: 0,
            command: Vec::new(),
            started: 0,
            resumed: Vec::new(),
        }
    }

    #[test]
    fn going_on_with_other_arithmetic_is_told_and_kept() {
        let mut run = provenance(2, Some("AVX2"));
        assert_eq!(run.goes_on(100, provenance(2, Some("AVX2"))), None);
        let change = run.goes_on(200, provenance(1, Some("AVX2"))).unwrap();
        assert!(
            change.contains("2 threads of flex with AVX2") && change.contains("1 thread of flex"),
            "{change}"
        );
        assert_eq!(run.goes_on(300, provenance(1, Some("AVX2"))), None, "as in the part before");
        assert!(run.goes_on(400, provenance(1, Some("AVX-512"))).is_some());
        assert_eq!(run.threads_of_parts(), "2, and 1 from step 200 on");
        // Whatever came after an older checkpoint is forgotten.
        run.goes_on(150, provenance(2, Some("AVX2")));
        assert_eq!(run.resumed.iter().map(|part| part.steps).collect::<Vec<_>>(), [100, 150]);
        assert_eq!(run.threads_of_parts(), "2");
    }

    #[test]
    fn what_an_older_run_does_not_say_is_taken_to_be_the_same() {
        let mut text: serde_json::Value = serde_json::to_value(provenance(2, None)).unwrap();
        for key in ["instructions", "resumed"] {
            text.as_object_mut().unwrap().remove(key);
        }
        let mut older: Provenance = serde_json::from_value(text).unwrap();
        assert_eq!(older.goes_on(100, provenance(2, Some("AVX2"))), None);
        assert!(older.goes_on(200, provenance(2, Some("portable"))).is_some());
    }
}
