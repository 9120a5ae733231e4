//! Connections as the profile wants them.
//!
//! Owns what is done to a connection before it is used. Runs no migration.

use crate::diagnostics::error::{Cause, Error};
use crate::diagnostics::problem::Finding;
use crate::program::commands::Run;
use crate::program::report::Report;
use crate::schema::readable::refuse_unreadable;
use crate::sqlpage::connection;
use rusqlite::Connection;

impl Run<'_> {
    /// Makes the connection ready; of a run for show, says if that was not only show.
    pub(crate) fn prepare_connection(
        &self,
        connection: &mut Connection,
        report: &mut Report,
    ) -> Result<(), Error> {
        let Some(sqlpage) = self
            .project
            .sqlpage
            .as_ref()
            .filter(|_| self.options.dry_run)
        else {
            return self.connect(connection);
        };
        let state = |connection: &Connection| {
            let query = "PRAGMA main.schema_version";
            let schema = connection.query_row(query, [], |row| row.get::<_, i64>(0));
            (connection.total_changes(), schema.unwrap_or_default())
        };
        self.options.limits().set_patience(connection)?;
        let before = state(connection);
        self.connect(connection)?;
        if before != state(connection) && connection.path() != Some("") {
            let message = "was run and has changed the database, as it does each time that SQLPage connects: that is not rolled back";
            let path = sqlpage.directory.join("on_connect.sql");
            report.warning(&Finding::new("on-connect", &path, message));
        }
        Ok(())
    }

    /// Makes a connection like SQLPage's, if that is what it is to be.
    pub(crate) fn connect(&self, connection: &mut Connection) -> Result<(), Error> {
        let limits = self.options.limits();
        limits.set_patience(connection)?;
        limits.watch(connection)?;
        if let Some(sqlpage) = &self.project.sqlpage {
            connection::register_functions(connection)?;
            // What SQLite tells of it to the script's watcher must be text.
            refuse_unreadable(connection)?;
            connection::connect(connection, &sqlpage.directory, &sqlpage.extensions)?;
        }
        Ok(())
    }

    /// A database that is nowhere, with foreign keys on as everywhere.
    pub(crate) fn in_memory(&self) -> Result<Connection, Error> {
        let failed = |error: rusqlite::Error| Error::Database {
            path: self.project.database.path.clone(),
            doing: "open a database in memory",
            cause: Cause::Storage,
            message: error.to_string(),
        };
        let connection = Connection::open_in_memory().map_err(failed)?;
        connection
            .execute_batch("PRAGMA foreign_keys = ON")
            .map_err(failed)?;
        Ok(connection)
    }
}
