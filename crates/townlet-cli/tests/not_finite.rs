//! Runs whose weights are not numbers, and runs whose saved counts cannot be: they are refused by name, and stay as
//! they are.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::Sandbox;
use predicates::prelude::*;
use predicates::str::contains;
use rmpv::Value;
use sha2::{Digest, Sha256};

/// A run that has been evaluated and saved.
fn trained(sandbox: &Sandbox) {
    let more = ["--steps", "600", "--evaluate-every", "300", "--checkpoint-every", "300", "--seed", "3"];
    sandbox.train("run", &more).assert().success();
}

fn newest(sandbox: &Sandbox) -> PathBuf {
    let entries = fs::read_dir(sandbox.path("run/checkpoints")).unwrap();
    entries.map(|entry| entry.unwrap().path()).max().unwrap()
}

/// Makes every entry of a tensor of a safetensors file something that is not a number.
fn poison(file: &Path, tensor: &str) {
    let mut bytes = fs::read(file).unwrap();
    let (header, _) = bytes.split_first_chunk::<8>().unwrap();
    let start = 8 + usize::try_from(u64::from_le_bytes(*header)).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..start]).unwrap();
    let place = |index: usize| start + header[tensor]["data_offsets"][index].as_u64().unwrap() as usize;
    for entry in bytes[place(0)..place(1)].as_chunks_mut::<4>().0 {
        *entry = f32::NAN.to_le_bytes();
    }
    fs::write(file, bytes).unwrap();
}

/// Makes the checksum of a file of a checkpoint right again.
fn seal(checkpoint: &Path, name: &str) {
    let sum = Sha256::digest(fs::read(checkpoint.join(name)).unwrap());
    let sums = checkpoint.join("SHA256SUMS");
    let text = fs::read_to_string(&sums).unwrap();
    let lines = text.lines().map(|line| match line.split_once("  ") {
        Some((_, file)) if file == name => format!("{sum:x}  {name}\n"),
        _ => format!("{line}\n"),
    });
    fs::write(sums, lines.collect::<String>()).unwrap();
}

#[test]
fn weights_that_are_not_numbers_are_neither_played_nor_shown_nor_trained_on() {
    let sandbox = Sandbox::new();
    trained(&sandbox);
    let tensor = "lstm.bias_hh_l0";
    let refused =
        |file: &str| contains(file.to_owned()).and(contains("lstm.bias_hh_l0 holds NaN at index 0"));
    for file in ["best.safetensors", "weights.safetensors"] {
        poison(&sandbox.path("run").join(file), tensor);
    }
    let eval = |more: &[&str]| {
        let mut command = sandbox.townlet(&["eval", "run", "--episodes", "3"]);
        command.args(more);
        command
    };
    eval(&[]).assert().failure().stderr(refused("best.safetensors"));
    eval(&["--weights", "last"]).assert().failure().stderr(refused("weights.safetensors"));
    let export = sandbox.townlet(&["export", "run", "--html", "--out", "agent.html"]).assert().failure();
    export.stderr(contains("lstm.bias_hh_l0 holds NaN"));
    assert!(!sandbox.path("agent.html").exists());

    let checkpoint = newest(&sandbox);
    poison(&checkpoint.join("online.safetensors"), tensor);
    seal(&checkpoint, "online.safetensors");
    let before = fs::read(checkpoint.join("online.safetensors")).unwrap();
    let resume = sandbox.townlet(&["resume", "run", "--steps", "900", "--quiet"]).assert().failure();
    resume.stderr(refused("online.safetensors"));
    assert!(fs::read(checkpoint.join("online.safetensors")).unwrap() == before);
    assert_eq!(newest(&sandbox), checkpoint, "nothing was trained");
}

/// What the program adds to a checkpoint, in a compressed file.
const APPLICATION: &str = "application.msgpack.zst";

fn application(checkpoint: &Path) -> Value {
    let packed = fs::read(checkpoint.join(APPLICATION)).unwrap();
    let bytes = zstd::decode_all(packed.as_slice()).unwrap();
    rmpv::decode::read_value(&mut bytes.as_slice()).unwrap()
}

/// Puts another value in its place, with a checksum that fits.
fn put_application(checkpoint: &Path, value: &Value) {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).unwrap();
    fs::write(checkpoint.join(APPLICATION), zstd::encode_all(bytes.as_slice(), 1).unwrap()).unwrap();
    seal(checkpoint, APPLICATION);
}

/// The value below these keys; numbers are indices.
fn find<'a>(value: &'a mut Value, keys: &[&str]) -> &'a mut Value {
    keys.iter().fold(value, |value, key| match value {
        Value::Map(entries) => {
            let entry = entries.iter_mut().find(|(name, _)| name.as_str() == Some(key));
            &mut entry.unwrap_or_else(|| panic!("no {key}")).1
        }
        Value::Array(entries) => &mut entries[key.parse::<usize>().unwrap()],
        _ => panic!("no {key}"),
    })
}

/// What is done to a value.
enum Change {
    Put(Value),
    DropLast,
}

#[test]
fn saved_counts_that_cannot_be_are_refused_by_file_and_field() {
    let sandbox = Sandbox::new();
    trained(&sandbox);
    let checkpoint = newest(&sandbox);
    let whole = application(&checkpoint);
    let much = || Change::Put(Value::from(u64::MAX));
    let cases: Vec<(&[&str], Change)> = vec![
        (&["clock", "secs"], much()),
        (&["counted", "steps"], much()),
        (&["counted", "loss"], Change::Put(Value::F32(f32::NAN))),
        (&["counted", "survival", "first"], Change::DropLast),
        (&["counted", "survival", "last", "0"], much()),
        (&["counted", "survival", "first", "0"], Change::Put(Value::from(0))),
        (&["counted", "tracker", "width"], Change::Put(Value::from(1))),
        (&["counted", "tracker", "width"], much()),
        (&["counted", "tracker", "cells"], Change::DropLast),
        (&["counted", "tracker", "cells", "3"], Change::Put(Value::from(u32::MAX))),
        (&["counted", "tracker", "visits"], Change::DropLast),
        (&["counted", "tracker", "last"], Change::DropLast),
        (&["counted", "tracker", "last", "0"], Change::Put(Value::from(200))),
        (&["counted", "tracker", "ended"], Change::DropLast),
        (&["counted", "tracker", "ended", "1"], Change::Put(Value::from(true))),
        (&["evaluations", "best", "survival_mean"], Change::Put(Value::F64(f64::INFINITY))),
        (&["evaluations", "best", "survival_mean"], Change::Put(Value::F64(-1.0))),
        (&["evaluations", "last", "mean_return"], Change::Put(Value::F64(f64::NAN))),
        (&["evaluations", "last", "steps"], much()),
        (&["evaluations", "best"], Change::Put(Value::Nil)),
    ];
    for (keys, change) in cases {
        let mut value = whole.clone();
        let place = find(&mut value, keys);
        match (place, change) {
            (Value::Array(entries), Change::DropLast) => drop(entries.pop()),
            (place, Change::Put(other)) => *place = other,
            _ => unreachable!("only lists are cut"),
        }
        put_application(&checkpoint, &value);
        let resume = sandbox.townlet(&["resume", "run", "--steps", "650", "--quiet"]).output().unwrap();
        let said = String::from_utf8_lossy(&resume.stderr);
        // Seconds are a part of the clock; indices stand behind the name of their list.
        let mut names = keys.iter().rev().filter(|key| **key != "secs");
        let field = names.find(|key| key.parse::<usize>().is_err()).unwrap();
        assert_eq!(resume.status.code(), Some(1), "{keys:?}: {said}");
        assert!(said.contains(APPLICATION) && said.contains(field), "{keys:?}: {said}");
    }
    put_application(&checkpoint, &whole);
    sandbox.townlet(&["resume", "run", "--steps", "650", "--quiet"]).assert().success();
}

/// The schedule of evaluations follows from the settings, whatever a checkpoint says.
#[test]
fn a_schedule_that_was_saved_wrong_is_made_anew() {
    let sandbox = Sandbox::new();
    trained(&sandbox);
    let checkpoint = newest(&sandbox);
    let mut value = application(&checkpoint);
    *find(&mut value, &["evaluations", "due"]) = Value::from(u64::MAX);
    put_application(&checkpoint, &value);
    sandbox.townlet(&["resume", "run", "--steps", "1000", "--quiet"]).assert().success();
    let mut value = application(&newest(&sandbox));
    assert_eq!(*find(&mut value, &["evaluations", "due"]), Value::from(1_200));
    assert!(find(&mut value, &["evaluations", "last", "steps"]).as_u64().unwrap() >= 900);
}
