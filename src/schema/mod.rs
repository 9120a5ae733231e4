//! The schema of a database, and how two of them differ.
//!
//! Owns the comparison of `sqlite_schema` with itself at another time, or with
//! another one. Reads only, and knows nothing of migrations.

pub(crate) mod pragma;
pub(crate) mod readable;
pub(crate) mod references;
pub(crate) mod sql;
pub(crate) mod whole;

use crate::diagnostics::problem::{Difference, DifferenceKind};
use crate::schema::sql::{formatted, is_same, one_line};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

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

/// Type and name of an object, the name in lower case as SQLite compares names.
type Key = (String, String);

/// The objects of a schema, each with its name and its SQL as they are written,
/// and the columns of its tables.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Schema {
    objects: BTreeMap<Key, (String, String)>,
    columns: Columns,
}

impl Schema {
    /// Reads the schema of the main database, without the history and without
    /// the tables in which a virtual table keeps its data: it makes them itself.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn read(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            columns: columns(connection)?,
            ..Self::read_objects(connection)?
        })
    }

    /// The same without the columns, which only a comparison with another database needs.
    pub(crate) fn read_objects(connection: &Connection) -> rusqlite::Result<Self> {
        let query = "SELECT type, name, coalesce(sql, '') FROM main.sqlite_schema WHERE lower(name) != '_sqlx_migrations' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' AND tbl_name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow')";
        let mut statement = connection.prepare(query)?;
        let objects = statement.query_map([], |row| {
            let name: String = row.get(1)?;
            Ok((
                (row.get(0)?, name.to_ascii_lowercase()),
                (name, row.get(2)?),
            ))
        })?;
        Ok(Self {
            objects: objects.collect::<rusqlite::Result<_>>()?,
            columns: BTreeMap::new(),
        })
    }

    /// All of it as SQL that makes it again, written in one way: tables, indexes,
    /// views and triggers, each by name.
    #[must_use]
    pub fn to_sql(&self) -> String {
        let mut sql = String::new();
        for wanted in ["table", "index", "view", "trigger"] {
            for ((object, _), (_, text)) in &self.objects {
                if object == wanted && !text.is_empty() {
                    sql.push_str(&formatted(text));
                    sql.push_str(";\n");
                }
            }
        }
        sql
    }

    /// Takes out the objects that are in `other`, too, and the same there.
    pub(crate) fn remove_all(&mut self, other: &Self) {
        self.objects
            .retain(|key, object| other.objects.get(key) != Some(object));
    }

    /// Keeps only the objects that are in `other`, too, and the same there.
    pub(crate) fn keep_all(&mut self, other: &Self) {
        self.objects
            .retain(|key, object| other.objects.get(key) == Some(object));
    }

    /// Takes out the objects that have a name of `names`.
    pub(crate) fn remove_named(&mut self, names: &Self) {
        self.objects
            .retain(|key, _| !names.objects.contains_key(key));
    }

    /// In what `found` is not as this schema says: objects that are missing,
    /// extra, or different in more than quoting, comments, case and white space.
    #[must_use]
    pub fn differences(&self, found: &Self) -> Vec<Difference> {
        let names: BTreeSet<String> = [self, found].iter().flat_map(|s| s.names()).collect();
        let sql = |schema: &Self, key: &Key| schema.objects.get(key).map(|(_, sql)| one_line(sql));
        let mut differences = Vec::new();
        for change in self.changes(found) {
            let key = (change.object.clone(), change.name.to_ascii_lowercase());
            let (expected, now) = (self.objects.get(&key), found.objects.get(&key));
            let kind = match (expected, now) {
                (Some((_, a)), Some((_, b))) if is_same(a, b, &names) => continue,
                (Some(_), Some(_)) => DifferenceKind::Different(self.columns(found, &key)),
                (Some(_), None) => DifferenceKind::Missing,
                (None, _) => DifferenceKind::Extra,
            };
            differences.push(Difference {
                kind,
                expected: sql(self, &key),
                found: sql(found, &key),
                object: change.object,
                name: change.name,
            });
        }
        differences
    }

    /// The names of tables and columns, in lower case.
    fn names(&self) -> impl Iterator<Item = String> {
        let tables = self.objects.keys().map(|(_, name)| name.clone());
        let columns = self.columns.values().flatten();
        tables.chain(columns.map(|(name, _)| name.to_ascii_lowercase()))
    }

    /// In which columns a table differs, a phrase for each.
    fn columns(&self, found: &Self, (object, name): &Key) -> Vec<String> {
        let of = |schema: &Self| match object.as_str() {
            "table" => schema.columns.get(name).cloned().unwrap_or_default(),
            _ => Vec::new(),
        };
        let (expected, found) = (of(self), of(found));
        let definition = |columns: &[(String, String)], name: &str| {
            let same = |(other, _): &&(String, String)| other.eq_ignore_ascii_case(name);
            columns
                .iter()
                .find(same)
                .map(|(_, definition)| definition.clone())
        };
        let mut phrases = Vec::new();
        for (name, wanted) in &expected {
            match definition(&found, name) {
                None => phrases.push(format!("column {name} is missing")),
                Some(now) if !now.eq_ignore_ascii_case(wanted) => {
                    phrases.push(format!("column {name} is `{now}` and not `{wanted}`"))
                }
                Some(_) => {}
            }
        }
        for (name, _) in &found {
            if definition(&expected, name).is_none() {
                phrases.push(format!("column {name} is extra"));
            }
        }
        phrases
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
            .objects
            .iter()
            .filter(|(key, _)| !now.objects.contains_key(key))
            .map(|(key, object)| change(ChangeKind::Dropped, &key.0, object));
        let others = now
            .objects
            .iter()
            .filter_map(|(key, object)| match self.objects.get(key) {
                None => Some(change(ChangeKind::Created, &key.0, object)),
                Some((_, before)) if *before != object.1 => {
                    Some(change(ChangeKind::Changed, &key.0, object))
                }
                Some(_) => None,
            });
        dropped.chain(others).collect()
    }
}

/// By the table's name in lower case: the name and the definition of each column.
type Columns = BTreeMap<String, Vec<(String, String)>>;

fn columns(connection: &Connection) -> rusqlite::Result<Columns> {
    let query = "SELECT t.name, c.name, trim(c.type || iif(c.\"notnull\", ' NOT NULL', '') || coalesce(' DEFAULT ' || c.dflt_value, '') || iif(c.pk, ' PRIMARY KEY', '') || iif(c.hidden, ' GENERATED', '')) FROM pragma_table_list AS t, pragma_table_xinfo(t.name, 'main') AS c WHERE t.schema = 'main' AND t.type = 'table'";
    let mut columns = Columns::new();
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let table = row.get::<_, String>(0)?.to_ascii_lowercase();
        let column = (row.get(1)?, row.get(2)?);
        columns.entry(table).or_default().push(column);
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::Schema;
    use rusqlite::Connection;

    fn schema(sql: &str) -> Schema {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        Schema::read(&connection).unwrap()
    }

    #[test]
    fn the_schema_as_sql_makes_the_same_schema() {
        let first = schema(
            "CREATE TABLE b (x); CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, y UNIQUE); CREATE INDEX i ON b (x); CREATE VIEW v AS SELECT * FROM a; CREATE TRIGGER t AFTER INSERT ON b BEGIN SELECT 1; END; CREATE VIRTUAL TABLE f USING fts5 (x); CREATE TABLE f_extra (x); CREATE VIEW w AS SELECT 1 -- one\n; CREATE TABLE \"É\" (x); CREATE TABLE \"é\" (x); ALTER TABLE b ADD COLUMN z; ALTER TABLE b RENAME TO c; CREATE VIEW z AS SELECT 2 /* open",
        );
        let second = schema(&first.to_sql());
        assert!(first.differences(&second).is_empty(), "{}", first.to_sql());
        assert_eq!(first.to_sql(), second.to_sql());
        assert!(!first.to_sql().contains("f_data"));
        assert!(first.to_sql().contains("f_extra"));
    }

    #[test]
    fn columns_are_named() {
        let expected = schema("CREATE TABLE t (id INTEGER PRIMARY KEY, email TEXT, phone TEXT)");
        let found = schema("CREATE TABLE t (id INTEGER PRIMARY KEY, phone text NOT NULL, fax)");
        let differences = expected.differences(&found);
        assert_eq!(
            differences[0].to_string(),
            "table t is different: column email is missing, column phone is `TEXT NOT NULL` and not `TEXT`, column fax is extra"
        );
    }
}
