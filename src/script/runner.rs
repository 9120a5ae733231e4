//! The loop over the statements of a script.
//!
//! Owns the order of what is asked before and after each statement, and what is said
//! when one of them stops. What is asked is in the modules beside it.

use super::authorizer::{Rules, Seen, Write, saw};
use super::losses::{Guard, Loss, referring};
use super::orphans::Orphans;
use super::place::Place;
use super::pragmas::{Asked, Journal, is_known, is_off, judge_journal};
use super::remedy::{ALONE, REBUILD, REPLACE, remedy};
use super::text::comment_never_closed;
use super::watch::{Before, crossing, rows_of};
use super::{Ran, RowCount, Stopped, Watched};
use crate::diagnostics::error::{Cause, NO_TEMPORARY, sqlite_message};
use crate::diagnostics::position::Position;
use crate::diagnostics::problem::Finding;
use crate::schema::readable::{has_readable_attachments, has_readable_schemas};
use crate::schema::whole::Whole;
use rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::ffi::{
    SQLITE_CONSTRAINT_FOREIGNKEY, SQLITE_IOERR_GETTEMPPATH, SQLITE_READONLY_DIRECTORY,
};
use rusqlite::{Batch, Connection, ErrorCode, Statement};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How often a script tells how far it is.
const PROGRESS: Duration = Duration::from_millis(100);

/// Why a contained script stopped.
const OUTSIDE: &str = "this statement touches another file, which it may not do where scripts run in memory only to see what they make";

/// The state of one run of a script.
pub(super) struct Runner<'a> {
    place: Place<'a>,
    seen: Arc<Seen>,
    rules: Rules,
    watched: &'a mut Watched,
    pub(super) ran: Ran,
    /// Whether a statement could have changed anything.
    changed: bool,
    /// Whether the script takes itself to be between its COMMIT and its BEGIN.
    committed: bool,
    /// Whether foreign keys are enforced now, and were when the script began.
    enforced: bool,
    enforced_before: bool,
    /// Whether it has used `PRAGMA defer_foreign_keys`.
    deferring: bool,
    orphans: Orphans,
    /// The tables whose rows were looked at before they were written to, each with
    /// whether that was for keys that are checked at COMMIT only.
    touched: BTreeMap<String, bool>,
    /// The schema before the first DROP or ALTER.
    before: Option<Before>,
    /// Where the last DROP or ALTER of each table stands, by its name in lower case.
    changed_tables: BTreeMap<String, usize>,
    /// What statements took with them, which is fine if the script drops it all later.
    losses: Vec<(Loss, Position, &'static str)>,
    read_since: BTreeSet<String>,
    asked: Vec<Asked>,
    /// Where a setting was changed that stands in the way of writing.
    query_only: bool,
    counted: Vec<(String, Option<u64>)>,
    /// The tables that were dropped outside a transaction.
    dropped: Vec<String>,
    /// What the connection held before the first statement that adds to it.
    leftovers: Option<BTreeSet<String>>,
    /// How many statements stay done if the next one fails outside a transaction.
    kept: usize,
    seen_in_all: u32,
    /// Where the statement that was run last begins.
    last_start: usize,
    /// The tables that the script has made.
    made: BTreeSet<String>,
    /// When it began, for the times of files.
    began: SystemTime,
}

impl<'a> Runner<'a> {
    pub(super) fn new(
        path: &'a Path,
        sql: &'a str,
        seen: Arc<Seen>,
        rules: Rules,
        watched: &'a mut Watched,
    ) -> Self {
        Self {
            place: Place {
                path,
                sql,
                start: 0,
                end: 0,
            },
            seen,
            rules,
            watched,
            ran: Ran::default(),
            changed: false,
            committed: false,
            enforced: false,
            enforced_before: false,
            deferring: false,
            orphans: Orphans::default(),
            touched: BTreeMap::new(),
            before: None,
            changed_tables: BTreeMap::new(),
            losses: Vec::new(),
            read_since: BTreeSet::new(),
            asked: Vec::new(),
            query_only: false,
            counted: Vec::new(),
            dropped: Vec::new(),
            leftovers: None,
            kept: 0,
            seen_in_all: 0,
            last_start: 0,
            made: BTreeSet::new(),
            // The clock of file systems may be a tick behind.
            began: SystemTime::now() - Duration::from_millis(20),
        }
    }

    pub(super) fn run(
        &mut self,
        connection: &Connection,
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), Stopped> {
        self.enforced = connection
            .db_config(SQLITE_DBCONFIG_ENABLE_FKEY)
            .map_err(|error| self.stopped(&error, None))?;
        self.enforced_before = self.enforced;
        let mut told = Instant::now();
        let mut batch = Batch::new(connection, self.place.sql);
        loop {
            self.seen.clear();
            self.place.start = self.place.end;
            let mut statement = match batch.next() {
                Ok(Some(statement)) => statement,
                Ok(None) => break,
                Err(error) => return Err(self.not_prepared(&error)),
            };
            self.place.advance(&statement);
            self.last_start = self.place.start;
            self.statement(connection, &mut statement)?;
            self.ran.statements += 1;
            if connection.is_autocommit() {
                self.kept = self.ran.statements;
            }
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                progress(self.ran.statements);
            }
        }
        self.finish(connection)
    }

    /// One statement, with all that is asked before and after it.
    fn statement(
        &mut self,
        connection: &Connection,
        statement: &mut Statement<'_>,
    ) -> Result<(), Stopped> {
        let seen = self.seen.what();
        self.seen_in_all |= seen;
        if statement.parameter_count() > 0 {
            self.warn_of_parameter(statement)?;
        }
        if seen & saw::PRAGMA != 0 {
            self.before_pragma(connection)?;
        }
        if seen & !(saw::PRAGMA | saw::SCHEMA) != 0 {
            self.before_change(connection, seen)?;
        }
        let guard = match seen & saw::ACTION {
            0 => None,
            _ => self.guard(connection)?,
        };
        let savepoint = guard.is_some() && connection.is_autocommit();
        if savepoint {
            self.execute(connection, "SAVEPOINT litemigrate_guard")?;
        }
        if let Err(error) = self.step(statement) {
            return Err(self.not_run(connection, seen, &error));
        }
        if let Some(guard) = guard {
            self.after_guard(connection, &guard, savepoint)?;
        }
        self.changed |= !statement.readonly() && seen & saw::PRAGMA == 0;
        self.committed = seen & saw::COMMIT != 0 || (self.committed && seen & saw::BEGIN == 0);
        if seen & !(saw::WRITE | saw::TRIGGER | saw::SCHEMA) != 0 {
            self.after(connection, seen)?;
        }
        if self.rules.transactional && connection.is_autocommit() {
            let message = "this statement ended the transaction that the script runs in";
            return Err(self.refused(message, None));
        }
        Ok(())
    }

    /// Steps a statement to its last row.
    fn step(&self, statement: &mut Statement<'_>) -> rusqlite::Result<()> {
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        Ok(())
    }

    /// A statement of our own.
    fn execute(&self, connection: &Connection, sql: &str) -> Result<(), Stopped> {
        let _pause = self.seen.pause();
        connection
            .execute_batch(sql)
            .map_err(|error| self.stopped_here(&error))
    }

    fn before_pragma(&mut self, connection: &Connection) -> Result<(), Stopped> {
        let pragma = self.seen.notes().pragma.clone();
        let Some(pragma) = pragma.filter(|_| !self.rules.replayed) else {
            return Ok(());
        };
        let seen = Arc::clone(&self.seen);
        let _pause = seen.pause();
        let offset = self.place.first_token();
        let is_known = is_known(connection, &pragma.name).map_err(|e| self.stopped_here(&e))?;
        if !is_known {
            let message = format!(
                "SQLite does not know PRAGMA {}, and passes it over: check its spelling, or take it out",
                pragma.name
            );
            return self.warn("unknown-pragma", message);
        }
        let Some(value) = &pragma.value else {
            return Ok(());
        };
        self.asked.extend(Asked::new(&pragma, offset));
        match pragma.name.as_str() {
            "journal_mode" if self.rules.transactional => self.judge_journal(connection, value),
            "hard_heap_limit" if value != "0" => Err(self.refused(
                "PRAGMA hard_heap_limit can only be lowered, and for the whole process: no later script could undo it",
                Some("take it out; soft_heap_limit is put back after the script"),
            )),
            "defer_foreign_keys" => {
                self.deferring = true;
                self.ran.deferring = true;
                Ok(())
            }
            name => {
                self.query_only |= name == "query_only" && !is_off(value);
                self.ran.settings.insert(pragma.name.clone());
                Ok(())
            }
        }
    }

    fn judge_journal(&mut self, connection: &Connection, value: &str) -> Result<(), Stopped> {
        let verdict = judge_journal(connection, value).map_err(|e| self.stopped_here(&e))?;
        let message = match verdict {
            Journal::IsSo => return Ok(()),
            Journal::Wal if !self.changed || self.committed => {
                return Err(self.refused(
                    "PRAGMA journal_mode cannot change to or from WAL inside a transaction, and the whole script is one",
                    Some(ALONE),
                ));
            }
            Journal::Wal => format!(
                "PRAGMA journal_mode = {value} does nothing here, because SQLite cannot change to or from WAL inside a transaction: {ALONE}"
            ),
            Journal::NotTaken(mode @ ("off" | "memory")) => format!(
                "PRAGMA journal_mode = {mode} is ignored: without a journal neither a failing script nor a power cut could be rolled back"
            ),
            Journal::NotTaken(mode) => {
                format!("PRAGMA journal_mode = {mode} is ignored inside a transaction: {ALONE}")
            }
            Journal::Unknown => format!(
                "SQLite knows no journal mode '{value}', and passes this over: delete, truncate, persist, memory, off and wal are the modes"
            ),
        };
        self.warn("journal-mode-pragma", message)
    }

    /// Remembers what must be compared afterwards, before anything is changed.
    fn before_change(&mut self, connection: &Connection, seen: u32) -> Result<(), Stopped> {
        let shared = Arc::clone(&self.seen);
        let failed = |runner: &Self, error: &rusqlite::Error| runner.stopped_here(error);
        if seen & (saw::ATTACH | saw::TEMPORARY) != 0 {
            let _pause = shared.pause();
            if self.leftovers.is_none() {
                self.leftovers = leftovers(connection).ok();
            }
            if self.rules.counted
                && let Some(name) = &shared.notes().attached
            {
                let file = PathBuf::from(name);
                if !name.is_empty() && name != ":memory:" && !file.exists() {
                    self.ran.attached_files.push(file);
                }
            }
        }
        if self.rules.replayed {
            return Ok(());
        }
        if seen & (saw::WRITE | saw::TRIGGER | saw::ACTION | saw::DROP) != 0 {
            let _pause = shared.pause();
            let is_checked = self.enforced && !self.deferring;
            if self.enforced_before && (!is_checked || self.rules.shared) {
                self.touch(connection, is_checked)
                    .map_err(|error| failed(self, &error))?;
            }
            if self.rules.counted {
                self.count(connection)
                    .map_err(|error| failed(self, &error))?;
            }
        }
        if seen & (saw::DROP | saw::ALTER | saw::DROP_OTHER) != 0 {
            let _pause = shared.pause();
            self.before_first_drop(connection)
                .map_err(|error| failed(self, &error))?;
            self.note_drop(connection, seen)?;
        }
        if self.rules.counted && seen & saw::CREATE_TABLE != 0 {
            self.made.extend(shared.notes().created.take());
        }
        if seen & saw::READ != 0 {
            self.note_reads(connection, seen)?;
        }
        self.ran.wrote_history |= seen & saw::HISTORY != 0;
        self.ran.history_in_danger |= seen & saw::HISTORY_ASIDE != 0;
        Ok(())
    }

    /// Looks at rows that refer to nothing before the first write that nobody checks.
    fn touch(&mut self, connection: &Connection, deferred_only: bool) -> rusqlite::Result<()> {
        let seen = Arc::clone(&self.seen);
        let notes = seen.notes();
        for table in notes.written() {
            match self.touched.get(table) {
                Some(false) => continue,
                Some(true) if deferred_only => continue,
                _ => {}
            }
            self.orphans
                .before_write(connection, table, deferred_only)?;
            self.touched.insert(table.to_owned(), deferred_only);
        }
        Ok(())
    }

    /// Counts the rows of tables that are changed for the first time.
    fn count(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let seen = Arc::clone(&self.seen);
        let notes = seen.notes();
        if notes.own_schema != "main" && notes.own != Write::Nothing {
            return Ok(());
        }
        for table in notes.written() {
            let is_it = |(known, _): &(String, Option<u64>)| known.eq_ignore_ascii_case(table);
            let is_history = table.eq_ignore_ascii_case("_sqlx_migrations");
            if !is_history && !self.counted.iter().any(is_it) {
                let rows = match self.made.contains(table) {
                    true => None,
                    false => rows_of(connection, table)?,
                };
                self.counted.push((table.to_owned(), rows));
            }
        }
        Ok(())
    }

    fn before_first_drop(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.before.is_none() {
            self.before = Some(Before::look(connection)?);
        }
        self.ran.drops = true;
        if self.watched.whole.is_none() {
            self.watched.whole = Some(Whole::look(connection)?);
        }
        Ok(())
    }

    fn note_drop(&mut self, connection: &Connection, seen: u32) -> Result<(), Stopped> {
        let shared = Arc::clone(&self.seen);
        let offset = self.place.first_token();
        let (schema, table) = {
            let notes = shared.notes();
            if let (true, Some(before)) = (seen & saw::DROP == 0, &mut self.before) {
                before.note_dropped(&notes.dropped_parts);
            }
            (notes.own_schema.clone(), notes.own_table.clone())
        };
        if seen & saw::ALTER != 0 {
            self.orphans.forget_names();
            self.touched.clear();
        }
        if seen & saw::DROP == 0 {
            return Ok(());
        }
        self.changed_tables
            .insert(table.to_ascii_lowercase(), offset);
        self.ran.dropped.push(table.clone());
        if self.rules.for_sqlpage && self.enforced_before && !self.enforced {
            self.warn_of_sqlpage(connection, &schema, &table)?;
        }
        Ok(())
    }

    /// SQLPage does not obey `PRAGMA foreign_keys` in a script: what it would lose.
    fn warn_of_sqlpage(
        &mut self,
        connection: &Connection,
        schema: &str,
        table: &str,
    ) -> Result<(), Stopped> {
        let lost = referring(connection, schema, table, true).map_err(|e| self.stopped_here(&e))?;
        let Some(lost) = lost else { return Ok(()) };
        let message = format!(
            "SQLPage does not obey PRAGMA foreign_keys = OFF in a script: if it ran this one itself, DROP TABLE {table} would take with it: {lost}; apply it with litemigrate everywhere"
        );
        self.warn("sqlpage-foreign-keys", message)
    }

    /// Columns that are read: in a copy by position, and of tables that have lost rows.
    fn note_reads(&mut self, connection: &Connection, seen: u32) -> Result<(), Stopped> {
        let shared = Arc::clone(&self.seen);
        let _pause = shared.pause();
        let notes = shared.notes();
        if !self.losses.is_empty() && seen & saw::DROP == 0 {
            self.read_since
                .extend(notes.reads().map(|(table, _)| table.to_ascii_lowercase()));
        }
        if seen & saw::WRITE == 0 || notes.own != Write::Insert {
            return Ok(());
        }
        let crossed =
            crossing(connection, &notes, self.place.text()).map_err(|e| self.stopped_here(&e))?;
        drop(notes);
        let Some(crossed) = crossed else {
            return Ok(());
        };
        let message = format!(
            "this copies by position, and the columns stand in another order: {crossed}; name the columns on both sides"
        );
        self.warn("crossing-columns", message)
    }

    fn guard(&self, connection: &Connection) -> Result<Option<Guard>, Stopped> {
        if !self.enforced || self.rules.allow_cascade {
            return Ok(None);
        }
        let _pause = self.seen.pause();
        let guard = Guard::before(connection, &self.seen.notes());
        guard.map_err(|error| self.stopped_here(&error))
    }

    fn after_guard(
        &mut self,
        connection: &Connection,
        guard: &Guard,
        savepoint: bool,
    ) -> Result<(), Stopped> {
        let seen = Arc::clone(&self.seen);
        let loss = {
            let _pause = seen.pause();
            guard
                .after(connection)
                .map_err(|error| self.stopped_here(&error))?
        };
        let cure = match seen.notes().own {
            Write::Drop => REBUILD,
            _ => REPLACE,
        };
        match loss {
            Some(loss) if savepoint => {
                let undo = "ROLLBACK TO litemigrate_guard; RELEASE litemigrate_guard";
                let _ = self.execute(connection, undo);
                Err(self.refused(&loss.message, Some(cure)))
            }
            Some(loss) => {
                self.losses.push((loss, self.place.here(), cure));
                seen.note_reads();
                Ok(())
            }
            None if savepoint => self.execute(connection, "RELEASE litemigrate_guard"),
            None => Ok(()),
        }
    }

    /// What follows from a statement that was not just an INSERT, UPDATE or DELETE.
    fn after(&mut self, connection: &Connection, seen: u32) -> Result<(), Stopped> {
        if seen & (saw::BEGIN | saw::COMMIT) != 0 && self.rules.transactional {
            let message = match self.rules.for_sqlpage {
                false => {
                    "BEGIN and COMMIT do nothing here: the whole script and its row in the history are one transaction"
                }
                true => {
                    "BEGIN and COMMIT do nothing here: the whole script and its row in the history are one transaction; SQLPage itself refuses such a script (\"cannot start a transaction within a transaction\")"
                }
            };
            self.warn_once("transaction-absorbed", message)?;
        }
        let pragma = self.seen.notes().pragma.clone();
        if let Some(pragma) = pragma
            && pragma.name == "foreign_keys"
            && let Some(value) = &pragma.value
        {
            self.enforced = connection
                .set_db_config(SQLITE_DBCONFIG_ENABLE_FKEY, !is_off(value))
                .map_err(|error| self.stopped_here(&error))?;
        }
        if seen & saw::DROP != 0 && connection.is_autocommit() {
            self.dropped.push(self.seen.notes().own_table.clone());
        }
        if seen & saw::ALTER != 0 && !self.dropped.is_empty() && connection.is_autocommit() {
            self.warn_of_open_rebuild(connection)?;
        }
        let destroys = self.seen_in_all & saw::WRITABLE_SCHEMA != 0 && seen & saw::SCHEMA != 0;
        if destroys {
            let _pause = self.seen.pause();
            self.refuse_unreadable_schema(has_readable_schemas(connection))?;
        }
        if seen & saw::ATTACH != 0 {
            let shared = Arc::clone(&self.seen);
            let _pause = shared.pause();
            if self.rules.counted {
                self.note_new_files(connection);
            }
            self.refuse_unreadable_schema(has_readable_attachments(connection))?;
        }
        Ok(())
    }

    /// Of a run for show: which attached files are empty and came with the script, whose
    /// ATTACH may compute their names.
    fn note_new_files(&mut self, connection: &Connection) {
        let query = "SELECT file FROM pragma_database_list WHERE name NOT IN ('main', 'temp') AND file != ''";
        let files: rusqlite::Result<Vec<String>> = connection
            .prepare(query)
            .and_then(|mut files| files.query_map([], |row| row.get(0))?.collect());
        for file in files.unwrap_or_default() {
            let file = PathBuf::from(file);
            let is_new = std::fs::metadata(&file).is_ok_and(|metadata| {
                let modified = metadata.modified().ok();
                metadata.len() == 0 && modified.is_some_and(|time| time >= self.began)
            });
            if is_new {
                self.ran.attached_files.push(file);
            }
        }
    }

    /// A rebuild outside a transaction: between its DROP and its RENAME there is
    /// no such table, and a power cut leaves it so.
    fn warn_of_open_rebuild(&mut self, connection: &Connection) -> Result<(), Stopped> {
        let exists = |table: &String| {
            let _pause = self.seen.pause();
            let query = "SELECT 1 FROM sqlite_schema WHERE lower(name) = lower(?1)";
            connection.query_row(query, [table], |_| Ok(())).is_ok()
        };
        let Some(table) = self.dropped.iter().find(|table| exists(table)).cloned() else {
            return Ok(());
        };
        self.dropped.clear();
        let message = format!(
            "{table} was dropped and is there again, outside a transaction: a power cut in between would have left none; put BEGIN before the DROP and COMMIT after this"
        );
        self.warn("open-rebuild", message)
    }

    fn finish(&mut self, connection: &Connection) -> Result<(), Stopped> {
        let seen = Arc::clone(&self.seen);
        let _pause = seen.pause();
        if self.seen_in_all & saw::WRITABLE_SCHEMA != 0 {
            self.check_schema(connection)?;
            self.ran.history_in_danger = true;
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
        let new = self
            .orphans
            .new_ones(connection)
            .map_err(|error| self.unchecked(&error))?;
        if let Some(list) = new {
            let message = format!("the script leaves rows that refer to nothing: {list}");
            return Err(Stopped {
                statements: self.kept,
                ..Stopped::at_end(Cause::Statement, message)
            });
        }
        self.count_after(connection)
            .map_err(|error| self.stopped(&error, None))?;
        self.warn_at_end(connection)
    }

    /// What was lost is fine if the script has dropped it all, and nobody looked at it
    /// in between.
    fn judge_losses(&mut self, connection: &Connection) -> Result<(), Stopped> {
        for (loss, position, cure) in std::mem::take(&mut self.losses) {
            let is_meant = |table: &String| {
                let query = "SELECT 1 FROM main.sqlite_schema WHERE lower(name) = lower(?1)";
                let is_there = connection
                    .prepare(query)
                    .and_then(|mut statement| statement.exists([table]));
                !is_there.unwrap_or(true) && !self.read_since.contains(&table.to_ascii_lowercase())
            };
            if !loss.tables.iter().all(is_meant) {
                return Err(Stopped {
                    position: Some(position),
                    ..self.refused(&loss.message, Some(cure))
                });
            }
        }
        Ok(())
    }

    fn count_after(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        for (table, before) in std::mem::take(&mut self.counted) {
            let after = rows_of(connection, &table)?;
            // A table that the script has made and given another name.
            if after.is_some() || before.is_some() {
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
    fn warn_at_end(&mut self, connection: &Connection) -> Result<(), Stopped> {
        for asked in std::mem::take(&mut self.asked) {
            let now = asked
                .found_instead(connection)
                .map_err(|e| self.stopped(&e, None))?;
            if let Some(now) = now {
                let message = format!(
                    "PRAGMA {} has no effect here: it is {now}, because the database has tables already; a `-- no-transaction` script with VACUUM after it can change page_size and auto_vacuum",
                    asked.pragma
                );
                let position = self.place.position(asked.offset);
                self.push(Finding::at("pragma-without-effect", position, message))?;
            }
        }
        let ends = self.place.sql[..self.place.end]
            .trim_end_matches('\0')
            .ends_with(';');
        let from = if ends {
            self.place.end
        } else {
            self.last_start
        };
        if let Some(finding) = comment_never_closed(self.place.path, self.place.sql, from) {
            self.push(finding)?;
        }
        if let Some(before) = self.before.take() {
            let lost = before
                .lost(connection)
                .map_err(|e| self.stopped(&e, None))?;
            for lost in lost {
                let offset = self.changed_tables.get(&lost.table.to_ascii_lowercase());
                let finding = match offset {
                    Some(offset) => {
                        Finding::at(lost.kind, self.place.position(*offset), lost.message)
                    }
                    None => Finding::new(lost.kind, self.place.path, lost.message),
                };
                self.push(finding)?;
            }
        }
        self.warn_of_leftovers(connection)
    }

    /// The connection outlives the script, and with it what only the connection
    /// knows: the next script that names such a table writes to the wrong place.
    fn warn_of_leftovers(&mut self, connection: &Connection) -> Result<(), Stopped> {
        let Some(before) = self.leftovers.take() else {
            return Ok(());
        };
        let now = leftovers(connection).map_err(|error| self.stopped(&error, None))?;
        for what in now.difference(&before) {
            let message = format!(
                "leaves {what} behind, which the next scripts of this run see: drop or detach it at the end"
            );
            self.push(Finding::new("left-behind", self.place.path, message))?;
        }
        Ok(())
    }

    fn warn_of_parameter(&mut self, statement: &Statement<'_>) -> Result<(), Stopped> {
        let name = statement.parameter_name(1).unwrap_or("?").to_owned();
        let message = format!(
            "the parameter {name} has no value in a script, and is NULL: write the value, or quote what is meant as text"
        );
        self.warn_once("parameter", &message)
    }

    fn warn_once(&mut self, kind: &'static str, message: &str) -> Result<(), Stopped> {
        // One warning of a kind for a script: dumps have these on many lines.
        match self.ran.warnings.iter().any(|warning| warning.kind == kind) {
            true => Ok(()),
            false => self.warn(kind, message.to_owned()),
        }
    }

    fn warn(&mut self, kind: &'static str, message: String) -> Result<(), Stopped> {
        self.push(Finding::at(kind, self.place.here(), message))
    }

    /// Outside a transaction a warning that is a reason to refuse cannot wait for the end.
    fn push(&mut self, finding: Finding) -> Result<(), Stopped> {
        let stops = self.rules.strict && !self.rules.transactional && finding.refuses_if_strict();
        let stopped = Stopped {
            position: finding.position.clone(),
            message: format!(
                "{} (a warning, which refuses it: --strict)",
                finding.message
            ),
            remedy: None,
            cause: Cause::Statement,
            statements: self.kept,
            by_warning: true,
        };
        if stops {
            return Err(stopped);
        }
        self.ran.warnings.push(finding);
        Ok(())
    }

    fn refuse_unreadable_schema(&self, readable: rusqlite::Result<bool>) -> Result<(), Stopped> {
        match readable {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.refused(
                "this statement brings in a schema that is not UTF-8 text",
                None,
            )),
            Err(error) => Err(self.stopped_here(&error)),
        }
    }

    /// After `PRAGMA writable_schema`: reads the schema again, as the next
    /// program to open the database will, and looks at the tables.
    fn check_schema(&self, connection: &Connection) -> Result<(), Stopped> {
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

    fn unchecked(&self, error: &rusqlite::Error) -> Stopped {
        Stopped {
            message: format!("foreign keys cannot be checked: {}", sqlite_message(error)),
            ..self.stopped(error, None)
        }
    }

    fn not_prepared(&self, error: &rusqlite::Error) -> Stopped {
        let seen = self.seen.what();
        if seen & saw::OUTSIDE != 0 {
            return self.refused(OUTSIDE, None);
        }
        if seen & saw::ROLLBACK != 0 {
            let message = "ROLLBACK is not possible in a migration: it would undo the script and let what follows it stand";
            let remedy = "remove it; a script that fails is rolled back as a whole (ROLLBACK TO a savepoint is fine)";
            return self.refused(message, Some(remedy));
        }
        let (offset, from) = match error {
            rusqlite::Error::SqlInputError { sql, offset, .. } => {
                let offset = usize::try_from(*offset).unwrap_or(0);
                let from = self.place.sql.len() - sql.len();
                (from + offset, from)
            }
            _ => {
                let rest = &self.place.sql[self.place.end..];
                let first = super::text::skip_blank(rest, true).unwrap_or(0);
                (self.place.end + first, self.place.end)
            }
        };
        self.stopped_at(error, Some(offset), &self.place.sql[from..])
    }

    /// A statement that was prepared and failed when it was run.
    fn not_run(&self, connection: &Connection, seen: u32, error: &rusqlite::Error) -> Stopped {
        // Of VACUUM INTO only running it tells.
        if self.seen.what() & saw::OUTSIDE != 0 {
            return self.refused(OUTSIDE, None);
        }
        let mut stopped = self.stopped_here(error);
        let is_key = error.sqlite_extended_error_code() == Some(SQLITE_CONSTRAINT_FOREIGNKEY);
        if seen & saw::DROP != 0 && is_key {
            let _pause = self.seen.pause();
            let notes = self.seen.notes();
            if let Ok(Some(rows)) =
                referring(connection, &notes.own_schema, &notes.own_table, false)
            {
                stopped.message = format!(
                    "{}: rows of other tables refer to {}: {rows}",
                    stopped.message, notes.own_table
                );
                stopped.remedy = Some(REBUILD.to_owned());
            }
        }
        if seen & saw::ATTACH == 0
            && stopped.cause == Cause::Busy
            && attaches_itself(connection, &self.seen)
        {
            stopped.cause = Cause::Statement;
            stopped.remedy = Some("the script has attached the database to itself, and it is this run that holds the lock: leave ATTACH out, and name the tables without it".to_owned());
        }
        stopped
    }

    fn stopped_here(&self, error: &rusqlite::Error) -> Stopped {
        self.stopped(error, Some(self.place.first_token()))
    }

    pub(super) fn stopped(&self, error: &rusqlite::Error, offset: Option<usize>) -> Stopped {
        let from = offset.unwrap_or(self.place.sql.len());
        self.stopped_at(error, offset, &self.place.sql[from..])
    }

    fn stopped_at(
        &self,
        error: &rusqlite::Error,
        offset: Option<usize>,
        statement: &str,
    ) -> Stopped {
        let message = sqlite_message(error);
        let seen = self.seen.what();
        let attached = seen & saw::ATTACH != 0;
        let extended = error.sqlite_extended_error_code();
        let cause = match Cause::of(error) {
            // The database could be written a moment ago. What cannot be written
            // or opened now is what the statement names, or a new journal.
            Cause::Permission | Cause::CannotOpen if attached => Cause::Statement,
            Cause::Permission if extended == Some(SQLITE_READONLY_DIRECTORY) => Cause::Permission,
            Cause::Permission => Cause::Statement,
            Cause::CannotOpen => Cause::Permission,
            Cause::Busy if error.sqlite_error_code() == Some(ErrorCode::DatabaseLocked) => {
                Cause::Statement
            }
            cause => cause,
        };
        let remedy = match extended {
            Some(SQLITE_IOERR_GETTEMPPATH) => Some(NO_TEMPORARY.to_owned()),
            _ if self.query_only && message.contains("readonly") => {
                Some("the script has set PRAGMA query_only itself: take it out".to_owned())
            }
            _ => remedy(
                &message,
                (cause, error.sqlite_error_code()),
                seen,
                statement,
            ),
        };
        Stopped {
            remedy,
            position: offset.map(|offset| self.place.position(offset)),
            message,
            cause,
            statements: self.kept,
            by_warning: false,
        }
    }

    fn refused(&self, message: &str, remedy: Option<&'static str>) -> Stopped {
        // What could not be prepared has not become the current statement yet.
        Stopped {
            position: Some(self.place.here()),
            message: message.to_owned(),
            remedy: remedy.map(str::to_owned),
            cause: Cause::Statement,
            statements: self.kept,
            by_warning: false,
        }
    }
}

/// Whether a database is attached that is the main one, too.
fn attaches_itself(connection: &Connection, seen: &Seen) -> bool {
    let _pause = seen.pause();
    let query = "SELECT 1 FROM pragma_database_list AS a, pragma_database_list AS m WHERE m.name = 'main' AND a.name NOT IN ('main', 'temp') AND a.file = m.file AND m.file != ''";
    connection.query_row(query, [], |_| Ok(())).is_ok()
}

/// What only the connection knows: temporary objects and attached databases.
fn leftovers(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let query = "SELECT 'the temporary ' || type || ' ' || name FROM temp.sqlite_schema UNION ALL SELECT 'the attached database ' || name FROM pragma_database_list WHERE name NOT IN ('main', 'temp')";
    let mut statement = connection.prepare(query)?;
    let found = statement.query_map([], |row| row.get(0))?;
    found.collect()
}
