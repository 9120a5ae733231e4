//! A backup becomes the database again.
//!
//! Owns the way back, over whatever is there: a database, a damaged one, or none. At no
//! moment is there an empty one that the next start would migrate from nothing. Never
//! changes what the backup holds.

mod another;

use crate::database::guard::{Guarded, lock_script};
use crate::database::limits::Limits;
use crate::database::location::{Location, Mode, refuse_read_only};
use crate::database::look::{Access, look};
use crate::database::permission::place::{Place, lead_to_one};
use crate::database::permission::{directory_of, with_suffix};
use crate::diagnostics::error::{Cause, Error, explained_message, sqlite_message};
use crate::diagnostics::text::shown;
use crate::operations::backup::origin::forget;
use crate::operations::backup::{best_in, settle_restored};
use crate::operations::copy::{
    TEMPORARY, at, copy_pages, copy_to, history_of, remove_copy, verify, without_locks,
};
use crate::plan::history::AppliedMigration;
use crate::schema::history_table::HistoryTable;
use another::refuse_another;
use rusqlite::config::DbConfig;
use rusqlite::ffi::SQLITE_READONLY;
use rusqlite::{Connection, ErrorCode};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Copies the backup `file` back over the database, in one transaction of
/// SQLite's, so that whoever has it open sees the old content or the new. A damaged
/// database is replaced in the same way, and one that is not there is made.
/// Gives back the newest version of its history.
///
/// # Errors
///
/// [`Error::NoBackup`] if there is no such file, [`Error::Database`] if it is
/// damaged, or if somebody keeps the database locked for longer
/// than `limits` allow. The database is as it was, unless the message says otherwise.
pub fn restore(
    file: &Path,
    database: &Location,
    table: &HistoryTable,
    limits: &Limits,
) -> Result<Option<i64>, Error> {
    if lead_to_one(file, &database.path) {
        return Err(Error::Declined {
            database: database.path.clone(),
            message: "it is the backup itself".to_owned(),
        });
    }
    refuse_none(file, &database.path, table)?;
    // A journal beside it is brought in, as by every program that opens it.
    let source = Location {
        mode: Mode::ReadWrite,
        vfs: without_locks(database.vfs.as_deref()),
        ..Location::file(file.to_owned())
    };
    let history = verify(&source, table, limits)?;
    let restoration = Restoration {
        source: &source,
        database,
        limits,
    };
    // A script outside a transaction goes on after each of its statements.
    let _lock = lock_script(&database.path, Guarded::Restore, limits, &mut |_| {})?;
    look(&source, Access::Look, limits, |from| {
        refuse_empty(from, file)?;
        refuse_another(file, from, database, table, &history, limits)?;
        restoration.remove_left();
        match database.metadata()? {
            Some(_) => restoration.over_what_is_there(from),
            None => restoration.anew(from),
        }
    })?;
    let found = history_of(database, table, limits).map_err(copied_and_unread)?;
    // Who waited for the lock may have gone on from it at once.
    let is_there = |row: &AppliedMigration| {
        let at = found.binary_search_by_key(&row.version, |found| found.version);
        at.is_ok_and(|at| found[at] == *row)
    };
    if !history.iter().all(is_there) {
        return Err(restoration.failed(
            Cause::Storage,
            "it was copied, and does not read as the backup does: run it again".to_owned(),
        ));
    }
    // No update of it is on its way any more, unless this is a state in the middle of it:
    // the next one makes a backup of its own.
    for name in [file, &database.path] {
        let real = std::fs::canonicalize(name).unwrap_or_else(|_| name.to_owned());
        let folder = directory_of(&real);
        settle_restored(folder, file, &database.path, table, &history);
    }
    Ok(history.last().map(|row| row.version))
}

/// Refuses a name of nothing, and that of a folder, in which one must be chosen.
fn refuse_none(file: &Path, database: &Path, table: &HistoryTable) -> Result<(), Error> {
    let no_backup = |message: String| Error::NoBackup {
        path: file.to_owned(),
        message,
    };
    match std::fs::metadata(file) {
        Ok(found) if found.is_dir() => Err(no_backup(match best_in(file, database, table) {
            Some((before, true)) => format!(
                "is a folder: name the backup in it; the state before the update that is not over is {}",
                shown(&before)
            ),
            Some((newest, false)) => format!(
                "is a folder: name the backup in it; the last of this database is {}",
                shown(&newest)
            ),
            None => "is a folder, and holds no backup of this database: name a file".to_owned(),
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(no_backup("no such backup: check its path".to_owned()))
        }
        Ok(found) if !found.is_file() => Err(no_backup(
            "is not a regular file: name that of a backup".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// An empty file is an empty database for SQLite, and for us a copy that was cut short:
/// no backup of ours is one.
fn refuse_empty(backup: &Connection, file: &Path) -> Result<(), Error> {
    let pages: i64 = backup
        .query_row("PRAGMA main.page_count", [], |row| row.get(0))
        .map_err(|error| Error::database(backup, "verify the backup", &error))?;
    match pages {
        0 => Err(Error::Database {
            path: file.to_owned(),
            doing: "verify the backup",
            cause: Cause::Storage,
            message: "it is empty, as a copy is that was cut short: name another one".to_owned(),
        }),
        _ => Ok(()),
    }
}

struct Restoration<'a> {
    source: &'a Location,
    database: &'a Location,
    limits: &'a Limits,
}

impl Restoration<'_> {
    fn failed(&self, cause: Cause, message: String) -> Error {
        Error::Database {
            path: self.database.path.clone(),
            doing: "restore the database",
            cause,
            message,
        }
    }

    fn of_sqlite(&self, error: &rusqlite::Error) -> Error {
        let message = match error.sqlite_error_code() {
            // So SQLite says that the page size cannot change in WAL mode.
            Some(ErrorCode::ReadOnly)
                if error.sqlite_extended_error_code() == Some(SQLITE_READONLY)
                    && self.database.is_wal() =>
            {
                return self.has_it_open();
            }
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
                if with_suffix(&self.database.path, "-wal").exists() =>
            {
                "it is damaged, and so is the -wal file beside it: move both away, and run this again"
                    .to_owned()
            }
            // Of the last calls of a transaction, one fails after it is over.
            Some(ErrorCode::SystemIoFailure) => format!(
                "{}: the database is as it was, or holds the backup: run it again",
                explained_message(error)
            ),
            _ => explained_message(error),
        };
        self.failed(Cause::of(error), message)
    }

    /// Removes what a restore that was killed has left, unless it is in use.
    fn remove_left(&self) {
        let Ok(place) = Place::of(&self.database.path) else {
            return;
        };
        let left = place.beside(TEMPORARY);
        if left.exists() && !lead_to_one(&left, &self.source.path) {
            let _ = remove_copy(&place);
        }
    }

    fn has_it_open(&self) -> Error {
        self.failed(
            Cause::Busy,
            "another process has it open, and its page size cannot change meanwhile: stop that process, then run this again".to_owned(),
        )
    }

    /// Where there is no database: a complete file gets the name at once.
    fn anew(&self, from: &Connection) -> Result<(), Error> {
        let cannot_create = |error: io::Error| Error::CannotCreateDatabase {
            path: self.database.path.clone(),
            message: error.to_string(),
        };
        let place = Place::of(&self.database.path).map_err(cannot_create)?;
        let mode = std::fs::metadata(&self.source.path).map_err(cannot_create)?;
        // Its owner may write to it, whatever may be done to the backup.
        let mode = mode.permissions().mode() & 0o666 | 0o600;
        let owner = place.directory().map_err(cannot_create)?;
        let left = Leftovers::of(&place);
        // Of a backup that had this name.
        forget(place.path());
        self.copy_beside(&place, from, mode, &owner)
            .and_then(|()| {
                left.remove(&place)
                    .and_then(|()| place.publish_new(TEMPORARY))
                    .map_err(|error| match error.kind() {
                        io::ErrorKind::AlreadyExists => cannot_create(io::Error::other(
                            "somebody has made it meanwhile: if it is to be replaced, run this again",
                        )),
                        _ => cannot_create(error),
                    })
            })
            .inspect_err(|_| drop(place.remove(TEMPORARY)))
    }

    /// A complete, synced copy under another name.
    fn copy_beside(
        &self,
        place: &Place,
        from: &Connection,
        mode: u32,
        owner: &std::fs::Metadata,
    ) -> Result<(), Error> {
        let cannot_create = |error: io::Error| Error::CannotCreateDatabase {
            path: self.database.path.clone(),
            message: error.to_string(),
        };
        remove_copy(place).map_err(cannot_create)?;
        let made = place
            .create(TEMPORARY, mode, owner)
            .map_err(cannot_create)?;
        let target = at(
            &with_suffix(place.path(), TEMPORARY),
            self.database.vfs.as_deref(),
        );
        drop(copy_to(from, &target, self.limits, &made)?);
        made.sync_all().map_err(cannot_create)
    }

    fn over_what_is_there(&self, from: &Connection) -> Result<(), Error> {
        let mut to = self.open()?;
        let page_size = |connection: &Connection| {
            connection.query_row("PRAGMA main.page_size", [], |row| row.get::<_, i64>(0))
        };
        let wanted = page_size(from).map_err(|error| self.of_sqlite(&error))?;
        let found = to
            .query_row("SELECT count(*) FROM main.sqlite_schema", [], |_| Ok(()))
            .and_then(|()| page_size(&to));
        // Its header may not say so: what is in the -wal counts.
        let is_wal = || {
            let mode = to.query_row("PRAGMA main.journal_mode", [], |row| {
                row.get::<_, String>(0)
            });
            mode.is_ok_and(|mode| mode == "wal")
        };
        let is_damaged = match found {
            Ok(size) if size != wanted && is_wal() => {
                drop(to);
                return self.over_other_pages(from);
            }
            // It could be written to before its header was read.
            Ok(_) => to.is_readonly("main").unwrap_or_default(),
            Err(error) if is_damage(&error) => true,
            Err(error) => return Err(self.of_sqlite(&error)),
        };
        if is_damaged {
            drop(to);
            to = self.open_damaged()?;
        }
        self.copy(from, &mut to)
    }

    /// A database in WAL mode cannot change its page size, so it is replaced as a damaged
    /// one is, without that mode: only while nobody else has it open. In the same
    /// transaction its header says WAL again.
    fn over_other_pages(&self, from: &Connection) -> Result<(), Error> {
        if self.database.sidecar("-wal").exists() {
            return Err(self.has_it_open());
        }
        let mut to = self.open_damaged()?;
        if self.source.is_wal() {
            return self.copy(from, &mut to);
        }
        let failed = |error: io::Error| self.failed(Cause::Storage, error.to_string());
        let place = Place::of(&self.database.path).map_err(failed)?;
        let owner = place.directory().map_err(failed)?;
        let result = self
            .copy_beside(&place, from, 0o600, &owner)
            .and_then(|()| {
                let beside = at(&with_suffix(place.path(), TEMPORARY), None);
                let copy = beside.open(&beside.path, beside.flags_to_write())?;
                copy.query_row("PRAGMA main.journal_mode = WAL", [], |_| Ok(()))
                    .map_err(|error| self.of_sqlite(&error))?;
                self.copy(&copy, &mut to)
            });
        let _ = remove_copy(&place);
        result
    }

    fn open(&self) -> Result<Connection, Error> {
        let connection = self.database.open_to_replace()?;
        refuse_read_only(&connection)?;
        self.limits.set_patience(&connection)?;
        Ok(connection)
    }

    /// With this SQLite takes any file for an empty database, until it is replaced
    /// (sqlite.org/c3ref/c_dbconfig_defensive.html, RESET_DATABASE).
    fn open_damaged(&self) -> Result<Connection, Error> {
        let connection = self.open()?;
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, true)
            .map_err(|error| self.of_sqlite(&error))?;
        Ok(connection)
    }

    fn copy(&self, from: &Connection, to: &mut Connection) -> Result<(), Error> {
        to.execute_batch("PRAGMA main.synchronous = EXTRA")
            .and_then(|()| copy_pages(from, to, self.limits.patience(), self.limits))
            .map_err(|error| self.of_sqlite(&error))
    }
}

/// What lies beside the name of a database that is gone, and would be read with the one
/// that gets the name.
struct Leftovers([(&'static str, Option<Identity>); 3]);

/// Which file it is, and when it was written.
type Identity = (u64, u64, i64, i64);

impl Leftovers {
    fn of(place: &Place) -> Self {
        Self(["-wal", "-journal", "-shm"].map(|suffix| (suffix, Self::identity(place, suffix))))
    }

    fn identity(place: &Place, suffix: &str) -> Option<Identity> {
        let found = std::fs::symlink_metadata(place.beside(suffix)).ok()?;
        Some((found.dev(), found.ino(), found.mtime(), found.mtime_nsec()))
    }

    /// Removes them, unless there is a database by now: then they are another's, and none
    /// of them may go.
    fn remove(&self, place: &Place) -> io::Result<()> {
        for (suffix, known) in self.0 {
            let now = Self::identity(place, suffix);
            let is_there = std::fs::symlink_metadata(place.beside("")).is_ok();
            if is_there || (now.is_some() && now != known) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            if now.is_some() {
                place.remove(suffix)?;
            }
        }
        Ok(())
    }
}

/// The copy is there, whatever failed afterwards.
fn copied_and_unread(error: Error) -> Error {
    match error {
        Error::Database {
            path,
            doing,
            cause,
            message,
        } => Error::Database {
            path,
            doing,
            cause,
            message: format!("{message}: the backup was copied, and not looked at: run it again"),
        },
        other => other,
    }
}

/// A header that names a format that is not there yet is damage, too.
fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    ) || sqlite_message(error) == "unsupported file format"
}

#[cfg(test)]
mod tests {
    use super::Leftovers;
    use crate::database::permission::place::Place;
    use std::fs::write;

    #[test]
    fn what_lies_beside_a_database_of_another_is_not_removed() {
        let folder = std::env::temp_dir().join(format!("litemigrate-left-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let database = folder.join("n.db");
        let (wal, journal) = (folder.join("n.db-wal"), folder.join("n.db-journal"));
        write(&wal, "old").unwrap();
        let place = Place::of(&database).unwrap();
        let left = || Leftovers::of(&place);
        // What was there before goes.
        left().remove(&place).unwrap();
        assert!(!wal.exists());
        // Not what came since, though the database itself is yet to come.
        let before = left();
        write(&journal, "theirs").unwrap();
        assert!(before.remove(&place).is_err());
        assert!(journal.exists());
        // Nor anything of a database that is there.
        let before = left();
        write(&database, "").unwrap();
        assert!(before.remove(&place).is_err() && journal.exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
