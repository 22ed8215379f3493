//! What a killed process leaves is told from what a living one writes.

#![cfg(unix)]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::park;

use townlet_files::{PartialFile, PartialFolder, remove_leftovers, write};

/// Tells this very program to be the writer.
const WRITER: &str = "TOWNLET_FILES_TEST_WRITER";

/// A process that has begun to write `file` and `run` in the folder, and never comes to an end.
fn start_writer(folder: &Path) -> Child {
    let mut writer = Command::new(env::current_exe().unwrap())
        .args(["--exact", "writer", "--nocapture"])
        .env(WRITER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("writing")), "the writer ended");
    writer
}

/// Not a test by itself.
#[test]
fn writer() {
    let Some(folder) = env::var_os(WRITER) else { return };
    let mut file = PartialFile::create(&Path::new(&folder).join("file")).unwrap();
    file.write_all(b"half of it").unwrap();
    file.flush().unwrap();
    let run = PartialFolder::begin(&Path::new(&folder).join("run")).unwrap();
    fs::write(run.path().join("part"), "half of it").unwrap();
    println!("writing");
    loop {
        park();
    }
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn the_next_start_removes_what_a_killed_writer_left_and_nothing_of_a_living_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut killed = start_writer(folder);
    let mut living = start_writer(folder);
    assert_eq!(count(folder), 4);
    assert_eq!(remove_leftovers(folder).unwrap(), 0, "both are alive");
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(count(folder), 4, "a killed process cannot remove anything");
    assert_eq!(remove_leftovers(folder).unwrap(), 2);
    assert_eq!(count(folder), 2);
    living.kill().unwrap();
    living.wait().unwrap();

    // Writing again to the same places removes it as well.
    write(&folder.join("file"), "whole").unwrap();
    PartialFolder::begin(&folder.join("run")).unwrap().finish().unwrap();
    assert_eq!(count(folder), 2);
    assert_eq!(fs::read(folder.join("file")).unwrap(), b"whole");
}
