//! What follows from a statement that has run.
//!
//! Owns what is known anew, what is put right, and what is remembered for the end.

use super::Stopped;
use super::losses::Guard;
use super::lost::Pending;
use super::pragmas::is_off;
use super::runner::Runner;
use super::seen::saw;
use super::stops::{FOREIGN, attaches_itself};
use crate::schema::readable::{has_readable_attachments, has_readable_schemas};
use rusqlite::Connection;
use rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

impl Runner<'_> {
    /// A schema is another now.
    pub(super) fn note_schema(
        &mut self,
        connection: &Connection,
        seen: u32,
    ) -> Result<(), Stopped> {
        self.losses.forget_names();
        self.judged_before.clear();
        self.copies.clear();
        let shared = Arc::clone(&self.seen);
        let _pause = shared.pause();
        if self.seen_in_all & saw::WRITABLE_SCHEMA != 0 && seen & saw::SCHEMA != 0 {
            self.refuse_unreadable_schema(has_readable_schemas(connection))?;
        }
        let notes = shared.notes();
        match &notes.created {
            _ if seen & (saw::ALTER | saw::ATTACH | saw::DETACH | saw::WRITABLE_SCHEMA) != 0 => {
                self.schemas.forget();
                self.there.forget();
            }
            Some((schema, table)) => {
                let noted = self.schemas.note_created(connection, schema, table);
                noted.map_err(|error| self.stopped_here(&error))?;
            }
            None if seen & saw::DROP != 0 => {
                self.schemas
                    .note_dropped(&notes.own_schema, &notes.own_table);
            }
            None if self.seen_in_all & saw::WRITABLE_SCHEMA != 0 => self.schemas.forget(),
            None => self.schemas.forget_triggers(),
        }
        Ok(())
    }

    pub(super) fn after_guard(
        &mut self,
        connection: &Connection,
        guard: &Guard,
        savepoint: bool,
    ) -> Result<(), Stopped> {
        let seen = Arc::clone(&self.seen);
        let loss = {
            let _pause = seen.pause();
            guard
                .after(connection, &self.changed_rows)
                .map_err(|error| self.stopped_here(&error))?
        };
        let cure = guard.cure(|table| self.is_renamed(table));
        match loss {
            Some(loss) if savepoint => {
                let undo = "ROLLBACK TO litemigrate_guard; RELEASE litemigrate_guard";
                let _ = self.execute(connection, undo);
                Err(self.refused(&loss.message, Some(cure)))
            }
            Some(loss) => {
                self.losses.push(Pending {
                    loss,
                    position: self.place.here(),
                    cure,
                });
                seen.note_reads();
                Ok(())
            }
            None if savepoint => self.execute(connection, "RELEASE litemigrate_guard"),
            None => Ok(()),
        }
    }

    /// What follows from a statement that was not just an INSERT, UPDATE or DELETE.
    pub(super) fn after(&mut self, connection: &Connection, seen: u32) -> Result<(), Stopped> {
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
        if seen & saw::COPY != 0 && !self.rules.replayed {
            self.note_copy(connection)?;
        }
        let makes = saw::CREATE_PART | saw::CREATE_TABLE | saw::ALTER;
        if seen & makes != 0 && !self.rules.replayed {
            self.note_looking();
        }
        if seen & saw::CREATE_VIRTUAL != 0 && !self.rules.replayed {
            let made = self.seen.notes().created_part.clone();
            self.made_virtual.extend(made);
        }
        if seen & saw::CREATE_TABLE != 0 && !self.touched.is_empty() {
            self.note_created(connection)?;
        }
        if seen & (saw::DROP | saw::DROP_OTHER) != 0 && !self.rules.replayed {
            self.note_last_row(connection)?;
        }
        let notes = self.seen.notes();
        if seen & saw::DROP != 0 && notes.own_schema == "main" && connection.is_autocommit() {
            self.dropped.push(notes.own_table.clone());
        }
        drop(notes);
        let ends_drop = saw::DROP | saw::DROP_OTHER | saw::ALTER | saw::COMMIT;
        if seen & ends_drop != 0 && self.ran.drops && connection.is_autocommit() {
            self.watched.dropping = self.place.path.to_owned();
        }
        if seen & saw::ALTER != 0 && !self.dropped.is_empty() && connection.is_autocommit() {
            self.warn_of_open_rebuild(connection)?;
        }
        if seen & saw::ATTACH != 0 {
            let shared = Arc::clone(&self.seen);
            let _pause = shared.pause();
            if self.rules.counted {
                self.note_new_files(connection);
            }
            if attaches_itself(connection).map_err(|error| self.stopped_here(&error))? {
                let message = "the script attaches the database to itself: one connection would wait for the other's lock, and what it does there would not be watched";
                let remedy = "leave ATTACH out, and name the tables without it";
                return Err(self.refused(message, Some(remedy)));
            }
            self.refuse_foreign_attachments(connection)?;
            self.refuse_unreadable_schema(has_readable_attachments(connection))?;
        }
        Ok(())
    }

    /// Somebody may have exchanged a file between the question whose it is and its opening.
    fn refuse_foreign_attachments(&self, connection: &Connection) -> Result<(), Stopped> {
        let Some(rights) = self.rules.rights else {
            return Ok(());
        };
        let files = attached_files(connection).map_err(|error| self.stopped_here(&error))?;
        let mut files = files.iter();
        match files.all(|file| (rights.is_opened)(rights.user, file)) {
            true => Ok(()),
            false => Err(self.refused(FOREIGN.0, Some(FOREIGN.1))),
        }
    }

    /// Of a run for show: which attached files are empty and came with the script, whose
    /// ATTACH may compute their names.
    pub(super) fn note_new_files(&mut self, connection: &Connection) {
        for file in attached_files(connection).unwrap_or_default() {
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
}

/// The files of ATTACH.
fn attached_files(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let query =
        "SELECT file FROM pragma_database_list WHERE name NOT IN ('main', 'temp') AND file != ''";
    let mut files = connection.prepare(query)?;
    let files = files.query_map([], |row| row.get(0))?;
    files.collect()
}

/// What only the connection knows: temporary objects and attached databases.
pub(super) fn leftovers(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    // SQLite's own tables come and go with others.
    let query = "SELECT 'the temporary ' || type || ' ' || name FROM temp.sqlite_schema WHERE name NOT GLOB 'sqlite_*' UNION ALL SELECT 'the attached database ' || name FROM pragma_database_list WHERE name NOT IN ('main', 'temp')";
    let mut statement = connection.prepare(query)?;
    let found = statement.query_map([], |row| row.get(0))?;
    found.collect()
}
