//! `townlet study`: the same run many times over, with one thing changed.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, value_parser};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::Table;
use townlet_metrics::plot::{Group, Over, Series, learning_curves};
use townlet_metrics::{Metrics, Recorder};

use crate::config_file::overlay;
use crate::error_message;
use crate::messages;
use crate::recipe::Recipe;
use crate::settings::{self, SourceFile, settings_table};
use crate::study_table::{ArmResults, Results};
use crate::toml_place::TomlText;

/// Train every arm of a study with every seed, and compare them
///
/// An arm is a set of settings. Each arm and seed is a run of its own in a process of its own, several at once;
/// each is evaluated, and the table at the end shows means over seeds with 95 % intervals, and each arm's
/// difference from the first, seed by seed. Started again, a study goes on where it stopped.
#[derive(Args)]
#[command(after_help = "\
Example: townlet study docs/studies/memory.toml --out studies/memory

One study on several machines that share a folder, here job 2 of 5:
  townlet study docs/studies/memory.toml --out shared/memory --job 2/5")]
pub(crate) struct Arguments {
    /// The study
    #[arg(value_name = "FILE")]
    study: PathBuf,

    /// The directory for its runs and results [default: studies/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// How many runs go on at once [default: one for each core, by the threads of a run]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..))]
    at_once: Option<u16>,

    /// Do only the I-th of N equal parts of the runs
    #[arg(long, alias = "part", value_name = "I/N", value_parser = job)]
    job: Option<(usize, usize)>,
}

/// What a study file holds.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Study {
    /// What the study is called: letters, digits, - and _.
    name: String,
    /// A built-in level, or the path of a level file.
    #[serde(default = "default_level")]
    level: String,
    /// The settings that all arms start from.
    #[serde(default)]
    recipe: Recipe,
    /// Of each arm, one run for each seed.
    seeds: Vec<u64>,
    /// Of each run. One thread each is the most work done on the whole.
    #[serde(default = "one")]
    threads: usize,
    /// How each run is evaluated in the end.
    #[serde(default)]
    evaluation: Evaluation,
    /// What all arms have, as in a `--config` file.
    #[serde(default)]
    #[schemars(schema_with = "settings_table")]
    settings: Table,
    /// The arms; the others are compared with the first.
    arms: Vec<Arm>,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Evaluation {
    /// How many episodes are played.
    episodes: u32,
    /// How often agents explore meanwhile, 0 to 1; one evaluation for each.
    epsilons: Vec<f64>,
}

impl Default for Evaluation {
    fn default() -> Self {
        Self { episodes: 200, epsilons: vec![0.0, 0.05] }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arm {
    /// What the arm is called: letters, digits, - and _.
    name: String,
    /// What this arm alone has, as in a `--config` file.
    #[serde(default)]
    #[schemars(schema_with = "settings_table")]
    settings: Table,
}

fn default_level() -> String {
    "pomdp".to_owned()
}

fn one() -> usize {
    1
}

fn job(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match parts {
        Some((i, n)) if (1..=n).contains(&i) => Ok((i, n)),
        _ => Err("expected I/N with I from 1 to N, as in 2/5".to_owned()),
    }
}

/// One arm with one seed.
struct Job<'a> {
    arm: &'a Arm,
    seed: u64,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<()> {
        let study = Study::read(&self.study)?;
        let folder = self.out.clone().unwrap_or_else(|| Path::new("studies").join(&study.name));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let runner = Runner { study: &study, folder: &folder, program: env::current_exe()? };
        runner.write_settings()?;

        // Seed by seed, so that whatever is done after a while compares all arms.
        let all = study.seeds.iter().flat_map(|&seed| study.arms.iter().map(move |arm| Job { arm, seed }));
        let (which, of) = self.job.unwrap_or((1, 1));
        let jobs: Vec<Job<'_>> = all.skip(which - 1).step_by(of).collect();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let at_once = self.at_once.map_or((cores / study.threads).max(1), usize::from);
        let failures = runner.run_all(&jobs, at_once);

        let results = runner.results()?;
        results.write(&folder)?;
        runner.draw()?;
        results.print(out)?;
        writeln!(
            out,
            "{} holds the runs, results.json, results.csv and the learning curves.",
            folder.display()
        )?;
        ensure!(
            failures.is_empty(),
            "{} of {} runs failed: {}",
            failures.len(),
            jobs.len(),
            failures.join("; ")
        );
        Ok(())
    }
}

impl Study {
    /// Reads a study file.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, or anything in it is wrong, also in the settings of an arm: with file, line and
    /// key.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read the study {}", path.display()))?;
        let file = Rc::new(SourceFile { path: path.to_path_buf(), text });
        let study: Self = file.toml().parse()?;
        study.check(&file.toml())?;
        study.check_settings(&file)?;
        Ok(study)
    }

    pub(crate) fn num_arms(&self) -> usize {
        self.arms.len()
    }

    pub(crate) fn num_seeds(&self) -> usize {
        self.seeds.len()
    }

    /// Resolves the settings of every arm as its runs will.
    fn check_settings(&self, file: &Rc<SourceFile>) -> Result<()> {
        let mut own = Table::new();
        own.insert("level".to_owned(), self.level.clone().into());
        own.insert("recipe".to_owned(), self.recipe.name().into());
        for (index, arm) in self.arms.iter().enumerate() {
            let at = format!("arms[{index}].settings");
            for (at, table) in [("settings", &self.settings), (&at, &arm.settings)] {
                let names_level =
                    table.get("level").is_some_and(|level| level.get("base").is_some() || level.is_str());
                let above = [
                    ("recipe", table.contains_key("recipe")),
                    ("level", names_level),
                    ("seed", table.contains_key("seed")),
                ];
                if let Some((key, _)) = above.into_iter().find(|(_, said)| *said) {
                    let key = format!("{at}.{key}");
                    return Err(file.toml().fault(&key, "belongs to the study, at the top of the file"));
                }
            }
            settings::resolve(vec![
                settings::within(Rc::clone(file), "", own.clone())?,
                settings::within(Rc::clone(file), "settings", self.settings.clone())?,
                settings::within(Rc::clone(file), &at, arm.settings.clone())?,
            ])?;
        }
        Ok(())
    }

    fn check(&self, text: &TomlText<'_>) -> Result<()> {
        let named = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        };
        if !named(&self.name) {
            return Err(text.fault("name", "expected letters, digits, - and _"));
        }
        if self.seeds.is_empty() {
            return Err(text.fault("seeds", "expected at least one seed"));
        }
        if self.threads == 0 {
            return Err(text.fault("threads", "expected at least 1"));
        }
        if self.arms.is_empty() {
            return Err(text.fault("arms", "expected at least one arm"));
        }
        for (index, arm) in self.arms.iter().enumerate() {
            let key = format!("arms[{index}].name");
            if !named(&arm.name) {
                return Err(text.fault(&key, "expected letters, digits, - and _"));
            }
            if self.arms[..index].iter().any(|other| other.name == arm.name) {
                return Err(text.fault(&key, &format!("there are two arms called {}", arm.name)));
            }
        }
        if self.evaluation.episodes == 0 || self.evaluation.epsilons.is_empty() {
            return Err(text.fault("evaluation", "expected at least one episode and one epsilon"));
        }
        Ok(())
    }
}

/// Runs jobs in a folder.
struct Runner<'a> {
    study: &'a Study,
    folder: &'a Path,
    program: PathBuf,
}

impl Runner<'_> {
    /// One `--config` file for each arm. A file that says something else was left by another study.
    fn write_settings(&self) -> Result<()> {
        for arm in &self.study.arms {
            let mut settings = self.study.settings.clone();
            overlay(&mut settings, arm.settings.clone());
            let text = toml::to_string(&settings).context("cannot write settings as TOML")?;
            let path = self.settings_file(arm);
            if let Ok(there) = fs::read_to_string(&path)
                && there != text
            {
                bail!(
                    "{} is of a study with other settings; name another directory with --out",
                    path.display()
                );
            }
            townlet_files::write(&path, text.as_bytes())?;
        }
        Ok(())
    }

    fn settings_file(&self, arm: &Arm) -> PathBuf {
        self.folder.join(format!("{}.toml", arm.name))
    }

    fn run_folder(&self, job: &Job<'_>) -> PathBuf {
        self.folder.join(format!("{}-{}", job.arm.name, job.seed))
    }

    fn evaluation_file(&self, job: &Job<'_>, epsilon: f64) -> PathBuf {
        self.folder.join(format!("{}-{}.epsilon-{epsilon}.json", job.arm.name, job.seed))
    }

    /// Runs what is not done yet and returns what failed.
    fn run_all(&self, jobs: &[Job<'_>], at_once: usize) -> Vec<String> {
        let next = AtomicUsize::new(0);
        let failures = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| {
                    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let name = format!("{}-{}", job.arm.name, job.seed);
                        let outcome = self.run(job);
                        match &outcome {
                            Ok(survival) => {
                                messages::line(format_args!("{name}: survives {survival:.1} steps"))
                            }
                            Err(error) => {
                                messages::line(format_args!("{name}: {}", error_message::of(error)))
                            }
                        }
                        if outcome.is_err() {
                            failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(name);
                        }
                    }
                });
            }
        });
        failures.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Trains and evaluates where that is not done yet; the mean survival at the first epsilon.
    fn run(&self, job: &Job<'_>) -> Result<f64> {
        let run = self.run_folder(job);
        if !run.exists() {
            // Trained beside its place and moved there whole, so that what is there is done.
            let unfinished = self.folder.join(format!("{}-{}.unfinished", job.arm.name, job.seed));
            let mut train = Command::new(&self.program);
            if unfinished.join("run.toml").exists() {
                train.args(["resume", "--quiet"]).arg(&unfinished);
            } else {
                train.args(["train", "--quiet", "--level", &self.study.level]);
                train.args(["--recipe", self.study.recipe.name()]);
                train.args(["--seed", &job.seed.to_string()]);
                train.arg("--config").arg(self.settings_file(job.arm)).arg("--out").arg(&unfinished);
            }
            self.output(train)?;
            // What is compared is there; many runs' replays would fill a disk.
            let checkpoints = unfinished.join("checkpoints");
            if checkpoints.exists() {
                fs::remove_dir_all(&checkpoints)
                    .with_context(|| format!("cannot remove {}", checkpoints.display()))?;
            }
            fs::rename(&unfinished, &run).with_context(|| format!("cannot make {}", run.display()))?;
        }
        for &epsilon in &self.study.evaluation.epsilons {
            let file = self.evaluation_file(job, epsilon);
            if !file.exists() {
                let mut eval = Command::new(&self.program);
                eval.arg("eval").arg(&run).arg("--json").args(["--epsilon", &epsilon.to_string()]);
                eval.args(["--episodes", &self.study.evaluation.episodes.to_string()]);
                townlet_files::write(&file, &self.output(eval)?.stdout)?;
            }
        }
        self.survival(job, self.study.evaluation.epsilons[0])?.context("the evaluation says nothing")
    }

    /// The learning curves of all arms, of whatever runs are done. Runs of which nothing was recorded have none.
    fn draw(&self) -> Result<()> {
        let mut groups = Vec::new();
        for arm in &self.study.arms {
            let mut runs = Vec::new();
            for &seed in &self.study.seeds {
                let run = self.run_folder(&Job { arm, seed });
                if Recorder::is_at(&run) {
                    let rows = Metrics::open(&run)?.evaluations()?;
                    let points = rows.iter().map(|row| (row.steps as f64, row.survival_mean)).collect();
                    runs.push(Series { name: format!("{}-{seed}", arm.name), points });
                }
            }
            groups.push(Group { name: arm.name.clone(), runs });
        }
        groups.retain(|group| !group.runs.is_empty());
        if let Some(curves) = learning_curves(&groups, Over::Steps)? {
            townlet_files::write(&self.folder.join("learning-curves.svg"), curves.svg().as_bytes())?;
            townlet_files::write(&self.folder.join("learning-curves.png"), &curves.png(1280)?)?;
        }
        Ok(())
    }

    fn output(&self, mut command: Command) -> Result<Output> {
        let output = command.env("RAYON_NUM_THREADS", self.study.threads.to_string()).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim_end());
        Ok(output)
    }

    /// The mean survival in an evaluation that is done.
    fn survival(&self, job: &Job<'_>, epsilon: f64) -> Result<Option<f64>> {
        let file = self.evaluation_file(job, epsilon);
        let Ok(text) = fs::read_to_string(&file) else {
            return Ok(None);
        };
        let value: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged; remove it, and it is made again", file.display()))?;
        Ok(value["trained"]["survival_mean"].as_f64())
    }

    /// Of everything that is done, also in other parts of the study.
    fn results(&self) -> Result<Results> {
        let mut results = Results { study: self.study.name.clone(), epsilons: Vec::new() };
        for &epsilon in &self.study.evaluation.epsilons {
            let mut arms = Vec::new();
            for arm in &self.study.arms {
                let mut survival = Vec::new();
                for &seed in &self.study.seeds {
                    if let Some(mean) = self.survival(&Job { arm, seed }, epsilon)? {
                        survival.push((seed, mean));
                    }
                }
                arms.push(ArmResults { arm: arm.name.clone(), survival });
            }
            results.epsilons.push((epsilon, arms));
        }
        Ok(results)
    }
}
