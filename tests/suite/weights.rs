//! Weights out and in.

use std::collections::HashMap;

use burn::tensor::Device;
use townlet_nets::{Array, load_state_dict, read_weights, state_dict, write_safetensors};

use crate::case::cases;
use crate::small;

cases![weights_survive_a_file, every_mismatch_is_reported_at_once];

fn weights_survive_a_file(device: &Device) {
    let config = small::network(small::layout());
    let original = config.init(1, device);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("weights.safetensors");
    write_safetensors(&path, &state_dict(&original), &HashMap::new()).expect("written");
    let loaded = load_state_dict(&config.init(2, device), &read_weights(&path).expect("read")).expect("fits");
    assert!(state_dict(&loaded) == state_dict(&original));
    let observations = small::tensor("see", [2, 3, small::layout().len()], device);
    let q = |network: &townlet_nets::RecurrentSpatialQNetwork| {
        crate::case::values(network.forward(observations.clone(), network.initial_state(2)).0)
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
