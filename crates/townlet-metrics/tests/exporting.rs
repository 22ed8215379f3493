//! Tables as text: every row of every table, readable by others.

mod support;

use std::fs;

use support::{FIXED, episode, moments, record, status, update};
use townlet_metrics::{EpisodeRow, Format, MetricsError, Recorder, UpdateRow, export};

const TABLES: [(&str, usize); 8] = [
    ("episodes", 20),
    ("affordance_visits", 40),
    ("position_heatmap", 39),
    ("system_state", 1),
    ("updates", 31),
    ("evaluations", 2),
    ("deaths", 13),
    ("stages", 2),
];

fn recorded() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(folder.path(), FIXED).unwrap();
    record(&recorder, &moments(10));
    recorder.record(status("said \"done\", and\nmeant it")).unwrap();
    recorder.record(UpdateRow { loss: f64::NAN, ..update(31, 2_000) }).unwrap();
    recorder.finish().unwrap();
    folder
}

#[test]
fn comma_separated_values_read_back() {
    let folder = recorded();
    let to = folder.path().join("exported/csv");
    let files = export(folder.path(), Format::Csv, &to).unwrap();
    assert_eq!(files.len(), TABLES.len());
    for (table, rows) in TABLES {
        let mut reader = csv::Reader::from_path(to.join(format!("{table}.csv"))).unwrap();
        assert_eq!(reader.records().map(Result::unwrap).count(), rows, "{table}");
    }
    let mut reader = csv::Reader::from_path(to.join("episodes.csv")).unwrap();
    let episodes: Vec<EpisodeRow> = reader.deserialize().map(Result::unwrap).collect();
    assert_eq!(episodes[7], episode(7, 400).row);
    let state = fs::read_to_string(to.join("system_state.csv")).unwrap();
    assert_eq!(state, "key,value\ntraining_status,\"said \"\"done\"\", and\nmeant it\"\n");
    let heat = fs::read_to_string(to.join("position_heatmap.csv")).unwrap();
    assert!(
        heat.starts_with("episode_id,x,y,visit_count,novelty_value\n0,0,1,1,\n1,0,1,1,\n1,1,1,2,0.25\n"),
        "{heat}"
    );
    assert!(fs::read_to_string(to.join("updates.csv")).unwrap().contains("\n31,2000,NaN,2.0,"));
}

#[test]
fn json_lines_read_back() {
    let folder = recorded();
    let to = folder.path().join("json");
    let files = export(folder.path(), Format::JsonLines, &to).unwrap();
    assert_eq!(files.len(), TABLES.len());
    for (table, rows) in TABLES {
        let text = fs::read_to_string(to.join(format!("{table}.jsonl"))).unwrap();
        let values: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(values.len(), rows, "{table}");
        if table == "updates" {
            assert_eq!(values[30]["loss"], serde_json::Value::Null);
            assert_eq!(values[0]["learning_rate"], 1e-4);
        }
    }
}

#[test]
fn a_run_without_rows_has_files_with_names_of_columns() {
    let folder = tempfile::tempdir().unwrap();
    Recorder::create(folder.path(), FIXED).unwrap().finish().unwrap();
    export(folder.path(), Format::Csv, folder.path()).unwrap();
    let stages = fs::read_to_string(folder.path().join("stages.csv")).unwrap();
    assert_eq!(stages, "steps,agent,from_stage,to_stage,survival,entropy\n");
}

#[test]
fn exported_columns_are_those_of_the_database() {
    let folder = recorded();
    for (format, to) in [(Format::Csv, "csv"), (Format::JsonLines, "json")] {
        export(folder.path(), format, &folder.path().join(to)).unwrap();
    }
    let database = rusqlite::Connection::open(folder.path().join("metrics.sqlite")).unwrap();
    for (table, rows) in TABLES {
        let mut columns =
            database.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).unwrap();
        let columns = columns.query_map([], |row| row.get(0)).unwrap();
        let mut columns: Vec<String> = columns.map(Result::unwrap).collect();
        // The one that is another in every run.
        columns.retain(|column| column != "timestamp");
        columns.sort();
        let mut reader = csv::Reader::from_path(folder.path().join(format!("csv/{table}.csv"))).unwrap();
        let mut exported: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        exported.sort();
        assert_eq!(exported, columns, "{table}");
        let text = fs::read_to_string(folder.path().join(format!("json/{table}.jsonl"))).unwrap();
        if rows > 0 {
            let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
            let mut keys: Vec<String> = line.as_object().unwrap().keys().cloned().collect();
            keys.sort();
            assert_eq!(keys, columns, "{table}");
        }
    }
}

#[test]
fn an_export_can_be_repeated_and_leaves_nothing_else_behind() {
    let folder = recorded();
    let to = folder.path().join("again");
    let first = export(folder.path(), Format::Csv, &to).unwrap();
    let before = fs::read(&first[0]).unwrap();
    export(folder.path(), Format::Csv, &to).unwrap();
    assert_eq!(fs::read(&first[0]).unwrap(), before);
    assert_eq!(fs::read_dir(&to).unwrap().count(), TABLES.len());
}

#[test]
fn a_place_that_cannot_be_written_to_is_told_by_name() {
    let folder = recorded();
    let to = folder.path().join("a file");
    fs::write(&to, "").unwrap();
    let error = export(folder.path(), Format::Csv, &to).unwrap_err();
    assert!(matches!(error, MetricsError::Io { .. }), "{error}");
    assert!(error.to_string().contains("a file"), "{error}");
}
