//! SQLPage's fork of sqlx with SQLPage's connection settings, as its
//! `webserver/database/connect.rs` and `migrations.rs` use it:
//! `sqlpage_up DATABASE FOLDER`, and `sqlpage_up DATABASE FOLDER sql STATEMENT`.

use sqlx_core_oldapi::connection::{ConnectOptions, Connection};
use sqlx_core_oldapi::executor::Executor;
use sqlx_core_oldapi::migrate::Migrator;
use sqlx_core_oldapi::row::Row;
use sqlx_core_oldapi::sqlite::{Function, SqliteConnectOptions, SqliteFunctionCtx};
use std::path::Path;

fn function(name: &str, convert: fn(&str) -> String) -> Function {
    Function::new(name, move |context: &SqliteFunctionCtx| {
        match context.try_get_arg::<Option<&str>>(0) {
            Ok(Some(text)) => context.set_result(convert(text)),
            Ok(None) => context.set_result(None::<String>),
            Err(error) => context.set_error(&error.to_string()),
        }
    })
}

fn main() {
    oracle::run(async |arguments| {
        let options = SqliteConnectOptions::new()
            .filename(&arguments[1])
            .create_if_missing(true)
            .collation("NOCASE", |a: &str, b: &str| {
                a.to_lowercase().cmp(&b.to_lowercase())
            })
            .function(function("upper", str::to_uppercase))
            .function(function("lower", str::to_lowercase));
        let mut connection = options.connect().await?;
        if let Some(statement) = arguments.get(4) {
            for row in connection.fetch_all(statement.as_str()).await? {
                println!("{}", row.try_get::<String, _>(0)?);
            }
            connection.close().await?;
            return Ok(());
        }
        let migrator = Migrator::new(Path::new(&arguments[2])).await?;
        // SQLPage does not touch the database if there is nothing to apply.
        if !migrator.migrations.is_empty() {
            migrator.run(&mut connection).await?;
        }
        connection.close().await?;
        Ok(())
    });
}
