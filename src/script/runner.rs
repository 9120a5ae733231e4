//! The loop over the statements of a script.
//!
//! Owns the order of what is asked before and after each statement, and what is said
//! when one of them stops. What is asked is in the modules beside it.

use super::authorizer::Rules;
use super::changed::Changed;
use super::conflicts::Schemas;
use super::creation::There;
use super::lost::Losses;
use super::mistaken::Mistake;
use super::notes::Write;
use super::orphans::Orphans;
use super::place::Place;
use super::pragmas::{Asked, is_harmless_explained};
use super::quoted::{Asked as Quoted, may_compare_text};
use super::savepoints::Noted;
use super::seen::{Seen, saw};
use super::uncopied::Uncopied;
use super::watch::Before;
use super::window::{ReadOn, Window};
use super::{Ran, Stopped, Watched};
use crate::diagnostics::position::Position;
use rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection, Statement};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How often a script tells how far it is.
const PROGRESS: Duration = Duration::from_millis(100);

/// How a piece of a script ended.
pub(super) enum Flow {
    End,
    /// The next statement is to be run with the hook that tells of each row.
    Hook,
    /// The next statement does not end in what is at hand.
    ReadOn,
}

/// The state of one run of a script.
pub(super) struct Runner<'a> {
    pub(super) place: Place<'a>,
    pub(super) seen: Arc<Seen>,
    pub(super) rules: Rules,
    pub(super) watched: &'a mut Watched,
    pub(super) ran: Ran,
    /// Whether a statement could have changed anything.
    pub(super) changed: bool,
    /// Whether the script takes itself to be between its COMMIT and its BEGIN.
    pub(super) committed: bool,
    /// Whether foreign keys are enforced now, and were when the script began.
    pub(super) enforced: bool,
    pub(super) enforced_before: bool,
    /// Whether it has used `PRAGMA defer_foreign_keys`.
    pub(super) deferring: bool,
    pub(super) orphans: Orphans,
    /// Tables that were dropped while rows referred to them and keys were deferred, and
    /// were not written to since: COMMIT remembers these rows, whatever takes the name.
    pub(super) deferred_drops: Vec<(String, Position)>,
    /// The tables whose rows were looked at before they were written to, each with
    /// whether that was for keys that are checked at COMMIT only.
    pub(super) touched: BTreeMap<(String, String), bool>,
    /// What belonged to the tables that are dropped or altered.
    pub(super) before: Before,
    /// What statements took with them, which is fine if the script drops it all later.
    pub(super) losses: Losses,
    pub(super) schemas: Schemas,
    /// What is there that it makes only if it is not.
    pub(super) there: There,
    /// The savepoints that it has open, each with what was noted when it was opened.
    pub(super) savepoints: Vec<(String, Noted)>,
    /// The rows that a statement changes, told by a hook if that is set.
    pub(super) changed_rows: Arc<Changed>,
    pub(super) is_hooked: bool,
    /// The tables of which rows were deleted that SQLPage's keys would act on.
    pub(super) sqlpage_deletes: BTreeSet<String>,
    pub(super) asked: Vec<Asked>,
    /// Where a setting was changed that stands in the way of writing.
    pub(super) query_only: bool,
    pub(super) counted: Vec<(String, Option<u64>)>,
    /// The tables that were dropped outside a transaction.
    pub(super) dropped: Vec<String>,
    /// What the connection held before the first statement that adds to it.
    pub(super) leftovers: Option<BTreeSet<String>>,
    /// How many statements stay done if the next one fails outside a transaction.
    pub(super) kept: usize,
    pub(super) seen_in_all: u32,
    /// The virtual tables that the script has made.
    pub(super) made_virtual: Vec<String>,
    /// The old and the new name of each, in lower case.
    pub(super) renames: Vec<(String, String)>,
    /// Columns that copies have left out.
    pub(super) uncopied: Vec<Uncopied>,
    /// Tables that it has dropped with rows in them, in lower case.
    pub(super) dropped_full: Vec<String>,
    /// The shapes of copies that were looked at, as long as the schema stands.
    pub(super) copies: BTreeSet<u64>,
    /// The names that the script has given to tables that had others, in lower case.
    pub(super) renamed: BTreeSet<String>,
    /// The shapes of statements whose names name what they seem to.
    pub(super) judged_before: BTreeSet<u64>,
    /// The tables that the script has made.
    pub(super) made: BTreeSet<String>,
    /// What is wrong with the DELETE that is about to run.
    pub(super) mistaken: Option<Mistake>,
    /// When it began, for the times of files.
    pub(super) began: SystemTime,
}

impl<'a> Runner<'a> {
    pub(super) fn new(
        path: &'a Path,
        read_on: &'a mut ReadOn<'a>,
        seen: Arc<Seen>,
        rules: Rules,
        watched: &'a mut Watched,
    ) -> Self {
        Self {
            place: Place::new(path, Window::new(read_on)),
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
            deferred_drops: Vec::new(),
            touched: BTreeMap::new(),
            before: Before::default(),
            losses: Losses::default(),
            schemas: Schemas::default(),
            there: There::default(),
            savepoints: Vec::new(),
            changed_rows: Arc::new(Changed::default()),
            is_hooked: false,
            sqlpage_deletes: BTreeSet::new(),
            asked: Vec::new(),
            query_only: false,
            counted: Vec::new(),
            dropped: Vec::new(),
            leftovers: None,
            kept: 0,
            seen_in_all: 0,
            made_virtual: Vec::new(),
            uncopied: Vec::new(),
            dropped_full: Vec::new(),
            copies: BTreeSet::new(),
            renames: Vec::new(),
            judged_before: BTreeSet::new(),
            renamed: BTreeSet::new(),
            made: BTreeSet::new(),
            mistaken: None,
            // The clock of file systems may be a tick behind.
            began: SystemTime::now() - Duration::from_millis(20),
        }
    }

    pub(super) fn run(
        &mut self,
        connection: &mut Connection,
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), Stopped> {
        self.enforced = connection
            .db_config(SQLITE_DBCONFIG_ENABLE_FKEY)
            .map_err(|error| self.stopped(&error, None))?;
        self.enforced_before = self.enforced;
        let mut told = Instant::now();
        loop {
            match self.statements(connection, progress, &mut told)? {
                Flow::End => break,
                Flow::Hook => self.set_hook(connection)?,
                Flow::ReadOn => self.place.read_on().map_err(|error| self.unread(error))?,
            }
        }
        self.finish(connection)
    }

    /// Set where it is needed only: it costs something for each row.
    fn set_hook(&mut self, connection: &mut Connection) -> Result<(), Stopped> {
        let changed = Arc::clone(&self.changed_rows);
        let hook = move |action, schema: &str, table: &str, _| changed.note(action, schema, table);
        connection
            .update_hook(Some(hook))
            .map_err(|error| self.stopped_here(&error))?;
        self.is_hooked = true;
        Ok(())
    }

    /// The statements from where the script is now.
    fn statements(
        &mut self,
        connection: &Connection,
        progress: &mut dyn FnMut(usize),
        told: &mut Instant,
    ) -> Result<Flow, Stopped> {
        let text = Rc::clone(self.place.window.text());
        let mut batch = Batch::new(connection, &text[self.place.end..]);
        loop {
            self.seen.clear();
            self.place.start = self.place.end;
            // Some pragmas take effect when they are prepared.
            if !self.place.may_have_next() {
                return Ok(Flow::ReadOn);
            }
            let mut statement = match batch.next() {
                Ok(Some(statement)) => statement,
                Ok(None) if self.place.window.is_complete() => return Ok(Flow::End),
                Ok(None) => {
                    self.place.pass_over_blank();
                    return Ok(Flow::ReadOn);
                }
                Err(error) if self.place.is_cut_off(&error) => return Ok(Flow::ReadOn),
                Err(error) => return Err(self.not_prepared(&error)),
            };
            let before = self.place.end;
            if !self.place.advance(&statement) {
                let message = "it cannot be told where this statement ends";
                return Err(self.refused(message, Some("write values instead of parameters")));
            }
            let flow = match self.place.is_whole() {
                true => self.statement(connection, &mut statement)?,
                false => Flow::ReadOn,
            };
            if !matches!(flow, Flow::End) {
                (self.place.start, self.place.end) = (before, before);
                return Ok(flow);
            }
            self.ran.statements += 1;
            if connection.is_autocommit() {
                self.kept = self.ran.statements;
            }
            if told.elapsed() >= PROGRESS {
                *told = Instant::now();
                progress(self.ran.statements);
            }
        }
    }

    /// One statement, with all that is asked before and after it.
    pub(super) fn statement(
        &mut self,
        connection: &Connection,
        statement: &mut Statement<'_>,
    ) -> Result<Flow, Stopped> {
        let seen = self.seen.what();
        if statement.is_explain() != 0 {
            let pragma = self.seen.notes().pragma.clone();
            if !self.rules.replayed
                && pragma.is_some_and(|p| p.value.is_some() && !is_harmless_explained(&p.name))
            {
                let message = "SQLite obeys most pragmas behind EXPLAIN as without it";
                return Err(self.refused(message, Some("take EXPLAIN out, or the statement")));
            }
            if seen & (saw::WRITE | saw::SCHEMA) != 0 && !self.rules.replayed {
                let message = "EXPLAIN shows what SQLite would do, and does nothing of it: take it out, or the statement";
                self.warn("explained", message.to_owned())?;
            }
            // It does nothing of what the authorizer saw in it.
            return match self.step(statement) {
                Ok(()) => Ok(Flow::End),
                Err(error) => Err(self.not_run(connection, seen, &error)),
            };
        }
        if seen & saw::SAVEPOINT != 0 {
            self.refuse_foreign_savepoint()?;
        }
        let guard = match seen & (saw::ACTION | saw::AGAIN) {
            0 => None,
            _ => self.guard(connection)?,
        };
        if guard.is_some() && !self.is_hooked {
            return Ok(Flow::Hook);
        }
        self.place.note_last();
        self.seen_in_all |= seen;
        if statement.parameter_count() > 0 {
            self.warn_of_parameter(statement)?;
        }
        if seen & saw::PRAGMA != 0 {
            self.before_pragma(connection)?;
        }
        if (seen == 0 || seen & saw::SCHEMA != 0) && !self.rules.replayed {
            self.before_create(connection, seen)?;
        }
        self.judge_names(connection, seen)?;
        if seen & !(saw::PRAGMA | saw::SCHEMA) != 0 {
            self.before_change(connection, seen)?;
        }
        // What cannot be rolled back at the end is judged at once.
        let savepoint = guard.is_some() && !self.rules.transactional;
        if savepoint {
            self.execute(connection, "SAVEPOINT litemigrate_guard")?;
        }
        if guard.is_some() {
            self.changed_rows.begin();
        }
        let stepped = match seen & saw::PRAGMA != 0 && self.asks_for_faults() {
            true => self.step_to_faults(statement),
            false => self.step(statement).map(|()| 0),
        };
        self.changed_rows.end();
        let faults = match stepped {
            Ok(faults) => faults,
            Err(error) => return Err(self.not_run(connection, seen, &error)),
        };
        if faults > 0 {
            self.warn_of_faults(faults)?;
        }
        if let Some(mistake) = self.mistaken.take() {
            self.judge_delete(connection, mistake)?;
        }
        if let Some(guard) = guard {
            self.after_guard(connection, &guard, savepoint)?;
        }
        if self.rules.for_sqlpage && self.enforced_before && !self.enforced {
            let deletes = self.seen.notes().own == Write::Delete;
            if deletes {
                self.warn_of_sqlpage_delete(connection)?;
            }
        }
        self.changed |= !statement.readonly() && seen & saw::PRAGMA == 0;
        self.committed = seen & saw::COMMIT != 0 || (self.committed && seen & saw::BEGIN == 0);
        if seen & (saw::SCHEMA | saw::ATTACH | saw::DETACH) != 0 {
            self.note_schema(connection, seen)?;
        }
        if seen & saw::SAVEPOINT != 0 {
            self.note_savepoint(connection)?;
        }
        if seen & !(saw::WRITE | saw::TRIGGER | saw::SCHEMA | saw::READ | saw::SELECT) != 0 {
            self.after(connection, seen)?;
        }
        if self.rules.transactional && connection.is_autocommit() {
            let message = "this statement ended the transaction that the script runs in";
            return Err(self.refused(message, None));
        }
        Ok(Flow::End)
    }

    /// Whether names name what they seem to.
    fn judge_names(&mut self, connection: &Connection, seen: u32) -> Result<(), Stopped> {
        if self.rules.replayed {
            return Ok(());
        }
        // The values of a plain INSERT are none.
        let more = saw::SELECT | saw::AGAIN | saw::READ | saw::SCHEMA | saw::COPY;
        let is_plain = seen & more == 0 && self.seen.notes().own == Write::Insert;
        let is_asked = seen & (saw::WRITE | saw::SCHEMA | saw::COPY) != 0 && !is_plain;
        if is_asked {
            self.judge_conditions()?;
        }
        let has_quotes =
            is_asked && (self.place.text().contains('"') || may_compare_text(self.place.text()));
        let selects = seen & (saw::SELECT | saw::CREATE_PART | saw::COPY) != 0;
        if !has_quotes && !selects {
            return Ok(());
        }
        let asked = Quoted::of(self.place.text());
        // The same names of the same tables were there a moment ago.
        if self.judged_before.contains(&asked.shape) {
            return Ok(());
        }
        let before = self.ran.warnings.len();
        if has_quotes {
            self.judge_quoted(connection, &asked)?;
        }
        if selects {
            self.judge_outer_columns(connection)?;
        }
        if self.ran.warnings.len() == before && self.mistaken.is_none() {
            self.judged_before.insert(asked.shape);
        }
        Ok(())
    }

    /// Steps a statement to its last row.
    pub(super) fn step(&self, statement: &mut Statement<'_>) -> rusqlite::Result<()> {
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        Ok(())
    }

    /// A statement of our own.
    pub(super) fn execute(&self, connection: &Connection, sql: &str) -> Result<(), Stopped> {
        let _pause = self.seen.pause();
        connection
            .execute_batch(sql)
            .map_err(|error| self.stopped_here(&error))
    }
}
