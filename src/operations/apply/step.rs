//! One migration: its script, and its row in the history.
//!
//! Owns what a script is told, and what is said when it or its row fails. Never
//! decides which script is next.

use super::run::{KnownSchema, Run};
use super::{Event, Step};
use crate::database::permission::discovery::rights_of;
use crate::database::transaction::{begin, commit, roll_back};
use crate::diagnostics::error::{Cause, Committed, Error};
use crate::diagnostics::problem::Finding;
use crate::files::migration::Migration;
use crate::files::read::Source;
use crate::plan::history::{self, WriteError};
use crate::schema::history_table::HistoryTable;
use crate::schema::pragma::ask;
use crate::schema::{Schema, SchemaChange, last_row};
use crate::script::authorizer::Rules;
use crate::script::{self, Ran, Stopped, text};
use rusqlite::Connection;
use rusqlite::ffi::{SQLITE_CANTOPEN, SQLITE_READONLY_DIRECTORY};
use std::time::{Duration, Instant};

impl<'a> Run<'a, '_> {
    fn rules(&self, migration: &Migration) -> Rules {
        let options = self.job.options;
        Rules {
            transactional: migration.transactional,
            history: options.table.clone(),
            others: None,
            rights: self.as_root.then(|| rights_of(&migration.path)).flatten(),
            allow_cascade: options.allow_cascade,
            contained: self.job.contained,
            replayed: self.job.replayed,
            counted: options.dry_run,
            shared: self.together,
            for_sqlpage: options.for_sqlpage && self.is_up(),
            strict: options.strict,
        }
    }

    fn run_script(
        &mut self,
        connection: &mut Connection,
        migration: &'a Migration,
    ) -> Result<(Ran, Duration, u64), Error> {
        let mut source = Source::open(migration)?;
        if !self.job.replayed {
            self.blame.begin(connection);
        }
        let (head, is_all) = source.head();
        // What follows a head of white space is not known yet.
        let is_known = is_all || !head.trim().is_empty();
        let head = match is_known && !self.job.replayed {
            true => text::at_its_head(&migration.path, head),
            false => None,
        };
        let rules = self.rules(migration);
        if let (false, Some(finding)) = (migration.transactional, &head) {
            self.refuse_warnings(migration, 0, std::slice::from_ref(finding))?;
        }
        (self.report)(Event::Started(migration));
        let report = &mut self.report;
        let mut progress = |statements| {
            report(Event::Progress {
                migration,
                statements,
            })
        };
        let changes = connection.total_changes();
        let clock = Instant::now();
        let (path, watched) = (&migration.path, &mut self.watched);
        let mut read_on = |text: &mut String| source.read_on(text);
        let result = script::execute_batch(
            connection,
            path,
            &mut read_on,
            rules,
            watched,
            &mut progress,
        );
        let elapsed = clock.elapsed();
        let rows_changed = connection.total_changes() - changes;
        let mut ran = result.map_err(|mut stopped| {
            if let Some(error) = stopped.unread.take() {
                if stopped.statements == 0 {
                    return *error;
                }
                stopped.message = error.sentence();
            }
            if let Some(mut stopped) = self.watched.stopped.take() {
                self.unsaid.extend(head.clone());
                self.unsaid.append(&mut stopped.warnings);
                self.attached_files.append(&mut stopped.attached_files);
            }
            self.advise(connection, migration.transactional, &mut stopped);
            self.failed(migration, stopped)
        })?;
        ran.warnings.splice(0..0, head);
        self.attached_files.append(&mut ran.attached_files);
        self.dropped.clone_from(&ran.dropped);
        self.deferred |= ran.deferred;
        self.altered |= ran.alters;
        self.blame.note(&migration.path, &mut ran);
        Ok((ran, elapsed, rows_changed))
    }

    /// Runs a script and records it, in the transaction that is open.
    pub(super) fn apply_inside(
        &mut self,
        connection: &mut Connection,
        migration: &'a Migration,
    ) -> Result<(Step<'a>, Vec<Finding>), Error> {
        if let Some(replaced) = self.view.replaced.get(&migration.version) {
            return self.take_the_place(connection, migration, replaced);
        }
        self.remember_schema(connection);
        let (mut ran, elapsed, rows_changed) = self.run_script(connection, migration)?;
        match self.record_inside(connection, migration, &mut ran, elapsed) {
            Ok(schema_changes) => {
                let step = Step {
                    migration,
                    elapsed,
                    statements: ran.statements,
                    rows_changed,
                    schema_changes,
                    rows: ran.rows,
                    replaced: Vec::new(),
                };
                Ok((step, ran.warnings))
            }
            Err(error) => {
                self.not_told(&error, ran.warnings);
                Err(error)
            }
        }
    }

    /// A script ran, and the run fails after it: with `--strict` its warnings were told.
    fn not_told(&mut self, error: &Error, warnings: Vec<Finding>) {
        if !matches!(error, Error::Warned(_)) {
            self.unsaid.extend(warnings);
        }
    }

    /// Judges and records a script that ran. What it has made of the schema.
    fn record_inside(
        &mut self,
        connection: &mut Connection,
        migration: &'a Migration,
        ran: &mut Ran,
        elapsed: Duration,
    ) -> Result<Vec<SchemaChange>, Error> {
        self.put_back(connection, migration, ran)?;
        self.judge_history(connection, migration, ran)
            .map_err(|message| {
                let message = format!("the script ran, but {message}");
                self.failed(migration, Stopped::at_end(Cause::Statement, message))
            })?;
        if self.job.options.strict && !self.together {
            let dead = self.dead_objects(connection)?;
            ran.warnings.extend(dead);
        }
        self.refuse_warnings(migration, ran.statements, &ran.warnings)?;
        let schema_changes = self.schema_changes(connection, ran);
        self.record(connection, migration, elapsed)
            .map_err(|(cause, message)| {
                let message = format!("the script ran, but {message}");
                self.failed(migration, Stopped::at_end(cause, message))
            })?;
        if self.together && ran.deferring {
            // What was counted was checked by its rows, and must not fail the next one.
            let _ = ask(connection, "defer_foreign_keys = OFF");
        }
        Ok(schema_changes)
    }

    /// Records a script that replaces others in their place, in the transaction that
    /// is open: they have made what it makes.
    fn take_the_place(
        &self,
        connection: &Connection,
        migration: &'a Migration,
        replaced: &[i64],
    ) -> Result<(Step<'a>, Vec<Finding>), Error> {
        history::replace(connection, &self.job.options.table, migration, replaced).map_err(
            |error| {
                let (cause, message) = not_written(&error, &self.job.options.table);
                self.failed(migration, Stopped::at_end(cause, message))
            },
        )?;
        let step = Step {
            migration,
            elapsed: Duration::ZERO,
            statements: 0,
            rows_changed: 0,
            schema_changes: Vec::new(),
            rows: Vec::new(),
            replaced: replaced.to_vec(),
        };
        Ok((step, Vec::new()))
    }

    /// A `-- no-transaction` script: the lock is given up before it, and taken
    /// again for its row. Whatever fails after its last statement says that it ran.
    pub(super) fn apply_outside(
        &mut self,
        connection: &mut Connection,
        migration: &'a Migration,
    ) -> Result<(Step<'a>, Vec<Finding>), Error> {
        self.commit(connection, migration)?;
        self.touched = true;
        self.changes_before = connection.total_changes();
        let result = self.run_script(connection, migration);
        roll_back(connection);
        let (mut ran, elapsed, rows_changed) = result?;
        if let Err(error) = self.record_outside(connection, migration, &mut ran, elapsed) {
            self.not_told(&error, ran.warnings);
            return Err(error);
        }
        let step = Step {
            migration,
            elapsed,
            statements: ran.statements,
            rows_changed,
            schema_changes: Vec::new(),
            rows: Vec::new(),
            replaced: Vec::new(),
        };
        Ok((step, ran.warnings))
    }

    /// Judges a script that ran outside a transaction, and records it in one of its own.
    fn record_outside(
        &mut self,
        connection: &mut Connection,
        migration: &'a Migration,
        ran: &mut Ran,
        elapsed: Duration,
    ) -> Result<(), Error> {
        let statements = ran.statements;
        let not_recorded = |run: &Self, cause, message: String| {
            let message = format!("the script ran to its end, but is not recorded: {message}");
            let stopped = Stopped {
                statements,
                ..Stopped::at_end(cause, message)
            };
            run.failed(migration, stopped)
        };
        let ready = self
            .put_back(connection, migration, ran)
            .and_then(|()| self.settings.restore_outside(connection))
            .and_then(|()| {
                let report = &mut self.report;
                begin(connection, &self.limits, &mut || report(Event::Waiting))
            });
        match ready {
            Ok(()) => {}
            Err(Error::Database { cause, message, .. }) => {
                return Err(not_recorded(self, cause, message));
            }
            Err(other) => return Err(not_recorded(self, Cause::Statement, other.sentence())),
        }
        if let Err(message) = self.judge_history(connection, migration, ran) {
            return Err(not_recorded(self, Cause::Statement, message));
        }
        if self.job.options.strict && !self.job.replayed {
            ran.warnings.extend(self.dead_objects(connection)?);
        }
        self.refuse_warnings(migration, statements, &ran.warnings)?;
        if let Err((cause, message)) = self.record(connection, migration, elapsed) {
            roll_back(connection);
            let message = match self.is_recorded(connection, migration) {
                Some(true) => "another process ran it at the same time, and has recorded it: look at what it did twice".to_owned(),
                _ => message,
            };
            return Err(not_recorded(self, cause, message));
        }
        commit(connection, &self.limits).map_err(|(cause, message)| {
            roll_back(connection);
            let failed = match self.is_recorded(connection, migration) {
                Some(true) => self.failed(migration, Stopped::at_end(cause, message)),
                _ => not_recorded(self, cause, message),
            };
            self.after_commit(connection, migration, failed)
        })
    }

    pub(super) fn commit(
        &self,
        connection: &Connection,
        migration: &Migration,
    ) -> Result<(), Error> {
        // A statement that cannot be interrupted may have ended after the deadline.
        if self.limits.is_over() {
            let message = "the time is over (--timeout) before it could be committed".to_owned();
            return Err(self.failed(migration, Stopped::at_end(Cause::Busy, message)));
        }
        commit(connection, &self.limits).map_err(|(cause, message)| {
            let failed = self.uncommitted(connection, migration, cause, message);
            roll_back(connection);
            self.after_commit(connection, migration, failed)
        })
    }

    /// Whether the history is as the end of `migration` makes it; `None` if it cannot
    /// be read.
    fn is_recorded(&self, connection: &Connection, migration: &Migration) -> Option<bool> {
        let rows = history::read(connection, &self.job.options.table).ok()?;
        Some(rows.iter().any(|row| row.version == migration.version) == self.is_up())
    }

    /// Where the database really is: COMMIT can fail after it has happened, because
    /// the sync of the folder comes after the unlink of the journal.
    fn after_commit(&self, connection: &Connection, migration: &Migration, error: Error) -> Error {
        let Error::Script(mut script) = error else {
            return error;
        };
        match (
            self.is_recorded(connection, migration),
            history::read(connection, &self.job.options.table),
        ) {
            (Some(is_recorded), Ok(history)) => {
                if is_recorded {
                    script.committed = Committed::Yes;
                }
                script.newest = history.last().map(|row| row.version);
            }
            _ => script.committed = Committed::Unknown,
        }
        Error::Script(script)
    }

    /// Inserts the row of `migration`. The error is a cause and a sentence.
    fn record(
        &mut self,
        connection: &Connection,
        migration: &Migration,
        elapsed: Duration,
    ) -> Result<(), (Cause, String)> {
        let written = match self.is_up() {
            true => history::record(connection, &self.job.options.table, migration, elapsed),
            false => history::remove(connection, &self.job.options.table, migration.version),
        };
        match written {
            Ok(()) => Ok(()),
            // That a trigger writes elsewhere too is its business.
            Err(WriteError::Others) if self.is_undisturbed(connection, migration) => Ok(()),
            Err(error) => Err(not_written(&error, &self.job.options.table)),
        }
    }

    /// Whether the rows of other versions are what they were, where a trigger did
    /// something when ours was written.
    fn is_undisturbed(&self, connection: &Connection, migration: &Migration) -> bool {
        history::read(connection, &self.job.options.table).is_ok_and(|mut now| {
            now.retain(|row| row.version != migration.version);
            let changes = self.view.compared(&now);
            !changes
                .lost
                .iter()
                .any(|version| *version != migration.version)
                && changes.changed.is_empty()
                && changes.added.is_empty()
        })
    }

    /// Of a run for show: the schema before the first script.
    fn remember_schema(&mut self, connection: &Connection) {
        if self.job.options.dry_run && self.schema.is_none() {
            self.schema = read_schema(connection, 0);
        }
    }

    /// What the script has made of the schema; read only if SQLite says that it is another,
    /// and if no table was altered, only what was made since.
    fn schema_changes(&mut self, connection: &Connection, ran: &Ran) -> Vec<SchemaChange> {
        let Some(known) = &mut self.schema else {
            return Vec::new();
        };
        if schema_version(connection).as_ref() == Some(&known.version) {
            return Vec::new();
        }
        let is_unclear = ran.alters || ran.history_in_danger;
        let after = match ran.lowest_last_row {
            _ if is_unclear => 0,
            Some(row) => known.last_row.min(row),
            None => known.last_row,
        };
        let Some(mut now) = read_schema(connection, after) else {
            return Vec::new();
        };
        if is_unclear {
            let changes = known.schema.changes(&now.schema);
            self.schema = Some(now);
            return changes;
        }
        let gone = known.schema.take(&ran.dropped);
        now.schema.remove_all(&known.schema);
        let changes = gone.changes(&now.schema);
        known.schema.add(now.schema);
        (known.version, known.last_row) = (now.version, now.last_row);
        changes
    }
}

/// Why a row is not in the history: a cause and a sentence.
fn not_written(error: &WriteError, table: &HistoryTable) -> (Cause, String) {
    let (cause, message) = error.explained();
    let no_journal = [SQLITE_READONLY_DIRECTORY, SQLITE_CANTOPEN].map(Some);
    let cause = match (cause, error) {
        // It is the first write, and the journal cannot be made.
        (Cause::Permission | Cause::CannotOpen, WriteError::Sqlite(error))
            if no_journal.contains(&error.sqlite_extended_error_code()) =>
        {
            Cause::Permission
        }
        // A moment ago the database could be written: the script is at fault.
        (Cause::Permission, _) => Cause::Statement,
        (cause, _) => cause,
    };
    let message = format!("its row could not be written to {table}: {message}");
    (cause, message)
}

fn schema_version(connection: &Connection) -> Option<String> {
    ask(connection, "main.schema_version").ok().flatten()
}

fn read_schema(connection: &Connection, after: i64) -> Option<KnownSchema> {
    Some(KnownSchema {
        version: schema_version(connection)?,
        last_row: last_row(connection).ok()?,
        schema: Schema::read_objects(connection, after).ok()?,
    })
}
