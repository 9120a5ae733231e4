//! What a script does to the rows of other tables by way of foreign keys.
//!
//! Owns the two checks that keep rows from disappearing silently: violations
//! before and after a script that ran without enforcement, and the guard around
//! each DROP TABLE with it. Never begins or ends a transaction of its own, except
//! a savepoint around a DROP outside one.

use crate::diagnostics::error::{Cause, sqlite_message};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// Rows that refer to nothing: table, rowid (none in a WITHOUT ROWID table) and
/// the table referred to, with how often each occurs.
pub(crate) type Violations = BTreeMap<(String, Option<i64>, String), usize>;

/// All violations there are (sqlite.org/pragma.html#pragma_foreign_key_check). A
/// table whose foreign keys fit nothing ("foreign key mismatch") counts as one,
/// so that what was wrong before hides nothing of what is wrong afterwards.
pub(crate) fn violations(connection: &Connection) -> rusqlite::Result<Violations> {
    let tables: Vec<String> = connection
        .prepare("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let query = "SELECT \"table\", rowid, parent FROM pragma_foreign_key_check(?1)";
    let mut statement = connection.prepare(query)?;
    let mut found = Violations::new();
    for table in tables {
        let mut rows = statement.query([&table])?;
        loop {
            let violation = match rows.next() {
                Ok(Some(row)) => (row.get(0)?, row.get(1)?, row.get(2)?),
                Ok(None) => break,
                Err(error) if Cause::of(&error) == Cause::Statement => {
                    let mismatch = (table.clone(), None, sqlite_message(&error));
                    *found.entry(mismatch).or_default() += 1;
                    break;
                }
                Err(error) => return Err(error),
            };
            *found.entry(violation).or_default() += 1;
        }
    }
    Ok(found)
}

/// The most violations that a message lists.
const LISTED: usize = 10;

/// What is in `after` and was not in `before`, as a phrase; `None` if nothing is.
pub(crate) fn new_violations(before: &Violations, after: &Violations) -> Option<String> {
    let new: Vec<_> = after
        .iter()
        .filter(|(violation, count)| before.get(violation).is_none_or(|old| old < count))
        .map(|((table, rowid, parent), _)| match rowid {
            Some(rowid) => format!("{table} row {rowid} -> {parent}"),
            None => format!("{table} -> {parent}"),
        })
        .collect();
    if new.is_empty() {
        return None;
    }
    let more = match new.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Some(new[..new.len().min(LISTED)].join("; ") + &more)
}

/// A table that loses rows, or values of its references, if another is dropped.
struct Child {
    name: String,
    rows: i64,
    references: i64,
}

/// What was there before a DROP TABLE. With enforcement on it performs an
/// implicit DELETE that fires ON DELETE actions (sqlite.org/lang_droptable.html).
pub(crate) struct DropGuard {
    schema: String,
    table: String,
    rows: u64,
    /// The table refers to itself in a way that changes its own rows, so that
    /// counting all changes proves nothing.
    changes_itself: bool,
    children: Vec<Child>,
    changes_before: u64,
}

impl DropGuard {
    /// Looks at a table that is about to be dropped. `None` if no other table
    /// refers to it.
    pub(crate) fn before(
        connection: &Connection,
        schema: &str,
        table: &str,
    ) -> rusqlite::Result<Option<Self>> {
        let mut names: Vec<String> = Vec::new();
        let mut next = 0;
        let mut parent = table.to_owned();
        loop {
            for child in children(connection, schema, &parent)? {
                let is_known = |name: &String| name.eq_ignore_ascii_case(&child);
                if !child.eq_ignore_ascii_case(table) && !names.iter().any(is_known) {
                    names.push(child);
                }
            }
            match names.get(next) {
                Some(name) => parent.clone_from(name),
                None => break,
            }
            next += 1;
        }
        if names.is_empty() {
            return Ok(None);
        }
        let actions = "SELECT count(*) FROM pragma_foreign_key_list(?1, ?2) WHERE lower(\"table\") = lower(?1) AND on_delete LIKE 'SET%'";
        Ok(Some(Self {
            schema: schema.to_owned(),
            table: table.to_owned(),
            rows: u64::try_from(count(connection, schema, table, "*")?).unwrap_or(0),
            changes_itself: connection
                .query_row(actions, [table, schema], |row| row.get::<_, i64>(0))?
                > 0,
            children: names
                .into_iter()
                .map(|name| look_at(connection, schema, name))
                .collect::<rusqlite::Result<_>>()?,
            changes_before: connection.total_changes(),
        }))
    }

    /// What the DROP did to other tables, as a phrase; `None` if nothing.
    pub(crate) fn after(&self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        let changes = connection.total_changes() - self.changes_before;
        if changes <= self.rows && !self.changes_itself {
            return Ok(None);
        }
        let mut losses = Vec::new();
        for child in &self.children {
            let now = look_at(connection, &self.schema, child.name.clone())?;
            let deleted = child.rows - now.rows;
            let emptied = child.references - now.references;
            if deleted > 0 {
                losses.push(format!("{} loses {}", child.name, rows(deleted)));
            } else if emptied > 0 {
                losses.push(format!("{} loses {emptied} of its references", child.name));
            }
        }
        if losses.is_empty() {
            if self.changes_itself {
                return Ok(None);
            }
            let others = i64::try_from(changes - self.rows).unwrap_or(i64::MAX);
            losses.push(format!("{} of other tables change", rows(others)));
        }
        Ok(Some(format!(
            "DROP TABLE {} would take rows of other tables with it, through ON DELETE: {}",
            self.table,
            losses.join(", ")
        )))
    }
}

fn rows(count: i64) -> String {
    format!("{count} {}", if count == 1 { "row" } else { "rows" })
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn count(connection: &Connection, schema: &str, table: &str, what: &str) -> rusqlite::Result<i64> {
    let query = format!(
        "SELECT count({what}) FROM {}.{}",
        quoted(schema),
        quoted(table)
    );
    connection.query_row(&query, [], |row| row.get(0))
}

/// The tables of `schema` that refer to `parent`.
fn children(connection: &Connection, schema: &str, parent: &str) -> rusqlite::Result<Vec<String>> {
    let query = format!(
        "SELECT DISTINCT m.name FROM {}.sqlite_schema AS m, pragma_foreign_key_list(m.name, ?1) AS f WHERE m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL%' AND lower(f.\"table\") = lower(?2)",
        quoted(schema)
    );
    let mut statement = connection.prepare(&query)?;
    let names = statement.query_map([schema, parent], |row| row.get(0))?;
    names.collect()
}

fn look_at(connection: &Connection, schema: &str, name: String) -> rusqlite::Result<Child> {
    let columns: Vec<String> = connection
        .prepare("SELECT DISTINCT \"from\" FROM pragma_foreign_key_list(?1, ?2)")?
        .query_map([&name, schema], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut references = 0;
    for column in columns {
        references += count(connection, schema, &name, &quoted(&column))?;
    }
    Ok(Child {
        rows: count(connection, schema, &name, "*")?,
        references,
        name,
    })
}

/// Whether SQLite takes `value` for "off" in `PRAGMA foreign_keys = value`
/// (`sqlite3GetBoolean`): a number of 32 bits that is not zero and three words are
/// "on", anything else is "off".
pub(crate) fn is_off(value: &str) -> bool {
    let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
    if !digits.is_empty() {
        return digits.parse::<i32>().unwrap_or(0) == 0;
    }
    let lower = value.to_ascii_lowercase();
    !["on", "yes", "true"].contains(&lower.as_str())
}

#[cfg(test)]
mod tests {
    use super::is_off;
    use rusqlite::Connection;

    /// SQLite is the judge.
    #[test]
    fn every_spelling_means_what_sqlite_takes_it_for() {
        let connection = Connection::open_in_memory().unwrap();
        for value in [
            "on",
            "ON",
            "off",
            "OFF",
            "yes",
            "no",
            "true",
            "false",
            "0",
            "1",
            "2",
            "255",
            "256",
            "99999999999",
            "010",
            "257",
            "00",
            "extra",
            "full",
            "normal",
            "nonsense",
            "'off'",
            "\"on\"",
            "1x",
        ] {
            connection.execute_batch("PRAGMA foreign_keys = 1").unwrap();
            let before = connection.execute_batch(&format!("PRAGMA foreign_keys = {value}"));
            if before.is_err() {
                continue;
            }
            let on: bool = connection
                .query_row("PRAGMA foreign_keys", [], |row| row.get(0))
                .unwrap();
            assert_eq!(is_off(value.trim_matches(['\'', '"'])), !on, "{value}");
        }
    }
}
