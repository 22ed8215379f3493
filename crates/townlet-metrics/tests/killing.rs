//! A process that is killed with its writer at work, and resumed.

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use support::{FIXED, Moment, dump, event_file, moments, record};
use townlet_metrics::Recorder;

/// Names the folder that the process below records into.
const FOLDER: &str = "TOWNLET_METRICS_KILLED";

const MOMENTS: usize = 3_000;

/// How many moments are recorded between one checkpoint and the next.
const CHECKPOINT: usize = 25;

fn start(folder: &Path, recorded: usize) -> Recorder {
    let run = moments(recorded as u64);
    match run.last() {
        None => Recorder::create(folder, FIXED).unwrap(),
        Some(last) => Recorder::resume(folder, last.at, FIXED).unwrap(),
    }
}

fn record_from(recorder: &Recorder, recorded: usize, run: &[Moment], mut checkpoint: impl FnMut(usize)) {
    for (index, part) in run[recorded..].chunks(CHECKPOINT).enumerate() {
        record(recorder, part);
        recorder.sync().unwrap();
        checkpoint(recorded + index * CHECKPOINT + part.len());
    }
}

/// Not a test by itself: what the test below starts and kills. Says after each checkpoint how far it is.
#[test]
fn the_process_that_is_killed() {
    let Ok(argument) = env::var(FOLDER) else {
        println!("nothing to do: the other test starts this one with {FOLDER} set");
        return;
    };
    let (recorded, folder) = argument.split_once(' ').unwrap();
    let recorded = recorded.parse().unwrap();
    let recorder = start(Path::new(folder), recorded);
    record_from(&recorder, recorded, &moments(MOMENTS as u64), |done| println!("\ncheckpoint {done}"));
    recorder.finish().unwrap();
}

fn spawn(folder: &Path, recorded: usize) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--nocapture"])
        .env(FOLDER, format!("{recorded} {}", folder.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_process_that_is_killed_and_resumed_records_what_an_uninterrupted_one_does() {
    let whole = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(whole.path(), FIXED).unwrap();
    record(&recorder, &moments(MOMENTS as u64));
    recorder.finish().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let mut recorded = 0;
    // After so many checkpoints, somewhere in what follows.
    for checkpoints in [1, 3, 2, 5] {
        let mut child = spawn(folder.path(), recorded);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = lines.map_while(Result::ok).filter_map(|line| {
            line.strip_prefix("checkpoint ").map(|done| done.trim().parse::<usize>().unwrap())
        });
        recorded = told.nth(checkpoints - 1).expect("it said how far it is before it was killed");
        child.kill().unwrap();
        child.wait().unwrap();
        // It may have come further than what was read; any checkpoint will do.
    }
    assert!(recorded < MOMENTS, "it was killed before it was done");
    let recorder = start(folder.path(), recorded);
    record_from(&recorder, recorded, &moments(MOMENTS as u64), |_| ());
    recorder.finish().unwrap();
    assert_eq!(dump(folder.path()), dump(whole.path()));
    assert!(
        fs::read(event_file(folder.path())).unwrap() == fs::read(event_file(whole.path())).unwrap(),
        "the event files differ"
    );
}
