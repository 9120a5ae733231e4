//! The commands that change the history of a database that is there: `down`,
//! `baseline`, `repair`.
//!
//! Owns how its connection is made.

use crate::database::location::{Location, Mode};
use crate::database::look::trust;
use crate::diagnostics::error::Error;
use crate::operations::apply::down;
use crate::operations::repair::{self, Selection};
use crate::program::commands::Run;
use crate::program::exit_codes::Outcome;
use crate::program::report::Report;
use crate::sqlpage::connection;
use rusqlite::Connection;

impl Run<'_> {
    /// Undoes.
    pub(crate) fn down(&self, report: &mut Report) -> Result<Outcome, Error> {
        let mut connection = self.open_existing(report)?;
        self.prepare_connection(&mut connection, report)?;
        let summary = down(
            &mut connection,
            &self.migrations,
            &self.options,
            &mut |event| report.event(event),
        )?;
        report.down_done(summary.applied, summary.newest);
        Ok(Outcome::Done)
    }

    /// Records without running.
    pub(crate) fn baseline(&self, to: Option<i64>, report: &mut Report) -> Result<Outcome, Error> {
        let mut connection = self.open_for_rows(report)?;
        let changes = repair::baseline(
            &mut connection,
            &self.migrations,
            to,
            self.arguments.force,
            &self.options,
        )?;
        report.history_changed(&changes);
        Ok(Outcome::Done)
    }

    /// Brings rows in line with the files.
    pub(crate) fn repair(&self, versions: &[i64], report: &mut Report) -> Result<Outcome, Error> {
        let mut connection = self.open_for_rows(report)?;
        let selection = match (self.arguments.line_endings, self.arguments.renumbered) {
            (true, _) => Selection::Spelling,
            (_, true) => Selection::Renumbered,
            _ => Selection::Versions(versions.to_vec()),
        };
        let changes = repair::repair(&mut connection, &self.migrations, &selection, &self.options)?;
        report.history_changed(&changes);
        Ok(Outcome::Done)
    }

    /// For a change of rows only: no script runs, so neither does on_connect.sql.
    fn open_for_rows(&self, report: &mut Report) -> Result<Connection, Error> {
        let mut connection = self.open_existing(report)?;
        let limits = self.options.limits();
        limits.set_patience(&connection)?;
        limits.watch(&mut connection)?;
        trust(&connection, false)?;
        if self.project.sqlpage.is_some() {
            connection::register_functions(&connection)?;
        }
        Ok(connection)
    }

    /// The database, which must be there.
    fn open_existing(&self, report: &mut Report) -> Result<Connection, Error> {
        report.warnings(&self.project.warnings);
        self.options
            .limits()
            .refuse_late(&self.project.database.path)?;
        let existing = Location {
            mode: match self.project.database.mode {
                Mode::Create => Mode::ReadWrite,
                mode => mode,
            },
            ..self.project.database.clone()
        };
        existing.open_to_write(None)
    }
}
