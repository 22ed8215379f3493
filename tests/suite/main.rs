//! The tensor suite: every case is a plain function of a device and runs once on each backend.
//!
//! All cases of one backend share a process, because the first use of the wgpu backend compiles shaders for
//! half a minute. Environment variables choose what happens:
//!
//! * `TOWNLET_BACKEND=flex|ndarray|wgpu` runs one backend; otherwise all that are compiled in.
//! * `TOWNLET_LIST_ADAPTERS=1` prints the adapters that wgpu finds, and nothing else.
//! * `TOWNLET_PARITY=DIR` holds the build against the recorded data below a directory instead, and prints
//!   one JSON object a file.

mod acting;
mod borders;
mod burn_in;
mod case;
mod checkpoints;
mod configuration;
mod cores;
mod curriculum;
mod damaged_states;
mod finite;
mod gradients;
mod learning;
mod memory;
mod networks;
mod novelty;
mod parity;
mod paths;
mod recorded;
mod rescaling;
mod six_steps;
mod small;
mod targets;
mod updates;
mod weights;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Trial};
use townlet_nets::{Backend, device};

use case::Case;

fn main() -> ExitCode {
    if env::var_os("TOWNLET_LIST_ADAPTERS").is_some() {
        let adapters = device::adapters();
        if adapters.is_empty() {
            println!("no adapter");
        }
        for adapter in adapters {
            let verdict = if adapter.is_supported() { "adapter" } else { "unsupported adapter" };
            println!("{verdict}: {adapter}");
        }
        return ExitCode::SUCCESS;
    }
    let backends: Vec<Backend> = match env::var("TOWNLET_BACKEND") {
        Ok(name) => match name.parse() {
            Ok(backend) => vec![backend],
            Err(error) => {
                eprintln!("TOWNLET_BACKEND: {error}");
                return ExitCode::from(2);
            }
        },
        Err(_) => Backend::compiled().collect(),
    };
    if let Some(folder) = env::var_os("TOWNLET_PARITY") {
        return parity::report(Path::new(&folder), &backends);
    }

    let cases: Vec<Case> = [
        memory::CASES,
        gradients::CASES,
        paths::CASES,
        acting::CASES,
        targets::CASES,
        burn_in::CASES,
        borders::CASES,
        six_steps::CASES,
        rescaling::CASES,
        updates::CASES,
        checkpoints::CASES,
        damaged_states::CASES,
        finite::CASES,
        networks::CASES,
        weights::CASES,
        novelty::CASES,
        curriculum::CASES,
        configuration::CASES,
        cores::CASES,
        learning::CASES,
        recorded::CASES,
    ]
    .concat();
    let trials = backends.iter().flat_map(|&backend| cases.iter().map(move |&case| trial(backend, case)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn trial(backend: Backend, case: Case) -> Trial {
    Trial::ignorable_test(format!("{backend}::{}", case.name), move || {
        if let Some((_, reason)) = case.skips.iter().find(|(skipped, _)| *skipped == backend) {
            return Ok(Completion::ignored_with(reason));
        }
        let device = backend.device().map_err(|error| error.to_string())?;
        (case.run)(&device);
        Ok(Completion::Completed)
    })
}
