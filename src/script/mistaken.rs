//! A condition that says something else than it seems to.
//!
//! Owns when that refuses a script: when a DELETE has taken every row by it. What cannot be
//! rolled back afterwards is refused before. Finds none itself.

use super::Stopped;
use super::conditions::unmeant;
use super::notes::Write;
use super::runner::Runner;
use super::seen::saw;
use crate::diagnostics::position::Position;
use crate::schema::references::quoted;
use rusqlite::Connection;
use std::sync::Arc;

/// What is wrong with a statement.
pub(super) struct Mistake {
    pub kind: &'static str,
    pub position: Position,
    pub message: String,
    pub remedy: String,
    /// Whether it can make a DELETE take more rows than are meant.
    pub takes_more: bool,
}

/// As many of a kind are told of a script.
const ENOUGH: usize = 20;

impl Runner<'_> {
    /// Says it, at once or, of a DELETE, when that has run.
    pub(super) fn mistake(&mut self, mistake: Mistake) -> Result<(), Stopped> {
        let deletes = {
            let notes = self.seen.notes();
            self.seen.what() & saw::CREATE_PART == 0 && notes.own == Write::Delete
        };
        match deletes && mistake.takes_more {
            true if self.rules.transactional => {
                self.mistaken.get_or_insert(mistake);
                Ok(())
            }
            true => Err(self.refused_for(mistake, "")),
            false => self.told(mistake),
        }
    }

    /// What the statement's own words say otherwise than they read.
    pub(super) fn judge_conditions(&mut self) -> Result<(), Stopped> {
        for found in unmeant(self.place.text()) {
            self.mistake(Mistake {
                kind: "unmeant-condition",
                position: self.place.position(self.place.start + found.at),
                message: found.message.to_owned(),
                remedy: found.remedy.to_owned(),
                takes_more: found.takes_more,
            })?;
        }
        Ok(())
    }

    /// What a dump may hold many times has an end, and what is the same everywhere is said
    /// once.
    fn told(&mut self, mistake: Mistake) -> Result<(), Stopped> {
        let message = format!("{}: {}", mistake.message, mistake.remedy);
        let of_kind = self.ran.warnings.iter();
        let told = of_kind.filter(|warning| warning.kind == mistake.kind);
        let is_general = mistake.kind == "unmeant-condition";
        if told.count() >= ENOUGH || (is_general && self.is_said(&message)) {
            return Ok(());
        }
        self.warn_at(mistake.kind, mistake.position, message)
    }

    fn refused_for(&self, mistake: Mistake, what: &str) -> Stopped {
        Stopped {
            position: Some(mistake.position),
            remedy: Some(mistake.remedy),
            ..self.refused(&format!("{}{what}", mistake.message), None)
        }
    }

    /// After a DELETE by a condition that says something else.
    pub(super) fn judge_delete(
        &mut self,
        connection: &Connection,
        mistake: Mistake,
    ) -> Result<(), Stopped> {
        let shared = Arc::clone(&self.seen);
        let taken = connection.changes();
        let is_empty = {
            let _pause = shared.pause();
            let notes = shared.notes();
            let (schema, table) = (quoted(&notes.own_schema), quoted(&notes.own_table));
            let query = format!("SELECT NOT EXISTS (SELECT 1 FROM {schema}.{table})");
            connection.query_row(&query, [], |row| row.get(0))
        };
        match taken > 0 && is_empty.map_err(|error| self.stopped_here(&error))? {
            true => Err(self.refused_for(mistake, "; this DELETE takes every row")),
            false => self.told(mistake),
        }
    }
}
