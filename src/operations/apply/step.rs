//! One migration: its script, and its row in the history.
//!
//! Owns what a script is told, and what is said when it or its row fails. Never
//! decides which script is next.

use super::{Direction, Event, Run, Step};
use crate::database::transaction::{begin, commit, roll_back};
use crate::diagnostics::error::{Cause, Error, ScriptError, explained_message};
use crate::diagnostics::problem::Finding;
use crate::files::directory;
use crate::files::migration::Migration;
use crate::plan::history::{self, RecordError};
use crate::schema::Schema;
use crate::script::authorizer::Rules;
use crate::script::foreign_keys::{new_violations, violations};
use crate::script::{self, Failed, Ran, Stopped};
use rusqlite::Connection;
use std::time::{Duration, Instant};

/// Why a migration was not applied.
pub(super) enum Halt {
    Error(Error),
    /// The script asks for foreign keys to be off, which only works outside a
    /// transaction: begin again without them.
    WithoutForeignKeys,
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl<'a> Run<'a, '_> {
    fn rules(&self, transactional: bool) -> Rules {
        Rules {
            transactional,
            enforced: self.enforced,
            mixed: self.together && !self.enforced && self.settings.foreign_keys,
            allow_cascade: self.job.options.allow_cascade,
            contained: self.job.contained,
        }
    }

    fn execute(
        &mut self,
        connection: &mut Connection,
        migration: &'a Migration,
        sql: String,
    ) -> Result<Ran, Failed> {
        let rules = self.rules(migration.transactional);
        (self.report)(Event::Started(migration));
        let report = &mut self.report;
        let mut progress = |statements| {
            report(Event::Progress {
                migration,
                statements,
            })
        };
        script::execute_batch(connection, &migration.path, sql, rules, &mut progress)
    }

    /// Runs a script and records it, in the transaction that is open.
    pub(super) fn apply_inside(
        &mut self,
        connection: &mut Connection,
        migration: &'a Migration,
    ) -> Result<(Step<'a>, Vec<Finding>), Halt> {
        let sql = directory::read_sql(migration)?;
        // Without enforcement, or without a COMMIT, nobody else looks for rows
        // that refer to nothing.
        let check = self.settings.foreign_keys && (!self.enforced || self.job.options.dry_run);
        let unchecked = |run: &Self, error: &rusqlite::Error| {
            let message = format!(
                "foreign keys cannot be checked: {}",
                explained_message(error)
            );
            run.failed(migration, Stopped::at_end(Cause::of(error), message))
        };
        let before = match check {
            true => Some(violations(connection).map_err(|error| unchecked(self, &error))?),
            false => None,
        };
        let schema = if self.job.options.dry_run {
            Schema::read(connection).ok()
        } else {
            None
        };
        let changes = connection.total_changes();
        let clock = Instant::now();
        let result = self.execute(connection, migration, sql);
        let ran = match result {
            Ok(ran) => ran,
            Err(Failed::WithoutForeignKeys) => return Err(Halt::WithoutForeignKeys),
            Err(Failed::Stopped(stopped)) => return Err(self.failed(migration, stopped).into()),
        };
        let elapsed = clock.elapsed();
        let rows_changed = connection.total_changes() - changes;
        if let Some(before) = before {
            let after = violations(connection).map_err(|error| unchecked(self, &error))?;
            if let Some(list) = new_violations(&before, &after) {
                let message = format!("the script leaves rows that refer to nothing: {list}");
                return Err(self
                    .failed(migration, Stopped::at_end(Cause::Statement, message))
                    .into());
            }
        }
        let schema_changes = match schema {
            Some(before) => Schema::read(connection)
                .map(|now| before.changes(&now))
                .unwrap_or_default(),
            None => Vec::new(),
        };
        self.record(connection, migration, elapsed)
            .map_err(|(cause, message)| {
                let message = format!("the script ran, but {message}");
                self.failed(migration, Stopped::at_end(cause, message))
            })?;
        let step = Step {
            migration,
            elapsed,
            statements: ran.statements,
            rows_changed,
            schema_changes,
        };
        Ok((step, ran.warnings))
    }

    /// A `-- no-transaction` script: the lock is given up before it, and taken
    /// again for its row. Whatever fails after its last statement says that it ran.
    pub(super) fn apply_outside(
        &mut self,
        connection: &mut Connection,
        migration: &'a Migration,
    ) -> Result<(Step<'a>, Vec<Finding>), Error> {
        let sql = directory::read_sql(migration)?;
        self.commit(connection, migration)?;
        let changes = connection.total_changes();
        let clock = Instant::now();
        let result = self.execute(connection, migration, sql);
        let elapsed = clock.elapsed();
        roll_back(connection);
        let ran = match result {
            Ok(ran) => ran,
            Err(Failed::Stopped(stopped)) => return Err(self.failed(migration, stopped)),
            // Outside a transaction the pragma just works.
            Err(Failed::WithoutForeignKeys) => {
                return Err(self.failed(
                    migration,
                    Stopped::at_end(
                        Cause::Statement,
                        "foreign keys cannot be switched".to_owned(),
                    ),
                ));
            }
        };
        let rows_changed = connection.total_changes() - changes;
        let not_recorded = |run: &Self, cause, message: String| {
            let message = format!("the script ran to its end, but is not recorded: {message}");
            run.failed(
                migration,
                Stopped {
                    statements: ran.statements,
                    ..Stopped::at_end(cause, message)
                },
            )
        };
        let recorded = self
            .settings
            .restore(connection, self.settings.foreign_keys)
            .and_then(|()| {
                let report = &mut self.report;
                begin(connection, &self.limits, &mut || report(Event::Waiting))
            });
        match recorded {
            Ok(()) => {}
            Err(Error::Database { cause, message, .. }) => {
                return Err(not_recorded(self, cause, message));
            }
            Err(other) => return Err(not_recorded(self, Cause::Statement, other.to_string())),
        }
        if let Err((cause, message)) = self.record(connection, migration, elapsed) {
            roll_back(connection);
            let rows = history::read(connection).unwrap_or_default();
            let is_recorded = rows.iter().any(|row| row.version == migration.version);
            let message = if is_recorded == (self.job.direction == Direction::Up) {
                "another process ran it at the same time, and has recorded it: look at what it did twice".to_owned()
            } else {
                message
            };
            return Err(not_recorded(self, cause, message));
        }
        commit(connection, &self.limits)
            .map_err(|(cause, message)| not_recorded(self, cause, message))?;
        let step = Step {
            migration,
            elapsed,
            statements: ran.statements,
            rows_changed,
            schema_changes: Vec::new(),
        };
        Ok((step, ran.warnings))
    }

    pub(super) fn commit(
        &self,
        connection: &Connection,
        migration: &Migration,
    ) -> Result<(), Error> {
        commit(connection, &self.limits).map_err(|(cause, mut message)| {
            // The deferred keys that COMMIT found are still to be seen.
            if cause == Cause::Statement
                && let Ok(found) = violations(connection)
                && let Some(list) = new_violations(&Default::default(), &found)
            {
                message = format!("{message} ({list})");
            }
            self.failed(migration, Stopped::at_end(cause, message))
        })
    }

    /// Inserts the row of `migration`. The error is a cause and a sentence.
    fn record(
        &self,
        connection: &Connection,
        migration: &Migration,
        elapsed: Duration,
    ) -> Result<(), (Cause, String)> {
        let written = match self.job.direction {
            Direction::Up => history::record(connection, migration, elapsed),
            Direction::Down => history::remove(connection, migration.version),
        };
        written.map_err(|error| {
            let (cause, message) = match error {
                RecordError::Sqlite(error) => (Cause::of(&error), explained_message(&error)),
                RecordError::Swallowed => (
                    Cause::Statement,
                    "a trigger on it swallowed or changed the row: drop the trigger".to_owned(),
                ),
            };
            // A moment ago the database could be written: the script is at fault.
            let cause = if cause == Cause::Permission {
                Cause::Statement
            } else {
                cause
            };
            (
                cause,
                format!("its row could not be written to _sqlx_migrations: {message}"),
            )
        })
    }

    fn failed(&self, migration: &Migration, stopped: Stopped) -> Error {
        Error::Script(Box::new(ScriptError {
            version: migration.version,
            path: migration.path.clone(),
            position: stopped.position,
            message: stopped.message,
            remedy: stopped.remedy,
            cause: stopped.cause,
            statements_kept: if migration.transactional {
                0
            } else {
                stopped.statements
            },
            rolled_back: migration.transactional,
            rolled_back_with_it: 0,
            newest: self.view.newest(),
        }))
    }
}
