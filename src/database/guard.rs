//! The guard of scripts that run outside a transaction, which the database's own lock
//! does not protect: two starts at the same instant agree by a lock on a small file
//! beside it, whichever copy of the script they have.
//!
//! Owns that file, which is there only while such a script runs, or after a kill. Only
//! who may write to the database can open it, so that nobody else can keep a script
//! waiting. The database itself cannot serve: closing another descriptor of it would
//! drop SQLite's own locks (sqlite.org/howtocorrupt.html, section 2.2).

use crate::database::holder::lock_holder;
use crate::database::limits::Limits;
use crate::database::permission::place::{Place, is_at};
use crate::database::permission::{open_without_waiting, with_suffix};
use crate::diagnostics::error::{Cause, Error};
use crate::diagnostics::problem::Finding;
use crate::diagnostics::text::{seconds, shown};
use std::fs::{File, Metadata, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;
use std::time::{Duration, Instant};

const SUFFIX: &str = ".litemigrate-lock";

/// For whose sake the lock is taken.
#[derive(Clone, Copy)]
pub(crate) enum Guarded<'a> {
    /// A script, which runs without it where there is none.
    Script(&'a Path),
    /// The database is replaced.
    Restore,
}

/// Whether the file is there: a script may be running outside a transaction.
pub(crate) fn is_guarded(database: &Path) -> bool {
    !database.as_os_str().is_empty()
        && std::fs::symlink_metadata(with_suffix(database, SUFFIX)).is_ok()
}

/// Held while a script runs outside a transaction.
pub(crate) struct ScriptLock {
    place: Place,
    /// The lock ends when it is closed.
    _file: File,
}

impl Drop for ScriptLock {
    fn drop(&mut self) {
        // Who waits for it finds out that it is no longer the one beside the database.
        let _ = self.place.remove(SUFFIX);
    }
}

/// Waits for the lock. `None` where there can be none: in memory, and, which `warn` hears,
/// on a file system without such locks, or where no file can be made.
pub(crate) fn lock_script(
    database: &Path,
    guarded: Guarded<'_>,
    limits: &Limits,
    warn: &mut dyn FnMut(Finding),
) -> Result<Option<ScriptLock>, Error> {
    if database.as_os_str().is_empty() {
        return Ok(None);
    }
    let mut without = |error: &io::Error| {
        let Guarded::Script(script) = guarded else {
            return Ok(None);
        };
        let message = format!(
            "runs outside a transaction, and another start at the same instant would not know, because {} cannot be made or locked ({error}): start one after the other",
            shown(&with_suffix(database, SUFFIX))
        );
        warn(Finding::new("no-guard", script, message));
        Ok(None)
    };
    let found = Place::of(database).and_then(|place| Ok((place, std::fs::metadata(database)?)));
    let (place, metadata) = match found {
        Ok(found) => found,
        Err(error) => return without(&error),
    };
    let path = place.beside(SUFFIX);
    let (path_of, doing) = match guarded {
        Guarded::Script(script) => (script, "run this script"),
        Guarded::Restore => (database, "restore the database"),
    };
    let failed = |cause, message: String| Error::Database {
        path: path_of.to_owned(),
        doing,
        cause,
        message,
    };
    let name = || shown(&with_suffix(place.path(), SUFFIX));
    let clock = Instant::now();
    let patience = limits.patience();
    loop {
        let file = match open(&place, &path, &metadata) {
            Ok(Some(file)) => file,
            Ok(None) => continue,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(failed(
                    Cause::Permission,
                    format!(
                        "{} is there, and is not of who may write to the database, or this user may not open it: if no other start is running a script, remove it",
                        name()
                    ),
                ));
            }
            Err(error) => return without(&error),
        };
        match file.try_lock() {
            Ok(()) if is_at(&file, &path) => return Ok(Some(ScriptLock { place, _file: file })),
            Ok(()) => {}
            Err(TryLockError::Error(error)) => {
                let _ = place.remove(SUFFIX);
                return without(&error);
            }
            Err(TryLockError::WouldBlock) if clock.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                let holder = lock_holder(&path)
                    .map(|holder| format!(" ({}: {holder})", name()))
                    .unwrap_or_default();
                return Err(failed(
                    Cause::Busy,
                    format!(
                        "another process is running a script outside a transaction on this database, or restores it, for longer than {} s{holder}: {}",
                        seconds(patience),
                        limits.more_patience(patience)
                    ),
                ));
            }
        }
    }
}

/// The file, made if it is not there; nothing if another start was quicker.
fn open(place: &Place, path: &Path, database: &Metadata) -> io::Result<Option<File>> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let of_writers = [(0o020, 0o060), (0o002, 0o006)]
                .iter()
                .filter(|(write, _)| database.mode() & write != 0)
                .fold(0o600, |mode, (_, both)| mode | both);
            return match place.create(SUFFIX, of_writers, database) {
                Ok(file) => {
                    // Whatever umask and group this user has: the other writers are to open it.
                    let _ = fchown(&file, None, Some(database.gid()));
                    let _ = file.set_permissions(Permissions::from_mode(of_writers));
                    Ok(Some(file))
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
                Err(error) => Err(io::Error::other(error)),
            };
        }
        Err(error) => return Err(io::Error::other(error)),
    };
    let writers = [0, database.uid()];
    // Nobody gives a file to a group that they are not in.
    let is_of_group = database.mode() & 0o020 != 0 && found.gid() == database.gid();
    let is_of_writers =
        writers.contains(&found.uid()) || is_of_group || database.mode() & 0o002 != 0;
    if !found.is_file() || !is_of_writers {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    match open_without_waiting(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
