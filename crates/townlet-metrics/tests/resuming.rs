//! A run that is killed and resumed has recorded what an uninterrupted one has.

mod support;

use std::fs::{self, OpenOptions};
use std::time::Duration;

use support::{FIXED, copy_files, dump, event_file, moments, record};
use townlet_metrics::{MetricsError, Options, Position, Recorder};

const MOMENTS: u64 = 40;

#[test]
fn a_killed_and_resumed_run_equals_an_uninterrupted_one() {
    let whole = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(whole.path(), FIXED).unwrap();
    record(&recorder, &moments(MOMENTS));
    recorder.finish().unwrap();
    let (rows, events) = (dump(whole.path()), fs::read(event_file(whole.path())).unwrap());

    // The checkpoint, how far the run got after it, and how many bytes of the event file are torn off.
    for (checkpoint, killed, torn) in
        [(0, 0, 0), (0, 13, 5), (1, 40, 0), (5, 6, 1), (19, 20, 100), (20, 33, 11), (35, 40, 0), (40, 40, 0)]
    {
        let started = tempfile::tempdir().unwrap();
        let recorder =
            Recorder::create(started.path(), Options { commit_after: Duration::ZERO, ..FIXED }).unwrap();
        let run = moments(MOMENTS);
        let (before, after) = run.split_at(checkpoint);
        record(&recorder, before);
        recorder.sync().unwrap();
        record(&recorder, &after[..killed - checkpoint]);
        recorder.sync().unwrap();

        let folder = tempfile::tempdir().unwrap();
        copy_files(started.path(), folder.path());
        let path = event_file(folder.path());
        let length = fs::metadata(&path).unwrap().len();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(length - torn).unwrap();

        let at = before.last().map_or_else(Position::default, |moment| moment.at);
        let recorder = Recorder::resume(folder.path(), at, FIXED).unwrap();
        record(&recorder, after);
        recorder.finish().unwrap();
        let case = format!("checkpoint {checkpoint}, killed {killed}, torn {torn}");
        assert_eq!(dump(folder.path()), rows, "{case}");
        assert!(fs::read(&path).unwrap() == events, "{case}: the event files differ");
    }
}

#[test]
fn what_was_recorded_between_two_positions_of_one_step_is_discarded_by_number() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(folder.path(), Options { tensorboard: false, ..FIXED }).unwrap();
    record(&recorder, &moments(3));
    recorder.finish().unwrap();
    // All of the third moment has 300 steps; one of its two episodes and of its three updates are kept.
    let at = Position { steps: 300, episodes: 5, updates: 7 };
    let recorder = Recorder::resume(folder.path(), at, Options { tensorboard: false, ..FIXED }).unwrap();
    recorder.finish().unwrap();
    let metrics = townlet_metrics::Metrics::open(folder.path()).unwrap();
    assert_eq!(metrics.episode_count().unwrap(), 5);
    assert_eq!(metrics.updates().unwrap().last().unwrap().update, 7);
    assert!(metrics.visits(5).unwrap().is_empty() && metrics.heat(5).unwrap().is_empty());
    assert!(metrics.deaths().unwrap().iter().all(|death| death.episode < 5));
}

#[test]
fn metrics_that_end_before_the_checkpoint_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(folder.path(), FIXED).unwrap();
    record(&recorder, &moments(3));
    recorder.finish().unwrap();
    let before = (dump(folder.path()), fs::read(event_file(folder.path())).unwrap());
    let at = Position { steps: 400, episodes: 8, updates: 12 };
    let error = Recorder::resume(folder.path(), at, FIXED).unwrap_err();
    assert!(matches!(error, MetricsError::Behind { found: 6, expected: 8, .. }), "{error}");
    assert!(error.to_string().contains("metrics.sqlite"), "{error}");
    assert_eq!((dump(folder.path()), fs::read(event_file(folder.path())).unwrap()), before);
}

#[test]
fn nothing_is_discarded_where_the_event_file_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(folder.path(), FIXED).unwrap();
    record(&recorder, &moments(10));
    recorder.finish().unwrap();
    let path = event_file(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[200] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let rows = dump(folder.path());
    let at = moments(5).pop().unwrap().at;
    let error = Recorder::resume(folder.path(), at, FIXED).unwrap_err();
    assert!(matches!(error, MetricsError::Damaged { .. }), "{error}");
    assert_eq!(dump(folder.path()), rows);
    // As the message says.
    fs::remove_file(&path).unwrap();
    Recorder::resume(folder.path(), at, FIXED).unwrap().finish().unwrap();
}

#[test]
fn a_run_resumed_without_events_has_none_of_those_that_it_took_back() {
    let folder = tempfile::tempdir().unwrap();
    let run = moments(10);
    let recorder = Recorder::create(folder.path(), FIXED).unwrap();
    record(&recorder, &run);
    recorder.finish().unwrap();
    let whole = fs::metadata(event_file(folder.path())).unwrap().len();
    let options = Options { tensorboard: false, ..FIXED };
    let recorder = Recorder::resume(folder.path(), run[4].at, options).unwrap();
    record(&recorder, &run[5..]);
    recorder.finish().unwrap();
    assert!(fs::metadata(event_file(folder.path())).unwrap().len() < whole);
}
