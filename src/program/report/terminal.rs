//! The terminal that somebody may look at.
//!
//! Owns the questions to it: how wide it is, and whether it knows escape sequences.
//! Writes nothing to it.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

/// How many columns the terminal has that is open as `stream`. `stty` asks it, since
/// the call that does is not safe Rust; where there is none, the environment may know.
pub(crate) fn columns(stream: impl AsFd) -> usize {
    let itself = || Some(Stdio::from(stream.as_fd().try_clone_to_owned().ok()?));
    let of_the_session = || Some(Stdio::from(File::open("/dev/tty").ok()?));
    let of_the_environment = || std::env::var("COLUMNS").ok()?.parse().ok();
    itself()
        .and_then(asked)
        .or_else(|| of_the_session().and_then(asked))
        .or_else(of_the_environment)
        .unwrap_or(80)
}

/// `stty size` prints rows and columns, or zeros if nobody has told the terminal.
fn asked(terminal: Stdio) -> Option<usize> {
    let output = Command::new("stty")
        .arg("size")
        .stdin(terminal)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let columns = text.split_whitespace().nth(1)?.parse().ok()?;
    (columns > 0).then_some(columns)
}

/// Whether it knows no escape sequences.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").as_deref() == Some(OsStr::new("dumb"))
}
