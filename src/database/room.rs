//! Which disk is full: the database's, or that of SQLite's temporary files.
//!
//! SQLite tells both with the same words. For a message, never for a decision: what was
//! written when the disk was full is gone again by now, so some of it is tried once more,
//! in a file that is removed at once.

use crate::database::permission::directory_of;
use crate::diagnostics::text::shown;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// How much is tried.
const PIECES: usize = 64;
const PIECE: usize = 1 << 16;

/// A sentence for a person: which of them is full, if that can be told.
#[must_use]
pub fn full_disk(database: &Path, temporary: &Path) -> Option<String> {
    let directory = directory_of(database);
    let device = |path: &Path| std::fs::metadata(path).map(|found| found.dev()).ok();
    let of_database = format!("the disk of {} is full: make room there", shown(database));
    let of_temporary = format!(
        "the directory for temporary files {} is full: make room there, or name another in the environment variable SQLITE_TMPDIR",
        shown(temporary)
    );
    if device(directory) == device(temporary) {
        return Some(of_database);
    }
    match (is_full(directory), is_full(temporary)) {
        (true, false) => Some(of_database),
        (false, true) => Some(of_temporary),
        _ => Some(format!("{of_database}; or {of_temporary}")),
    }
}

fn is_full(directory: &Path) -> bool {
    let path = directory.join(format!(".litemigrate-{}", std::process::id()));
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    let Ok(mut file) = made else {
        return made.is_err_and(|error| is_no_room(&error));
    };
    let removed = std::fs::remove_file(&path);
    let piece = vec![0; PIECE];
    let written = (0..PIECES).try_for_each(|_| file.write_all(&piece));
    removed.is_ok() && written.is_err_and(|error| is_no_room(&error))
}

fn is_no_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
