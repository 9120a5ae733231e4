//! A verified copy of a database, and the way back.
//!
//! Owns what makes a copy a backup: made by SQLite's backup interface, checked,
//! synced, and only then given its name. Never decides when one is made.

use crate::database::limits::Limits;
use crate::database::location::{Location, file_of};
use crate::database::look::{Access, look};
use crate::database::permission::{directory_of, give, is_root, with_suffix};
use crate::diagnostics::error::{Cause, Error, explained_message};
use crate::plan::history;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Copies the database of `connection`, which holds the write lock so that
/// nobody changes it meanwhile, to `file`. An old `file` is replaced by the
/// complete new one or stays. The copy is no more readable than the database.
/// `vfs` is the one that the connection was opened with.
///
/// # Errors
///
/// [`Error::CannotCreate`] or [`Error::Database`]; `file` is as it was.
pub fn create(
    connection: &Connection,
    file: &Path,
    vfs: Option<&str>,
    limits: &Limits,
) -> Result<(), Error> {
    let database = file_of(connection);
    let cannot_create = |error: io::Error| Error::CannotCreate {
        path: file.to_owned(),
        message: error.to_string(),
    };
    refuse_foreign_link(file).map_err(cannot_create)?;
    // A link stays a link: what it points to is replaced.
    let file = &real_path(file).map_err(cannot_create)?;
    let metadata = std::fs::metadata(&database).map_err(cannot_create)?;
    if let Ok(existing) = std::fs::metadata(file) {
        let same = (existing.dev(), existing.ino()) == (metadata.dev(), metadata.ino());
        if same || !existing.is_file() {
            let what = if same {
                "it is the database itself"
            } else {
                "it is not a regular file"
            };
            return Err(cannot_create(io::Error::other(what)));
        }
    }
    let temporary = with_suffix(file, ".litemigrate-tmp");
    // What a killed run left; no other run is at this point while we hold the lock.
    let _ = std::fs::remove_file(&temporary);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(metadata.permissions().mode() & 0o666)
        .open(&temporary)
        .and_then(|copy| give(&copy, &metadata))
        .map_err(cannot_create)?;
    copy_and_check(connection, &database, &temporary, vfs, limits)
        .and_then(|()| publish(&temporary, file).map_err(cannot_create))
        .inspect_err(|_| drop(std::fs::remove_file(&temporary)))
}

/// Whoever owns a link could make root write wherever they like.
fn refuse_foreign_link(file: &Path) -> io::Result<()> {
    let is_foreign = std::fs::symlink_metadata(file)
        .is_ok_and(|metadata| metadata.is_symlink() && metadata.uid() != 0);
    if is_foreign && is_root() {
        let what = "it is a link that another user has made: root does not follow it";
        return Err(io::Error::other(what));
    }
    Ok(())
}

/// The file without links on the way to it, whether it is there or not.
fn real_path(file: &Path) -> io::Result<PathBuf> {
    std::fs::canonicalize(file).or_else(|_| {
        let directory = std::fs::canonicalize(directory_of(file))?;
        Ok(directory.join(file.file_name().unwrap_or_default()))
    })
}

/// For a file that only we know, or while we hold the lock: `unix-dotfile` has no
/// lock that two connections could share.
fn without_locks(vfs: Option<&str>) -> Option<String> {
    vfs.map(|vfs| match vfs {
        "unix-dotfile" => "unix-none".to_owned(),
        other => other.to_owned(),
    })
}

fn copy_and_check(
    connection: &Connection,
    database: &Path,
    target: &Path,
    vfs: Option<&str>,
    limits: &Limits,
) -> Result<(), Error> {
    let failed = |error: &rusqlite::Error| Error::Database {
        path: target.to_owned(),
        doing: "write the backup",
        cause: match Cause::of(error) {
            Cause::Statement => Cause::Storage,
            cause => cause,
        },
        message: explained_message(error),
    };
    let at = |path: &Path| Location {
        vfs: without_locks(vfs),
        ..Location::file(path.to_owned())
    };
    let location = at(target);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut copy = location.open(target, flags)?;
    // Synced as a whole below: the copy has no name yet that anybody knows.
    copy.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF")
        .map_err(|error| failed(&error))?;
    // By another connection: SQLite copies from none that is in a transaction.
    let source = at(database).open(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    copy_pages(&source, &mut copy, Duration::ZERO, limits).map_err(|error| failed(&error))?;
    drop(copy);
    let expected = history::read(connection)?;
    let found = verify(&location, limits)?;
    if found != expected {
        return Err(Error::Database {
            path: target.to_owned(),
            doing: "verify the backup",
            cause: Cause::Storage,
            message: "its history is not the database's".to_owned(),
        });
    }
    Ok(())
}

/// Syncs the copy, gives it its name, and syncs the folder: neither SQLite's
/// backup interface nor a rename does it.
fn publish(temporary: &Path, file: &Path) -> io::Result<()> {
    File::open(temporary)?.sync_all()?;
    std::fs::rename(temporary, file)?;
    let parent = directory_of(file);
    File::open(parent)?.sync_all()
}

/// How many pages are copied between two heartbeats.
const PAGES: i32 = 1000;

/// Copies all pages. A lock that somebody else holds is waited for. In one step
/// unless a heartbeat is wanted: a writer in between makes it begin again.
fn copy_pages(
    from: &Connection,
    to: &mut Connection,
    lock_wait: Duration,
    limits: &Limits,
) -> rusqlite::Result<()> {
    let clock = Instant::now();
    let backup = Backup::new(from, to)?;
    loop {
        match backup.step(if limits.heartbeat.is_some() {
            PAGES
        } else {
            -1
        })? {
            StepResult::Done => return Ok(()),
            StepResult::More => limits.beat(),
            _ if clock.elapsed() >= lock_wait => {
                let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
                return Err(rusqlite::Error::SqliteFailure(code, None));
            }
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Whether a database is whole, and its history.
fn verify(location: &Location, limits: &Limits) -> Result<Vec<history::AppliedMigration>, Error> {
    let read = |connection: &Connection| {
        let verdict: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|error| Error::database(connection, "verify the backup", &error))?;
        if verdict != "ok" {
            return Err(Error::Database {
                path: location.path.clone(),
                doing: "verify the backup",
                cause: Cause::Storage,
                message: verdict,
            });
        }
        history::read(connection)
    };
    let seen = look(location, Access::Look, limits, read)?;
    let missing = || Error::NoDatabase {
        path: location.path.clone(),
    };
    seen.map(|(history, _)| history).ok_or_else(missing)
}

/// Copies the backup `file` back over the database, in one transaction of
/// SQLite's, so that whoever has it open sees the old content or the new.
/// Gives back the newest version of its history.
///
/// # Errors
///
/// [`Error::NoDatabase`] if there is no such file, [`Error::Database`] if it is
/// damaged, or if somebody keeps the database locked for longer
/// than `limits` allow. The database is as it was.
pub fn restore(file: &Path, database: &Location, limits: &Limits) -> Result<Option<i64>, Error> {
    let source = Location {
        mode: crate::database::location::Mode::ReadOnly,
        vfs: without_locks(database.vfs.as_deref()),
        ..Location::file(file.to_owned())
    };
    let history = verify(&source, limits)?;
    let identity = |path: &Path| {
        std::fs::metadata(path)
            .map(|found| (found.dev(), found.ino()))
            .ok()
    };
    if identity(file).is_some() && identity(file) == identity(&database.path) {
        return Err(Error::Declined {
            database: database.path.clone(),
            message: "it is the backup itself".to_owned(),
        });
    }
    let copy = |from: &Connection| {
        let mut to = database.open_to_write(None)?;
        let result = restore_pages(from, &mut to, limits);
        result.map_err(|error| Error::database(&to, "restore the database", &error))
    };
    look(&source, Access::Look, limits, copy)?;
    Ok(history.last().map(|row| row.version))
}

/// A database in WAL mode cannot change its page size, so it leaves that mode
/// for as long as it takes if the backup's pages have another.
fn restore_pages(from: &Connection, to: &mut Connection, limits: &Limits) -> rusqlite::Result<()> {
    let page_size = |connection: &Connection| {
        connection.query_row("PRAGMA main.page_size", [], |row| row.get::<_, i64>(0))
    };
    let journal_mode = |connection: &Connection, pragma: &str| {
        connection.query_row(pragma, [], |row| row.get::<_, String>(0))
    };
    to.execute_batch("PRAGMA synchronous = EXTRA")?;
    to.busy_timeout(limits.patience())?;
    let is_wal = journal_mode(to, "PRAGMA main.journal_mode")? == "wal";
    let leaves_wal = is_wal && page_size(from)? != page_size(to)?;
    if leaves_wal && journal_mode(to, "PRAGMA main.journal_mode = DELETE")? != "delete" {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        return Err(rusqlite::Error::SqliteFailure(code, None));
    }
    let copied = copy_pages(from, to, limits.patience(), limits);
    if leaves_wal {
        journal_mode(to, "PRAGMA main.journal_mode = WAL")?;
    }
    copied
}
