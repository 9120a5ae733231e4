//! Does every view, trigger and foreign key still find what it looks for?
//!
//! Owns how SQLite is asked: a view by preparing a SELECT on it, a trigger by EXPLAIN of
//! a statement that fires it, a key by the tables that there are (SQLITE does not ask
//! itself before somebody uses them). Runs nothing of theirs, and changes nothing.

use super::references::{ParentKey, all, parent_key, quoted};
use crate::diagnostics::error::{Cause, sqlite_message};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// `view`, `trigger` or `foreign key`, and the name.
type Key = (&'static str, String);

/// The views, triggers and keys of a database, each with what it looks for in vain, if
/// it does.
#[derive(Debug, Default)]
pub(crate) struct Whole(BTreeMap<Key, Option<String>>);

/// Something that found what it looks for once, and does not now.
#[derive(Debug)]
pub(crate) struct Dead {
    pub kind: &'static str,
    pub name: String,
    /// What SQLite says to whoever uses it.
    pub message: String,
}

impl Whole {
    /// Asks for each.
    pub(crate) fn look(connection: &Connection) -> rusqlite::Result<Self> {
        let mut found = Self::default();
        found.ask_views(connection)?;
        found.ask_triggers(connection)?;
        found.ask_keys(connection)?;
        Ok(found)
    }

    /// What was all right before and is not now.
    pub(crate) fn dead_since(self, before: &Self) -> Vec<Dead> {
        let was_whole = |key: &Key| before.0.get(key).is_some_and(Option::is_none);
        self.0
            .into_iter()
            .filter(|(key, _)| was_whole(key))
            .filter_map(|((kind, name), message)| {
                Some(Dead {
                    kind,
                    name,
                    message: message?,
                })
            })
            .collect()
    }

    fn ask_views(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        for view in names(
            connection,
            "SELECT name FROM main.sqlite_schema WHERE type = 'view'",
        )? {
            let query = format!("SELECT * FROM main.{}", quoted(&view));
            if let Some(message) = complaint(connection, &query)? {
                self.0.insert(("view", view), message);
            }
        }
        Ok(())
    }

    fn ask_triggers(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let query = "SELECT name, tbl_name, sql FROM main.sqlite_schema WHERE type = 'trigger' ORDER BY tbl_name";
        let mut statement = connection.prepare(query)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let triggers: Vec<(String, String, String)> = rows.collect::<rusqlite::Result<_>>()?;
        for group in triggers.chunk_by(|a, b| a.1 == b.1) {
            let table = quoted(&group[0].1);
            // A view that is broken itself has none.
            let columns = settable_columns(connection, &group[0].1).unwrap_or_default();
            let columns: Vec<String> = columns
                .iter()
                .map(|name| format!("{0} = {0}", quoted(name)))
                .collect();
            let mut complaints = Vec::new();
            let mut is_known = true;
            for statement in [
                format!("EXPLAIN INSERT INTO main.{table} DEFAULT VALUES"),
                match columns.is_empty() {
                    true => format!("EXPLAIN DELETE FROM main.{table}"),
                    false => format!("EXPLAIN UPDATE main.{table} SET {}", columns.join(", ")),
                },
                format!("EXPLAIN DELETE FROM main.{table}"),
            ] {
                match complaint(connection, &statement)? {
                    // Of foreign keys, which are asked by themselves, and of views that
                    // have no trigger for this.
                    Some(Some(message))
                        if message.starts_with("foreign key mismatch")
                            || message.starts_with("cannot modify") => {}
                    Some(Some(message)) => complaints.push(message),
                    Some(None) => {}
                    None => is_known = false,
                }
            }
            if !is_known {
                continue;
            }
            for (name, _, sql) in group {
                let own = complaints
                    .iter()
                    .find(|message| group.len() == 1 || names_it(sql, message));
                self.0.insert(("trigger", name.clone()), own.cloned());
            }
        }
        Ok(())
    }

    fn ask_keys(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        for reference in all(connection, "main")? {
            let name = format!("{} ({})", reference.child, reference.from.join(", "));
            let complaint = match parent_key(connection, "main", &reference)? {
                ParentKey::Columns(_) => None,
                ParentKey::NoTable => Some(format!("no such table: {}", reference.parent)),
                ParentKey::Mismatch => {
                    Some(format!("what it names is no key of {}", reference.parent))
                }
            };
            self.0.insert(("foreign key", name), complaint);
        }
        Ok(())
    }
}

/// Whether a trigger's text has the word that SQLite misses: `no such table: main.old`.
fn names_it(sql: &str, message: &str) -> bool {
    let missing = message.rsplit([' ', '.', ':']).next().unwrap_or_default();
    sql.to_ascii_lowercase()
        .contains(&missing.to_ascii_lowercase())
}

/// What SQLite says against a statement: `Some(None)` if nothing, `None` if it cannot
/// tell, because this connection lacks a function, a collation or a module.
fn complaint(connection: &Connection, statement: &str) -> rusqlite::Result<Option<Option<String>>> {
    let error = match connection.prepare(statement) {
        Ok(_) => return Ok(Some(None)),
        Err(error) => error,
    };
    if Cause::of(&error) != Cause::Statement {
        return Err(error);
    }
    let message = sqlite_message(&error);
    let lacks = [
        "no such function",
        "no such collation",
        "no such module",
        "no such tokenizer",
        "unknown tokenizer",
        "unsafe use of",
        "prohibited",
        "error in tokenizer",
    ];
    Ok(match lacks.iter().any(|lack| message.contains(lack)) {
        true => None,
        false => Some(Some(message)),
    })
}

fn settable_columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let query = "SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0";
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([table], |row| row.get(0))?;
    rows.collect()
}

fn names(connection: &Connection, query: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::Whole;
    use rusqlite::Connection;

    #[test]
    fn what_looks_for_something_that_is_gone_is_found() {
        let connection = Connection::open_in_memory().unwrap();
        let run = |sql: &str| connection.execute_batch(sql).unwrap();
        run(
            "PRAGMA foreign_keys = OFF; CREATE TABLE t (id INTEGER PRIMARY KEY, x, g AS (x + 1)); CREATE TABLE log (y);
             CREATE TABLE c (t REFERENCES t); CREATE VIEW v AS SELECT x FROM t;
             CREATE VIEW f AS SELECT nosuch(1);
             CREATE TRIGGER a AFTER INSERT ON log BEGIN UPDATE t SET x = 1; END;
             CREATE TRIGGER b AFTER DELETE ON log BEGIN SELECT 1; END;
             CREATE TRIGGER i INSTEAD OF INSERT ON v BEGIN INSERT INTO t (x) VALUES (1); END;",
        );
        let before = Whole::look(&connection).unwrap();
        run(
            "ALTER TABLE t RENAME TO t_old; CREATE TABLE t (id INTEGER PRIMARY KEY, x); DROP TABLE t_old;",
        );
        let dead = Whole::look(&connection).unwrap().dead_since(&before);
        let found: Vec<String> = dead
            .iter()
            .map(|dead| format!("{} {}: {}", dead.kind, dead.name, dead.message))
            .collect();
        assert_eq!(
            found,
            [
                "foreign key c (t): no such table: t_old",
                "trigger a: no such table: main.t_old",
                "trigger i: no such table: main.t_old",
                "view v: no such table: main.t_old",
            ]
        );
    }
}
