//! Feeds `townlet_fuzz::messages` to libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| townlet_fuzz::messages(data));
