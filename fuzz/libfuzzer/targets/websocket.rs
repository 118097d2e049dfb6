//! Runs `stentor_fuzz::websocket` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stentor_fuzz::websocket(bytes));
