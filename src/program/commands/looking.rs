//! The commands that only look: `status`, `check` (and `--drift`), `schema`.
//!
//! Owns what they read of the database, and the replay into memory. Writes nothing.

use crate::database::location::Location;
use crate::database::look::{Access, look};
use crate::diagnostics::error::Error;
use crate::diagnostics::problem::Finding;
use crate::diagnostics::sorted::sort;
use crate::files::migration::{Kind, Migration};
use crate::files::read::text_findings;
use crate::operations::drift::{self, Replayed, applied_scripts};
use crate::plan::foreign::refuse_pending;
use crate::plan::history::{self, AppliedMigration};
use crate::plan::plan;
use crate::plan::policy::Options;
use crate::plan::targets::refuse_problems;
use crate::program::arguments::parse::Command;
use crate::program::commands::Run;
use crate::program::exit_codes::Outcome;
use crate::program::report::Report;
use crate::schema::Schema;
use crate::schema::readable::refuse_unreadable;
use crate::sqlpage::connection;
use rusqlite::Connection;
use std::rc::Rc;

/// What drift is found out from: which script came when, and the schema.
type Seen = (Vec<i64>, Schema);

/// Which versions the database has applied, and their checksums, if it can be told:
/// for a folder that has two files of one version.
pub(crate) fn recorded(database: &Location, options: &Options) -> Vec<(i64, Vec<u8>)> {
    let read = |connection: &Connection| history::read(connection, &options.table);
    let seen = look(database, Access::Look, &options.limits(), read);
    let history = seen.ok().flatten().map(|(history, _)| history);
    let rows = history.unwrap_or_default().into_iter();
    rows.filter(|row| row.success)
        .map(|row| (row.version, row.checksum))
        .collect()
}

impl Run<'_> {
    /// Lists every version.
    pub(crate) fn status(&self, report: &mut Report) -> Result<Outcome, Error> {
        let (history, _) = self.look(report)?;
        let plan = plan(&self.migrations, &history);
        report.judged(&plan, &self.options.policy);
        report.status(&plan, self.arguments.long);
        Ok(Outcome::Done)
    }

    /// Judges the database by the files.
    pub(crate) fn check(&self, report: &mut Report) -> Result<Outcome, Error> {
        let (history, schema) = self.look(report)?;
        let plan = plan(&self.migrations, &history);
        report.judged(&plan, &self.options.policy);
        refuse_problems(&plan, &self.options.policy)?;
        let mut warnings = plan.warnings(&self.options.policy, None);
        for migration in plan.pending(None) {
            warnings.extend(text_findings(migration)?);
        }
        let is_pending = plan.pending(None).next().is_some();
        if is_pending {
            let odd = self.project.warnings.iter().chain(&warnings);
            self.refuse_odd_files(&odd.cloned().collect::<Vec<_>>())?;
            self.warn_of_group(report);
        }
        if self.options.strict {
            report.warnings(&self.project.warnings);
        }
        report.warnings(&warnings);
        if let Some((order, found)) = schema {
            let database = &self.project.database.path;
            let applied = applied_scripts(database, &self.migrations, &plan, &order)?;
            self.replay_applied(order, applied)?.refuse_drift(
                database,
                &found,
                &self.arguments.ignore,
            )?;
        }
        report.check(&plan);
        match plan.pending(None).next() {
            Some(_) => Ok(Outcome::Pending),
            None => Ok(Outcome::Done),
        }
    }

    /// With `--strict` a file that draws a warning is refused.
    pub(crate) fn refuse_odd_files(&self, warnings: &[Finding]) -> Result<(), Error> {
        let directory = &self.project.migrations;
        let is_odd =
            |found: &&Finding| found.refuses_if_strict() && found.path.starts_with(directory);
        let findings: Vec<Finding> = warnings.iter().filter(is_odd).cloned().collect();
        if findings.is_empty() || !self.options.strict {
            return Ok(());
        }
        Err(Error::Unusable {
            directory: directory.clone(),
            findings,
            warnings: Vec::new(),
        })
    }

    /// Prints the schema that the migrations make.
    pub(crate) fn schema(&self, report: &mut Report) -> Result<Outcome, Error> {
        report.warnings(&self.project.warnings);
        let applies = |migration: &&Migration| migration.kind != Kind::Down;
        let scripts: Vec<&Migration> = self.migrations.iter().filter(applies).collect();
        report.schema(&self.replay(&scripts)?.made().to_sql());
        Ok(Outcome::Done)
    }

    /// The history, and the schema too if drift is asked for.
    fn look(&self, report: &mut Report) -> Result<(Vec<AppliedMigration>, Option<Seen>), Error> {
        let seen = look(
            &self.project.database,
            Access::Look,
            &self.options.limits(),
            |connection| {
                let history = self.read_history(connection)?;
                self.refuse_other_tools(Some(connection), &history)?;
                let schema = match self.arguments.drift {
                    true => Some(self.read_schema(connection)?),
                    false => None,
                };
                Ok((history, schema))
            },
        )?;
        // What is to be refused is told once.
        if !self.options.strict {
            report.warnings(&self.project.warnings);
        }
        match seen {
            Some((found, _)) => Ok(found),
            None => self
                .refuse_other_tools(None, &[])
                .map(|()| Default::default()),
        }
    }

    /// `check` knows what `up` will refuse because it is another tool's.
    fn refuse_other_tools(
        &self,
        connection: Option<&Connection>,
        history: &[AppliedMigration],
    ) -> Result<(), Error> {
        let plan = plan(&self.migrations, history);
        let has_problems = !plan.problems(&self.options.policy).is_empty();
        if self.arguments.command != Command::Check || has_problems {
            return Ok(());
        }
        let pending: Vec<&Migration> = plan.pending(None).collect();
        refuse_pending(connection, history.is_empty(), &pending).map(|_| ())
    }

    fn read_history(&self, connection: &Connection) -> Result<Vec<AppliedMigration>, Error> {
        self.as_sqlpage_sees_it(connection)?;
        history::read(connection, &self.options.table)
    }

    /// The database as SQLPage would see it, if it is SQLPage's: one that it cannot open
    /// is refused here too.
    pub(crate) fn as_sqlpage_sees_it(&self, connection: &Connection) -> Result<(), Error> {
        match self.project.sqlpage {
            Some(_) => connection::register_functions(connection),
            None => Ok(()),
        }
    }

    fn read_schema(&self, connection: &Connection) -> Result<Seen, Error> {
        if let Some(sqlpage) = &self.project.sqlpage {
            // Their virtual tables tell which tables are theirs.
            connection::load_extensions(connection, &sqlpage.extensions)?;
        }
        // SQLPage's lower() has no words for it.
        refuse_unreadable(connection)?;
        let schema = Schema::read(connection)
            .map_err(|error| Error::database(connection, "read the schema", &error))?;
        let order = history::order_of_application(connection, &self.options.table)?;
        Ok((order, schema))
    }

    /// Replays in the order of application, or if that is not possible by version:
    /// the order of the rows is another where somebody has mended them.
    fn replay_applied(
        &self,
        order: Vec<i64>,
        mut scripts: Vec<&Migration>,
    ) -> Result<Rc<Replayed>, Error> {
        if let Some((known, replayed)) = &*self.replayed.borrow()
            && *known == order
        {
            return Ok(Rc::clone(replayed));
        }
        let replayed = match self.replay(&scripts) {
            Err(error @ Error::Replay(_)) => {
                sort(&mut scripts, &|a, b| a.version.cmp(&b.version));
                self.replay(&scripts).map_err(|_| error)?
            }
            result => result?,
        };
        let replayed = Rc::new(replayed);
        self.replayed.replace(Some((order, Rc::clone(&replayed))));
        Ok(replayed)
    }

    fn replay(&self, scripts: &[&Migration]) -> Result<Replayed, Error> {
        let mut memory = self.in_memory()?;
        self.connect(&mut memory)?;
        drift::replay(&mut memory, scripts, &self.options)
    }
}
