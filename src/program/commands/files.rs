//! What needs no run: `new`, `restore` and `--generate rust`.
//!
//! Owns what each must know. Runs no script.

use crate::diagnostics::error::Error;
use crate::files::directory::read_dir;
use crate::operations::{create, restore};
use crate::plan::policy::Options;
use crate::program::arguments::parse::Arguments;
use crate::program::commands::databases;
use crate::program::exit_codes::Outcome;
use crate::program::report::Report;
use crate::sqlpage::project::{Profile, project};
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

/// Prints the scripts of the folder as the list that `embedded` takes.
pub(crate) fn embed(arguments: &Arguments, report: &mut Report) -> Result<Outcome, Error> {
    let directory = project(&databases::typed(arguments))?.migrations;
    let found = read_dir(&directory)?;
    report.warnings(&found.warnings);
    let from = match directory.is_absolute() {
        true => "",
        false => "env!(\"CARGO_MANIFEST_DIR\"), \"/\", ",
    };
    let mut text = String::from(
        "// Made by `litemigrate --generate rust`: `embedded(include!(\"this file\"))` takes it.\n&[\n",
    );
    for migration in &found.migrations {
        let path = migration.path.to_string_lossy();
        text.push_str(&format!(
            "    ({:?}, include_str!(concat!({from}{path:?}))),\n",
            migration.file_name()
        ));
    }
    text.push_str("]\n");
    report.print(&text);
    Ok(Outcome::Done)
}

/// Puts a backup back.
pub(crate) fn restore(
    arguments: &Arguments,
    file: &Path,
    options: &Options,
    report: &mut Report,
) -> Result<Outcome, Error> {
    let mut typed = databases::typed(arguments);
    if typed.database.is_some() {
        // Nothing else of a project is used, so nothing else is looked for.
        typed.migrations = Some(Path::new(""));
        typed.profile = Some(Profile::Sqlite);
    }
    let database = project(&typed)?.database;
    report.database(&database.path);
    let newest = restore::restore(file, &database, &options.table, &options.limits())?;
    report.restored(file, newest);
    Ok(Outcome::Done)
}
