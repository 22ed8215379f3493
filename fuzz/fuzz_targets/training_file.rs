//! Feeds `townlet_fuzz::training_file` to libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| townlet_fuzz::training_file(data));
