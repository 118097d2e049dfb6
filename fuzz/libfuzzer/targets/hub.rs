//! Runs `stentor_fuzz::hub` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stentor_fuzz::hub(bytes));
