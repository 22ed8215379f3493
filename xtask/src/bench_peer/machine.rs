//! What the measurements were made on.

use std::fs;
use std::num::NonZero;
use std::process::Command;
use std::thread;

use serde::Serialize;

/// A machine's processor.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    pub(super) processor: String,
    /// How many threads can run at a time.
    pub(super) cores: usize,
}

/// This machine.
pub(super) fn describe() -> Machine {
    let processor = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| model_name(&text))
        .or_else(brand)
        .unwrap_or_else(|| format!("unknown {} processor", std::env::consts::ARCH));
    Machine { processor, cores: thread::available_parallelism().map_or(1, NonZero::get) }
}

/// The model in what Linux tells of the processor.
fn model_name(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The model as macOS tells it.
fn brand() -> Option<String> {
    let output = Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]).output().ok()?;
    let brand = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !brand.is_empty()).then_some(brand)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_has_a_name() {
        let text = "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Some Processor @ 2.50GHz\n";
        assert_eq!(model_name(text).as_deref(), Some("Some Processor @ 2.50GHz"));
        assert_eq!(model_name("processor\t: 0\n"), None);
    }
}
