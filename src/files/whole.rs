//! New files that are whole and durable, or not there at all.
//!
//! Owns how a file gets its name. Never writes over one.

use crate::database::permission::directory_of;
use crate::diagnostics::error::Error;
use crate::files::read::create_file;
use std::fs::File;
use std::io;
use std::path::Path;

/// Makes a new file that must not be there yet, whole and durable, or not at all: a
/// reader sees nothing of it before all of it is on the disk. The folder's own entry is
/// for [`sync_directory`].
///
/// # Errors
///
/// [`Error::CannotCreate`] if it is there already or cannot be written.
pub(crate) fn create_whole(path: &Path, content: &str) -> Result<(), Error> {
    let directory = directory_of(path);
    // No name that anybody takes for a script.
    let temporary = directory.join(format!(".litemigrate-{}.tmp", std::process::id()));
    create_file(&temporary, content)?;
    let named = File::open(&temporary)
        .and_then(|file| file.sync_all())
        .and_then(|()| match std::fs::hard_link(&temporary, path) {
            // A file system without links to files.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !path.exists() => {
                std::fs::rename(&temporary, path)
            }
            result => result,
        });
    let _ = std::fs::remove_file(&temporary);
    named.map_err(|error| Error::CannotCreate {
        path: path.to_owned(),
        message: error.to_string(),
    })
}

/// Makes the names in a folder durable.
///
/// # Errors
///
/// [`Error::CannotCreate`].
pub(crate) fn sync_directory(directory: &Path) -> Result<(), Error> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| Error::CannotCreate {
            path: directory.to_owned(),
            message: error.to_string(),
        })
}
