//! Locks and transactions: begin, commit, roll back, and the connection's settings.
//!
//! Owns how long is waited for whom, and what a connection must be set to so that
//! a commit is durable. Never runs a script, and knows nothing of the history.

use crate::database::{file_of, refuse_read_only};
use crate::error::{Cause, Error, explained_message, sqlite_message};
use crate::migration::Migration;
use crate::options::Heartbeat;
use crate::script;
use crate::text::seconds;
use rusqlite::Connection;
use std::fs::{File, TryLockError};
use std::time::{Duration, Instant};

/// How long a run may wait and last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How long to wait for a lock that somebody else holds.
    pub lock_wait: Duration,
    /// When the whole run must be over.
    pub deadline: Option<Instant>,
}

impl Limits {
    /// How long may still be waited for a lock now.
    fn patience(&self) -> Duration {
        match self.deadline {
            Some(end) => self
                .lock_wait
                .min(end.saturating_duration_since(Instant::now())),
            None => self.lock_wait,
        }
    }

    /// Refuses to begin anything more once the time is over.
    pub(crate) fn refuse_late(&self, connection: &Connection) -> Result<(), Error> {
        match self.deadline {
            Some(end) if Instant::now() >= end => Err(Error::Database {
                path: connection.path().unwrap_or_default().into(),
                doing: "go on",
                cause: Cause::Busy,
                message: "the time is over (--timeout): run again".to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

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
        let mut message = locked(&error, cause, patience);
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
            && let Ok(found) = crate::foreign_keys::violations(connection)
            && let Some(list) = crate::foreign_keys::new_violations(&Default::default(), &found)
        {
            message = format!("{message} ({list})");
        }
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
/// (sqlite.org/howtocorrupt.html, section 2.2). `None` for every other script,
/// and where the file system has no such locks.
pub(crate) fn lock_script(
    connection: &Connection,
    migration: &Migration,
    limits: &Limits,
) -> Result<Option<File>, Error> {
    if migration.transactional {
        return Ok(None);
    }
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
                    path: migration.path.clone(),
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
    pub(crate) fn prepare(
        connection: &mut Connection,
        limits: &Limits,
        heartbeat: Option<Heartbeat>,
    ) -> Result<Self, Error> {
        refuse_read_only(connection)?;
        if !connection.is_autocommit() {
            return Err(Error::Database {
                path: file_of(connection),
                doing: "begin",
                cause: Cause::Statement,
                message: "the connection is in a transaction: end it first".to_owned(),
            });
        }
        refuse_unreadable_schema(connection)?;
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
        let deadline = limits.deadline;
        if deadline.is_some() || heartbeat.is_some() {
            let handler = move || {
                if let Some(Heartbeat(beat)) = &heartbeat {
                    beat();
                }
                deadline.is_some_and(|end| Instant::now() >= end)
            };
            connection
                .progress_handler(10_000, Some(handler))
                .map_err(|error| Error::database(connection, "configure the connection", &error))?;
        }
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

/// See [`script::has_readable_schemas`].
fn refuse_unreadable_schema(connection: &Connection) -> Result<(), Error> {
    match script::has_readable_schemas(connection) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::Database {
            path: connection.path().unwrap_or_default().into(),
            doing: "read the schema",
            cause: Cause::Storage,
            message: "it holds text that is not UTF-8: the database is damaged; look at PRAGMA integrity_check".to_owned(),
        }),
        Err(error) => Err(Error::database(connection, "read the schema", &error)),
    }
}
