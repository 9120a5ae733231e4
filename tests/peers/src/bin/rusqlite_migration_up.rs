//! `rusqlite_migration_up DATABASE FOLDER`.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

fn main() {
    let (database, folder) = peers::arguments();
    let scripts = peers::scripts(&folder);
    let migrations = scripts.iter().map(|script| M::up(&script.sql)).collect();
    let mut connection = Connection::open(database).expect("a database");
    Migrations::new(migrations)
        .to_latest(&mut connection)
        .expect("it migrates");
}
