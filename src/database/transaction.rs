//! Locks and transactions: begin, commit, roll back, and the connection's settings.
//!
//! Owns how long is waited for whom, and what a connection must be set to so that
//! a commit is durable. Never runs a script, and knows nothing of the history.

use crate::database::limits::Limits;
use crate::database::location::{file_of, refuse_read_only};
use crate::diagnostics::error::{Cause, Error, explained_message, sqlite_message};
use crate::diagnostics::text::seconds;
use crate::schema::readable::refuse_unreadable;
use rusqlite::Connection;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

/// After this long somebody may want to know what is waited for.
const NOTABLE_WAIT: Duration = Duration::from_secs(1);

/// Takes the write lock, and tells `waiting` if that takes long.
pub(crate) fn begin(
    connection: &Connection,
    limits: &Limits,
    waiting: &mut dyn FnMut(),
) -> Result<(), Error> {
    let patience = limits.patience();
    let attempt = |wait: Duration| {
        connection
            .busy_timeout(wait)
            .and_then(|()| connection.execute_batch("BEGIN IMMEDIATE"))
    };
    let mut result = attempt(patience.min(NOTABLE_WAIT));
    if patience > NOTABLE_WAIT
        && result
            .as_ref()
            .is_err_and(|error| Cause::of(error) == Cause::Busy)
    {
        waiting();
        result = attempt(patience - NOTABLE_WAIT);
    }
    result.map_err(|error| {
        let cause = Cause::of(&error);
        Error::Database {
            path: connection.path().unwrap_or_default().into(),
            doing: "lock the database",
            cause,
            message: locked(&error, cause, patience),
        }
    })
}

/// SQLite's message, and if somebody else holds the lock what to do about it.
fn locked(error: &rusqlite::Error, cause: Cause, waited: Duration) -> String {
    match cause {
        Cause::Busy => format!(
            "{} by another process, for longer than {} s: try again, or wait longer with --lock-wait",
            sqlite_message(error),
            seconds(waited)
        ),
        _ => explained_message(error),
    }
}

/// Commits. A reader can keep a commit waiting; SQLite's busy handler does that,
/// for as long as we say, whatever a script said. The error is a cause and a sentence.
pub(crate) fn commit(connection: &Connection, limits: &Limits) -> Result<(), (Cause, String)> {
    let patience = limits.patience();
    let committed = connection
        .busy_timeout(patience)
        .and_then(|()| connection.execute_batch("COMMIT"));
    committed.map_err(|error| {
        let cause = Cause::of(&error);
        let message = locked(&error, cause, patience);
        (cause, format!("at its end: {message}"))
    })
}

/// Rolls back, unless SQLite did it already, as it does after some errors.
/// If this fails too, closing the connection does it.
pub(crate) fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
}

/// A script that runs outside a transaction is not protected by the database's
/// lock, so two starts at the same instant agree by a lock on the directory of
/// the database, whichever copy of the script they have. The database itself
/// cannot serve: closing another descriptor of it would drop SQLite's own locks
/// (sqlite.org/howtocorrupt.html, section 2.2). `None` where the file system has no
/// such locks.
pub(crate) fn lock_script(
    connection: &Connection,
    script: &Path,
    limits: &Limits,
) -> Result<Option<File>, Error> {
    let Some(Ok(file)) = file_of(connection).parent().map(File::open) else {
        return Ok(None);
    };
    let clock = Instant::now();
    let patience = limits.patience();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(_)) => return Ok(None),
            Err(TryLockError::WouldBlock) if clock.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Database {
                    path: script.to_owned(),
                    doing: "run this script",
                    cause: Cause::Busy,
                    message: format!(
                        "another process is running a script outside a transaction on a database in the same directory, for longer than {} s: try again, or wait longer with --lock-wait",
                        seconds(patience)
                    ),
                });
            }
        }
    }
}

/// The settings of the connection: those that a script may change and the next
/// one must find as they were, and those that the caller gets back in the end.
pub(crate) struct Settings {
    /// Whether foreign keys were enforced when the run began.
    pub foreign_keys: bool,
    busy_timeout: Duration,
    synchronous: i64,
}

impl Settings {
    /// Makes sure that the database can be written, durably and within the time.
    pub(crate) fn prepare(connection: &mut Connection, limits: &Limits) -> Result<Self, Error> {
        refuse_read_only(connection)?;
        if !connection.is_autocommit() {
            return Err(Error::Database {
                path: file_of(connection),
                doing: "begin",
                cause: Cause::Statement,
                message: "the connection is in a transaction: end it first".to_owned(),
            });
        }
        refuse_unreadable(connection)?;
        let ask = |pragma: &str| {
            connection
                .query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0))
                .map_err(|error| Error::database(connection, "read its settings", &error))
        };
        let milliseconds = ask("busy_timeout")?;
        let settings = Self {
            foreign_keys: ask("foreign_keys")? != 0,
            busy_timeout: Duration::from_millis(milliseconds.unsigned_abs()),
            synchronous: ask("main.synchronous")?,
        };
        settings.restore(connection, settings.foreign_keys)?;
        limits.watch(connection)?;
        Ok(settings)
    }

    /// Sets everything as it must be, with foreign keys enforced or not.
    pub(crate) fn restore(&self, connection: &Connection, foreign_keys: bool) -> Result<(), Error> {
        let foreign_keys = if foreign_keys { "ON" } else { "OFF" };
        let pragmas = format!(
            "PRAGMA query_only = OFF; PRAGMA main.synchronous = EXTRA; PRAGMA foreign_keys = {foreign_keys}"
        );
        let configure = || {
            connection.execute_batch(&pragmas)?;
            // Without a journal nothing could be rolled back.
            let query = "PRAGMA main.journal_mode";
            let mode: String = connection.query_row(query, [], |row| row.get(0))?;
            if (mode == "off" || mode == "memory") && connection.path() != Some("") {
                connection.query_row("PRAGMA main.journal_mode = DELETE", [], |_| Ok(()))?;
            }
            Ok(())
        };
        configure().map_err(|error| Error::database(connection, "configure the connection", &error))
    }

    /// Ends what is open, and gives the caller the connection as it was.
    pub(crate) fn give_back(&self, connection: &mut Connection) -> Result<(), Error> {
        roll_back(connection);
        let _ = connection.progress_handler(0, None::<fn() -> bool>);
        self.restore(connection, self.foreign_keys)?;
        connection
            .busy_timeout(self.busy_timeout)
            .and_then(|()| {
                let pragma = format!("PRAGMA main.synchronous = {}", self.synchronous);
                connection.execute_batch(&pragma)
            })
            .map_err(|error| Error::database(connection, "configure the connection", &error))
    }
}
