//! Feeds `townlet_fuzz::weights` to libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| townlet_fuzz::weights(data));
