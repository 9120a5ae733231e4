//! The schema of a database, and how two of them differ.
//!
//! Owns the comparison of `sqlite_schema` with itself at another time, or with
//! what the migrations make. Reads only, and knows nothing of migrations.

use rusqlite::Connection;
use std::collections::BTreeMap;

/// What happened to an object of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// Its SQL is another.
    Changed,
    /// It is gone.
    Dropped,
}

/// One object of the schema that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaChange {
    /// What happened to it.
    pub kind: ChangeKind,
    /// `table`, `index`, `trigger` or `view`.
    pub object: String,
    /// Its name.
    pub name: String,
    /// Its SQL now, or what it was if it is gone; empty for an automatic index.
    pub sql: String,
}

/// The objects of a schema: type and name in lower case, as SQLite compares
/// names, with the name as it is written and the SQL of each.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Schema(BTreeMap<(String, String), (String, String)>);

impl Schema {
    /// Reads the schema of the main database, without the history.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let query = "SELECT type, name, coalesce(sql, '') FROM main.sqlite_schema WHERE lower(tbl_name) != '_sqlx_migrations' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'";
        let mut statement = connection.prepare(query)?;
        let objects = statement.query_map([], |row| {
            let name: String = row.get(1)?;
            Ok(((row.get(0)?, name.to_lowercase()), (name, row.get(2)?)))
        })?;
        objects.collect::<rusqlite::Result<_>>().map(Self)
    }

    /// All of it as SQL that makes it again: tables, indexes, views and triggers,
    /// each by name. The tables that a virtual table keeps its data in are left
    /// out, because it makes them itself.
    #[must_use]
    pub fn to_sql(&self) -> String {
        let mut sql = String::new();
        for wanted in ["table", "index", "view", "trigger"] {
            for ((object, name), (_, text)) in &self.0 {
                if object == wanted && !text.is_empty() && !self.is_shadow(name) {
                    sql.push_str(text);
                    sql.push_str(";\n");
                }
            }
        }
        sql
    }

    /// Whether a table is one that a virtual table keeps its data in: it is
    /// called after it.
    fn is_shadow(&self, name: &str) -> bool {
        name.match_indices('_').any(|(at, _)| {
            let owner = self.0.get(&("table".to_owned(), name[..at].to_owned()));
            owner.is_some_and(|(_, sql)| normalized(sql).starts_with("create virtual table"))
        })
    }

    /// In what `found` is not as this schema says: objects that are missing,
    /// extra, or different in more than quoting, comments, case and white space.
    #[must_use]
    pub fn differences(&self, found: &Self) -> Vec<SchemaChange> {
        self.changes(found)
            .into_iter()
            .filter(|change| {
                let key = (change.object.clone(), change.name.to_lowercase());
                let before = self.0.get(&key).map(|(_, sql)| normalized(sql));
                change.kind != ChangeKind::Changed || before != Some(normalized(&change.sql))
            })
            .filter(|change| {
                let name = change.name.to_lowercase();
                !self.is_shadow(&name) && !found.is_shadow(&name)
            })
            .collect()
    }

    /// What is different in `now`, by type and name.
    #[must_use]
    pub fn changes(&self, now: &Self) -> Vec<SchemaChange> {
        let change = |kind, object: &String, (name, sql): &(String, String)| SchemaChange {
            kind,
            object: object.clone(),
            name: name.clone(),
            sql: sql.clone(),
        };
        let dropped = self
            .0
            .iter()
            .filter(|(key, _)| !now.0.contains_key(key))
            .map(|(key, object)| change(ChangeKind::Dropped, &key.0, object));
        let others = now
            .0
            .iter()
            .filter_map(|(key, object)| match self.0.get(key) {
                None => Some(change(ChangeKind::Created, &key.0, object)),
                Some((_, before)) if *before != object.1 => {
                    Some(change(ChangeKind::Changed, &key.0, object))
                }
                Some(_) => None,
            });
        dropped.chain(others).collect()
    }
}

/// SQL without what does not matter: comments and white space, the case of words,
/// the quotes around names. Strings stay as they are.
fn normalized(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        let close = match c {
            '\'' | '"' | '`' => Some(c),
            '[' => Some(']'),
            _ => None,
        };
        let taken = if rest.starts_with("--") {
            rest.find('\n').map_or(rest.len(), |end| end + 1)
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if c.is_whitespace() {
            c.len_utf8()
        } else if let Some(close) = close {
            let end = rest[1..].find(close).map_or(rest.len(), |end| end + 2);
            match c {
                '\'' => push_token(&mut out, &rest[..end]),
                _ => push_token(&mut out, &rest[1..end.max(2) - 1].to_lowercase()),
            }
            end
        } else if c.is_alphanumeric() || c == '_' {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
            let end = end.unwrap_or(rest.len());
            push_token(&mut out, &rest[..end].to_lowercase());
            end
        } else {
            push_token(&mut out, &rest[..c.len_utf8()]);
            c.len_utf8()
        };
        rest = &rest[taken..];
    }
    out
}

fn push_token(out: &mut String, token: &str) {
    if !out.is_empty() {
        out.push(' ');
    }
    out.push_str(token);
}

#[cfg(test)]
mod tests {
    use super::{Schema, normalized};
    use rusqlite::Connection;

    #[test]
    fn spelling_does_not_matter_and_content_does() {
        let same = [
            "CREATE TABLE t (a TEXT DEFAULT 'A b', \"c d\" INTEGER)",
            "create table \"t\"(A text /* why */ default 'A b',\n[c d] integer)",
            "CREATE TABLE `T`(a TEXT DEFAULT 'A b',\"C D\" INTEGER) -- end",
        ];
        assert!(
            same.iter()
                .all(|sql| normalized(sql) == normalized(same[0])),
            "{}",
            normalized(same[0])
        );
        for other in [
            "CREATE TABLE t (a TEXT DEFAULT 'a b', \"c d\" INTEGER)",
            "CREATE TABLE t (a TEXT DEFAULT 'A b')",
        ] {
            assert_ne!(normalized(other), normalized(same[0]));
        }
        for odd in ["", "'", "\"", "[", "`x", "/*", "--", "é'ü", "a''b", "\"\""] {
            let _ = normalized(odd);
        }
    }

    #[test]
    fn the_schema_as_sql_makes_the_same_schema() {
        let make = |sql: &str| {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(sql).unwrap();
            Schema::read(&connection).unwrap()
        };
        let first = make(
            "CREATE TABLE b (x); CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, y UNIQUE); CREATE INDEX i ON b (x); CREATE VIEW v AS SELECT * FROM a; CREATE TRIGGER t AFTER INSERT ON b BEGIN SELECT 1; END; CREATE VIRTUAL TABLE f USING fts5 (x); ALTER TABLE b ADD COLUMN z; ALTER TABLE b RENAME TO c",
        );
        let second = make(&first.to_sql());
        assert!(first.differences(&second).is_empty(), "{}", first.to_sql());
        assert_eq!(first.to_sql(), second.to_sql());
        assert!(!first.to_sql().contains("f_data"));
    }
}
