//! What is in an event file, decoded; and what a resumed run keeps of one.

use std::fs;

use super::*;
use crate::rows::{EpisodeRow, EvaluationRow, FinishedEpisode, Histogram, UpdateRow};

fn episode(episode: u64, steps: u64) -> Record {
    FinishedEpisode {
        row: EpisodeRow {
            episode,
            steps,
            survival_time: 10 + episode,
            epsilon: 0.5,
            ..EpisodeRow::default()
        },
        ..FinishedEpisode::default()
    }
    .into()
}

fn evaluation(steps: u64) -> Record {
    EvaluationRow { steps, survival_mean: 99.5, ..EvaluationRow::default() }.into()
}

/// Events of steps 100, 200, ..., 1000, two episodes, an update and an evaluation each.
fn records() -> Vec<Record> {
    let update =
        |update| UpdateRow { update, steps: update * 100, loss: 0.25, ..UpdateRow::default() }.into();
    (1..=10)
        .flat_map(|i| {
            [episode(2 * i - 2, i * 100), episode(2 * i - 1, i * 100), update(i), evaluation(i * 100)]
        })
        .collect()
}

fn write(events: &mut EventFile, records: &[Record]) {
    for record in records {
        events.write(record, 5.0).unwrap();
    }
    events.sync().unwrap();
}

fn at(steps: u64) -> Position {
    Position { steps, episodes: steps / 50, updates: steps / 100 }
}

fn events(path: &Path) -> Vec<Event> {
    let file = File::open(path).unwrap();
    let mut reader = RecordReader::new(&file, file.metadata().unwrap().len());
    let mut events = Vec::new();
    loop {
        match reader.next().unwrap() {
            Found::Record(bytes) => events.push(Event::decode(&bytes[..]).unwrap()),
            Found::End => return events,
            other => panic!("{other:?} after {} events", events.len()),
        }
    }
}

#[test]
fn events_hold_what_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventFile::create(folder.path(), 1.5).unwrap();
    let histogram = Histogram { tag: "weights/head".to_owned(), steps: 7, values: vec![1.0, 2.0, 2.0] };
    write(&mut file, &[episode(3, 7), histogram.into()]);
    let [version, scalars, histogram] = events(&file.path).try_into().unwrap();
    assert_eq!((version.wall_time, version.what), (1.5, Some(What::FileVersion("brain.Event:2".to_owned()))));
    let Some(What::Summary(summary)) = scalars.what else { panic!("{scalars:?}") };
    assert_eq!((scalars.step, scalars.wall_time), (7, 5.0));
    assert_eq!(summary.value[0].tag, "episode/survival");
    assert_eq!(summary.value[0].shown, Some(Shown::SimpleValue(13.0)));
    let Some(What::Summary(summary)) = histogram.what else { panic!("{histogram:?}") };
    let Some(Shown::Histogram(shown)) = &summary.value[0].shown else { panic!("{summary:?}") };
    assert_eq!((summary.value[0].tag.as_str(), shown.num, shown.sum), ("weights/head", 3.0, 5.0));
}

#[test]
fn a_resumed_file_has_the_bytes_of_an_uninterrupted_one() {
    let whole = tempfile::tempdir().unwrap();
    let mut file = EventFile::create(whole.path(), 5.0).unwrap();
    write(&mut file, &records());
    let expected = fs::read(&file.path).unwrap();
    for steps in [0, 100, 150, 500, 900, 1000] {
        for torn in [0, 1, 30] {
            let folder = tempfile::tempdir().unwrap();
            let mut file = EventFile::create(folder.path(), 5.0).unwrap();
            write(&mut file, &records());
            let path = file.path.clone();
            drop(file);
            // Where everything is kept, nothing of it may be torn.
            let torn = if steps == 1000 { 0 } else { torn };
            let length = fs::metadata(&path).unwrap().len();
            OpenOptions::new().write(true).open(&path).unwrap().set_len(length - torn).unwrap();

            let at = Position { steps, episodes: steps / 100 * 2, updates: steps / 100 };
            let mut file = EventFile::resume(folder.path(), at, 5.0).unwrap();
            let rest = records().split_off((steps / 100 * 4) as usize);
            write(&mut file, &rest);
            assert_eq!(fs::read(&path).unwrap(), expected, "from step {steps}, {torn} bytes torn off");
        }
    }
}

#[test]
fn an_evaluation_made_again_after_the_checkpoint_of_its_step_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    write(&mut EventFile::create(folder.path(), 5.0).unwrap(), &records()[..8]);
    let mut file = EventFile::resume(folder.path(), at(200), 5.0).unwrap();
    let before = fs::read(&file.path).unwrap();
    write(&mut file, &[evaluation(200)]);
    assert_eq!(fs::read(&file.path).unwrap(), before);
    write(&mut file, &[evaluation(300)]);
    assert_eq!(events(&file.path).len(), 1 + 8 + 1);
}

#[test]
fn damage_before_the_checkpoint_is_refused_and_damage_after_it_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventFile::create(folder.path(), 5.0).unwrap();
    let (before, after) = (records()[..8].to_vec(), records()[8..].to_vec());
    write(&mut file, &before);
    let checkpoint = fs::read(&file.path).unwrap().len();
    write(&mut file, &after);
    let path = file.path.clone();
    drop(file);
    let whole = fs::read(&path).unwrap();

    let mut damaged = whole.clone();
    damaged[checkpoint + 5] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let error = EventFile::resume(folder.path(), at(500), 5.0).unwrap_err();
    assert!(matches!(error, MetricsError::Damaged { at, .. } if at == checkpoint as u64), "{error}");
    assert!(
        error.to_string().contains("events.out.tfevents") && error.to_string().contains("move the file away")
    );
    EventFile::resume(folder.path(), at(200), 5.0).unwrap();
    assert_eq!(fs::read(&path).unwrap(), whole[..checkpoint]);
}

#[test]
fn a_file_that_is_none_of_tensorboard_s_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.out.tfevents.1.other");
    fs::write(&path, "not events, but a text that is long enough").unwrap();
    let error = EventFile::resume(folder.path(), at(100), 5.0).unwrap_err();
    assert!(matches!(error, MetricsError::Foreign { .. }), "{error}");
    let error = EventFile::create(folder.path(), 5.0).unwrap_err();
    assert!(matches!(error, MetricsError::AlreadyExists { .. }), "{error}");
}

#[test]
fn a_run_without_an_event_file_begins_one_when_it_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventFile::resume(folder.path(), at(500), 5.0).unwrap();
    write(&mut file, &[episode(10, 600)]);
    assert_eq!(events(&file.path).len(), 2);
    // A power cut before the first event was on the disk.
    fs::write(&file.path, "").unwrap();
    let mut file = EventFile::resume(folder.path(), at(0), 5.0).unwrap();
    write(&mut file, &[episode(0, 600)]);
    assert_eq!(events(&file.path).len(), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_by_name() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let error = EventFile::begin(PathBuf::from("/dev/full"), full, at(0), 5.0).unwrap_err();
    assert!(error.is_disk_full(), "{error}");
    assert!(error.to_string().contains("/dev/full"), "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
}
