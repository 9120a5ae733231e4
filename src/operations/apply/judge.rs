//! What is judged of a script when it has come to its end, before it is recorded.
//!
//! Owns the refusals and warnings that are no statement's alone: the history as the
//! script leaves it, settings left changed, and what looks for something that is gone.

use super::Event;
use super::run::Run;
use super::view::row_of;
use crate::diagnostics::error::{Cause, Committed, Error, ScriptError, sqlite_message};
use crate::diagnostics::problem::Finding;
use crate::diagnostics::sorted::sort;
use crate::files::migration::Migration;
use crate::plan::history::{self, AppliedMigration};
use crate::plan::plan;
use crate::plan::targets::Direction;
use crate::schema::tokens::tokens;
use crate::schema::whole::Whole;
use crate::script::referring::referring;
use crate::script::remedy::KEPT;
use crate::script::{Ran, Stopped, orphans};
use rusqlite::Connection;
use rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY;
use std::time::Duration;

impl<'a> Run<'a, '_> {
    /// Looks at the history after a script that had to do with it. It is ours: what
    /// goes there by a side effect is refused, what a script itself writes is believed
    /// if the next run would believe it. The error is a sentence.
    pub(super) fn judge_history(
        &mut self,
        connection: &Connection,
        migration: &'a Migration,
        ran: &mut Ran,
    ) -> Result<(), String> {
        if self.job.replayed || !(ran.wrote_history || ran.history_in_danger) {
            return Ok(());
        }
        let now =
            history::read(connection, &self.job.options.table).map_err(|error| match error {
                Error::History { table, message, .. } => {
                    format!("after it the table {table} cannot be used: {message}")
                }
                other => other.to_string(),
            })?;
        let changes = self.view.compared(&now);
        if changes.is_nothing() {
            return Ok(());
        }
        if changes.harms() && ran.history_in_danger {
            return Err(format!(
                "it changes rows of other versions in {}, by a trigger, with the table or through the schema: {}; leave the history alone",
                self.job.options.table,
                changes.phrase()
            ));
        }
        if let Some(problem) = self.next_refusal(migration, &now) {
            return Err(format!(
                "it writes to {} so that the next run would refuse the history, {problem}: leave the history alone",
                self.job.options.table
            ));
        }
        let message = format!(
            "writes to the history itself: {}; `baseline` and `repair` do this by name",
            changes.phrase()
        );
        self.view.replace(self.job.direction, &now);
        ran.warnings
            .push(Finding::new("history-written", &migration.path, message));
        Ok(())
    }

    /// Why the next run would refuse the history that a script leaves.
    fn next_refusal(&self, migration: &Migration, now: &[AppliedMigration]) -> Option<String> {
        let mut next = now.to_vec();
        match self.job.direction {
            Direction::Up => next.push(row_of(migration)),
            Direction::Down => next.retain(|row| row.version != migration.version),
        }
        sort(&mut next, &|a, b| a.version.cmp(&b.version));
        let plan = plan(self.job.migrations, &next);
        let problems = plan.problems(&self.job.options.policy);
        let first = problems.first()?;
        Some(format!("version {} as {}", first.version(), first.kind()))
    }

    /// Puts back what a script has left changed, so that the next one, and our own row,
    /// find the connection as this one did.
    pub(super) fn put_back(
        &mut self,
        connection: &Connection,
        migration: &Migration,
        ran: &mut Ran,
    ) -> Result<(), Error> {
        self.settings.enforce(connection)?;
        let changed = self
            .settings
            .put_back(connection, &ran.settings)
            .map_err(|error| Error::database(connection, "put its settings back", &error))?;
        if self.job.replayed {
            return Ok(());
        }
        let writable = ran.left_writable.then_some("writable_schema");
        for name in changed.into_iter().chain(writable) {
            let message = format!(
                "leaves PRAGMA {name} changed: it was put back, because it would hold for the next scripts of this run only; set it back at the script's end, or where the application connects"
            );
            ran.warnings
                .push(Finding::new("setting-left", &migration.path, message));
        }
        Ok(())
    }

    /// With `strict` a warning is a reason to refuse. They are told first. `statements` of
    /// the script were done.
    pub(super) fn refuse_warnings(
        &mut self,
        migration: &Migration,
        statements: usize,
        warnings: &[Finding],
    ) -> Result<(), Error> {
        let count = warnings.iter().filter(|w| w.refuses_if_strict()).count();
        if !self.job.options.strict || self.job.replayed || count == 0 {
            return Ok(());
        }
        for warning in warnings {
            (self.report)(Event::Warning(warning.clone()));
        }
        let position = warnings.iter().find_map(|warning| warning.position.clone());
        let message = match count {
            1 => "refused because of the warning above (--strict)".to_owned(),
            _ => format!("refused because of {count} warnings (--strict)"),
        };
        let stopped = Stopped {
            position,
            statements,
            by_warning: true,
            ..Stopped::at_end(Cause::Statement, message)
        };
        Err(self.failed(migration, stopped))
    }

    /// Views, triggers and foreign keys that found what they look for before the first
    /// script that drops or renames, and do not now.
    pub(super) fn dead_objects(&self, connection: &Connection) -> Result<Vec<Finding>, Error> {
        let Some(before) = &self.watched.whole else {
            return Ok(Vec::new());
        };
        let now = Whole::look(connection)
            .map_err(|error| Error::database(connection, "read the schema", &error))?;
        let moved = match self.altered {
            true => now.moved_since(before),
            false => Vec::new(),
        };
        let moved = moved.into_iter().map(|moved| {
            let message = format!(
                "after this the {} {} looks at {}, and not at the new {}, because ALTER TABLE RENAME changes what names the table: put PRAGMA foreign_keys = OFF and PRAGMA legacy_alter_table = ON before it and legacy_alter_table = OFF after it, or make the new table first, drop the old one, and rename the new one last",
                moved.kind, moved.name, moved.now, moved.before
            );
            Finding::new("moved-object", self.blame.dropper([&moved.before]), message)
        });
        let mut findings: Vec<Finding> = moved.collect();
        let dead = now.dead_since(before).into_iter().map(|dead| {
            let cure = match dead.kind {
                "foreign key" => "rebuild its table with a key that works",
                _ => "drop it and make it again",
            };
            let message = format!(
                "after this the {} {} no longer works ({}): {cure}, in this script or in a new migration",
                dead.kind, dead.name, dead.message
            );
            let missing = dead.message.strip_prefix("no such table: ");
            let dropper = match missing {
                Some(name) => self.blame.dropper([name.strip_prefix("main.").unwrap_or(name)]),
                None => self.blame.dropper(tokens(&dead.sql).map(|token| token.content())),
            };
            Finding::new("dead-object", dropper, message)
        });
        findings.extend(dead);
        Ok(findings)
    }

    /// Views, triggers and foreign keys of this run that look for what is not there at its
    /// end: SQLite makes them all the same.
    pub(super) fn useless_objects(&self, connection: &Connection) -> Result<Vec<Finding>, Error> {
        let Some(row) = self.blame.made_after() else {
            return Ok(Vec::new());
        };
        let now = Whole::look_after(connection, row)
            .map_err(|error| Error::database(connection, "read the schema", &error))?;
        let useless = now.useless(self.watched.whole.as_ref()).into_iter();
        let told = useless.filter_map(|useless| {
            let (name, _) = useless.name.split_once(" (").unwrap_or((&useless.name, ""));
            let maker = self.blame.maker(name)?;
            let message = format!(
                "the {} {} looks for what is not there at the end of this run ({}): what uses it fails until that is made, or it is corrected in a new migration",
                useless.kind, useless.name, useless.message
            );
            Some(Finding::new("useless-object", maker, message))
        });
        Ok(told.collect())
    }

    /// Of a run for show: asks COMMIT about the keys that only it checks, by one that is
    /// refused at the last moment (sqlite.org/c3ref/commit_hook.html).
    pub(super) fn refuse_uncommittable(
        &self,
        connection: &mut Connection,
        migration: &Migration,
    ) -> Result<(), Error> {
        if !self.job.options.dry_run || !self.deferred {
            return Ok(());
        }
        let failed = |connection: &Connection, error: &rusqlite::Error| {
            Error::database(connection, "ask whether it can be committed", error)
        };
        let hooked = connection.commit_hook(Some(|| true));
        hooked.map_err(|error| failed(connection, &error))?;
        let answer = connection
            .busy_timeout(Duration::ZERO)
            .and_then(|()| connection.execute_batch("COMMIT"));
        let _ = connection.commit_hook(None::<fn() -> bool>);
        let is_key = |error: &rusqlite::Error| {
            error.sqlite_extended_error_code() == Some(SQLITE_CONSTRAINT_FOREIGNKEY)
        };
        match answer {
            Err(error) if is_key(&error) => {
                let message = format!("at its end: {}", sqlite_message(&error));
                Err(self.uncommitted(connection, migration, Cause::Statement, message))
            }
            _ => Ok(()),
        }
    }

    /// COMMIT has refused: which rows refer to nothing, or to a table that was dropped.
    pub(super) fn uncommitted(
        &self,
        connection: &Connection,
        migration: &Migration,
        cause: Cause,
        message: String,
    ) -> Error {
        let mut stopped = Stopped::at_end(cause, message);
        if cause == Cause::Statement {
            let rows = orphans::all_of_them(connection).ok().flatten();
            let referring = self.dropped.iter().find_map(|table| {
                let rows = referring(connection, "main", table).ok()??;
                Some(format!(
                    "{rows} refer to {table}, which the script has dropped"
                ))
            });
            stopped.remedy = Some(match (&rows, &referring) {
                (None, Some(_)) => KEPT.to_owned(),
                _ => "give these rows what they refer to, or delete them, in the same script; to rebuild a table that others refer to put PRAGMA foreign_keys = OFF before it".to_owned(),
            });
            if let Some(rows) = rows.or(referring) {
                stopped.message = format!("{} ({rows})", stopped.message);
            }
        }
        self.failed(migration, stopped)
    }

    pub(super) fn failed(&self, migration: &Migration, stopped: Stopped) -> Error {
        let script = Box::new(ScriptError {
            version: migration.version,
            path: migration.path.clone(),
            position: stopped.position,
            message: stopped.message,
            remedy: stopped.remedy,
            cause: stopped.cause,
            statements_kept: match migration.transactional {
                true => 0,
                false => stopped.statements,
            },
            rolled_back: migration.transactional,
            committed: Committed::No,
            rolled_back_with_it: 0,
            newest: self.newest,
        });
        match stopped.by_warning {
            true => Error::Warned(script),
            false => Error::Script(script),
        }
    }
}
