//! `up`.
//!
//! Owns the order: look without a trace, and only then connect, warn and apply.

use crate::database::look::{Access, look};
use crate::diagnostics::error::Error;
use crate::diagnostics::problem::Finding;
use crate::files::migration::{Migration, leading_number};
use crate::operations::apply::{settle_idle, up_after_look};
use crate::operations::backup::refuse_missing_folder;
use crate::plan::foreign::{Forms, refuse_pending};
use crate::plan::history::{self, AppliedMigration};
use crate::plan::settled::newest_if_settled;
use crate::plan::targets::{Direction, targets};
use crate::program::commands::Run;
use crate::program::exit_codes::Outcome;
use crate::program::report::Report;
use crate::sqlpage::{connection, warnings};
use rusqlite::Connection;

impl Run<'_> {
    /// Applies what is pending.
    pub(crate) fn up(&self, report: &mut Report) -> Result<Outcome, Error> {
        // Whether anything is to be done, what a person should know about that,
        // the newest version, and what the scripts look like.
        let judge = |connection: Option<&Connection>, history: &[AppliedMigration]| {
            let targets = targets(&self.migrations, history, &self.options, Direction::Up)?;
            let scripts = targets.scripts;
            let pending: Vec<&Migration> = scripts.iter().copied().collect();
            let forms = refuse_pending(connection, history.is_empty(), &pending)?;
            let warnings = match self.project.sqlpage {
                Some(_) => warnings::of_scripts(scripts.iter().copied()),
                None => Vec::new(),
            };
            let newest = history.last().map(|row| row.version);
            Ok((!scripts.is_empty(), warnings, newest, forms))
        };
        let seen = look(
            &self.project.database,
            Access::LookThenWrite,
            &self.options.limits(),
            |connection| {
                self.as_sqlpage_sees_it(connection)?;
                match newest_if_settled(connection, &self.migrations, &self.options)? {
                    Some(newest) => Ok((false, Vec::new(), Some(newest), Forms::new())),
                    None => {
                        let history = history::read(connection, &self.options.table)?;
                        judge(Some(connection), &history)
                    }
                }
            },
        );
        // From cron, a run with nothing to do says nothing, about odd files either, but for
        // those that may be what is to be done.
        let idle_at = match &seen {
            Ok(Some(((false, _, newest, _), _))) => Some(*newest),
            _ => None,
        };
        let counts = |found: &&Finding| match idle_at {
            Some(newest) => self.may_be_pending(found, newest),
            None => true,
        };
        let warnings = self.project.warnings.iter().filter(counts);
        let warnings: Vec<Finding> = warnings.cloned().collect();
        if seen.is_ok() {
            self.refuse_odd_files(&warnings)?;
        }
        match idle_at.is_some() && report.talks_when_idle() {
            true => report.warnings(&self.project.warnings),
            false => report.warnings(&warnings),
        }
        let seen = seen?;
        let is_new = seen.is_none();
        let ((to_do, warnings, newest, forms), connection) = match seen {
            Some(seen) => seen,
            None => (judge(None, &[])?, None),
        };
        if !to_do {
            settle_idle(
                &self.migrations,
                &self.options,
                &self.project.database.path,
                newest,
            );
            report.up_done(0, newest);
            return Ok(Outcome::Done);
        }
        self.warn_of_group(report);
        self.options
            .limits()
            .refuse_late(&self.project.database.path)?;
        if let Some(file) = &self.options.backup
            && !self.options.dry_run
        {
            refuse_missing_folder(file)?;
        }
        if is_new && let Some(sqlpage) = &self.project.sqlpage {
            // What cannot be loaded or read leaves no empty database behind.
            connection::load_extensions(&self.in_memory()?, &sqlpage.extensions)?;
            connection::on_connect(&sqlpage.directory)?;
        }
        let mut connection = match connection {
            // A database that is not there is not made for show.
            None if self.options.dry_run && is_new => self.in_memory()?,
            connection => self.project.database.open_to_write(connection)?,
        };
        self.prepare_connection(&mut connection, report)?;
        report.warnings(&warnings);
        let summary = up_after_look(
            &mut connection,
            &self.migrations,
            &self.options,
            forms,
            &mut |event| report.event(event),
        )?;
        report.up_done(summary.applied, summary.newest);
        Ok(Outcome::Done)
    }

    /// Whether a file that is passed over would come after all that are applied.
    fn may_be_pending(&self, found: &Finding, newest: Option<i64>) -> bool {
        let name = found.path.file_name().unwrap_or_default().to_string_lossy();
        let number = leading_number(&name);
        let is_above = || number.is_some_and(|number| newest.is_none_or(|newest| number > newest));
        found.kind == "ignored-file" && (self.migrations.is_empty() || is_above())
    }
}
