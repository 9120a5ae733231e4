//! The commands that need no run: `new` and `restore`.
//!
//! Owns what each must know. Runs no script.

use crate::database::limits::Limits;
use crate::diagnostics::error::Error;
use crate::operations::{backup, create};
use crate::program::arguments::parse::Arguments;
use crate::program::commands::databases;
use crate::program::exit_codes::Outcome;
use crate::program::report::Report;
use crate::sqlpage::project::project;
use std::path::Path;

/// Makes the next file.
pub(crate) fn new(
    arguments: &Arguments,
    name: &str,
    report: &mut Report,
) -> Result<Outcome, Error> {
    let directory = project(&databases::typed(arguments))?.migrations;
    let created = create::create(&directory, name, arguments.numbering, arguments.reversible)?;
    report.created(&created);
    Ok(Outcome::Done)
}

/// Puts a backup back.
pub(crate) fn restore(
    arguments: &Arguments,
    file: &Path,
    limits: &Limits,
    report: &mut Report,
) -> Result<Outcome, Error> {
    let database = project(&databases::typed(arguments))?.database;
    report.database(&database.path);
    let newest = backup::restore(file, &database, limits)?;
    report.restored(file, newest);
    Ok(Outcome::Done)
}
