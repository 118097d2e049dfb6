//! Runs `stentor_fuzz::json` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stentor_fuzz::json(bytes));
