//! What an application calls besides `up` and `down`, with plain paths and `Options`.
//!
//! Owns nothing: each is one of the operations beside it, with what the program would
//! have found out by itself.

use crate::database::location::{Location, file_of};
use crate::database::settings::Settings;
use crate::database::transaction::begin;
use crate::diagnostics::error::{Cause, Error};
use crate::files::migration::Migration;
use crate::operations::{backup, drift, restore as operation};
use crate::plan::history::AppliedMigration;
use crate::plan::policy::Options;
use crate::plan::{history, plan, targets};
use crate::schema::Schema;
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// The rows of the history, by version; none if nothing was applied. With [`plan`](crate::plan())
/// they tell what is pending, without a lock and without running anything:
///
/// ```
/// use litemigrate::rusqlite::Connection;
/// use litemigrate::{Options, applied, embedded, plan, up};
///
/// let scripts = embedded(&[("1_a.sql", "CREATE TABLE a (x);")])?.migrations;
/// let mut connection = Connection::open_in_memory().unwrap();
/// let options = Options::default();
/// let history = applied(&connection, &options)?;
/// assert_eq!(plan(&scripts, &history).pending(None).count(), 1);
/// up(&mut connection, &scripts, &options, &mut |_| {})?;
/// assert_eq!(applied(&connection, &options)?[0].version, 1);
/// # Ok::<(), litemigrate::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::History`] if the table is not sqlx's, [`Error::Database`] if it cannot be read.
pub fn applied(connection: &Connection, options: &Options) -> Result<Vec<AppliedMigration>, Error> {
    history::read(connection, &options.table)
}

/// Copies the database of `connection`, which must be in no transaction, to `file`, or
/// into the folder `file` under a name with its version: checked and synced before it
/// takes the place of an older copy. Gives back the file; none if the database is empty,
/// which replaces no backup. One that is the state before an update that is not over is
/// refused.
///
/// # Errors
///
/// [`Error::CannotCreate`], [`Error::Database`]; every backup is as it was.
pub fn backup(
    connection: &mut Connection,
    file: &Path,
    options: &Options,
) -> Result<Option<PathBuf>, Error> {
    let limits = options.limits();
    let settings = Settings::prepare(connection, &limits)?;
    let made = begin(connection, &limits, &mut || {})
        .and_then(|()| backup::create(connection, file, "up", &[], options, &limits));
    let given_back = settings.give_back(connection);
    let made = made.and_then(|made| given_back.map(|()| made))?;
    Ok(made.file)
}

/// Copies the backup `file`, as `Options::backup` makes it, back over `database`, damaged
/// or not, in one transaction of SQLite's. Nobody in this process may have the database
/// open (sqlite.org/howtocorrupt.html, section 2.2). Gives back the newest version.
///
/// # Errors
///
/// [`Error::NoBackup`] if there is no such file, [`Error::Declined`] if what is there is
/// another database, a backup or text, [`Error::Database`] if it is damaged or somebody
/// keeps the database locked. The database is as it was, unless the message says
/// that it may hold the backup: the last call of the copying can fail after it is done.
pub fn restore(file: &Path, database: &Path, options: &Options) -> Result<Option<i64>, Error> {
    let database = Location {
        vfs: options.vfs.clone(),
        ..Location::file(database.to_owned())
    };
    operation::restore(file, &database, &options.table, &options.limits())
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
    let history = history::read(connection, &options.table)?;
    let plan = plan(migrations, &history);
    targets::refuse_problems(&plan, &options.policy)?;
    let order = history::order_of_application(connection, &options.table)?;
    let scripts = drift::applied_scripts(&database, migrations, &plan, &order)?;
    let found = Schema::read(connection)
        .map_err(|error| Error::database(connection, "read the schema", &error))?;
    let mut memory = Connection::open_in_memory().map_err(|error| Error::Database {
        path: database.clone(),
        doing: "open a database in memory",
        cause: Cause::Storage,
        message: error.to_string(),
    })?;
    drift::replay(&mut memory, &scripts, options)?.refuse_drift(&database, &found, &[])
}
