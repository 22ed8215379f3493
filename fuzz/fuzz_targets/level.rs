//! Feeds `townlet_fuzz::level` to libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| townlet_fuzz::level(data));
