//! A path or a URL of a database, and a settings file, are read, or refused in one
//! sentence.

use litemigrate::internals::{Location, read_settings};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

pub fn run(data: &[u8]) {
    let file = std::path::PathBuf::from(format!(
        "/dev/shm/litemigrate-fuzz-{}.{}",
        std::process::id(),
        ["json", "json5", "toml", "yaml"][data.len() % 4],
    ));
    std::fs::write(&file, data).unwrap();
    if let Err(error) = read_settings(&file) {
        assert!(!error.to_string().contains(['\n', '\x1b']));
    }
    match Location::parse(OsStr::from_bytes(data), "fuzz") {
        Ok(location) => {
            if !data.starts_with(b"sqlite:") {
                assert_eq!(location.path.as_os_str().as_bytes(), data);
            }
        }
        Err(error) => assert!(!error.to_string().contains(['\n', '\x1b'])),
    }
}
