//! Feeds `townlet_fuzz::trace` to libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| townlet_fuzz::trace(data));
