//! House rules, as tests.

use std::fs;
use std::path::{Path, PathBuf};

/// A file longer than this holds more than one idea.
const MOST_LINES: usize = 700;

/// Leftovers of unfinished work, written so that this file does not hold them.
const LEFTOVERS: [&str; 3] = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!(")];

/// Which crates of the workspace each of them may stand on.
const STANDS_ON: [(&str, &[&str]); 9] = [
    ("townlet-files", &[]),
    ("townlet-text", &[]),
    ("townlet-env", &["townlet-text"]),
    ("townlet-kernels", &[]),
    ("townlet-nets", &["townlet-env", "townlet-files", "townlet-kernels"]),
    ("townlet-drqn", &["townlet-env", "townlet-files", "townlet-nets"]),
    ("townlet-metrics", &["townlet-files", "townlet-text"]),
    ("townlet-viewer", &["townlet-env", "townlet-text"]),
    (
        "townlet-cli",
        &[
            "townlet-drqn",
            "townlet-env",
            "townlet-files",
            "townlet-metrics",
            "townlet-nets",
            "townlet-text",
            "townlet-viewer",
        ],
    ),
];

#[test]
fn dependencies_point_one_way() {
    let mut crates = 0;
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let (_, found) = manifest.split_once("\n[dependencies]\n").unwrap();
        let found = found.split("\n[").next().unwrap().lines();
        let found = found.filter_map(|line| line.split(['.', ' ', '=']).next());
        let (_, allowed) = STANDS_ON
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("say in tidy.rs what {name} may stand on"));
        for other in found.filter(|other| other.starts_with("townlet-")) {
            assert!(allowed.contains(&other), "{name} depends on {other}");
        }
        crates += 1;
    }
    assert_eq!(crates, STANDS_ON.len(), "a crate in tidy.rs is not there any more");
}

/// Ways of printing in the crates, and the files that may use them. The macros panic where nobody reads; the two
/// places drop what they cannot write.
const PRINTING: [(&str, &[&str]); 7] = [
    // Also `eprint!` and `eprintln!`.
    ("print!(", &[]),
    ("println!(", &[]),
    ("anstream::", &[MESSAGES, OUTPUT]),
    ("io::stderr", &[MESSAGES]),
    ("io::stdout", &[OUTPUT, "crates/townlet-viewer/src/terminal/"]),
    // They print where the terminal cannot be restored, in the middle of a panic too; `try_restore` does not.
    ("ratatui::restore", &[]),
    ("ratatui::try_init", &[]),
];
const MESSAGES: &str = "crates/townlet-cli/src/messages.rs";
const OUTPUT: &str = "crates/townlet-cli/src/standard_output.rs";

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

/// Files are written by `townlet-files`, which leaves them whole or not at all. Records that grow line by line are
/// another matter.
#[test]
fn files_are_written_in_one_place() {
    const CALLS: [&str; 3] = ["fs::write(", "File::create(", "File::create_new("];
    const GROWING: [&str; 1] = ["townlet-cli/src/commands/play.rs"];
    check(|path, text| {
        let path = path.to_string_lossy().replace('\\', "/");
        let is_source = path.contains("/crates/") && path.contains("/src/") && !path.contains("tests");
        if !is_source || path.contains("townlet-files") || GROWING.iter().any(|file| path.ends_with(file)) {
            return None;
        }
        // What follows are tests.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let begins_a_word = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric());
        let call =
            CALLS.into_iter().find(|call| code.match_indices(call).any(|(at, _)| begins_a_word(at)))?;
        Some(format!("contains `{call}`: write with townlet-files"))
    });
}

#[test]
fn the_crates_print_in_two_places() {
    check(|file, text| {
        let path = file.strip_prefix(root()).unwrap_or(file).to_string_lossy().replace('\\', "/");
        // Tests and examples may print, and so may the repository's own commands.
        if !path.starts_with("crates/") || !path.contains("/src/") {
            return None;
        }
        let code = text.lines().zip(1..).filter(|(line, _)| !line.trim_start().starts_with("//"));
        let mut printed = code.flat_map(|(line, number)| {
            PRINTING
                .into_iter()
                .filter(move |(what, _)| line.contains(what))
                .map(move |found| (number, found))
        });
        let (line, (what, _)) =
            printed.find(|(_, (_, places))| !places.iter().any(|place| path.starts_with(place)))?;
        Some(format!(
            "contains `{what}` in line {line}: the program writes to the `out` that a command is given, or \
             through {MESSAGES}; libraries return values"
        ))
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
    for folder in ["crates", "fuzz", "tests", "xtask"] {
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
