//! What is done in a database of a gigabyte, which is made once.

use crate::place::{Place, Stage};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Parents and twice as many children; and a table of two rows.
const DATABASE: &str = "
CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT, note TEXT);
CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent, note TEXT);
CREATE INDEX child_parent ON child (parent);
CREATE TABLE small (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO small VALUES (1, 'a'), (2, 'b');
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1100000)
INSERT INTO parent SELECT n, 'name ' || n, hex(zeroblob(200)) FROM c;
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 2200000)
INSERT INTO child SELECT n, 1 + n % 1100000, hex(zeroblob(100)) FROM c;
";

fn gigabyte(place: &Place) -> PathBuf {
    let path = place.kept("gigabyte.db");
    if !path.exists() {
        let database = rusqlite::Connection::open(&path).expect("a database");
        database
            .execute_batch(&format!(
                "PRAGMA synchronous = OFF; BEGIN; {DATABASE} COMMIT;"
            ))
            .expect("it is SQL");
    }
    path
}

pub fn dry_run(place: &Place) -> Stage {
    let folder = place.folder(std::iter::once(String::from("CREATE TABLE x (a);\n")));
    let command = place.ours(&["up", "--dry-run"], &folder, &gigabyte(place));
    place.stage(None).run("litemigrate --dry-run", command)
}

/// As SQLite's documentation says how it is done; its own check looks at all keys.
fn rebuild(place: &Place, table: &str, columns: &str, index: &str) -> Stage {
    let script = format!(
        "CREATE TABLE new ({columns});\nINSERT INTO new SELECT * FROM {table};\n\
         DROP TABLE {table};\nALTER TABLE new RENAME TO {table};\n{index}\n"
    );
    let folder = place.folder(std::iter::once(format!(
        "PRAGMA foreign_keys = OFF;\n{script}PRAGMA foreign_keys = ON;\n"
    )));
    let whole = format!("BEGIN;\n{script}PRAGMA foreign_key_check;\nCOMMIT;\n");
    fs::write(place.path("all"), whole).expect("a file");
    let database = place.database();
    let read = format!(".read '{}'", place.path("all").display());
    place
        .stage(Some(gigabyte(place)))
        .run("litemigrate", place.ours(&["up"], &folder, &database))
        .run("sqlite3 shell", place.shell(&database, &[&read]))
}

pub fn rebuild_of_a_small_table(place: &Place) -> Stage {
    let columns = "id INTEGER PRIMARY KEY, name TEXT NOT NULL";
    rebuild(place, "small", columns, "")
}

pub fn rebuild_of_a_large_table(place: &Place) -> Stage {
    let columns = "id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent, note TEXT";
    let index = "CREATE INDEX child_parent ON child (parent);";
    rebuild(place, "child", columns, index)
}

pub fn backup(place: &Place) -> Stage {
    let folder = place.folder(std::iter::once(String::from("CREATE TABLE x (a);\n")));
    let (database, copy) = (place.database(), place.path("copy.db"));
    let mut ours = place.ours(&["up"], &folder, &database);
    ours.arg("--backup").arg(&copy);
    let mut shell = Command::new("sh");
    shell
        .args([
            "-c",
            "sqlite3 \"$1\" \".backup '$2'\" && sqlite3 \"$2\" 'PRAGMA integrity_check'",
        ])
        .arg("sh")
        .args([&database, &copy]);
    place
        .stage(Some(gigabyte(place)))
        .run("litemigrate --backup", ours)
        .run("sqlite3 .backup, integrity_check", shell)
        .making(copy)
}
