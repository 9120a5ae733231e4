//! A command line parses, or says why not in one line.

use litemigrate::internals::parses;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

pub fn run(data: &[u8]) {
    let words = data
        .split(|byte| *byte == b'\n')
        .map(|word| OsString::from_vec(word.to_vec()));
    if let Err(message) = parses(words) {
        assert!(
            !message.is_empty() && !message.contains(['\n', '\x1b']),
            "{message:?}"
        );
    }
}
