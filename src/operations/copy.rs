//! Copies a whole database by SQLite's backup interface, and checks what came of it.
//!
//! Owns how long that may take, and what a good copy is. Gives no file its name, and
//! never decides when a copy is made.

use crate::database::limits::Limits;
use crate::database::location::Location;
use crate::database::look::{Access, look};
use crate::database::permission::open_without_waiting;
use crate::database::permission::place::Place;
use crate::diagnostics::error::{Cause, Error, explained_message};
use crate::plan::history::{self, AppliedMigration};
use crate::schema::history_table::HistoryTable;
use crate::schema::references::quoted;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, ffi};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

/// What to do about a damaged database, as it ends the messages of SQLite's errors.
const PUT_BACK: &str = "put a backup back (`litemigrate restore FILE`)";

/// How many pages are copied between two looks at the clock.
const PAGES: i32 = 1000;

/// The suffix of a copy that is not complete.
pub(super) const TEMPORARY: &str = ".litemigrate-tmp";

/// What names of text end in.
const OF_TEXT: [&str; 14] = [
    "sql", "json", "toml", "yaml", "yml", "env", "conf", "ini", "sh", "py", "rs", "md", "txt",
    "html",
];

/// What names of other files end in that are no database.
const OF_OTHERS: [&str; 12] = [
    "gz", "tgz", "zip", "tar", "xz", "zst", "bz2", "7z", "jpg", "png", "pdf", "iso",
];

/// Whether a file is of another kind, by its name and its content, and was named by mistake.
/// Any other that is no database may be a damaged one.
pub(super) fn is_no_database(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let end = name.rsplit_once('.').map(|(_, end)| end);
    let is_of = |list: &[&str]| end.is_some_and(|end| list.contains(&end));
    if !is_of(&OF_TEXT) && !is_of(&OF_OTHERS) {
        return false;
    }
    let mut head = Vec::new();
    let read = open_without_waiting(file).and_then(|file| file.take(16).read_to_end(&mut head));
    let is_other = match is_of(&OF_TEXT) {
        true => !head.contains(&0),
        false => head != b"SQLite format 3\0",
    };
    read.is_ok() && !head.is_empty() && is_other
}

/// Removes a copy that is not complete, with what SQLite has left beside it.
pub(super) fn remove_copy(place: &Place) -> io::Result<()> {
    for suffix in ["-wal", "-shm", "-journal", ""] {
        place.remove(&format!("{TEMPORARY}{suffix}"))?;
    }
    Ok(())
}

/// An error of SQLite's that we raise ourselves.
fn sqlite(code: std::ffi::c_int) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

/// Copies all pages, in one transaction of the target's. A lock that somebody else
/// holds is waited for. In one step unless somebody looks at the clock: a writer in
/// between makes it begin again.
pub(super) fn copy_pages(
    from: &Connection,
    to: &mut Connection,
    lock_wait: Duration,
    limits: &Limits,
) -> rusqlite::Result<()> {
    let clock = Instant::now();
    let backup = Backup::new(from, to)?;
    let is_timed = limits.heartbeat.is_some() || limits.deadline.is_some();
    loop {
        match backup.step(if is_timed { PAGES } else { -1 })? {
            StepResult::Done => return Ok(()),
            StepResult::More => limits.beat(),
            _ if clock.elapsed() >= lock_wait => return Err(sqlite(ffi::SQLITE_BUSY)),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
        if limits.is_over() {
            return Err(sqlite(ffi::SQLITE_INTERRUPT));
        }
    }
}

/// For a file that only we know, or while we hold the lock: `unix-dotfile` has no
/// lock that two connections could share.
pub(super) fn without_locks(vfs: Option<&str>) -> Option<String> {
    vfs.map(|vfs| match vfs {
        "unix-dotfile" => "unix-none".to_owned(),
        other => other.to_owned(),
    })
}

/// Copies into `target`, an empty file that nobody else knows, and that we have made
/// and hold as `made`. It is not synced.
pub(super) fn copy_to(
    from: &Connection,
    target: &Location,
    limits: &Limits,
    made: &File,
) -> Result<Connection, Error> {
    let failed = |error: &rusqlite::Error| Error::Database {
        path: target.path.clone(),
        doing: "write the copy",
        cause: match Cause::of(error) {
            Cause::Statement => Cause::Storage,
            cause => cause,
        },
        message: explained_message(error),
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut copy = target.open(&target.path, flags)?;
    if !Place::is_open_twice(made) {
        return Err(Error::CannotCreate {
            path: target.path.clone(),
            message: "somebody else has exchanged it while it was made".to_owned(),
        });
    }
    copy.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF")
        .map_err(|error| failed(&error))?;
    copy_pages(from, &mut copy, Duration::ZERO, limits).map_err(|error| failed(&error))?;
    Ok(copy)
}

/// Whether a database is whole, and its history.
pub(super) fn verify(
    location: &Location,
    table: &HistoryTable,
    limits: &Limits,
) -> Result<Vec<AppliedMigration>, Error> {
    let verified = read(location, limits, |connection| {
        refuse_damage(connection, "verify the backup")?;
        history::read(connection, table)
    });
    verified.map_err(|mut error| {
        if let Error::Database { message, .. } = &mut error {
            // It is what was to be put back.
            *message = message.replace(PUT_BACK, "name another backup");
        }
        error
    })
}

/// The history of a database that must be there.
pub(super) fn history_of(
    location: &Location,
    table: &HistoryTable,
    limits: &Limits,
) -> Result<Vec<AppliedMigration>, Error> {
    read(location, limits, |connection| {
        history::read(connection, table)
    })
}

fn read<T>(
    location: &Location,
    limits: &Limits,
    what: impl FnMut(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    let missing = || Error::NoDatabase {
        path: location.path.clone(),
    };
    let seen = look(location, Access::Look, limits, what)?;
    seen.map(|(found, _)| found).ok_or_else(missing)
}

/// Refuses a damaged database, and says what to do.
pub(super) fn refuse_damage(connection: &Connection, doing: &'static str) -> Result<(), Error> {
    // How the file is built comes first, so that values cannot hide it.
    let damage = match first_verdict(connection, "1", true) {
        Ok(Some(verdict)) if is_of_a_value(&verdict) => first_verdict(connection, "1000", false),
        // A collation, a function or a module of the application's that is not here.
        Err(error) if Cause::of(&error) == Cause::Statement => of_each_table(connection),
        first => first,
    };
    match damage.map_err(|error| Error::database(connection, doing, &error))? {
        None => Ok(()),
        Some(verdict) => Err(Error::Database {
            path: connection.path().unwrap_or_default().into(),
            doing,
            cause: Cause::Storage,
            message: format!("the database is damaged: {verdict}: {PUT_BACK}"),
        }),
    }
}

/// The first thing that quick_check says, of all, or of a table; of values only if
/// `values_too`.
fn first_verdict(
    connection: &Connection,
    argument: &str,
    values_too: bool,
) -> rusqlite::Result<Option<String>> {
    let query = format!("PRAGMA main.quick_check({argument})");
    let mut statement = connection.prepare(&query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let verdict: String = row.get(0)?;
        if verdict != "ok" && (values_too || !is_of_a_value(&verdict)) {
            return Ok(Some(verdict));
        }
    }
    Ok(None)
}

/// The same of the tables that can be checked here, one by one.
fn of_each_table(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let query = "SELECT DISTINCT tbl_name FROM main.sqlite_schema WHERE type = 'table'";
    let mut statement = connection.prepare(query)?;
    let mut tables = statement.query([])?;
    while let Some(table) = tables.next()? {
        let table: String = table.get(0)?;
        match first_verdict(connection, &quoted(&table), false) {
            Err(error) if Cause::of(&error) == Cause::Statement => {}
            Ok(None) => {}
            other => return other,
        }
    }
    Ok(None)
}

/// Whether quick_check speaks of a value that a constraint forbids: it may have been
/// written with `ignore_check_constraints`, or before there was the constraint, and every
/// backup has it too (sqlite.org/pragma.html#pragma_integrity_check).
fn is_of_a_value(verdict: &str) -> bool {
    // `NULL value in t.a`, and in a STRICT table `TEXT value in t.a`.
    let of_value = verdict.split_once(" value in ");
    verdict.starts_with("CHECK constraint failed in ")
        || of_value.is_some_and(|(kind, _)| !kind.contains(' '))
}

/// The file's name in the VFS that SQLite is to use for it.
pub(super) fn at(path: &Path, vfs: Option<&str>) -> Location {
    Location {
        vfs: without_locks(vfs),
        ..Location::file(path.to_owned())
    }
}
