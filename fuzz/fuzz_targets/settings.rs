//! Feeds `townlet_fuzz::settings` to libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| townlet_fuzz::settings(data));
