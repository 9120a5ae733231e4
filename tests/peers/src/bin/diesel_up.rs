//! `diesel_up DATABASE FOLDER`.

use diesel::connection::BoxableConnection;
use diesel::migration::{
    Migration, MigrationMetadata, MigrationName, MigrationSource, MigrationVersion,
};
use diesel::sqlite::Sqlite;
use diesel::{Connection, SqliteConnection};
use diesel_migrations::MigrationHarness;
use std::fmt;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// A script of a plain folder: diesel's own form has a folder for each.
struct Script {
    name: Name,
    sql: String,
}

struct Name(String);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl MigrationName for Name {
    fn version(&self) -> MigrationVersion<'_> {
        MigrationVersion::from(self.0.as_str())
    }
}

struct InTransaction;

impl MigrationMetadata for InTransaction {}

impl Migration<Sqlite> for Script {
    fn run(&self, connection: &mut dyn BoxableConnection<Sqlite>) -> Result<(), Failed> {
        Ok(connection.batch_execute(&self.sql)?)
    }

    fn revert(&self, _: &mut dyn BoxableConnection<Sqlite>) -> Result<(), Failed> {
        Ok(())
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        &InTransaction
    }

    fn name(&self) -> &dyn MigrationName {
        &self.name
    }
}

struct Folder(std::path::PathBuf);

impl MigrationSource<Sqlite> for Folder {
    fn migrations(&self) -> Result<Vec<Box<dyn Migration<Sqlite>>>, Failed> {
        let boxed = |script: peers::Script| -> Box<dyn Migration<Sqlite>> {
            Box::new(Script {
                name: Name(format!("{:014}", script.version)),
                sql: script.sql,
            })
        };
        Ok(peers::scripts(&self.0).into_iter().map(boxed).collect())
    }
}

fn main() {
    let (database, folder) = peers::arguments();
    let mut connection = SqliteConnection::establish(&database).expect("a database");
    connection
        .run_pending_migrations(Folder(folder))
        .expect("it migrates");
}
