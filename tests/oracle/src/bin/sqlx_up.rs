//! The smallest program on the real sqlx: `sqlx_up DATABASE FOLDER`, and
//! `sqlx_up DATABASE FOLDER undo VERSION`.

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
        let migrator = Migrator::new(Path::new(&arguments[2])).await?;
        match arguments.get(4) {
            Some(target) => migrator.undo(&mut connection, target.parse()?).await?,
            None => migrator.run(&mut connection).await?,
        }
        connection.close().await?;
        Ok(())
    });
}
