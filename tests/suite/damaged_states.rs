//! Checkpoints whose checksums are right and whose contents are not: each is refused by the name of its file, or is
//! one that training can go on from. Nothing panics, and nothing goes on without end.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use rand::RngExt;
use rand::seq::SliceRandom;
use rmpv::Value;
use sha2::{Digest, Sha256};
use townlet_drqn::{Checkpoint, CheckpointError, TrainError, Trainer};
use townlet_env::stream;
use townlet_nets::{Array, Backend, StateDict, read_weights};

use crate::case::cases;
use crate::checkpoints::{World, network, rounds, runs, trainer, world};

/// A state is read on the host, whatever the device.
const ON_THE_HOST: &[(Backend, &str)] = &[
    (Backend::Ndarray, "states are read on the host, alike on every backend"),
    (Backend::Wgpu, "states are read on the host, alike on every backend"),
];

cases![
    one_changed_value_is_refused_or_can_be_trained_from skips ON_THE_HOST,
    what_would_spin_or_allocate_without_end_is_refused_by_its_field skips ON_THE_HOST,
    moments_of_an_optimiser_that_cannot_be_are_refused skips ON_THE_HOST,
];

/// How many changes are tried of each file of each run.
const TRIED: usize = 60;

/// One thing that can be done to a value.
#[derive(Clone, Debug)]
enum Change {
    Put(Value),
    DropLast,
    RepeatLast,
    Empty,
    DropKey(usize),
}

/// Every change of one place in `value`, with the place.
fn changes(value: &Value, path: &mut Vec<usize>, found: &mut Vec<(Vec<usize>, Change)>) {
    let mut add = |change: Change| found.push((path.clone(), change));
    match value {
        Value::Nil => add(Change::Put(Value::from(0))),
        Value::Boolean(value) => add(Change::Put(Value::from(!value))),
        Value::Integer(value) => {
            let next = value.as_u64().map_or(0, |value| value.wrapping_add(1));
            for other in [0, next, 1_000_000_000, u64::from(u32::MAX), u64::MAX] {
                add(Change::Put(Value::from(other)));
            }
            add(Change::Put(Value::from(-1)));
        }
        Value::F32(value) => {
            for other in [f32::NAN, f32::INFINITY, -1.0, 1e30, value + 1.0] {
                add(Change::Put(Value::F32(other)));
            }
        }
        Value::F64(value) => {
            for other in [f64::NAN, f64::NEG_INFINITY, -1.0, 1e300, value + 1.0] {
                add(Change::Put(Value::F64(other)));
            }
        }
        Value::String(text) => {
            let text = text.as_str().unwrap_or_default();
            add(Change::Put(Value::from("")));
            add(Change::Put(Value::from(format!("{text}x"))));
        }
        Value::Binary(bytes) => {
            let changed = |at: usize, with: [u8; 4]| {
                let mut bytes = bytes.clone();
                let end = bytes.len().min(at + 4);
                if at < end {
                    bytes[at..end].copy_from_slice(&with[..end - at]);
                }
                Change::Put(Value::Binary(bytes))
            };
            let middle = bytes.len() / 8 * 4;
            for with in [f32::NAN, f32::INFINITY, 1e30].map(f32::to_le_bytes) {
                add(changed(0, with));
                add(changed(middle, with));
            }
            for count in [1, 4] {
                add(Change::Put(Value::Binary(bytes[..bytes.len().saturating_sub(count)].to_vec())));
                add(Change::Put(Value::Binary([bytes.as_slice(), &[0; 4][..count]].concat())));
            }
            add(Change::Put(Value::Binary(Vec::new())));
        }
        Value::Array(entries) => {
            for change in [Change::DropLast, Change::RepeatLast, Change::Empty] {
                add(change);
            }
            for (index, entry) in entries.iter().enumerate() {
                path.push(index);
                changes(entry, path, found);
                path.pop();
            }
        }
        Value::Map(entries) => {
            for (index, (_, entry)) in entries.iter().enumerate() {
                found.push((path.clone(), Change::DropKey(index)));
                path.push(index);
                changes(entry, path, found);
                path.pop();
            }
        }
        Value::Ext(..) => {}
    }
}

fn at<'a>(value: &'a mut Value, path: &[usize]) -> &'a mut Value {
    path.iter().fold(value, |value, &index| match value {
        Value::Array(entries) => &mut entries[index],
        Value::Map(entries) => &mut entries[index].1,
        _ => unreachable!("a path leads through lists and maps"),
    })
}

fn changed(value: &Value, path: &[usize], change: &Change) -> Value {
    let mut value = value.clone();
    let place = at(&mut value, path);
    match (place, change) {
        (place, Change::Put(other)) => *place = other.clone(),
        (Value::Array(entries), Change::DropLast) => drop(entries.pop()),
        (Value::Array(entries), Change::RepeatLast) => entries.extend(entries.last().cloned()),
        (Value::Array(entries), Change::Empty) => entries.clear(),
        (Value::Map(entries), Change::DropKey(index)) => drop(entries.remove(*index)),
        (place, change) => unreachable!("{change:?} of {place:?}"),
    }
    value
}

/// The names on the way to a place.
fn named(value: &Value, path: &[usize]) -> String {
    let mut here = value;
    let mut name = String::new();
    for &index in path {
        match here {
            Value::Map(entries) => {
                name.push('.');
                name.push_str(entries[index].0.as_str().unwrap_or_default());
                here = &entries[index].1;
            }
            Value::Array(entries) => {
                name.push_str(&["[", &index.to_string(), "]"].concat());
                here = &entries[index];
            }
            _ => {}
        }
    }
    name
}

/// Writes a file of a checkpoint anew, and its checksum.
pub(crate) fn rewrite(checkpoint: &Path, name: &str, bytes: &[u8]) {
    fs::write(checkpoint.join(name), bytes).expect("writable");
    let sums = checkpoint.join("SHA256SUMS");
    let text = fs::read_to_string(&sums).expect("readable");
    let lines = text.lines().map(|line| match line.split_once("  ") {
        Some((_, file)) if file == name => format!("{:x}  {name}\n", Sha256::digest(bytes)),
        _ => format!("{line}\n"),
    });
    fs::write(sums, lines.collect::<String>()).expect("writable");
}

/// The value in a compressed file.
fn read(checkpoint: &Path, name: &str) -> Value {
    let packed = fs::read(checkpoint.join(format!("{name}.zst"))).expect("readable");
    let bytes = zstd::decode_all(packed.as_slice()).expect("compressed");
    rmpv::decode::read_value(&mut bytes.as_slice()).expect("MessagePack")
}

fn write(checkpoint: &Path, name: &str, value: &Value) {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).expect("writable");
    let packed = zstd::encode_all(bytes.as_slice(), 1).expect("writable");
    rewrite(checkpoint, &format!("{name}.zst"), &packed);
}

fn one_changed_value_is_refused_or_can_be_trained_from(device: &Device) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (index, (run, core, mut config)) in runs().into_iter().enumerate() {
        // Updates that wait for the next step are a part of the state too.
        config.overlap = index != 1;
        let mut whole = trainer(core, config.clone(), device);
        rounds(&mut whole, 60);
        let path = folder.path().join(index.to_string());
        whole.save(&path, true, &()).expect("writable");
        #[allow(clippy::result_large_err, reason = "the library's error is tested as it is")]
        let resume = || -> Result<Trainer<World>, CheckpointError> {
            let checkpoint = Checkpoint::open(&path)?;
            Trainer::resume(world(), &network(core), config.clone(), 5, device, &checkpoint)
        };
        resume().expect("nothing has been changed yet");
        for name in ["state.msgpack", "replay.msgpack"] {
            // The places that matter most are tried in another case; these are drawn from all that there are.
            let value = read(&path, name);
            let mut all = Vec::new();
            changes(&value, &mut Vec::new(), &mut all);
            all.shuffle(&mut stream(3, name, index as u64, 0));
            let (mut refused, mut trained) = (0, 0);
            for (place, change) in all.iter().take(TRIED) {
                write(&path, name, &changed(&value, place, change));
                let what = format!("{run}: {name}{} after {change:?}", named(&value, place));
                match resume() {
                    Err(error) => {
                        // Where two files disagree, it may be the other one.
                        assert!(error.to_string().contains(".msgpack"), "{what}: {error} names no file");
                        refused += 1;
                    }
                    Ok(mut trainer) => {
                        // Fifty steps of three agents. A reward may be one that no update survives, and says so.
                        let outcome = (0..17).try_for_each(|_| trainer.round(&mut ()));
                        assert!(
                            matches!(outcome, Ok(()) | Err(TrainError::Learner(_))),
                            "{what}: {outcome:?}"
                        );
                        trained += 1;
                    }
                }
            }
            println!("{run}, {name}: of {} changes, {refused} refused, {trained} trained from", all.len());
            assert!(refused > trained, "{run}, {name}: {refused} refused, {trained} trained from");
            write(&path, name, &value);
        }
        resume().expect("everything is as it was");
    }
}

/// The place of a value by the names of its fields.
fn find<'a>(value: &'a mut Value, keys: &[&str]) -> &'a mut Value {
    keys.iter().fold(value, |value, key| match value {
        Value::Map(entries) => {
            let entry = entries.iter_mut().find(|(name, _)| name.as_str() == Some(key));
            &mut entry.unwrap_or_else(|| panic!("no {key}")).1
        }
        Value::Array(entries) => &mut entries[key.parse::<usize>().expect("an index")],
        _ => panic!("no {key}"),
    })
}

fn what_would_spin_or_allocate_without_end_is_refused_by_its_field(device: &Device) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, core, config) = runs().swap_remove(0);
    let mut whole = trainer(core, config.clone(), device);
    rounds(&mut whole, 60);
    let path = folder.path().join("saved");
    whole.save(&path, true, &()).expect("writable");
    let much = || Value::from(1_000_000_000);
    let cases: Vec<(&str, &[&str], Value, &str)> = vec![
        ("state.msgpack", &["due"], much(), "due is 1000000000"),
        ("state.msgpack", &["progress", "updates"], much(), "progress.updates"),
        ("state.msgpack", &["progress", "steps"], much(), "progress.steps"),
        ("state.msgpack", &["rounds"], Value::from(u64::MAX), "progress.steps"),
        ("state.msgpack", &["rests_until"], much(), "rests_until"),
        ("state.msgpack", &["lengths", "1"], Value::from(u64::MAX), "lengths[1]"),
        ("state.msgpack", &["total_rewards", "0"], Value::F64(f64::INFINITY), "total_rewards[0] is inf"),
        ("state.msgpack", &["entropies", "0"], Value::F64(-1.0), "entropies[0]"),
        (
            "state.msgpack",
            &["world", "inner", "seed"],
            Value::from(6),
            "the seed of the world is 6, expected 5",
        ),
        ("state.msgpack", &["world", "inner", "episodes", "2"], Value::from(u64::MAX), "episodes"),
        ("state.msgpack", &["world", "previous", "rewards", "1"], Value::F32(f32::NAN), "previous.rewards"),
        ("state.msgpack", &["annealing", "weight"], Value::F64(f64::NAN), "annealing.weight"),
        ("state.msgpack", &["annealing", "survival", "0"], Value::from(u64::MAX), "annealing.survival[0]"),
        ("state.msgpack", &["curriculum", "agents", "1", "stage"], Value::from(7), "stage 8"),
        (
            "state.msgpack",
            &["curriculum", "agents", "1", "baseline"],
            Value::F64(f64::NAN),
            "agents[1].baseline",
        ),
        ("state.msgpack", &["novelty", "counts", "config", "counters"], Value::from(1 << 28), "192 entries"),
        ("replay.msgpack", &["running", "1", "end"], Value::from("Terminated"), "running[1].end"),
        ("replay.msgpack", &["finished", "next"], much(), "finished.next is 1000000000"),
        ("replay.msgpack", &["finished", "next"], Value::from(0), "finished"),
        ("replay.msgpack", &["finished", "features"], Value::from(0), "finished.features is 0"),
        ("replay.msgpack", &["finished", "episodes", "0", "first"], much(), "episodes[1].first"),
        ("replay.msgpack", &["finished", "priorities", "tree", "0"], Value::F64(f64::NAN), "entry 0"),
        (
            "replay.msgpack",
            &["finished", "priorities", "largest"],
            Value::F64(-1.0),
            "priorities.largest is -1",
        ),
        ("replay.msgpack", &["intrinsic_weight"], Value::F64(f64::INFINITY), "intrinsic_weight is inf"),
    ];
    for (name, keys, put, expected) in cases {
        let value = read(&path, name);
        let mut other = value.clone();
        *find(&mut other, keys) = put;
        write(&path, name, &other);
        let checkpoint = Checkpoint::open(&path).expect("its checksum is right");
        let resumed = Trainer::resume(world(), &network(core), config.clone(), 5, device, &checkpoint);
        let error = resumed.err().unwrap_or_else(|| panic!("{keys:?} is accepted")).to_string();
        assert!(error.contains(expected) && error.contains(name), "{keys:?}: {error}");
        write(&path, name, &value);
    }
}

fn moments_of_an_optimiser_that_cannot_be_are_refused(device: &Device) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, core, config) = runs().swap_remove(0);
    let mut whole = trainer(core, config.clone(), device);
    rounds(&mut whole, 60);
    let path = folder.path().join("saved");
    whole.save(&path, true, &()).expect("writable");
    let name = "optimizer.safetensors";
    let dict = read_weights(&path.join(name)).expect("finite");
    let mut rng = stream(1, "moments", 0, 0);
    let mut refused = |entry: &str, value: f32, expected: &str| {
        let mut other = dict.clone();
        let values = &mut other.get_mut(entry).expect("there").values;
        let index = rng.random_range(0..values.len());
        values[index] = value;
        rewrite(&path, name, &safetensors(&other));
        let checkpoint = Checkpoint::open(&path).expect("its checksum is right");
        let resumed = Trainer::resume(world(), &network(core), config.clone(), 5, device, &checkpoint);
        let error = resumed.err().unwrap_or_else(|| panic!("{entry} is accepted")).to_string();
        let index = format!("{value} at index {index}");
        assert!(error.contains(name) && error.contains(entry) && error.contains(expected), "{error}");
        assert!(entry.ends_with("step") || error.contains(&index), "{error}");
    };
    refused("q_head.0.weight.exp_avg", f32::NAN, "expected finite numbers");
    refused("q_head.0.weight.exp_avg_sq", f32::INFINITY, "expected finite numbers");
    refused("q_head.0.weight.exp_avg_sq", -1.0, "expected 0 or more");
    refused("q_head.0.weight.step", 1e9, "expected a whole number of steps");
    refused("q_head.0.weight.step", 1e30, "expected a whole number of steps");
    refused("q_head.0.weight.step", 0.5, "expected a whole number of steps");
}

/// A file that [`townlet_nets::write_safetensors`] would refuse to write.
pub(crate) fn safetensors(dict: &StateDict) -> Vec<u8> {
    let bytes =
        |array: &Array| array.values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let entries: Vec<(&String, &Array, Vec<u8>)> =
        dict.iter().map(|(name, array)| (name, array, bytes(array))).collect();
    let views = entries.iter().map(|(name, array, bytes)| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, array.shape.clone(), bytes);
        (*name, view.expect("as many bytes as the shape says"))
    });
    safetensors::serialize(views, None).expect("it can be written")
}
