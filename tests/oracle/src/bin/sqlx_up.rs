//! The smallest program on the real sqlx: `sqlx_up DATABASE FOLDER`, and
//! `sqlx_up DATABASE FOLDER undo VERSION`.

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let result: Result<(), Box<dyn std::error::Error>> = runtime.block_on(async {
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
    if let Err(error) = result {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
