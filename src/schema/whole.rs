//! Does every view, trigger and foreign key still find what it looks for?
//!
//! Owns how SQLite is asked: a view by preparing a SELECT on it, a trigger by EXPLAIN of
//! a statement that fires it, a key by the tables that there are (SQLITE does not ask
//! itself before somebody uses them). Runs nothing of theirs, and changes nothing.

use super::last_row;
use super::references::{ParentKey, all_after, parent_key, quoted};
use super::tokens::tokens;
use crate::diagnostics::error::{Cause, sqlite_message};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// `view`, `trigger` or `foreign key`, and the name.
type Key = (&'static str, String);

/// The views, triggers and keys of a database, each with what it looks for in vain, if
/// it does.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    found: BTreeMap<Key, Option<String>>,
    /// The tables and views that there are, in lower case.
    names: BTreeSet<String>,
    /// Triggers of a table with another trigger that stands before them: of that alone
    /// SQLite speaks. Each with its SQL.
    unclear: Vec<(String, String)>,
    /// The row in the schema of each table, by its name in lower case.
    tables: BTreeMap<String, i64>,
    /// What each looks at.
    texts: BTreeMap<Key, Text>,
    /// The last row of the schema that was looked at.
    last_row: i64,
}

/// The text that says what something looks at.
#[derive(Debug)]
struct Text {
    /// The row in the schema.
    row: i64,
    sql: String,
    /// The table that a trigger is on, which is told with that table.
    on: String,
}

/// Something that was made for one table, and looks at another since that was renamed,
/// although there is one of the old name again.
#[derive(Debug)]
pub(crate) struct Moved {
    pub kind: &'static str,
    pub name: String,
    /// The table's old name, which another has now.
    pub before: String,
    pub now: String,
}

/// Something that found what it looks for once, and does not now.
#[derive(Debug)]
pub(crate) struct Dead {
    pub kind: &'static str,
    pub name: String,
    /// What SQLite says to whoever uses it.
    pub message: String,
    /// What it looks at.
    pub sql: String,
}

impl Whole {
    /// Asks for each.
    pub(crate) fn look(connection: &Connection) -> rusqlite::Result<Self> {
        Self::look_after(connection, 0)
    }

    /// Asks for each that comes after a row of the schema.
    pub(crate) fn look_after(connection: &Connection, row: i64) -> rusqlite::Result<Self> {
        let mut found = Self {
            last_row: row,
            ..Self::default()
        };
        found.look_at_new(connection)?;
        Ok(found)
    }

    fn was_whole(&self, key: &Key) -> bool {
        self.found.get(key).is_some_and(Option::is_none)
    }

    /// What does not find what it looks for, and was not all right before.
    pub(crate) fn useless(self, before: Option<&Self>) -> Vec<Dead> {
        let was_whole = |key: &Key| before.is_some_and(|before| before.was_whole(key));
        let found = self.found.into_iter().filter(|(key, _)| !was_whole(key));
        dead(found, self.texts)
    }

    /// Asks for each that was made since.
    pub(crate) fn look_at_new(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let last_row = last_row(connection)?;
        if last_row > self.last_row {
            let query = "SELECT lower(name) FROM main.sqlite_schema WHERE rowid > ?1 AND type IN ('table', 'view')";
            self.names.extend(names(connection, query, self.last_row)?);
            self.ask_views(connection)?;
            self.ask_triggers(connection)?;
            self.ask_keys(connection)?;
        }
        self.last_row = last_row;
        Ok(())
    }

    /// Something was dropped, and this is the last row of the schema now.
    pub(crate) fn note_last_row(&mut self, row: i64) {
        self.last_row = self.last_row.min(row);
    }

    /// What was all right before and is not now.
    pub(crate) fn dead_since(self, before: &Self) -> Vec<Dead> {
        let gone: BTreeSet<&String> = before.names.difference(&self.names).collect();
        let also = self.unclear.into_iter().filter_map(|(name, sql)| {
            let mut words = tokens(&sql).map(|token| token.content().to_ascii_lowercase());
            let missing = words.find(|word| gone.contains(word))?;
            Some((
                ("trigger", name),
                Some(format!("no such table: main.{missing}")),
            ))
        });
        let also: Vec<_> = also.collect();
        let found = self.found.into_iter().chain(also);
        dead(found.filter(|(key, _)| before.was_whole(key)), self.texts)
    }

    /// What SQLite has made look at a table under its new name, because ALTER TABLE RENAME
    /// does that (sqlite.org/lang_altertable.html), while a new table has the old one.
    pub(crate) fn moved_since(&self, before: &Self) -> Vec<Moved> {
        let is_renamed = |old: &String, new: &String| {
            let row = self.tables.get(new);
            old != new && row.is_some() && row == before.tables.get(old)
        };
        let moved = self.texts.iter().filter_map(|(key, text)| {
            let text_before = before.texts.get(key)?;
            // What the script itself has made again looks at what it says.
            if text.row != text_before.row || text.sql == text_before.sql {
                return None;
            }
            let words = |sql| tokens(sql).map(|token| token.content().to_ascii_lowercase());
            let mut pairs = words(&text_before.sql).zip(words(&text.sql));
            let (old, new) = pairs.find(|(old, new)| {
                is_renamed(old, new) && self.tables.contains_key(old) && text.on != *new
            })?;
            Some(Moved {
                kind: key.0,
                name: key.1.clone(),
                before: old,
                now: new,
            })
        });
        moved.collect()
    }

    fn ask_views(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let query =
            "SELECT name, rowid, sql FROM main.sqlite_schema WHERE rowid > ?1 AND type = 'view'";
        let mut statement = connection.prepare(query)?;
        let rows = statement.query_map([self.last_row], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        let views: Vec<(String, i64, String)> = rows.collect::<rusqlite::Result<_>>()?;
        for (view, row, sql) in views {
            let text = Text {
                row,
                sql,
                on: String::new(),
            };
            self.texts.insert(("view", view.clone()), text);
            let query = format!("SELECT * FROM main.{}", quoted(&view));
            if let Some(message) = complaint(connection, &query)? {
                self.found.insert(("view", view), message);
            }
        }
        Ok(())
    }

    fn ask_triggers(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let query = "SELECT name, tbl_name, sql, rowid FROM main.sqlite_schema WHERE rowid > ?1 AND type = 'trigger' ORDER BY tbl_name";
        let mut statement = connection.prepare(query)?;
        let rows = statement.query_map([self.last_row], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
        let triggers: Vec<(String, String, String, i64)> = rows.collect::<rusqlite::Result<_>>()?;
        for (name, table, sql, row) in &triggers {
            let text = Text {
                row: *row,
                sql: sql.clone(),
                on: table.to_ascii_lowercase(),
            };
            self.texts.insert(("trigger", name.clone()), text);
        }
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
            let update = match columns.is_empty() {
                true => format!("EXPLAIN DELETE FROM main.{table}"),
                false => format!("EXPLAIN UPDATE main.{table} SET {}", columns.join(", ")),
            };
            let statements = [
                (
                    "insert",
                    format!("EXPLAIN INSERT INTO main.{table} DEFAULT VALUES"),
                ),
                ("update", update),
                ("delete", format!("EXPLAIN DELETE FROM main.{table}")),
            ];
            for (event, statement) in statements {
                // What others do for a statement, by way of foreign keys, is theirs.
                if !group.iter().any(|(_, _, sql, _)| is_of(sql, event)) {
                    continue;
                }
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
            let is_named =
                |message: &String| group.iter().any(|(_, _, sql, _)| names_it(sql, message));
            for (name, _, sql, _) in group {
                let is_its = |message: &&String| {
                    group.len() == 1 || names_it(sql, message) || !is_named(message)
                };
                let own = complaints.iter().find(is_its);
                if own.is_none() && !complaints.is_empty() {
                    self.unclear.push((name.clone(), sql.clone()));
                }
                self.found.insert(("trigger", name.clone()), own.cloned());
            }
        }
        Ok(())
    }

    fn ask_keys(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let query =
            "SELECT lower(name), rowid FROM main.sqlite_schema WHERE rowid > ?1 AND type = 'table'";
        let mut statement = connection.prepare(query)?;
        let rows = statement.query_map([self.last_row], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for row in rows {
            let (name, row): (String, i64) = row?;
            self.tables.insert(name, row);
        }
        for reference in all_after(connection, "main", self.last_row)? {
            let name = format!("{} ({})", reference.child, reference.from.join(", "));
            let complaint = match parent_key(connection, "main", &reference)? {
                ParentKey::Columns(_) => None,
                ParentKey::NoTable => Some(format!("no such table: {}", reference.parent)),
                ParentKey::Mismatch => {
                    Some(format!("what it names is no key of {}", reference.parent))
                }
            };
            let key = ("foreign key", name);
            let child = reference.child.to_ascii_lowercase();
            if let Some(&row) = self.tables.get(&child) {
                let text = Text {
                    row,
                    sql: quoted(&reference.parent),
                    on: String::new(),
                };
                self.texts.insert(key.clone(), text);
            }
            self.found.insert(key, complaint);
        }
        Ok(())
    }
}

/// Those with a complaint.
fn dead(
    found: impl Iterator<Item = (Key, Option<String>)>,
    mut texts: BTreeMap<Key, Text>,
) -> Vec<Dead> {
    let dead = found.filter_map(|(key, message)| {
        let message = message?;
        let text = texts.remove(&key);
        Some(Dead {
            kind: key.0,
            name: key.1,
            message,
            sql: text.map(|text| text.sql).unwrap_or_default(),
        })
    });
    dead.collect()
}

/// Whether a trigger is one of this event.
fn is_of(sql: &str, event: &str) -> bool {
    let events = ["insert", "update", "delete"];
    let mut words = tokens(sql)
        .skip_while(|token| !token.is_word("trigger"))
        .skip(1);
    let found = words.find(|token| events.iter().any(|event| token.is_word(event)));
    found.is_some_and(|found| found.is_word(event))
}

/// Whether a trigger's text has the name that SQLite misses, or has something against:
/// `no such table: main.old`, `table c has 3 columns but 2 values were supplied`.
fn names_it(sql: &str, message: &str) -> bool {
    let of_table = message.strip_prefix("table ");
    let name = match of_table.and_then(|rest| rest.split_once(" has ")) {
        Some((name, _)) => name,
        None => message.rsplit([' ', '.', ':']).next().unwrap_or_default(),
    };
    tokens(sql).any(|token| token.content().eq_ignore_ascii_case(name))
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

fn names(connection: &Connection, query: &str, after: i64) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([after], |row| row.get(0))?;
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
