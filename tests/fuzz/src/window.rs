//! A script comes to the same in pieces of any size: what is said, and what is left.
//!
//! The first byte is how large the pieces are.

use crate::folder;
use litemigrate::internals::set_window;
use litemigrate::rusqlite::Connection;
use litemigrate::{Error, Event, Options, read_dir, up};
use std::path::Path;

/// What touches other files, differs from run to run, or takes long.
const PASSED_OVER: [&str; 12] = [
    "attach",
    "vacuum",
    "recursive",
    "random",
    "zeroblob",
    "writable_schema",
    "printf",
    "format",
    "current_",
    "now",
    "strftime",
    "unixepoch",
];

/// What is asked of a script's head is asked of its first piece.
const SMALLEST: usize = 32;

pub fn run(data: &[u8]) {
    let Some((size, text)) = data.split_first() else {
        return;
    };
    let lower = String::from_utf8_lossy(text).to_ascii_lowercase();
    if PASSED_OVER.iter().any(|word| lower.contains(word)) {
        return;
    }
    let folder = folder("window");
    std::fs::write(folder.join("1_fuzz.sql"), text).expect("a file");
    set_window(1 << 30);
    let whole = outcome(&folder);
    set_window(SMALLEST + usize::from(*size).pow(2) / 16);
    let in_pieces = outcome(&folder);
    set_window(64 << 10);
    let _ = std::fs::remove_dir_all(&folder);
    assert_eq!(whole, in_pieces, "{lower:?} in pieces of {size}");
}

fn outcome(folder: &Path) -> String {
    let found = match read_dir(folder) {
        Ok(found) => found,
        Err(error) => return error.to_string(),
    };
    let mut connection = Connection::open_in_memory().expect("a database");
    let setup = "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT); INSERT INTO t VALUES (1, 'one')";
    connection.execute_batch(setup).expect("a table");
    let mut said = String::new();
    let options = Options::default();
    let result = up(&mut connection, &found.migrations, &options, &mut |event| {
        if let Event::Warning(warning) = event {
            said.push_str(&format!("{warning:?}\n"));
        }
    });
    match result {
        Ok(summary) => said.push_str(&format!("{:?}\n", summary.newest)),
        Err(Error::Script(script)) => said.push_str(&format!("{script}\n")),
        Err(error) => said.push_str(&format!("{error}\n")),
    }
    let schema = "SELECT group_concat(coalesce(sql, name), '; ') FROM (SELECT * FROM main.sqlite_schema ORDER BY name)";
    let left = connection.query_row(schema, [], |row| row.get::<_, Option<String>>(0));
    said.push_str(&format!("{left:?}"));
    said
}
