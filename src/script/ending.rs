//! The end of a script: what is judged when its last statement has run.
//!
//! Owns the refusals and warnings that only the whole script can draw.

use super::after::leftovers;
use super::referring::referring;
use super::remedy::{KEPT, MISMATCH, ORPHANS};
use super::runner::Runner;
use super::search::Search;
use super::seen::saw;
use super::text::{never_closed, unclosed_comment};
use super::uncopied::has_rows;
use super::watch::rows_of;
use super::{RowCount, Stopped};
use crate::diagnostics::error::{Cause, sqlite_message};
use crate::diagnostics::problem::Finding;
use crate::diagnostics::text::counted;
use crate::schema::last_row;
use crate::schema::pragma::ask;
use rusqlite::Connection;
use std::sync::Arc;

impl Runner<'_> {
    pub(super) fn finish(&mut self, connection: &Connection) -> Result<(), Stopped> {
        let seen = Arc::clone(&self.seen);
        let _pause = seen.pause();
        if self.seen_in_all & saw::WRITABLE_SCHEMA != 0 {
            // The check switches it off.
            let now = ask(connection, "writable_schema");
            self.ran.left_writable = now.is_ok_and(|now| now.is_some_and(|now| now != "0"));
            self.check_schema(connection)?;
            self.ran.history_in_danger = true;
        }
        if !self.rules.transactional {
            // VACUUM numbers the schema's rows again.
            let row = last_row(connection).map_err(|error| self.stopped(&error, None))?;
            let whole = self.watched.whole.as_mut();
            whole.into_iter().for_each(|whole| whole.note_last_row(row));
        }
        if !self.rules.transactional && !connection.is_autocommit() {
            let message = "the script leaves a transaction open at its end";
            return Err(Stopped {
                position: None,
                ..self.refused(message, Some("end it with COMMIT"))
            });
        }
        if self.rules.replayed {
            return Ok(());
        }
        self.ran.deferred = self.deferring || self.orphans.has_deferred;
        self.judge_losses(connection)?;
        self.refuse_orphans(connection)?;
        self.refuse_uncounted(connection)?;
        self.count_after(connection)
            .map_err(|error| self.stopped(&error, None))?;
        self.warn_at_end(connection)
    }

    /// Rows that refer to nothing, and did not before.
    pub(super) fn refuse_orphans(&self, connection: &Connection) -> Result<(), Stopped> {
        let new = self.orphans.new_ones(connection);
        let Some(list) = new.map_err(|error| self.unchecked(&error))? else {
            return Ok(());
        };
        let remedy = match list.contains("(foreign key mismatch)") {
            true => MISMATCH,
            false => ORPHANS,
        };
        let message = format!("the script leaves rows that refer to nothing: {list}");
        Err(Stopped {
            statements: self.kept,
            remedy: Some(remedy.to_owned()),
            ..Stopped::at_end(Cause::Statement, message)
        })
    }

    /// In a transaction that others share, no COMMIT tells of rows whose parent was dropped
    /// while keys were deferred: SQLite counts them until they, or rows of the parent under
    /// its own name, are written again.
    pub(super) fn refuse_uncounted(&self, connection: &Connection) -> Result<(), Stopped> {
        for (table, position) in &self.deferred_drops {
            let rows = referring(connection, "main", table);
            let Ok(Some(rows)) = rows else { continue };
            let message = format!(
                "FOREIGN KEY constraint failed: {rows} refer to {table}, which the script has dropped while PRAGMA defer_foreign_keys was ON, and COMMIT counts them whatever has its name now"
            );
            return Err(Stopped {
                position: Some(position.clone()),
                ..self.refused(&message, Some(KEPT))
            });
        }
        Ok(())
    }

    /// What was lost is fine if it was dropped, too.
    pub(super) fn judge_losses(&mut self, connection: &Connection) -> Result<(), Stopped> {
        let unmeant = self.losses.take_unmeant(connection);
        match unmeant.map_err(|error| self.stopped(&error, None))? {
            None => Ok(()),
            Some(pending) => Err(Stopped {
                position: Some(pending.position),
                ..self.refused(&pending.loss.message, Some(pending.cure))
            }),
        }
    }

    pub(super) fn count_after(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        for (table, before) in std::mem::take(&mut self.counted) {
            let mut table = table;
            let mut after = rows_of(connection, &table)?;
            // Nothing has its name any more, but for those that it was given.
            if before.is_some() && after.is_none() {
                for (old, new) in &self.renames {
                    if old.eq_ignore_ascii_case(&table) {
                        table.clone_from(new);
                    }
                }
                after = rows_of(connection, &table)?;
            }
            let mut told = self.ran.rows.iter();
            let is_told = told.any(|other| other.table.eq_ignore_ascii_case(&table));
            // A table that the script has made and given another name.
            if !is_told && (after.is_some() || before.is_some()) {
                self.ran.rows.push(RowCount {
                    table,
                    before,
                    after,
                });
            }
        }
        Ok(())
    }

    /// What a person should know about a script that has come to its end.
    pub(super) fn warn_at_end(&mut self, connection: &Connection) -> Result<(), Stopped> {
        for asked in std::mem::take(&mut self.asked) {
            let complaint = asked.complaint(connection);
            if let Some(message) = complaint.map_err(|e| self.stopped(&e, None))? {
                self.push(Finding::at(
                    "pragma-without-effect",
                    asked.position,
                    message,
                ))?;
            }
        }
        // What an earlier start of it has left was there before this one.
        if !self.rules.transactional && !self.rules.replayed {
            for (table, count) in self.orphans.of_before() {
                let rows = counted(count, "row", "rows");
                let message = format!(
                    "writes to {table} without foreign keys, of which {rows} referred to nothing before: if an earlier start of this script has left them, give them what they refer to, or delete them (PRAGMA foreign_key_check lists them)"
                );
                self.push(Finding::new("old-orphans", self.place.path, message))?;
            }
        }
        // The comment may be the end of the last statement, or follow it.
        let from = self.place.last();
        if let Some(offset) = unclosed_comment(&self.place.sql()[from..]) {
            self.push(never_closed(self.place.position(from + offset)))?;
        }
        let made = std::mem::take(&mut self.made_virtual);
        if !made.is_empty() {
            let all = Search::all(connection).map_err(|e| self.stopped(&e, None))?;
            for search in all.iter().filter(|search| search.is_one_of(&made)) {
                let unfilled = search.unfilled(connection);
                if let Some(message) = unfilled.map_err(|e| self.stopped(&e, None))? {
                    self.push(Finding::new("stale-search", self.place.path, message))?;
                }
            }
        }
        if self.ran.drops {
            let lost = self.before.lost(connection, &self.renamed);
            for lost in lost.map_err(|e| self.stopped(&e, None))? {
                let finding = match self.before.place_of(&lost.table) {
                    Some(position) => Finding::at(lost.kind, position.clone(), lost.message),
                    None => Finding::new(lost.kind, self.place.path, lost.message),
                };
                self.push(finding)?;
            }
            for copy in std::mem::take(&mut self.uncopied) {
                let lost = copy.lost(connection, |table| self.is_renamed(table));
                for message in lost.map_err(|e| self.stopped(&e, None))? {
                    let position = copy.position.clone();
                    self.push(Finding::at("uncopied-column", position, message))?;
                }
            }
        }
        self.warn_of_empty_rebuilds(connection)?;
        self.warn_of_leftovers(connection)
    }

    /// A table was dropped with its rows, and what has its name now, or had it before it got
    /// another, has none.
    fn warn_of_empty_rebuilds(&mut self, connection: &Connection) -> Result<(), Stopped> {
        for dropped in std::mem::take(&mut self.dropped_full) {
            let renames = self.renames.iter().filter(|(_, new)| *new == dropped);
            let mut names = renames.flat_map(|(old, _)| [&dropped, old]);
            let there = names.find_map(|name| Some((name, has_rows(connection, name)?)));
            let empty = there.and_then(|(name, has_rows)| (!has_rows).then(|| name.clone()));
            let Some(name) = empty else {
                continue;
            };
            drop(names);
            let message = format!(
                "the rebuild of {name} copies no row: the table that was dropped had some, and {name} has none; DELETE them before if that is meant"
            );
            self.push(Finding::new("uncopied-rows", self.place.path, message))?;
        }
        Ok(())
    }

    /// The connection outlives the script, and with it what only the connection
    /// knows: the next script that names such a table writes to the wrong place.
    pub(super) fn warn_of_leftovers(&mut self, connection: &Connection) -> Result<(), Stopped> {
        let Some(before) = self.leftovers.take() else {
            return Ok(());
        };
        let now = leftovers(connection).map_err(|error| self.stopped(&error, None))?;
        for what in now.difference(&before) {
            let cure = match (what.starts_with("the attached"), self.rules.transactional) {
                (false, _) => "drop it at the end",
                (true, false) => "detach it at the end",
                (true, true) => {
                    "it can be detached at the end of a file that begins with `-- no-transaction`"
                }
            };
            let message =
                format!("leaves {what} behind, which the next scripts of this run see: {cure}");
            self.push(Finding::new("left-behind", self.place.path, message))?;
        }
        Ok(())
    }

    /// After `PRAGMA writable_schema`: reads the schema again, as the next
    /// program to open the database will, and looks at the tables.
    pub(super) fn check_schema(&self, connection: &Connection) -> Result<(), Stopped> {
        let verdict = connection
            .prepare("PRAGMA writable_schema = RESET")
            .and_then(|mut statement| statement.raw_query().next().map(|_| ()))
            .and_then(|()| {
                connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
            });
        let message = match verdict {
            Ok(verdict) if verdict == "ok" => return Ok(()),
            Ok(verdict) => verdict,
            Err(error) => sqlite_message(&error),
        };
        Err(Stopped {
            statements: self.kept,
            ..Stopped::at_end(
                Cause::Statement,
                format!(
                    "the script used PRAGMA writable_schema and leaves a damaged schema: {message}"
                ),
            )
        })
    }

    pub(super) fn unchecked(&self, error: &rusqlite::Error) -> Stopped {
        Stopped {
            message: format!("foreign keys cannot be checked: {}", sqlite_message(error)),
            ..self.stopped(error, None)
        }
    }
}
