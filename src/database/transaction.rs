//! Locks and transactions: begin, commit, roll back.
//!
//! Owns what is said when a lock is not to be had. Never runs a script, and knows
//! nothing of the history.

use crate::database::limits::Limits;
use crate::diagnostics::error::{Cause, Error, explained_message, sqlite_message};
use crate::diagnostics::text::seconds;
use rusqlite::Connection;
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
    let clock = Instant::now();
    let attempt = |wait: Duration| {
        connection
            .busy_timeout(wait)
            .and_then(|()| connection.execute_batch("BEGIN IMMEDIATE"))
    };
    let mut result = attempt(patience.min(NOTABLE_WAIT));
    // Not for SQLITE_PROTOCOL, after which SQLite itself has waited ten seconds.
    let is_busy = |error: &rusqlite::Error| {
        error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
    };
    if patience > NOTABLE_WAIT && result.as_ref().is_err_and(is_busy) {
        waiting();
        result = attempt(patience.saturating_sub(clock.elapsed()));
    }
    result.map_err(|error| {
        let cause = Cause::of(&error);
        Error::Database {
            path: connection.path().unwrap_or_default().into(),
            doing: "lock the database",
            cause,
            message: locked(&error, limits, patience),
        }
    })
}

/// SQLite's message, and if somebody else holds the lock what to do about it.
fn locked(error: &rusqlite::Error, limits: &Limits, waited: Duration) -> String {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => format!(
            "{} by another process, for longer than {} s: {}",
            sqlite_message(error),
            seconds(waited),
            limits.more_patience(waited)
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
        let message = locked(&error, limits, patience);
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

#[cfg(test)]
mod tests {
    use super::{NOTABLE_WAIT, begin, commit, roll_back};
    use crate::database::limits::Limits;
    use crate::diagnostics::error::{Cause, Error};
    use rusqlite::Connection;
    use std::time::Duration;

    fn limits(lock_wait: Duration) -> Limits {
        Limits {
            lock_wait,
            deadline: None,
            heartbeat: None,
        }
    }

    /// Two connections with one database, of which the first has the write lock.
    fn two(name: &str) -> (Connection, Connection) {
        let file = format!("litemigrate-{name}-{}.db", std::process::id());
        let path = std::env::temp_dir().join(file);
        let _ = std::fs::remove_file(&path);
        let (holder, other) = (
            Connection::open(&path).unwrap(),
            Connection::open(&path).unwrap(),
        );
        holder
            .execute_batch("CREATE TABLE t (x); BEGIN IMMEDIATE")
            .unwrap();
        // What is open lives on without its name.
        std::fs::remove_file(&path).unwrap();
        (holder, other)
    }

    #[test]
    fn a_wait_is_told_once_and_ends_with_the_lock() {
        let (holder, other) = two("told");
        let mut told = 0;
        let patience = NOTABLE_WAIT + Duration::from_secs(60);
        begin(&other, &limits(patience), &mut || {
            told += 1;
            holder.execute_batch("COMMIT").unwrap();
        })
        .unwrap();
        assert_eq!((told, other.is_autocommit()), (1, false));
        roll_back(&other);
        assert!(other.is_autocommit());
        roll_back(&other);
    }

    #[test]
    fn a_wait_that_is_soon_over_is_not_told() {
        let (_holder, other) = two("soon");
        for patience in [Duration::ZERO, NOTABLE_WAIT] {
            let mut told = false;
            let result = begin(&other, &limits(patience), &mut || told = true);
            assert!(matches!(
                result,
                Err(Error::Database {
                    cause: Cause::Busy,
                    ..
                })
            ));
            assert!(!told, "{patience:?}");
        }
    }

    #[test]
    fn what_is_no_lock_is_not_waited_for() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("BEGIN").unwrap();
        let mut told = false;
        let patience = limits(NOTABLE_WAIT * 2);
        let result = begin(&connection, &patience, &mut || told = true);
        assert!(matches!(
            result,
            Err(Error::Database {
                cause: Cause::Statement,
                ..
            })
        ));
        assert!(!told);
        commit(&connection, &patience).unwrap();
        assert!(connection.is_autocommit());
    }
}
