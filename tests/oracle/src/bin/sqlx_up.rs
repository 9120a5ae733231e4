//! The smallest program on the real sqlx: `sqlx_up DATABASE FOLDER`,
//! `sqlx_up DATABASE FOLDER undo VERSION`, and `sqlx_up DATABASE FOLDER table NAME`.

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use std::path::Path;

fn main() {
    oracle::run(async |arguments| {
        let options = SqliteConnectOptions::new()
            .filename(&arguments[1])
            .create_if_missing(true);
        let mut connection = options.connect().await?;
        let mut migrator = Migrator::new(Path::new(&arguments[2])).await?;
        match (arguments.get(3).map(String::as_str), arguments.get(4)) {
            (Some("undo"), Some(target)) => {
                migrator.undo(&mut connection, target.parse()?).await?;
            }
            (Some("table"), Some(name)) => {
                migrator.dangerous_set_table_name(name.clone());
                migrator.run(&mut connection).await?;
            }
            _ => migrator.run(&mut connection).await?,
        }
        connection.close().await?;
        Ok(())
    });
}
