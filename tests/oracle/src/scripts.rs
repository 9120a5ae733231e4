//! Scripts of any size, for `bench` and `linear`.

use std::fmt::Write;

/// One script: a line for each of 1 to n.
pub fn lines(n: usize, line: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 1..=n {
        writeln!(text, "{}", line(number)).expect("memory");
    }
    text
}

/// A table and its index.
pub fn table(n: usize) -> String {
    format!(
        "CREATE TABLE t{n} (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\nCREATE INDEX i{n} ON t{n} (name);"
    )
}

/// Megabytes of rows, one statement each.
pub fn inserts(megabytes: usize) -> String {
    let mut text = String::from(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, email TEXT, note TEXT);\n",
    );
    for row in 1.. {
        if text.len() > megabytes * 1_000_000 {
            break;
        }
        writeln!(
            text,
            "INSERT INTO t VALUES ({row}, 'name {row}', 'user{row}@example.org', 'a note, some text');"
        )
        .expect("memory");
    }
    text
}
