//! Savepoints of a script, and what a ROLLBACK undoes of what was noted.
//!
//! Owns which savepoints are the script's own. In a transaction that scripts share it must
//! not reach one of another.

use super::Stopped;
use super::lost::Losses;
use super::runner::Runner;
use super::uncopied::Uncopied;
use super::watch::Before;
use crate::schema::last_row;
use rusqlite::Connection;
use rusqlite::hooks::TransactionOperation;
use std::sync::Arc;

/// What is noted on the way through a script, and undone by a ROLLBACK.
pub(super) struct Noted {
    losses: Losses,
    before: Before,
    dropped: usize,
    dropped_full: Vec<String>,
    renames: usize,
    uncopied: Vec<Uncopied>,
}

impl Runner<'_> {
    /// RELEASE and ROLLBACK TO of a name that the script has not opened.
    pub(super) fn refuse_foreign_savepoint(&self) -> Result<(), Stopped> {
        let savepoint = self.seen.notes().savepoint.clone();
        let Some((operation, name)) = savepoint.filter(|_| self.rules.transactional) else {
            return Ok(());
        };
        let is_own = self.savepoints.iter().any(|(own, _)| *own == name);
        match is_own || operation == TransactionOperation::Begin {
            true => Ok(()),
            false => Err(self.refused(&format!("no such savepoint: {name}"), None)),
        }
    }

    /// After a statement about savepoints, or about a transaction of the script's own,
    /// which has no name.
    pub(super) fn note_savepoint(&mut self, connection: &Connection) -> Result<(), Stopped> {
        let savepoint = self.seen.notes().savepoint.clone();
        let Some((operation, name)) = savepoint else {
            return Ok(());
        };
        let at = self.savepoints.iter().rposition(|(own, _)| *own == name);
        match (operation, at) {
            (TransactionOperation::Begin, _) => {
                let noted = Noted {
                    losses: self.losses.clone(),
                    before: self.before.clone(),
                    dropped: self.ran.dropped.len(),
                    dropped_full: self.dropped_full.clone(),
                    renames: self.renames.len(),
                    uncopied: self.uncopied.clone(),
                };
                self.savepoints.push((name, noted));
            }
            (TransactionOperation::Release, Some(at)) => self.savepoints.truncate(at),
            (TransactionOperation::Rollback, Some(at)) => {
                self.savepoints.truncate(at + 1);
                let (_, noted) = &self.savepoints[at];
                self.losses = noted.losses.clone();
                self.before = noted.before.clone();
                self.ran.dropped.truncate(noted.dropped);
                self.dropped_full = noted.dropped_full.clone();
                self.renames.truncate(noted.renames);
                self.uncopied = noted.uncopied.clone();
                if name.is_empty() {
                    self.savepoints.clear();
                }
                self.forget_schema(connection)?;
            }
            // COMMIT ends them all.
            _ => self.savepoints.clear(),
        }
        Ok(())
    }

    /// The schema may be what it was before.
    fn forget_schema(&mut self, connection: &Connection) -> Result<(), Stopped> {
        self.schemas.forget();
        self.there.forget();
        self.judged_before.clear();
        self.copies.clear();
        self.losses.forget_names();
        self.orphans.forget_names();
        self.touched.clear();
        let seen = Arc::clone(&self.seen);
        let _pause = seen.pause();
        let row = last_row(connection).map_err(|error| self.stopped_here(&error))?;
        if let Some(whole) = &mut self.watched.whole {
            whole.note_last_row(row);
        }
        let lowest = self.ran.lowest_last_row.get_or_insert(row);
        *lowest = row.min(*lowest);
        Ok(())
    }
}
