//! House rules, as tests.

use std::fs;
use std::path::{Path, PathBuf};

/// A file longer than this holds more than one idea.
const MOST_LINES: usize = 700;

/// Leftovers of unfinished work, written so that this file does not hold them.
const LEFTOVERS: [&str; 3] = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!(")];

#[test]
fn every_file_says_what_it_is() {
    check(|_, text| {
        let says = text.starts_with("//!") || text.starts_with("#![doc");
        (!says).then(|| "does not begin with a `//!` header".to_owned())
    });
}

#[test]
fn no_file_is_long() {
    check(|_, text| {
        let lines = text.lines().count();
        (lines > MOST_LINES).then(|| format!("has {lines} lines, more than {MOST_LINES}: split it"))
    });
}

#[test]
fn nothing_is_left_unfinished() {
    check(|_, text| {
        let leftover = LEFTOVERS.into_iter().find(|leftover| text.contains(leftover))?;
        Some(format!("contains `{leftover}`"))
    });
}

#[test]
fn every_crate_has_a_readme() {
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        assert!(folder.join("README.md").is_file(), "{} has no README.md", folder.display());
    }
}

/// Fails with everything that `complaint` says about the Rust files of the repository.
fn check(complaint: impl Fn(&Path, &str) -> Option<String>) {
    let mut files = Vec::new();
    for folder in ["crates", "tests", "xtask"] {
        collect_rust_files(&root().join(folder), &mut files);
    }
    files.sort();
    assert!(!files.is_empty());
    let complaints: Vec<_> = files
        .iter()
        .filter_map(|file| {
            let complaint = complaint(file, &fs::read_to_string(file).unwrap())?;
            Some(format!("{} {complaint}", file.strip_prefix(root()).unwrap().display()))
        })
        .collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn collect_rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
