//! Every target takes its corpus, and seeded mutations of it, without coverage guidance.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use rand::RngExt;
use townlet_env::stream;
use townlet_fuzz::{TARGETS, Target};

/// How many mutations of the corpus each target takes.
const MUTATIONS: u64 = 300;

#[test]
fn levels_of_any_kind_are_refused_or_played() {
    check("level");
}

#[test]
fn settings_of_any_kind_are_refused_or_make_a_run() {
    check("settings");
}

#[test]
fn training_files_of_any_kind_are_refused_or_make_a_run() {
    check("training_file");
}

#[test]
fn studies_of_any_kind_are_refused_or_resolved() {
    check("study");
}

#[test]
fn traces_of_any_kind_are_refused_or_replayed() {
    check("trace");
}

#[test]
fn checkpoints_with_right_checksums_are_refused_or_trained_on_from() {
    check("state");
}

#[test]
fn weights_of_any_kind_are_refused_or_loaded() {
    check("weights");
}

#[test]
fn messages_of_any_kind_are_refused_or_obeyed() {
    check("messages");
}

#[test]
fn every_target_has_a_test_a_corpus_and_a_program() {
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    let tests = include_str!("corpus.rs");
    for target in TARGETS {
        let name = target.name;
        assert!(tests.contains(&format!("check(\"{name}\")")), "{name} has no test");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} has no program");
        assert!(!corpus(name).is_empty());
    }
}

fn check(name: &str) {
    let target = TARGETS.into_iter().find(|target| target.name == name).expect("there is such a target");
    let corpus = corpus(name);
    for (path, input) in &corpus {
        run(target, input, &path.display().to_string());
    }
    for number in 0..MUTATIONS {
        let mut rng = stream(0, name, number, 0);
        let (path, input) = &corpus[rng.random_range(0..corpus.len())];
        let other = &corpus[rng.random_range(0..corpus.len())].1;
        let mutated = mutated(input, other, &mut rng);
        run(target, &mutated, &format!("mutation {number}, of {}", path.display()));
    }
}

fn run(target: Target, input: &[u8], what: &str) {
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    assert!(outcome.is_ok(), "{}: {what} fails: {}", target.name, input.escape_ascii());
}

/// An input with a few bytes, numbers or pieces changed.
fn mutated(input: &[u8], other: &[u8], rng: &mut impl rand::Rng) -> Vec<u8> {
    let mut mutated = input.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        let place = rng.random_range(0..=mutated.len());
        let end = (place + rng.random_range(1..=16)).min(mutated.len());
        match rng.random_range(0..7) {
            0 => drop(mutated.drain(place..end)),
            1 => {
                let piece = mutated[place..end].to_vec();
                drop(mutated.splice(place..place, piece));
            }
            2 if place < mutated.len() => mutated[place] ^= 1 << rng.random_range(0..8),
            3 => mutated.insert(place, rng.random()),
            4 => {
                let from = rng.random_range(0..=other.len());
                let to = (from + rng.random_range(1..=64)).min(other.len());
                drop(mutated.splice(place..end, other[from..to].iter().copied()));
            }
            5 => {
                let numbers =
                    ["0", "-1", "1e999", "nan", "99999999999999999999", "0.1", "\"", "[", "{", "\n"];
                let number = numbers[rng.random_range(0..numbers.len())];
                drop(mutated.splice(place..end, number.bytes()));
            }
            _ => mutated.truncate(place),
        }
    }
    mutated
}

/// The files of a target's corpus, by their names.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = folder().join("corpus").join(name);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
