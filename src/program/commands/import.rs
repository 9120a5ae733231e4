//! `import`.
//!
//! Owns which folder and which database it is about, and the order: look without a
//! trace, then write the files, then the rows. Without `--database` it is about none.

use crate::database::location::{Location, Mode};
use crate::database::look::{Access, look};
use crate::diagnostics::error::Error;
use crate::operations::import::prepare;
use crate::plan::policy::Options;
use crate::program::arguments::parse::Arguments;
use crate::program::commands::databases;
use crate::program::exit_codes::Outcome;
use crate::program::report::Report;
use crate::sqlpage::connection;
use crate::sqlpage::project::project;
use std::path::Path;

/// Brings another tool's scripts over, and what it has applied.
pub(crate) fn import(
    arguments: &Arguments,
    folder: &Path,
    options: &Options,
    report: &mut Report,
) -> Result<Outcome, Error> {
    let project = project(&databases::typed(arguments))?;
    report.database(&project.database.path);
    report.using(&project.migrations);
    let directory = &project.migrations;
    let is_sqlpage = project.sqlpage.is_some();
    let seen = match arguments.databases.is_empty() {
        true => None,
        false => look(
            &project.database,
            Access::Look,
            &options.limits(),
            |found| {
                if is_sqlpage {
                    connection::register_functions(found)?;
                }
                let named = (found, project.database.path.as_path());
                prepare(folder, arguments.from, directory, Some(named), options)
            },
        )?,
    };
    let import = match seen {
        Some((import, _)) => import,
        None => prepare(folder, arguments.from, directory, None, options)?,
    };
    report.warnings(&project.warnings);
    report.warnings(&import.warnings);
    if arguments.dry_run {
        report.imported(&import, &import.changes);
        return Ok(Outcome::Done);
    }
    import.write_files()?;
    let mut changes = Vec::new();
    if !import.changes.is_empty() {
        let existing = Location {
            mode: match project.database.mode {
                Mode::Create => Mode::ReadWrite,
                mode => mode,
            },
            ..project.database
        };
        let mut connection = existing.open_to_write(None)?;
        if is_sqlpage {
            connection::register_functions(&connection)?;
        }
        changes = import.record(&mut connection, options)?;
    }
    report.imported(&import, &changes);
    Ok(Outcome::Done)
}
