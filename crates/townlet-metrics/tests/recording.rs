//! What was recorded is read back, in order, also while the run goes on.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, thread};

use rusqlite::Connection;
use support::{FIXED, dump, episode, evaluation, event_file, moments, record, stage, status, update};
use townlet_metrics::{
    Clock, Count, EvaluationRow, FinishedEpisode, HeatCell, Metrics, MetricsError, Options, Position,
    Recorder, UpdateRow,
};

#[test]
fn what_was_recorded_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(folder.path(), FIXED).unwrap();
    record(&recorder, &moments(10));
    recorder.record(status("running")).unwrap();
    recorder.record(status("completed")).unwrap();
    recorder.finish().unwrap();

    let metrics = Metrics::open(folder.path()).unwrap();
    let episodes: Vec<_> = (0..20).map(|number| episode(number, (number / 2 + 1) * 100)).collect();
    let rows: Vec<_> = episodes.iter().map(|episode| episode.row.clone()).collect();
    assert_eq!(metrics.episodes().unwrap(), rows);
    assert_eq!(metrics.episode_count().unwrap(), 20);
    assert_eq!(metrics.last_episode().unwrap(), rows.last().cloned());
    let deaths: Vec<_> = rows.iter().filter_map(townlet_metrics::EpisodeRow::death).collect();
    assert_eq!(metrics.deaths().unwrap(), deaths);
    for FinishedEpisode { row, mut visits, mut heat } in episodes {
        for visit in &mut visits {
            visit.episode = row.episode;
        }
        for place in &mut heat {
            place.episode = row.episode;
        }
        assert_eq!(metrics.visits(row.episode).unwrap(), visits);
        assert_eq!(metrics.heat(row.episode).unwrap(), heat);
    }
    let updates: Vec<_> = (1..=30).map(|number| update(number, number.div_ceil(3) * 100)).collect();
    assert_eq!(metrics.updates().unwrap(), updates);
    let at = |moment: u64| Position { steps: moment * 100, episodes: moment * 2, updates: moment * 3 };
    assert_eq!(metrics.evaluations().unwrap(), [evaluation(at(5)), evaluation(at(10))]);
    assert_eq!(metrics.stages().unwrap(), [stage(500), stage(1000)]);
    assert_eq!(metrics.system_state().unwrap(), [status("completed")]);
}

#[test]
fn sums_and_thinned_rows_cover_the_range_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(folder.path(), FIXED).unwrap();
    record(&recorder, &moments(6));
    recorder.sync().unwrap();

    let metrics = Metrics::open(folder.path()).unwrap();
    let count = |name: &str, count| Count { name: name.to_owned(), count };
    // Episodes 1 to 5: 1 and 5 die of health, 2 and 4 of energy, 3 not at all.
    assert_eq!(metrics.deaths_by_cause(1..6).unwrap(), [count("energy", 2), count("health", 2)]);
    assert_eq!(metrics.deaths_by_cause(0..2).unwrap(), [count("health", 1)]);
    // Of visits 1 + 2 + 3 + 4 + 1 + 2 and so on.
    assert_eq!(metrics.affordance_use(0..4).unwrap(), [count("Shower", 10), count("Bed", 4)]);
    let cell = |x, visit_count, novelty_value| HeatCell { x, y: 1, visit_count, novelty_value };
    // Episode n is in the columns 0 to n % 3, in column x for x + 1 steps.
    assert_eq!(
        metrics.heat_map(0..3).unwrap(),
        [cell(0, 3, None), cell(1, 4, Some(0.25)), cell(2, 3, Some(0.25))]
    );
    assert_eq!(metrics.heat_map(0..u64::MAX).unwrap()[0], cell(0, 12, None));
    let thinned = |most| -> Vec<u64> {
        metrics.thinned_episodes(most).unwrap().iter().map(|row| row.episode).collect()
    };
    assert_eq!(thinned(4), [0, 3, 6, 9]);
    assert_eq!(thinned(5), [0, 3, 6, 9]);
    assert_eq!(thinned(100).len(), 12);
    assert_eq!(thinned(0), [0_u64; 0]);
    drop(recorder);
}

#[test]
fn the_database_has_the_reference_s_tables_and_columns_first() {
    let folder = tempfile::tempdir().unwrap();
    Recorder::create(folder.path(), FIXED).unwrap().finish().unwrap();
    let connection = Connection::open(folder.path().join("metrics.sqlite")).unwrap();
    let columns = |table: &str| -> Vec<String> {
        let mut statement = connection
            .prepare("SELECT name || ' ' || type || ' ' || \"notnull\" || pk FROM pragma_table_info(?1)")
            .unwrap();
        statement.query_map([table], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(
        columns("episodes")[..9],
        [
            "episode_id INTEGER 01",
            "timestamp REAL 10",
            "survival_time INTEGER 10",
            "total_reward REAL 10",
            "extrinsic_reward REAL 10",
            "intrinsic_reward REAL 10",
            "intrinsic_weight REAL 10",
            "curriculum_stage INTEGER 10",
            "epsilon REAL 10",
        ]
    );
    assert_eq!(
        columns("affordance_visits"),
        [
            "episode_id INTEGER 10",
            "from_affordance TEXT 10",
            "to_affordance TEXT 10",
            "visit_count INTEGER 10",
        ]
    );
    assert_eq!(
        columns("position_heatmap"),
        [
            "episode_id INTEGER 10",
            "x INTEGER 10",
            "y INTEGER 10",
            "visit_count INTEGER 10",
            "novelty_value REAL 00",
        ]
    );
    assert_eq!(columns("system_state"), ["key TEXT 01", "value TEXT 00"]);
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn the_same_records_make_the_same_files() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for (folder, commit_after) in folders.iter().zip([0, 1_000]) {
        // How records fall into transactions is a matter of time, and must not show.
        let options = Options { commit_after: Duration::from_millis(commit_after), ..FIXED };
        let recorder = Recorder::create(folder.path(), options).unwrap();
        record(&recorder, &moments(20));
        recorder.finish().unwrap();
    }
    let [one, other] = folders.each_ref().map(tempfile::TempDir::path);
    assert_eq!(dump(one), dump(other));
    assert_eq!(event_file(one).file_name(), event_file(other).file_name());
    assert_eq!(fs::read(event_file(one)).unwrap(), fs::read(event_file(other)).unwrap());
}

#[test]
fn the_system_s_clock_stamps_episodes() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(folder.path(), Options { clock: Clock::System, ..FIXED }).unwrap();
    record(&recorder, &moments(1));
    recorder.finish().unwrap();
    let connection = Connection::open(folder.path().join("metrics.sqlite")).unwrap();
    let stamp: f64 =
        connection.query_row("SELECT MIN(timestamp) FROM episodes", [], |row| row.get(0)).unwrap();
    // Later than the day on which this was written.
    assert!(stamp > 1.7e9, "{stamp}");
}

#[test]
fn everything_before_a_sync_is_there_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { commit_after: Duration::from_hours(1), ..FIXED };
    let recorder = Recorder::create(folder.path(), options).unwrap();
    let metrics = Metrics::open(folder.path()).unwrap();
    for moment in moments(10) {
        record(&recorder, std::slice::from_ref(&moment));
        recorder.sync().unwrap();
        assert_eq!(metrics.episode_count().unwrap(), moment.at.episodes);
        assert_eq!(metrics.updates().unwrap().len() as u64, moment.at.updates);
    }
}

#[test]
fn a_reader_beside_a_running_writer_sees_whole_episodes_only() {
    const EPISODES: u64 = 1_000;
    let folder = tempfile::tempdir().unwrap();
    // Nothing waits, so the reader meets as many commits as it can.
    let options = Options { commit_after: Duration::ZERO, queue: 1, ..FIXED };
    let recorder = Recorder::create(folder.path(), options).unwrap();
    let finished = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let metrics = Metrics::open(folder.path()).unwrap();
            let (mut seen, mut rounds) = (0, 0);
            while !finished.load(Ordering::Relaxed) || rounds == 0 {
                let count = metrics.episode_count().unwrap();
                assert!(count >= seen, "{count} after {seen}");
                if let Some(last) = count.checked_sub(1) {
                    assert_eq!(metrics.visits(last).unwrap().len(), 2);
                    assert_eq!(metrics.heat(last).unwrap().len() as u64, last % 3 + 1);
                }
                (seen, rounds) = (count, rounds + 1);
            }
        });
        for number in 0..EPISODES {
            recorder.record(episode(number, number)).unwrap();
        }
        recorder.sync().unwrap();
        finished.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    recorder.finish().unwrap();
    assert_eq!(Metrics::open(folder.path()).unwrap().episode_count().unwrap(), EPISODES);
}

#[test]
fn a_recorder_that_is_dropped_has_written_everything() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(folder.path(), FIXED).unwrap();
    record(&recorder, &moments(3));
    drop(recorder);
    assert_eq!(Metrics::open(folder.path()).unwrap().episode_count().unwrap(), 6);
}

#[test]
fn a_loss_that_is_not_a_number_is_kept_and_such_a_reward_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(folder.path(), FIXED).unwrap();
    recorder.record(UpdateRow { loss: f64::NAN, grad_norm: f64::INFINITY, ..update(1, 5) }).unwrap();
    recorder
        .record(EvaluationRow { survival_standard_error: f64::NAN, ..evaluation(Position::default()) })
        .unwrap();
    let mut diverged = episode(7, 5);
    diverged.row.intrinsic_reward = f64::NAN;
    let error = recorder.record(diverged).unwrap_err().to_string();
    assert!(error.contains("episode 7: intrinsic_reward = NaN"), "{error}");
    // It is about that record alone.
    recorder.record(episode(0, 5)).unwrap();
    recorder.finish().unwrap();
    let metrics = Metrics::open(folder.path()).unwrap();
    let [row] = metrics.updates().unwrap().try_into().unwrap();
    assert!(row.loss.is_nan() && row.grad_norm == f64::INFINITY && row.mean_q == 0.01, "{row:?}");
    assert!(metrics.evaluations().unwrap()[0].survival_standard_error.is_nan());
}

#[test]
fn files_that_are_no_metrics_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.sqlite");
    let refusals = || {
        let resumed = Recorder::resume(folder.path(), Position::default(), FIXED).unwrap_err();
        let opened = Metrics::open(folder.path()).unwrap_err();
        for error in [&resumed, &opened] {
            assert!(error.to_string().contains("metrics.sqlite"), "{error}");
        }
        (resumed, opened)
    };
    assert!(matches!(refusals(), (MetricsError::Missing { .. }, MetricsError::Missing { .. })));

    fs::write(&path, "this is a letter and no database, and it is long enough to be one").unwrap();
    assert!(matches!(refusals(), (MetricsError::Foreign { .. }, MetricsError::Foreign { .. })));

    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE episodes (episode_id INTEGER)").unwrap();
    assert!(matches!(refusals(), (MetricsError::Foreign { .. }, MetricsError::Foreign { .. })));

    fs::remove_file(&path).unwrap();
    Recorder::create(folder.path(), FIXED).unwrap().finish().unwrap();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let (resumed, opened) = refusals();
    assert!(matches!(resumed, MetricsError::Version { found: 7, expected: 1, .. }), "{resumed}");
    assert!(matches!(opened, MetricsError::Version { found: 7, expected: 1, .. }), "{opened}");
}

#[test]
fn a_new_run_does_not_overwrite_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(folder.path(), FIXED).unwrap();
    record(&recorder, &moments(2));
    recorder.finish().unwrap();
    let before = dump(folder.path());
    let error = Recorder::create(folder.path(), FIXED).unwrap_err();
    assert!(matches!(error, MetricsError::AlreadyExists { .. }), "{error}");
    assert_eq!(dump(folder.path()), before);
}
