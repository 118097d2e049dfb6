//! Runs `stentor_fuzz::head` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stentor_fuzz::head(bytes));
