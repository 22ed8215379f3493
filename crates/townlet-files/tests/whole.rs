//! Files and folders are there whole or not at all, and leave nothing behind.

use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::{TempDir, tempdir};
use townlet_files::{
    FileError, PARTIAL, PartialFile, PartialFolder, remove_leftovers, remove_partials, write,
};

/// The names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn folder_with_a_file() -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file");
    write(&path, "old").unwrap();
    (folder, path)
}

#[test]
fn a_file_is_the_old_one_until_the_new_one_is_finished() {
    let (folder, path) = folder_with_a_file();
    let mut file = PartialFile::create(&path).unwrap();
    file.write_all(b"new").unwrap();
    file.flush().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    file.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn a_file_that_is_given_up_leaves_the_old_one_and_nothing_else() {
    let (folder, path) = folder_with_a_file();
    let mut file = PartialFile::create(&path).unwrap();
    file.write_all(b"half of it").unwrap();
    assert_eq!(names(folder.path()).len(), 2);
    drop(file);
    assert_eq!(names(folder.path()), ["file"]);
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[test]
fn a_temporary_says_whose_it_is() {
    let (folder, path) = folder_with_a_file();
    let _file = PartialFile::create(&path).unwrap();
    let temporary = names(folder.path()).pop().unwrap();
    assert!(temporary.starts_with("file.") && temporary.ends_with(".townlet.partial"), "{temporary}");
    assert!(temporary.ends_with(PARTIAL));
}

#[test]
fn a_name_may_be_as_long_as_the_file_system_allows() {
    let folder = tempdir().unwrap();
    // Of two bytes each: a name must not be cut within a character.
    let name = format!("x{}", "é".repeat(127));
    write(&folder.path().join(&name), "new").unwrap();
    assert_eq!(names(folder.path()), [name]);
}

#[test]
fn an_error_names_the_file_and_nothing_is_left() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("nowhere").join("file");
    let error = write(&path, "new").unwrap_err();
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    assert!(matches!(error, FileError::Write { .. }));
    let error = write(folder.path(), "new").unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn writers_of_one_file_at_once_leave_what_one_of_them_wrote() {
    let (folder, path) = folder_with_a_file();
    std::thread::scope(|scope| {
        for byte in b'a'..b'e' {
            let path = &path;
            scope.spawn(move || {
                for _ in 0..20 {
                    write(path, [byte].repeat(10_000)).unwrap();
                    let found = fs::read(path).unwrap();
                    assert_eq!(found.len(), 10_000);
                    assert!(found.iter().all(|&other| other == found[0]), "two of them are mixed");
                }
            });
        }
    });
    assert_eq!(names(folder.path()), ["file"]);
}

#[cfg(unix)]
#[test]
fn a_file_has_the_permissions_of_any_file_and_keeps_those_it_has() {
    use std::os::unix::fs::PermissionsExt;

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    let (folder, path) = folder_with_a_file();
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    assert_eq!(mode(&path), mode(&plain));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    write(&path, "new").unwrap();
    assert_eq!(mode(&path) & 0o777, 0o640);

    let (made, plain) = (folder.path().join("made"), folder.path().join("plain-folder"));
    PartialFolder::begin(&made).unwrap().finish().unwrap();
    fs::create_dir(&plain).unwrap();
    assert_eq!(mode(&made), mode(&plain));
}

#[cfg(unix)]
#[test]
fn a_link_stays_one_and_what_it_leads_to_is_replaced() {
    let (folder, path) = folder_with_a_file();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    write(&link, "new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[cfg(unix)]
#[test]
fn a_device_is_written_to_and_not_replaced() {
    write(Path::new("/dev/null"), "new").unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn a_folder_is_not_there_until_it_is_finished() {
    let parent = tempdir().unwrap();
    let place = parent.path().join("made/on/the/way");
    let folder = PartialFolder::begin(&place).unwrap();
    fs::create_dir(folder.path().join("below")).unwrap();
    fs::write(folder.path().join("below/file"), "whole").unwrap();
    assert!(!place.exists());
    folder.finish().unwrap();
    assert_eq!(fs::read(place.join("below/file")).unwrap(), b"whole");
    assert_eq!(names(place.parent().unwrap()), ["way"]);
}

#[test]
fn a_folder_that_is_given_up_leaves_nothing() {
    let parent = tempdir().unwrap();
    let folder = PartialFolder::begin(&parent.path().join("run")).unwrap();
    fs::write(folder.path().join("file"), "half of it").unwrap();
    drop(folder);
    assert!(names(parent.path()).is_empty());
}

#[test]
fn a_folder_takes_the_place_of_an_empty_one_and_of_no_other() {
    let parent = tempdir().unwrap();
    let place = parent.path().join("run");
    fs::create_dir(&place).unwrap();
    let folder = PartialFolder::begin(&place).unwrap();
    fs::write(folder.path().join("mine"), "").unwrap();
    folder.finish().unwrap();
    assert_eq!(names(&place), ["mine"]);

    assert!(matches!(PartialFolder::begin(&place), Err(FileError::Exists { .. })));
    assert!(matches!(PartialFolder::begin(&place.join("mine")), Err(FileError::Exists { .. })));
    assert!(matches!(PartialFolder::begin(&place.join("mine/below")), Err(FileError::Write { .. })));
    assert_eq!(names(parent.path()), ["run"]);
}

#[test]
fn of_two_that_fill_one_folder_at_once_the_first_to_finish_has_it() {
    let parent = tempdir().unwrap();
    let place = parent.path().join("run");
    let [first, second] = ["first", "second"].map(|name| {
        let folder = PartialFolder::begin(&place).unwrap();
        fs::write(folder.path().join(name), "").unwrap();
        folder
    });
    second.finish().unwrap();
    assert!(matches!(first.finish(), Err(FileError::Exists { .. })));
    assert_eq!(names(&place), ["second"]);
    assert_eq!(names(parent.path()), ["run"]);
}

#[test]
fn what_was_left_is_removed_and_nothing_else() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("run.AbC123.townlet.partial")).unwrap();
    fs::write(path("run.AbC123.townlet.partial/file"), "").unwrap();
    for name in ["a.AbC123.townlet.partial", "film.mp4.partial", "status.json.77.partial", "partial"] {
        fs::write(path(name), "").unwrap();
    }
    let held = PartialFile::create(&path("b")).unwrap();
    let filled = PartialFolder::begin(&path("c")).unwrap();
    assert_eq!(remove_leftovers(folder.path()).unwrap(), 2);
    let left = names(folder.path());
    assert_eq!(left.len(), 5, "{left:?}");
    // In a folder of Townlet's own, what older versions left goes too.
    assert_eq!(remove_partials(folder.path()).unwrap(), 2);
    held.finish().unwrap();
    filled.finish().unwrap();
    assert_eq!(names(folder.path()), ["b", "c", "partial"]);
    assert_eq!(remove_leftovers(&path("nowhere")).unwrap(), 0);
}

#[test]
fn who_writes_a_file_removes_what_was_left_of_it_alone() {
    let folder = tempdir().unwrap();
    for name in ["a.AbC123.townlet.partial", "a.b.AbC123.townlet.partial", "ab.AbC123.townlet.partial"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    write(&folder.path().join("a"), "new").unwrap();
    assert_eq!(names(folder.path()), ["a", "a.b.AbC123.townlet.partial", "ab.AbC123.townlet.partial"]);
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_full_disk_nothing_is_left_and_the_old_file_stays() {
    use std::process::Command;

    struct SmallDisk(PathBuf);

    impl Drop for SmallDisk {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(&self.0).status();
        }
    }

    let folder = tempdir().unwrap();
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(folder.path()).output();
    let refused = match mount {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(reason) = refused {
        return eprintln!("skipped: no small disk can be mounted here: {reason}");
    }
    let disk = SmallDisk(folder.path().to_path_buf());
    let path = disk.0.join("file");
    write(&path, "old").unwrap();
    let error = write(&path, vec![0; 200_000]).unwrap_err();
    assert!(error.to_string().contains("file: No space left"), "{error}");
    assert_eq!(std::io::Error::from(error).kind(), ErrorKind::StorageFull);
    assert_eq!(names(&disk.0), ["file"]);
    assert_eq!(fs::read(&path).unwrap(), b"old");

    let draft = PartialFolder::begin(&disk.0.join("run")).unwrap();
    fs::write(draft.path().join("file"), vec![0; 200_000]).unwrap_err();
    drop(draft);
    assert_eq!(names(&disk.0), ["file"]);
}

#[cfg(unix)]
#[test]
fn a_name_that_is_not_utf_8_is_a_name() {
    use std::os::unix::ffi::OsStrExt;

    let folder = tempdir().unwrap();
    let path = folder.path().join(OsStr::from_bytes(b"caf\xe9"));
    write(&path, "new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
}
