//! Weights out and in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use townlet_nets::{
    Array, FeedforwardQConfig, WeightsError, load_state_dict, read_weights, state_dict, write_safetensors,
};

use crate::case::{CLOSE, cases, largest_difference, values};
use crate::small;

cases![
    weights_survive_a_file,
    every_mismatch_is_reported_at_once,
    a_file_of_pytorch_gives_the_values_of_pytorch,
    a_file_cut_short_is_refused_by_name,
];

fn weights_survive_a_file(device: &Device) {
    let config = small::network(small::layout());
    let original = config.init(1, device);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("weights.safetensors");
    write_safetensors(&path, &state_dict(&original), &BTreeMap::new()).expect("written");
    let loaded = load_state_dict(&config.init(2, device), &read_weights(&path).expect("read")).expect("fits");
    assert!(state_dict(&loaded) == state_dict(&original));
    let observations = small::tensor("see", [2, 3, small::layout().len()], device);
    let q = |network: &townlet_nets::QNetwork| {
        values(network.forward(observations.clone(), network.initial_state(2)).0)
    };
    assert_eq!(q(&loaded), q(&original));
}

fn every_mismatch_is_reported_at_once(device: &Device) {
    let network = small::network(small::layout()).init(1, device);
    let mut dict = state_dict(&network);
    dict.remove("q_head.2.bias");
    dict.insert("q_head.9.bias".to_owned(), Array { shape: vec![1], values: vec![0.0] });
    dict.get_mut("lstm.weight_hh_l0").expect("it is there").shape = vec![12, 48];
    let error = load_state_dict(&network, &dict).expect_err("does not fit").to_string();
    for part in [
        "missing: q_head.2.bias",
        "unexpected: q_head.9.bias",
        "lstm.weight_hh_l0 has shape [12, 48], expected [48, 12]",
    ] {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}

fn torch_data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/torch").join(name)
}

fn a_file_of_pytorch_gives_the_values_of_pytorch(device: &Device) {
    let dict = read_weights(&torch_data("feedforward.pt")).expect("PyTorch wrote it");
    let config = FeedforwardQConfig { hidden: 8, ..FeedforwardQConfig::new(6, 3) };
    let network = load_state_dict(&config.init(0, device), &dict).expect("it fits");
    let expected = read_weights(&torch_data("feedforward-values.safetensors")).expect("it is there");
    let observations = TensorData::new(expected["observations"].values.clone(), [4, 6]);
    let found = values(network.forward(Tensor::from_data(observations, device)));
    let difference = largest_difference(&found, &expected["q"].values);
    assert!(difference <= CLOSE, "the values differ by {difference}");
}

fn a_file_cut_short_is_refused_by_name(device: &Device) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole = folder.path().join("whole.safetensors");
    let network = small::network(small::layout()).init(1, device);
    write_safetensors(&whole, &state_dict(&network), &BTreeMap::new()).expect("written");
    let bytes = fs::read(&whole).expect("read");
    let torch = fs::read(torch_data("feedforward.pt")).expect("read");
    for (name, bytes) in [
        ("weights.safetensors", &bytes[..bytes.len() - 5]),
        ("header.safetensors", &bytes[..20]),
        ("empty.safetensors", &[]),
        ("weights.pt", &torch[..torch.len() / 2]),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        let error = read_weights(&path).expect_err(name);
        assert!(matches!(error, WeightsError::Malformed { .. }), "{name}: {error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let missing = read_weights(&folder.path().join("missing.pt")).expect_err("there is none");
    assert!(matches!(missing, WeightsError::Read { .. }), "{missing:?}");
}
