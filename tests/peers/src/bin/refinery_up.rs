//! `refinery_up DATABASE FOLDER`.

use refinery::{Migration, Runner};
use rusqlite::Connection;

fn main() {
    let (database, folder) = peers::arguments();
    let migrations: Vec<Migration> = peers::scripts(&folder)
        .iter()
        .map(|script| {
            let name = format!("V{}__{}", script.version, script.name);
            Migration::unapplied(&name, &script.sql).expect("a migration")
        })
        .collect();
    let mut connection = Connection::open(database).expect("a database");
    Runner::new(&migrations)
        .run(&mut connection)
        .expect("it migrates");
}
