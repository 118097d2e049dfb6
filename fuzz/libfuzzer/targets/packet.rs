//! Runs `stentor_fuzz::packet` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stentor_fuzz::packet(bytes));
