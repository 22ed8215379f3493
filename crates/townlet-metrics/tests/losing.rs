//! Records that were lost or damaged do not stop a run: they are set aside, and new ones begin.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{FIXED, event_file, moments, record};
use townlet_metrics::{Format, Loss, Metrics, Position, Recorder, RunData, export, figures};

/// A folder with the records of ten moments, and where the run was after the fifth.
fn recorded() -> (tempfile::TempDir, Position) {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(folder.path(), FIXED).unwrap();
    record(&recorder, &moments(10));
    recorder.finish().unwrap();
    (folder, moments(5).pop().unwrap().at)
}

fn database(folder: &Path) -> PathBuf {
    folder.join("metrics.sqlite")
}

/// Goes on after the fifth moment with the others.
fn go_on(folder: &Path, at: Position) -> Vec<Loss> {
    let (recorder, losses) = Recorder::recover(folder, at, FIXED).unwrap();
    record(&recorder, &moments(10)[5..]);
    recorder.finish().unwrap();
    losses
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 4]).unwrap();
}

fn zero(path: &Path) {
    let length = fs::metadata(path).unwrap().len() as usize;
    fs::write(path, vec![0; length]).unwrap();
}

fn zero_the_middle(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let (third, whole) = (bytes.len() / 3, bytes.len());
    bytes[third..whole - third].fill(0);
    fs::write(path, bytes).unwrap();
}

type Damage = (&'static str, fn(&Path));

const DAMAGES: [Damage; 6] = [
    ("deleted", |path| fs::remove_file(path).unwrap()),
    ("emptied", |path| fs::write(path, "").unwrap()),
    ("zeroed", zero),
    ("cut", cut),
    ("zeroed in the middle", zero_the_middle),
    ("foreign", |path| fs::write(path, "something else, and long enough to be taken for it").unwrap()),
];

#[test]
fn whatever_happens_to_the_database_the_run_goes_on_and_nothing_is_deleted() {
    for (case, damage) in DAMAGES {
        let (folder, at) = recorded();
        let (folder, file) = (folder.path(), database(folder.path()));
        damage(&file);
        let damaged = fs::read(&file).ok();
        let losses = go_on(folder, at);
        assert_eq!(losses.len(), 1, "{case}");
        assert_eq!(losses[0].path, file, "{case}");
        assert_eq!(losses[0].set_aside.is_some(), damaged.is_some(), "{case}");
        if let Some(aside) = &losses[0].set_aside {
            assert_eq!(aside.file_name().unwrap(), "metrics.sqlite.damaged-1");
            assert_eq!(fs::read(aside).ok(), damaged, "{case}");
        }
        let episodes = Metrics::open(folder).unwrap().episodes().unwrap();
        assert_eq!(episodes[0].episode, at.episodes, "{case}: it begins with the checkpoint");
        assert!(episodes.len() > 2, "{case}");
        // And there is nothing more to say from then on.
        assert_eq!(go_on(folder, at), [], "{case}");
    }
}

#[test]
fn whatever_happens_to_the_event_file_the_run_goes_on() {
    for (case, damage) in DAMAGES {
        let (folder, at) = recorded();
        let folder = folder.path();
        damage(&event_file(folder));
        let losses = go_on(folder, at);
        assert_eq!(losses.len(), 1, "{case}: {losses:?}");
        assert!(losses[0].path.to_string_lossy().contains("events.out.tfevents"), "{case}");
        assert_eq!(losses[0].set_aside.is_some(), case != "deleted", "{case}");
        assert_eq!(go_on(folder, at), [], "{case}");
    }
}

#[test]
fn a_database_whose_log_is_lost_is_set_aside_with_what_is_left() {
    let (folder, _) = recorded();
    let folder = folder.path();
    let at = moments(10).pop().unwrap().at;
    // As it was after the fifth moment, but the run is further.
    Recorder::resume(folder, moments(5).pop().unwrap().at, FIXED).unwrap().finish().unwrap();
    fs::write(folder.join("metrics.sqlite-wal"), "").unwrap();
    let (recorder, losses) = Recorder::recover(folder, at, FIXED).unwrap();
    recorder.finish().unwrap();
    assert!(losses[0].reason.contains("episodes"), "{losses:?}");
    assert_eq!(losses[0].set_aside, Some(folder.join("metrics.sqlite.damaged-1")));
    // Killed before anything was recorded, it is not behind: it begins here.
    let (_, losses) = Recorder::recover(folder, at, FIXED).unwrap();
    assert_eq!(losses, []);
}

#[test]
fn records_that_are_whole_are_gone_on_with_as_ever() {
    let (folder, at) = recorded();
    let (other, _) = recorded();
    assert_eq!(go_on(folder.path(), at), []);
    assert_eq!(support::dump(folder.path()), support::dump(other.path()));
}

#[test]
fn a_run_that_has_not_begun_has_lost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, losses) = Recorder::recover(folder.path(), Position::default(), FIXED).unwrap();
    recorder.finish().unwrap();
    assert_eq!(losses, []);
    // Killed between making the file and its tables.
    fs::write(database(folder.path()), "").unwrap();
    let (recorder, losses) = Recorder::recover(folder.path(), Position::default(), FIXED).unwrap();
    recorder.finish().unwrap();
    assert_eq!(losses.len(), 1);
    assert!(Metrics::open(folder.path()).unwrap().episodes().unwrap().is_empty());
}

#[test]
fn metrics_that_begin_in_the_middle_are_drawn_and_exported() {
    let (folder, at) = recorded();
    fs::remove_file(database(folder.path())).unwrap();
    go_on(folder.path(), at);
    let metrics = Metrics::open(folder.path()).unwrap();
    assert!(!metrics.thinned_episodes(100).unwrap().is_empty());
    assert!(metrics.last_episode().unwrap().is_some());
    let data = RunData::read("run", None, &metrics).unwrap();
    assert!(!figures(&[data]).unwrap().is_empty());
    export(folder.path(), Format::Csv, &folder.path().join("tables")).unwrap();
}
