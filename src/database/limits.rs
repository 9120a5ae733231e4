//! How long is waited, and until when.
//!
//! Owns patience: for locks, and for the whole run, in every phase of it. Never opens
//! or locks anything itself.

use crate::diagnostics::error::{Cause, Error};
use rusqlite::Connection;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A function that is called every few thousand steps of SQLite's machine while a
/// script runs, within a long statement too (sqlite.org/c3ref/progress_handler.html).
/// It must be quick, and must not use the connection.
#[derive(Clone)]
pub struct Heartbeat(pub Arc<dyn Fn() + Send + Sync>);

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Heartbeat")
    }
}

/// The longest wait that SQLite knows, in milliseconds of 31 bits.
const LONGEST_WAIT: Duration = Duration::from_millis(i32::MAX as u64);

/// How many steps of SQLite's machine pass between two looks at the clock.
const STEPS: i32 = 10_000;

/// How long a run may wait and last, and who hears that it goes on.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// How long to wait for a lock that somebody else holds.
    pub lock_wait: Duration,
    /// When the whole run must be over.
    pub deadline: Option<Instant>,
    /// Called again and again.
    pub heartbeat: Option<Heartbeat>,
}

impl Limits {
    /// How long may still be waited for a lock now.
    pub(crate) fn patience(&self) -> Duration {
        let wait = match self.deadline {
            Some(end) => self
                .lock_wait
                .min(end.saturating_duration_since(Instant::now())),
            None => self.lock_wait,
        };
        wait.min(LONGEST_WAIT)
    }

    /// What to do if somebody held a lock for as long as `patience`, which was all that
    /// there was: it is the end of the run that cut it short, or it is not.
    pub(crate) fn more_patience(&self, patience: Duration) -> &'static str {
        match patience < self.lock_wait.min(LONGEST_WAIT) {
            true => "try again, or give the run longer with --timeout",
            false => "try again, or wait longer with --lock-wait",
        }
    }

    /// Whether the time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|end| Instant::now() >= end)
    }

    /// Refuses to begin anything more once the time is over.
    pub(crate) fn refuse_late(&self, database: &Path) -> Result<(), Error> {
        match self.is_over() {
            true => Err(self.late(database, "go on")),
            false => Ok(()),
        }
    }

    /// That the time is over, while something was tried.
    pub(crate) fn late(&self, database: &Path, doing: &'static str) -> Error {
        Error::Database {
            path: database.to_owned(),
            doing,
            cause: Cause::Busy,
            message: "the time is over (--timeout): run again".to_owned(),
        }
    }

    /// Lets a connection wait for locks as long as may be waited now.
    pub(crate) fn set_patience(&self, connection: &Connection) -> Result<(), Error> {
        connection
            .busy_timeout(self.patience())
            .map_err(|error| Error::database(connection, "configure the connection", &error))
    }

    /// Interrupts whatever the connection does once the time is over, and lets the
    /// heartbeat be heard meanwhile.
    pub(crate) fn watch(&self, connection: &mut Connection) -> Result<(), Error> {
        if self.deadline.is_none() && self.heartbeat.is_none() {
            return Ok(());
        }
        let limits = self.clone();
        let handler = move || {
            limits.beat();
            limits.is_over()
        };
        connection
            .progress_handler(STEPS, Some(handler))
            .map_err(|error| Error::database(connection, "configure the connection", &error))
    }

    /// We are getting on.
    pub(crate) fn beat(&self) {
        if let Some(Heartbeat(beat)) = &self.heartbeat {
            beat();
        }
    }
}
