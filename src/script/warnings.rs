//! What a person should know about a script that runs all the same.
//!
//! Owns how a warning is given, and when one stops the script.

use super::Stopped;
use super::runner::Runner;
use crate::diagnostics::error::Cause;
use crate::diagnostics::position::Position;
use crate::diagnostics::problem::Finding;
use crate::diagnostics::text::short;
use rusqlite::{Connection, Statement};

impl Runner<'_> {
    /// A rebuild outside a transaction: between its DROP and its RENAME there is
    /// no such table, and a power cut leaves it so.
    pub(super) fn warn_of_open_rebuild(&mut self, connection: &Connection) -> Result<(), Stopped> {
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

    pub(super) fn warn_of_parameter(&mut self, statement: &Statement<'_>) -> Result<(), Stopped> {
        let name = statement.parameter_name(1).unwrap_or("?").to_owned();
        let message = format!(
            "the parameter {name} has no value in a script, and is NULL: write the value, or quote what is meant as text"
        );
        self.warn_once("parameter", &message)
    }

    pub(super) fn is_said(&self, message: &str) -> bool {
        let mut warnings = self.ran.warnings.iter();
        warnings.any(|warning| warning.message == message)
    }

    pub(super) fn has_warned(&self, kind: &str) -> bool {
        self.ran.warnings.iter().any(|warning| warning.kind == kind)
    }

    pub(super) fn warn_once(&mut self, kind: &'static str, message: &str) -> Result<(), Stopped> {
        // One warning of a kind for a script: dumps have these on many lines.
        match self.has_warned(kind) {
            true => Ok(()),
            false => self.warn(kind, message.to_owned()),
        }
    }

    pub(super) fn warn(&mut self, kind: &'static str, message: String) -> Result<(), Stopped> {
        self.warn_at(kind, self.place.here(), message)
    }

    pub(super) fn warn_at(
        &mut self,
        kind: &'static str,
        position: Position,
        message: String,
    ) -> Result<(), Stopped> {
        self.push(Finding::at(kind, position, message))
    }

    /// Outside a transaction a warning that is a reason to refuse cannot wait for the end.
    pub(super) fn push(&mut self, mut finding: Finding) -> Result<(), Stopped> {
        // It may hold SQL that is to be run.
        finding.message = short(finding.message, 64 << 10);
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
            unread: None,
        };
        if stops {
            return Err(stopped);
        }
        self.ran.warnings.push(finding);
        Ok(())
    }
}
