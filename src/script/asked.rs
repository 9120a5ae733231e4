//! What is asked before a statement runs, so that it can be compared afterwards.
//!
//! Owns which of the watches a statement wakes: pragmas, keys, rows, rebuilds, reads.

use super::Stopped;
use super::after::leftovers;
use super::conflicts::Loser;
use super::crossing::{Copy, crossing};
use super::losses::Guard;
use super::names::renamed_to;
use super::notes::Write;
use super::referring::{losing, referring};
use super::runner::Runner;
use super::seen::saw;
use super::uncopied::{Uncopied, has_rows};
use super::watch::rows_of;
use crate::schema::last_row;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

impl Runner<'_> {
    /// Remembers what must be compared afterwards, before anything is changed.
    pub(super) fn before_change(
        &mut self,
        connection: &Connection,
        seen: u32,
    ) -> Result<(), Stopped> {
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
        if seen & saw::DETACH != 0 && self.orphans.has_attached() {
            let _pause = shared.pause();
            self.refuse_orphans(connection)?;
            self.orphans.forget_attached();
            self.touched.clear();
        }
        if seen & (saw::WRITE | saw::TRIGGER | saw::ACTION | saw::DROP | saw::ALTER) != 0 {
            let _pause = shared.pause();
            let is_checked = self.enforced && !self.deferring;
            if self.enforced_before && (!is_checked || self.rules.shared) {
                self.touch(connection, is_checked)
                    .map_err(|error| failed(self, &error))?;
            }
            if is_checked && seen & saw::AGAIN != 0 {
                let itself = self.empties_itself(connection);
                if itself.map_err(|error| failed(self, &error))? {
                    let touched = self.touch(connection, false);
                    touched.map_err(|error| failed(self, &error))?;
                }
            }
            if self.rules.counted {
                self.count(connection)
                    .map_err(|error| failed(self, &error))?;
            }
        }
        let is_temporary = seen & saw::DROP != 0 && shared.notes().own_schema == "temp";
        if is_temporary && !self.losses.is_empty() {
            let _pause = shared.pause();
            let notes = shared.notes();
            let noted = self.losses.note_drop(connection, "temp", &notes.own_table);
            noted.map_err(|error| failed(self, &error))?;
        }
        if seen & (saw::DROP | saw::ALTER | saw::DROP_OTHER) != 0 && !is_temporary {
            let _pause = shared.pause();
            self.before_first_drop(connection)
                .map_err(|error| failed(self, &error))?;
            self.note_drop(connection, seen)?;
        }
        if self.rules.counted && seen & saw::CREATE_TABLE != 0 {
            let created = shared.notes().created.clone();
            let created = created.filter(|(schema, _)| schema == "main");
            self.made.extend(created.map(|(_, table)| table));
        }
        if seen & saw::READ != 0 {
            self.note_reads(connection, seen)?;
        }
        if !self.deferred_drops.is_empty() && seen & (saw::WRITE | saw::TRIGGER) != 0 {
            let notes = shared.notes();
            // Rows that come back under the name are counted off; those of a table that got
            // the name by ALTER TABLE were there before it.
            let is_filled = |table: &str| {
                let is_own =
                    notes.own == Write::Insert && notes.own_table.eq_ignore_ascii_case(table);
                let mut triggered = notes.triggered.iter();
                let is_triggered = triggered.any(|side| {
                    side.write == Write::Insert && side.table.eq_ignore_ascii_case(table)
                });
                (is_own || is_triggered) && !self.renamed.contains(&table.to_ascii_lowercase())
            };
            self.deferred_drops.retain(|(table, _)| !is_filled(table));
        }
        if seen & saw::OTHER_HISTORY != 0 {
            let table = shared.notes().other_history.clone().unwrap_or_default();
            let message = format!(
                "writes to {table}, which holds another application's history of migrations: that is for that application to do"
            );
            if !self.is_said(&message) {
                self.warn("history-written", message)?;
            }
        }
        self.ran.wrote_history |= seen & saw::HISTORY != 0;
        self.ran.history_in_danger |= seen & saw::HISTORY_ASIDE != 0;
        Ok(())
    }

    /// Looks at rows that refer to nothing before the first write that nobody checks.
    pub(super) fn touch(
        &mut self,
        connection: &Connection,
        deferred_only: bool,
    ) -> rusqlite::Result<()> {
        let seen = Arc::clone(&self.seen);
        let notes = seen.notes();
        let altered = notes
            .altered
            .iter()
            .map(|(schema, table)| (schema.as_str(), table.as_str()));
        for (schema, table) in notes.written().chain(altered) {
            let key = (schema.to_owned(), table.to_owned());
            match self.touched.get(&key) {
                Some(false) => continue,
                Some(true) if deferred_only => continue,
                _ => {}
            }
            self.orphans
                .before_write(connection, schema, table, deferred_only)?;
            self.touched.insert(key, deferred_only);
        }
        Ok(())
    }

    /// Whether an INSERT may empty references of its own table by REPLACE: SQLite then takes
    /// that of the row that it inserts for emptied, too, and looks for nothing.
    fn empties_itself(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        let seen = Arc::clone(&self.seen);
        let notes = seen.notes();
        if notes.own != Write::Insert {
            return Ok(false);
        }
        let own = (notes.own_schema.as_str(), notes.own_table.as_str());
        let losers = self.schemas.losers(connection, own)?;
        let is_itself = |loser: &Loser| loser.table.eq_ignore_ascii_case(own.1) && loser.is_emptied;
        Ok(losers.iter().any(is_itself))
    }

    pub(super) fn note_copy(&mut self, connection: &Connection) -> Result<(), Stopped> {
        let seen = Arc::clone(&self.seen);
        let _pause = seen.pause();
        let Some((schema, table)) = seen.notes().created.clone() else {
            return Ok(());
        };
        if schema == "main" {
            let noted = self.before.note_copy(connection, &table);
            noted.map_err(|error| self.stopped_here(&error))?;
        }
        Ok(())
    }

    /// What was made may refer to tables that were looked at already.
    pub(super) fn note_created(&mut self, connection: &Connection) -> Result<(), Stopped> {
        let seen = Arc::clone(&self.seen);
        let _pause = seen.pause();
        let Some((schema, table)) = seen.notes().created.clone() else {
            return Ok(());
        };
        let has_keys = self
            .orphans
            .note_created(connection, &schema, &table)
            .map_err(|error| self.stopped_here(&error))?;
        if has_keys {
            self.touched.clear();
        }
        Ok(())
    }

    /// Counts the rows of tables that are changed for the first time.
    pub(super) fn count(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let seen = Arc::clone(&self.seen);
        let notes = seen.notes();
        // What is renamed may get a successor of its name.
        let is_renamed = |_: &&(String, String)| renamed_to(self.place.text()).is_some();
        let altered = notes.altered.iter().filter(is_renamed);
        let altered = altered.map(|(schema, table)| (schema.as_str(), table.as_str()));
        let all = notes.written().chain(altered);
        for (_, table) in all.filter(|(schema, _)| *schema == "main") {
            let is_it = |(known, _): &(String, Option<u64>)| known.eq_ignore_ascii_case(table);
            let is_history = self.rules.history.is(table);
            if !is_history && !self.is_renamed(table) && !self.counted.iter().any(is_it) {
                let rows = match self.made.contains(table) {
                    true => None,
                    false => rows_of(connection, table)?,
                };
                self.counted.push((table.to_owned(), rows));
            }
        }
        Ok(())
    }

    /// Which views, triggers and keys are all right, before something is dropped.
    pub(super) fn before_first_drop(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if !self.ran.drops {
            let whole = self.watched.whole.get_or_insert_default();
            whole.look_at_new(connection)?;
        }
        self.ran.drops = true;
        Ok(())
    }

    pub(super) fn note_drop(&mut self, connection: &Connection, seen: u32) -> Result<(), Stopped> {
        let shared = Arc::clone(&self.seen);
        let here = self.place.here();
        let notes = shared.notes();
        let (schema, table) = (&notes.own_schema, &notes.own_table);
        let altered = notes.altered.as_ref();
        let mut names: Vec<(&str, bool)> = Vec::new();
        match seen & saw::DROP != 0 {
            true if schema == "main" => {
                let name = table.to_ascii_lowercase();
                // One that was given another name, and has no successor yet, is thrown away.
                let mut renames = self.renames.iter().filter(|(_, new)| *new == name);
                let has_successor = renames.all(|(old, _)| has_rows(connection, old).is_some());
                if has_successor && has_rows(connection, table) == Some(true) {
                    self.dropped_full.push(name);
                }
                names.push((table, true));
            }
            true => {}
            false => {
                let noted = self.before.note_dropped(connection, &notes.dropped_parts);
                noted.map_err(|error| self.stopped_here(&error))?;
                names.extend(notes.dropped_parts.iter().map(|name| (name.as_str(), true)));
            }
        }
        let altered = altered.filter(|(schema, _)| schema == "main");
        names.extend(altered.map(|(_, table)| (table.as_str(), false)));
        for (name, is_dropped) in names {
            if is_dropped {
                let copies = self.uncopied.iter_mut();
                copies.for_each(|copy| copy.note_drop(connection, name));
            }
            let row = self.before.note_table(connection, name, &here, is_dropped);
            row.map_err(|error| self.stopped_here(&error))?;
            self.ran.gone.push(name.to_ascii_lowercase());
            if is_dropped {
                self.ran.dropped.push(name.to_owned());
            }
        }
        self.ran.alters |= seen & saw::ALTER != 0;
        if seen & saw::ALTER != 0 {
            self.orphans.forget_names();
            self.touched.clear();
            self.note_rename(altered.map(|(_, table)| table.as_str()));
        }
        if seen & saw::DROP == 0 {
            return Ok(());
        }
        let noted = self.losses.note_drop(connection, schema, table);
        noted.map_err(|error| self.stopped_here(&error))?;
        if self.deferring && self.enforced && self.rules.shared {
            let rows = referring(connection, schema, table).map_err(|e| self.stopped_here(&e))?;
            self.deferred_drops
                .extend(rows.map(|_| (table.clone(), self.place.here())));
        }
        if self.rules.for_sqlpage && self.enforced_before && !self.enforced {
            self.warn_of_sqlpage(connection, schema, table)?;
        }
        Ok(())
    }

    /// Something was dropped: what is made next may take its row in the schema.
    pub(super) fn note_last_row(&mut self, connection: &Connection) -> Result<(), Stopped> {
        let seen = Arc::clone(&self.seen);
        let _pause = seen.pause();
        let row = last_row(connection).map_err(|error| self.stopped_here(&error))?;
        let lowest = self.ran.lowest_last_row.get_or_insert(row);
        *lowest = row.min(*lowest);
        if let Some(whole) = &mut self.watched.whole {
            whole.note_last_row(row);
        }
        Ok(())
    }

    /// SQLPage does not obey `PRAGMA foreign_keys` in a script: what it would lose.
    pub(super) fn warn_of_sqlpage(
        &mut self,
        connection: &Connection,
        schema: &str,
        table: &str,
    ) -> Result<(), Stopped> {
        let kind = "sqlpage-foreign-keys";
        let references = self.orphans.references(schema);
        let (Some(references), false) = (references, self.has_warned(kind)) else {
            return Ok(());
        };
        let lost = losing(connection, schema, table, references);
        let Some(lost) = lost.map_err(|e| self.stopped_here(&e))? else {
            return Ok(());
        };
        let message = format!(
            "SQLPage does not obey PRAGMA foreign_keys = OFF in a script: if it ran this one itself, DROP TABLE {table} would take with it: {lost}; apply it with litemigrate everywhere"
        );
        self.warn(kind, message)
    }

    /// The same of a DELETE, the first of each table: rows refer to nothing after it that
    /// SQLPage would have deleted or emptied with what they refer to.
    pub(super) fn warn_of_sqlpage_delete(
        &mut self,
        connection: &Connection,
    ) -> Result<(), Stopped> {
        let (schema, table) = {
            let notes = self.seen.notes();
            (notes.own_schema.clone(), notes.own_table.clone())
        };
        let kind = "sqlpage-foreign-keys";
        let references = self.orphans.references(&schema).unwrap_or_default();
        let is_acted_on = references
            .iter()
            .any(|r| r.acts_on_delete() && r.parent.eq_ignore_ascii_case(&table));
        let is_new = self.sqlpage_deletes.insert(table.to_ascii_lowercase());
        if !is_acted_on || !is_new || self.has_warned(kind) {
            return Ok(());
        }
        let seen = Arc::clone(&self.seen);
        let _pause = seen.pause();
        let new = self.orphans.new_ones(connection);
        let Some(rows) = new.map_err(|error| self.unchecked(&error))? else {
            return Ok(());
        };
        let message = format!(
            "SQLPage does not obey PRAGMA foreign_keys = OFF in a script: if it ran this one itself, this DELETE would take what refers to {table} with it ({rows}); apply it with litemigrate everywhere"
        );
        self.warn(kind, message)
    }

    /// Columns that are read: in a copy by position, and of tables that have lost rows.
    pub(super) fn note_reads(&mut self, connection: &Connection, seen: u32) -> Result<(), Stopped> {
        let shared = Arc::clone(&self.seen);
        let _pause = shared.pause();
        let notes = shared.notes();
        if !self.losses.is_empty() && seen & saw::DROP == 0 {
            let read = notes.reads().map(|(table, _)| table.to_ascii_lowercase());
            let read: BTreeSet<String> = read.collect();
            let noted = self.losses.note_reads(connection, &read);
            noted.map_err(|error| self.stopped_here(&error))?;
        }
        if seen & saw::WRITE == 0 || notes.own != Write::Insert {
            return Ok(());
        }
        let Some(copy) = Copy::of(self.place.text()) else {
            return Ok(());
        };
        let crossed = crossing(connection, &notes, &copy).map_err(|e| self.stopped_here(&e))?;
        if let Some(shape) = Uncopied::shape(&notes, &copy)
            && self.copies.insert(shape)
        {
            let uncopied = Uncopied::all_of(connection, &notes, &copy, || self.place.here());
            let uncopied = uncopied.map_err(|error| self.stopped_here(&error))?;
            self.uncopied.extend(uncopied);
        }
        drop(notes);
        let Some(crossed) = crossed else {
            return Ok(());
        };
        let message = format!(
            "this copies by position, and the columns stand in another order: {crossed}; name the columns on both sides"
        );
        self.warn("crossing-columns", message)
    }

    pub(super) fn guard(&mut self, connection: &Connection) -> Result<Option<Guard>, Stopped> {
        if !self.enforced || self.rules.allow_cascade || self.rules.replayed {
            return Ok(None);
        }
        let seen = Arc::clone(&self.seen);
        let _pause = seen.pause();
        let text = self.place.text();
        let guard = Guard::before(connection, &mut self.schemas, &seen.notes(), text);
        guard.map_err(|error| self.stopped_here(&error))
    }
}
