//! A command line parses, or says why not in one line.
#![no_main]

#[path = "../../../src/bin/litemigrate/cli.rs"]
#[allow(dead_code)]
mod cli;
#[path = "../../../src/bin/litemigrate/generate.rs"]
mod generate;
#[path = "../../../src/bin/litemigrate/help.rs"]
mod help;
#[path = "../../../src/bin/litemigrate/table.rs"]
mod table;

use libfuzzer_sys::fuzz_target;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

fuzz_target!(|data: &[u8]| {
    let words = data
        .split(|byte| *byte == b'\n')
        .map(|word| OsString::from_vec(word.to_vec()));
    if let Err(message) = cli::parse(words) {
        assert!(
            !message.is_empty() && !message.contains(['\n', '\x1b']),
            "{message:?}"
        );
    }
});
