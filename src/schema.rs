//! The schema of a database, and how two of them differ.
//!
//! Owns the comparison of `sqlite_schema` with itself at another time, or with
//! another one. Reads only, and knows nothing of migrations.

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
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Schema(BTreeMap<(String, String), (String, String)>);

impl Schema {
    /// Reads the schema of the main database, without the history and without
    /// the tables in which a virtual table keeps its data: it makes them itself.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let query = "SELECT type, name, coalesce(sql, '') FROM main.sqlite_schema WHERE lower(tbl_name) != '_sqlx_migrations' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' AND tbl_name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')";
        let mut statement = connection.prepare(query)?;
        let objects = statement.query_map([], |row| {
            let name: String = row.get(1)?;
            Ok(((row.get(0)?, name.to_lowercase()), (name, row.get(2)?)))
        })?;
        objects.collect::<rusqlite::Result<_>>().map(Self)
    }

    /// All of it as SQL that makes it again: tables, indexes, views and triggers,
    /// each by name.
    #[must_use]
    pub fn to_sql(&self) -> String {
        let mut sql = String::new();
        for wanted in ["table", "index", "view", "trigger"] {
            for ((object, _), (_, text)) in &self.0 {
                if object == wanted && !text.is_empty() {
                    sql.push_str(text);
                    let last = text.rsplit('\n').next().unwrap_or_default();
                    // A comment at its end would take the semicolon.
                    let end = if last.contains("--") { "\n;\n" } else { ";\n" };
                    sql.push_str(end);
                }
            }
        }
        sql
    }

    /// Takes out the objects that are in `other`, too, and the same there.
    pub(crate) fn remove_all(&mut self, other: &Self) {
        self.0
            .retain(|key, object| other.0.get(key) != Some(object));
    }

    /// Takes out the objects that have a name of `names`.
    pub(crate) fn remove_named(&mut self, names: &Self) {
        self.0.retain(|key, _| !names.0.contains_key(key));
    }

    /// In what `found` is not as this schema says: objects that are missing,
    /// extra, or different in more than quoting, comments, case and white space.
    #[must_use]
    pub fn differences(&self, found: &Self) -> Vec<SchemaChange> {
        let mut changes = self.changes(found);
        changes.retain(|change| {
            let key = (change.object.clone(), change.name.to_lowercase());
            match (change.kind, self.0.get(&key)) {
                (ChangeKind::Changed, Some((_, sql))) => !is_same(sql, &change.sql),
                _ => true,
            }
        });
        changes
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

/// Whether two texts differ only in what does not matter: comments and white
/// space, the case of words, the quotes around names.
fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (tokens(a), tokens(b));
    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.is_same(b))
}

/// A word, a quoted name or string without its quotes, or a character.
struct Token<'a> {
    text: &'a str,
    /// `'` or `"`. The latter quotes a name, or else a string: SQLite takes what
    /// names nothing for one (sqlite.org/quirks.html, section 8).
    quote: Option<char>,
}

impl Token<'_> {
    fn is_same(&self, other: &Self) -> bool {
        match (self.quote, other.quote) {
            // ALTER TABLE turns a string in double quotes into one in single ones.
            (Some(_), Some(_)) => self.text == other.text,
            (None | Some('"'), None | Some('"')) => self.text.eq_ignore_ascii_case(other.text),
            _ => false,
        }
    }
}

fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        let close = match c {
            '\'' | '"' | '`' => Some(c),
            '[' => Some(']'),
            _ => None,
        };
        let mut push = |text, quote| tokens.push(Token { text, quote });
        let taken = if rest.starts_with("--") {
            rest.find('\n').map_or(rest.len(), |end| end + 1)
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if c.is_whitespace() {
            c.len_utf8()
        } else if let Some(close) = close {
            let end = rest[1..].find(close).map_or(rest.len(), |end| end + 1);
            push(&rest[1..end], (c == '\'' || c == '"').then_some(c));
            (end + 1).min(rest.len())
        } else if is_of_word(c) {
            let end = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
            push(&rest[..end], None);
            end
        } else {
            push(&rest[..c.len_utf8()], None);
            c.len_utf8()
        };
        rest = &rest[taken..];
    }
    tokens
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

#[cfg(test)]
mod tests {
    use super::{Schema, is_same};
    use rusqlite::Connection;

    #[test]
    fn spelling_does_not_matter_and_content_does() {
        let sql = "CREATE TABLE t (a TEXT DEFAULT 'A b', \"c d\" INTEGER, e DEFAULT \"Off\")";
        for same in [
            "create table \"t\"(A text /* why */ default 'A b',\n[c d] integer, E default \"Off\")",
            "CREATE TABLE `T`(a TEXT DEFAULT 'A b',[C D] INTEGER, e DEFAULT 'Off') -- end",
        ] {
            assert!(is_same(sql, same), "{same}");
        }
        for other in [
            "CREATE TABLE t (a TEXT DEFAULT 'a b', \"c d\" INTEGER, e DEFAULT \"Off\")",
            "CREATE TABLE t (a TEXT DEFAULT 'A b', \"c d\" INTEGER, e DEFAULT \"off\")",
            "CREATE TABLE t (a TEXT DEFAULT 'A b')",
        ] {
            assert!(!is_same(sql, other), "{other}");
        }
        for odd in [
            "", "'", "\"", "[", "`x", "/*", "--", "é'ü", "a''b", "\"\"", "[é",
        ] {
            assert!(is_same(odd, odd));
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
            "CREATE TABLE b (x); CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, y UNIQUE); CREATE INDEX i ON b (x); CREATE VIEW v AS SELECT * FROM a; CREATE TRIGGER t AFTER INSERT ON b BEGIN SELECT 1; END; CREATE VIRTUAL TABLE f USING fts5 (x); CREATE TABLE f_extra (x); CREATE VIEW w AS SELECT 1 -- one\n; ALTER TABLE b ADD COLUMN z; ALTER TABLE b RENAME TO c",
        );
        let second = make(&first.to_sql());
        assert!(first.differences(&second).is_empty(), "{}", first.to_sql());
        assert_eq!(first.to_sql(), second.to_sql());
        assert!(!first.to_sql().contains("f_data"));
        assert!(first.to_sql().contains("f_extra"));
    }
}
