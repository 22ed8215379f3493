//! Full disks and disks that cannot be written to, on small file systems in memory.
//!
//! Mounting one needs root on Linux; elsewhere the tests print why they check nothing.
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;
use std::process::Command;

use support::{FIXED, dump, moments, record};
use tempfile::TempDir;
use townlet_metrics::{Metrics, MetricsError, Options, Recorder};

/// A file system of its own, gone when it is dropped.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// None, with the reason printed, where it cannot be mounted.
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        match mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], folder.path()) {
            Ok(()) => Some(Self { folder }),
            Err(reason) => {
                println!("skipped: cannot mount a file system in memory: {reason}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).output();
    }
}

fn mount(arguments: &[&str], folder: &Path) -> Result<(), String> {
    let output =
        Command::new("mount").args(arguments).arg(folder).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

#[test]
fn a_full_disk_stops_recording_with_what_was_synced_intact() {
    for tensorboard in [true, false] {
        let Some(disk) = SmallDisk::mount("1m") else { return };
        let folder = disk.path().join("run");
        let options = Options { tensorboard, ..FIXED };
        let recorder = Recorder::create(&folder, options).unwrap();
        let run = moments(5_000);
        let (before, after) = run.split_at(20);
        record(&recorder, before);
        recorder.sync().unwrap();
        let error = after
            .iter()
            .flat_map(|moment| &moment.records)
            .find_map(|record| recorder.record(record.clone()).err())
            .expect("more was recorded than fits");
        assert!(error.is_disk_full(), "{error:?}");
        let message = error.to_string();
        assert!(message.contains("/run/") && message.contains("free some space"), "{message}");
        assert_eq!(recorder.sync().unwrap_err().to_string(), message);
        assert_eq!(recorder.finish().unwrap_err().to_string(), message);

        // More room, as the message asks for.
        mount(&["-o", "remount,size=64m"], disk.path()).unwrap();
        let recorder = Recorder::resume(&folder, before.last().unwrap().at, options).unwrap();
        record(&recorder, &after[..100]);
        recorder.finish().unwrap();

        let whole = tempfile::tempdir().unwrap();
        let recorder = Recorder::create(whole.path(), options).unwrap();
        record(&recorder, &run[..120]);
        recorder.finish().unwrap();
        assert_eq!(dump(&folder), dump(whole.path()));
    }
}

#[test]
fn metrics_in_a_folder_that_cannot_be_written_to_can_be_read_and_not_resumed() {
    let Some(disk) = SmallDisk::mount("8m") else { return };
    // Characters that mean something in an address.
    let folder = disk.path().join("100% #1?");
    let recorder = Recorder::create(&folder, FIXED).unwrap();
    record(&recorder, &moments(10));
    recorder.finish().unwrap();
    mount(&["-o", "remount,ro"], disk.path()).unwrap();

    assert_eq!(Metrics::open(&folder).unwrap().episode_count().unwrap(), 20);
    let error = Recorder::resume(&folder, moments(5).pop().unwrap().at, FIXED).unwrap_err();
    assert!(matches!(error, MetricsError::Sqlite { .. }), "{error}");
    assert!(
        error.to_string().contains("metrics.sqlite") && error.to_string().contains("writable"),
        "{error}"
    );
    let error = Recorder::create(&disk.path().join("new"), FIXED).unwrap_err();
    assert!(error.to_string().contains("new") && error.to_string().contains("writable"), "{error}");
}
