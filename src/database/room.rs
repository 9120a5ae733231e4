//! What the system has no more of: room on the database's disk, or on that of SQLite's
//! temporary files; files that can be made there, or that this process may open.
//!
//! SQLite tells them with the same words, and the last two as if they were a matter of
//! rights. What was written then is gone again by now, so it is tried once more, in a file
//! that is removed at once. Only asked after a failure.

use crate::database::permission::directory_of;
use crate::diagnostics::text::shown;
use std::fs::{File, OpenOptions};
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

/// Why SQLite could open no file beside the database, if that is no matter of rights: a
/// sentence for a person.
#[must_use]
pub(crate) fn no_more_files(database: &Path) -> Option<String> {
    // As many as SQLite has open at once.
    let opened: io::Result<Vec<File>> = (0..6).map(|_| File::open("/dev/null")).collect();
    // EMFILE and ENFILE (errno(3)) have no kind.
    if opened.is_err_and(|error| matches!(error.raw_os_error(), Some(23 | 24))) {
        return Some("this process may open no more files: see ulimit -n".to_owned());
    }
    let directory = directory_of(database);
    let made = make(directory);
    made.is_err_and(|error| is_no_room(&error)).then(|| {
        format!(
            "no file can be made in {} any more: make room on its disk, or remove files (df -i)",
            shown(directory)
        )
    })
}

/// A file that is removed at once.
fn make(directory: &Path) -> io::Result<File> {
    let path = directory.join(format!(".litemigrate-{}", std::process::id()));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

fn is_full(directory: &Path) -> bool {
    let mut file = match make(directory) {
        Ok(file) => file,
        Err(error) => return is_no_room(&error),
    };
    let piece = vec![0; PIECE];
    let written = (0..PIECES).try_for_each(|_| file.write_all(&piece));
    written.is_err_and(|error| is_no_room(&error))
}

fn is_no_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
