//! Makes a report about two made-up runs, and its pictures as files of their own:
//! `cargo run -p townlet-metrics --example sample_report -- FOLDER`.

mod made_up;

use std::fs;
use std::path::PathBuf;

use townlet_metrics::{
    Clock, EvaluationLine, Metrics, Options, Recorder, Report, ReportRun, RunData, figures, html,
};

const SETTINGS: &str = "\
level = 'pomdp'
seed = SEED

[network]
hidden = 128
memory = 'lstm'

[learner]
discount = 0.99
learning_rate = RATE

[learner.epsilon]
kind = 'linear'
start = 1.0
end = 0.05
steps = 200000
";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).map(PathBuf::from).ok_or("expected a folder to write into")?;
    fs::create_dir_all(&folder)?;
    let (mut report, mut data) =
        (Report { title: "Carried and forgetful memory".to_owned(), ..Report::default() }, Vec::new());
    for (name, seed, reaches, rate) in [
        ("pomdp-2026-05-02-carried", 1, 470.0, "0.0001"),
        ("pomdp-2026-05-02-forgetful", 2, 280.0, "0.00025"),
    ] {
        let run = tempfile::tempdir()?;
        let recorder =
            Recorder::create(run.path(), Options { clock: Clock::Fixed(0.0), ..Options::default() })?;
        made_up::Run { seed, episodes: 20_000, reaches }.record(&recorder)?;
        recorder.finish()?;
        let metrics = Metrics::open(run.path())?;
        let run = RunData { grid: Some((8, 8)), ..RunData::read(name, None, &metrics)? };
        let last = run.evaluations.last().ok_or("no evaluation")?;
        report.evaluations.push(EvaluationLine::during_training(name, last));
        report.runs.push(ReportRun {
            name: name.to_owned(),
            facts: facts(&[
                ("level", "pomdp"),
                ("state", "completed"),
                ("steps", &run.episodes.last().map_or(0, |row| row.steps).to_string()),
                ("episodes", &run.episodes.len().to_string()),
                ("updates", &run.updates.len().to_string()),
            ]),
            settings: SETTINGS.replace("SEED", &seed.to_string()).replace("RATE", rate),
            provenance: facts(&[
                ("version", env!("CARGO_PKG_VERSION")),
                ("backend", "flex"),
                ("processor", "a processor with two cores"),
                ("threads", "1"),
                (
                    "command line",
                    &format!("townlet train --level pomdp --seed {seed} --set learner.learning_rate={rate}"),
                ),
            ]),
        });
        data.push(run);
    }
    report.evaluations.push(EvaluationLine {
        run: "pomdp".to_owned(),
        policy: "random".to_owned(),
        episodes: 200,
        survival_mean: 101.7,
        interval: Some((98.2, 105.3)),
        survival_median: Some(98.0),
        reached_limit: 0.0,
        mean_return: 0.6,
    });
    report.subtitle = format!("Made by townlet-metrics {} from made-up runs.", env!("CARGO_PKG_VERSION"));
    report.plots = figures(&data)?;
    for plot in &report.plots {
        fs::write(folder.join(plot.name()).with_extension("svg"), plot.svg())?;
        fs::write(folder.join(plot.name()).with_extension("png"), plot.png(1260)?)?;
    }
    for plot in figures(&seeds()?)?.into_iter().take(6) {
        fs::write(folder.join(format!("seeds-{}.png", plot.name())), plot.png(1260)?)?;
    }
    let page = html(&report)?;
    let path = folder.join("report.html");
    fs::write(&path, &page)?;
    println!("wrote {} ({} KB) and {} pictures", path.display(), page.len() / 1000, report.plots.len());
    Ok(())
}

/// Two ways to train with three seeds each: what a study shows.
fn seeds() -> Result<Vec<RunData>, Box<dyn std::error::Error>> {
    let mut runs = Vec::new();
    for (group, reaches) in [("carried", 460.0), ("forgetful", 250.0)] {
        for seed in 1..=3 {
            let run = tempfile::tempdir()?;
            let recorder = Recorder::create(run.path(), Options::default())?;
            made_up::Run { seed, episodes: 1_000, reaches: reaches + 20.0 * seed as f64 }
                .record(&recorder)?;
            recorder.finish()?;
            runs.push(RunData::read(&format!("{group}-{seed}"), Some(group), &Metrics::open(run.path())?)?);
        }
    }
    Ok(runs)
}

fn facts(entries: &[(&str, &str)]) -> Vec<(String, String)> {
    entries.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}
