//! The recorded data that every clone carries.

use std::path::Path;

use burn::tensor::Device;
use townlet_nets::Backend;

use crate::case::cases;
use crate::parity::check_folder;

cases![recorded_facts_hold];

fn recorded_facts_hold(device: &Device) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let same = |backend: &Backend| backend.device().is_ok_and(|found| found == *device);
    let backend = Backend::compiled().find(same).expect("the device is of some backend");
    let rows = check_folder(&folder, backend).expect("the data can be read");
    assert!(rows.len() > 10, "only {} recorded files were found", rows.len());
    let wrong: Vec<_> = rows.iter().filter(|row| !row.ok).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
