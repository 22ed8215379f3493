//! A made-up run, and ways to look at what was recorded of it.
#![allow(dead_code, reason = "every test file uses its own part of this")]

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;
use townlet_metrics::{
    Clock, EpisodeRow, EvaluationRow, FinishedEpisode, HeatRow, Histogram, Options, Position, Record,
    Recorder, StageRow, SystemState, UpdateRow, VisitRow,
};

/// The same clock for everyone, so that equal runs make equal files.
pub(crate) const FIXED: Options = Options {
    queue: 64,
    commit_after: std::time::Duration::from_millis(20),
    tensorboard: true,
    clock: Clock::Fixed(1_000.25),
};

/// Everything that one moment of a run led to, and where the run stood then.
pub(crate) struct Moment {
    pub(crate) at: Position,
    pub(crate) records: Vec<Record>,
}

/// A run of so many moments, 100 steps each: two episodes, three updates, and now and then an evaluation, a
/// histogram and a change of stage.
pub(crate) fn moments(count: u64) -> Vec<Moment> {
    (1..=count)
        .map(|moment| {
            let at = Position { steps: moment * 100, episodes: moment * 2, updates: moment * 3 };
            let mut records = Vec::new();
            for number in at.episodes - 2..at.episodes {
                let episode = episode(number, at.steps);
                let death = episode.row.death();
                records.push(episode.into());
                records.extend(death.map(Record::from));
            }
            records.extend((at.updates - 2..=at.updates).map(|update| self::update(update, at.steps).into()));
            if moment.is_multiple_of(5) {
                let values = (0..50).map(|i| (i * moment) as f32).collect();
                records.push(Histogram { tag: "weights/head".to_owned(), steps: at.steps, values }.into());
                records.push(evaluation(at).into());
                records.push(stage(at.steps).into());
            }
            Moment { at, records }
        })
        .collect()
}

pub(crate) fn episode(number: u64, steps: u64) -> FinishedEpisode {
    let died = !number.is_multiple_of(3);
    let row = EpisodeRow {
        episode: number,
        steps,
        agent: number % 2,
        survival_time: 50 + number,
        total_reward: number as f64 * 0.1,
        extrinsic_reward: number as f64 * 0.1 - 0.05,
        intrinsic_reward: 0.5,
        intrinsic_weight: 0.1,
        curriculum_stage: number / 10,
        epsilon: 1.0 / (number + 1) as f64,
        terminated: died,
        truncated: !died,
        cause: if !died {
            ""
        } else if number.is_multiple_of(2) {
            "energy"
        } else {
            "health"
        }
        .to_owned(),
    };
    let visit = |from: &str, to: &str, visit_count| VisitRow {
        episode: 0,
        from_affordance: from.to_owned(),
        to_affordance: to.to_owned(),
        visit_count,
    };
    let visits = vec![visit("", "Bed", 1), visit("Bed", "Shower", number % 4 + 1)];
    let heat = (0..=number % 3)
        .map(|x| HeatRow { episode: 0, x, y: 1, visit_count: x + 1, novelty_value: (x > 0).then_some(0.25) })
        .collect();
    FinishedEpisode { row, visits, heat }
}

pub(crate) fn update(update: u64, steps: u64) -> UpdateRow {
    UpdateRow {
        update,
        steps,
        loss: 1.0 / update as f64,
        grad_norm: 2.0,
        mean_q: update as f64 * 0.01,
        mean_target: update as f64 * 0.011,
        epsilon: 0.5,
        learning_rate: 1e-4,
    }
}

pub(crate) fn evaluation(at: Position) -> EvaluationRow {
    EvaluationRow {
        steps: at.steps,
        updates: at.updates,
        training_seconds: at.steps as f64 / 250.0,
        episodes: 20,
        survival_mean: 100.0 + at.steps as f64 / 10.0,
        survival_standard_error: 3.5,
        reached_limit: 0.1,
        mean_return: 7.0,
    }
}

pub(crate) fn stage(steps: u64) -> StageRow {
    StageRow { steps, agent: 1, from: steps / 500 - 1, to: steps / 500, survival: 0.75, entropy: 0.4 }
}

pub(crate) fn status(value: &str) -> SystemState {
    SystemState { key: "training_status".to_owned(), value: value.to_owned() }
}

/// Records it all.
pub(crate) fn record(recorder: &Recorder, moments: &[Moment]) {
    for record in moments.iter().flat_map(|moment| &moment.records) {
        recorder.record(record.clone()).unwrap();
    }
}

/// Every table with every column of every row, in the order in which rows are kept.
pub(crate) fn dump(folder: &Path) -> Vec<String> {
    let connection = Connection::open(folder.join("metrics.sqlite")).unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let mut lines = names("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name");
    for table in names("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name") {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let cells: Vec<Value> = (0..columns).map(|column| row.get(column).unwrap()).collect();
            lines.push(format!("{table} {cells:?}"));
        }
    }
    lines
}

/// The event file in the folder.
pub(crate) fn event_file(folder: &Path) -> PathBuf {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with("events.out.tfevents."))
        .unwrap()
}

/// Copies the files of a folder as they are, which is what a run that is killed leaves.
pub(crate) fn copy_files(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}
