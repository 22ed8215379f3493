//! Feeds `townlet_fuzz::state` to libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| townlet_fuzz::state(data));
