#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| litemigrate_fuzz::window::run(data));
