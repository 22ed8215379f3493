//! Feeds `townlet_fuzz::study` to libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| townlet_fuzz::study(data));
