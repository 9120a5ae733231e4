//! How many rows of which tables a statement has changed, by SQLite's own word of each
//! (sqlite.org/c3ref/update_hook.html): also those of triggers and foreign keys, not those
//! that REPLACE itself deletes, none of tables without
//! rowid, and none of a DELETE of all of a table that nothing watches.
//!
//! Owns the counting. Costs a call for each row only while somebody wants to know.

use rusqlite::hooks::Action;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The rows that a statement changes, by table, while somebody wants to know.
#[derive(Debug, Default)]
pub(super) struct Changed {
    is_wanted: AtomicBool,
    tables: Mutex<Vec<(String, String, Rows)>>,
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Rows {
    pub inserted: i64,
    pub updated: i64,
    pub deleted: i64,
}

impl Changed {
    /// What the update hook tells.
    pub(super) fn note(&self, action: Action, schema: &str, table: &str) {
        if !self.is_wanted.load(Ordering::Relaxed) {
            return;
        }
        let mut tables = self.tables();
        let at = tables
            .iter()
            .position(|(s, t, _)| t == table && s == schema)
            .unwrap_or_else(|| {
                tables.push((schema.to_owned(), table.to_owned(), Rows::default()));
                tables.len() - 1
            });
        let rows = &mut tables[at].2;
        match action {
            Action::SQLITE_INSERT => rows.inserted += 1,
            Action::SQLITE_UPDATE => rows.updated += 1,
            Action::SQLITE_DELETE => rows.deleted += 1,
            _ => {}
        }
    }

    pub(super) fn begin(&self) {
        self.tables().clear();
        self.is_wanted.store(true, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.is_wanted.store(false, Ordering::Relaxed);
    }

    pub(super) fn of(&self, schema: &str, table: &str) -> Rows {
        let tables = self.tables();
        let found = tables
            .iter()
            .find(|(s, t, _)| t.eq_ignore_ascii_case(table) && s.eq_ignore_ascii_case(schema));
        found.map(|(_, _, rows)| *rows).unwrap_or_default()
    }

    /// How many rows were told of.
    pub(super) fn in_all(&self) -> i64 {
        let tables = self.tables();
        let each = tables.iter();
        each.map(|(_, _, rows)| rows.inserted + rows.updated + rows.deleted)
            .sum()
    }

    fn tables(&self) -> MutexGuard<'_, Vec<(String, String, Rows)>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
