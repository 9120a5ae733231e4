//! What an application calls besides `up` and `down`, with plain paths and `Options`.
//!
//! Owns nothing: each is one of the operations beside it, with what the program would
//! have found out by itself.

use crate::database::location::{Location, file_of};
use crate::diagnostics::error::{Cause, Error};
use crate::files::migration::Migration;
use crate::operations::{drift, restore as operation};
use crate::plan::policy::Options;
use crate::plan::{history, plan, targets};
use crate::schema::Schema;
use rusqlite::Connection;
use std::path::Path;

/// Copies the backup `file`, as `Options::backup` makes it, back over `database`, damaged
/// or not, in one transaction of SQLite's. Nobody in this process may have the database
/// open (sqlite.org/howtocorrupt.html, section 2.2). Gives back the newest version.
///
/// # Errors
///
/// [`Error::NoDatabase`] if there is no such file, [`Error::Database`] if it is damaged or
/// somebody keeps the database locked. The database is as it was.
pub fn restore(file: &Path, database: &Path, options: &Options) -> Result<Option<i64>, Error> {
    let database = Location::file(database.to_owned());
    operation::restore(file, &database, &options.limits())
}

/// Compares the schema of the database with what its applied migrations make of one in
/// memory, in the order in which they were applied.
///
/// # Errors
///
/// [`Error::Drift`] with every object that is missing, extra or different;
/// [`Error::Refused`] if files and history do not fit together; [`Error::Replay`] if a
/// script fails.
pub fn check_drift(
    connection: &Connection,
    migrations: &[Migration],
    options: &Options,
) -> Result<(), Error> {
    let database = file_of(connection);
    let history = history::read(connection)?;
    let plan = plan(migrations, &history);
    targets::refuse_problems(&plan, &options.policy)?;
    let order = history::order_of_application(connection)?;
    let scripts = drift::applied_scripts(&database, migrations, &plan, &order)?;
    let found = Schema::read(connection)
        .map_err(|error| Error::database(connection, "read the schema", &error))?;
    let mut memory = Connection::open_in_memory().map_err(|error| Error::Database {
        path: database.clone(),
        doing: "open a database in memory",
        cause: Cause::Storage,
        message: error.to_string(),
    })?;
    drift::replay(&mut memory, &scripts)?.refuse_drift(&database, &found, &[])
}
