//! The schema of a database, and how two of them differ.
//!
//! Owns the comparison of `sqlite_schema` with itself at another time, or with
//! another one. Reads only, and knows nothing of migrations.

mod difference;
pub(crate) mod history_table;
pub(crate) mod order;
pub(crate) mod pragma;
pub(crate) mod readable;
pub(crate) mod references;
pub(crate) mod sql;
pub(crate) mod tokens;
pub(crate) mod whole;

use crate::schema::sql::formatted;
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

/// One object of a schema, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    name: String,
    /// The table that it is or belongs to, in lower case.
    table: String,
    sql: String,
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: String,
    /// The declared type.
    kind: String,
    /// What follows its default: whether it may be NULL, and so on.
    constraints: String,
    /// The default, as it is written.
    default: Option<String>,
}

/// The objects of a schema, and the columns of its tables.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Schema {
    objects: BTreeMap<Key, Object>,
    columns: Columns,
}

/// What a table that holds a history begins with, whatever its name.
const HISTORY: [&str; 6] = [
    "version",
    "description",
    "installed_on",
    "success",
    "checksum",
    "execution_time",
];

impl Schema {
    /// Reads the schema of the main database, without the tables that hold a history
    /// of migrations as ours is, and without those in which a virtual table keeps its
    /// data: it makes them itself.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut schema = Self::read_objects(connection, 0)?;
        let columns = columns(connection)?;
        let is_history = |columns: &Vec<Column>| {
            let names = columns.iter().map(|column| column.name.as_str());
            columns.len() >= HISTORY.len()
                && names.zip(HISTORY).all(|(a, b)| a.eq_ignore_ascii_case(b))
        };
        schema.objects.retain(|(kind, name), _| {
            kind != "table" || !columns.get(name).is_some_and(is_history)
        });
        schema.columns = columns;
        Ok(schema)
    }

    /// The same without the columns, which only a comparison with another database needs.
    /// Only of the objects whose row in the schema comes after the row `after`.
    pub(crate) fn read_objects(connection: &Connection, after: i64) -> rusqlite::Result<Self> {
        // Only a virtual table has shadows, and to list them looks at every table.
        let query = "SELECT type, name, lower(tbl_name), coalesce(sql, '') FROM main.sqlite_schema WHERE rowid > ?1 AND lower(name) != '_sqlx_migrations' AND name NOT GLOB 'sqlite_*' AND (NOT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND rootpage = 0) OR tbl_name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'))";
        let mut statement = connection.prepare(query)?;
        let objects = statement.query_map([after], |row| {
            let object = Object {
                name: row.get(1)?,
                table: row.get(2)?,
                sql: row.get(3)?,
            };
            Ok(((row.get(0)?, object.name.to_ascii_lowercase()), object))
        })?;
        Ok(Self {
            objects: objects.collect::<rusqlite::Result<_>>()?,
            columns: Columns::new(),
        })
    }

    /// All of it as SQL that makes it again, written in one way: tables, indexes,
    /// views and triggers, each by name.
    #[must_use]
    pub fn to_sql(&self) -> String {
        let mut sql = String::new();
        for wanted in ["table", "index", "view", "trigger"] {
            for ((kind, _), object) in &self.objects {
                if kind == wanted && !object.sql.is_empty() {
                    sql.push_str(&formatted(&object.sql));
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

    /// Takes out the objects whose name, or the name of whose table, matches one of
    /// these patterns, as SQLite's GLOB does, whatever the case.
    ///
    /// # Errors
    ///
    /// What SQLite says.
    pub(crate) fn remove_matching(&mut self, globs: &[String]) -> rusqlite::Result<()> {
        let memory = Connection::open_in_memory()?;
        let mut statement = memory.prepare("SELECT ?1 GLOB lower(?2) OR ?3 GLOB lower(?2)")?;
        let mut matching = BTreeSet::new();
        for (key, object) in &self.objects {
            for glob in globs {
                let values = (&key.1, glob, &object.table);
                if statement.query_row(values, |row| row.get(0))? {
                    matching.insert(key.clone());
                }
            }
        }
        self.objects.retain(|key, _| !matching.contains(key));
        Ok(())
    }

    /// Whether there is an object of this type and name, which is in lower case.
    pub(crate) fn has(&self, kind: &str, name: &str) -> bool {
        self.objects
            .contains_key(&(kind.to_owned(), name.to_owned()))
    }

    /// Takes out the objects of these names, and what belongs to them: gives these.
    pub(crate) fn take(&mut self, names: &[String]) -> Self {
        let names: BTreeSet<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        let mut taken = Self::default();
        if names.is_empty() {
            return taken;
        }
        let is_one = |(key, object): &(&Key, &Object)| {
            names.contains(&key.1) || names.contains(&object.table)
        };
        let found = self.objects.iter().filter(is_one);
        let keys: Vec<Key> = found.map(|(key, _)| key.clone()).collect();
        for key in keys {
            taken.objects.extend(self.objects.remove_entry(&key));
        }
        taken
    }

    /// Takes in the objects of another, which are new.
    pub(crate) fn add(&mut self, new: Self) {
        self.objects.extend(new.objects);
    }

    /// What is different in `now`, by type and name.
    #[must_use]
    pub fn changes(&self, now: &Self) -> Vec<SchemaChange> {
        let change = |kind, (type_name, _): &Key, object: &Object| SchemaChange {
            kind,
            object: type_name.clone(),
            name: object.name.clone(),
            sql: object.sql.clone(),
        };
        let dropped = self
            .objects
            .iter()
            .filter(|(key, _)| !now.objects.contains_key(key))
            .map(|(key, object)| change(ChangeKind::Dropped, key, object));
        let others = now
            .objects
            .iter()
            .filter_map(|(key, object)| match self.objects.get(key) {
                None => Some(change(ChangeKind::Created, key, object)),
                Some(before) if before.sql != object.sql => {
                    Some(change(ChangeKind::Changed, key, object))
                }
                Some(_) => None,
            });
        dropped.chain(others).collect()
    }
}

/// The last row of the main schema: what is made gets the next one.
pub(crate) fn last_row(connection: &Connection) -> rusqlite::Result<i64> {
    let query = "SELECT coalesce(max(rowid), 0) FROM main.sqlite_schema";
    connection.query_row(query, [], |row| row.get(0))
}

/// By the table's name in lower case.
type Columns = BTreeMap<String, Vec<Column>>;

fn columns(connection: &Connection) -> rusqlite::Result<Columns> {
    let query = "SELECT t.name, c.name, c.type, iif(c.\"notnull\", ' NOT NULL', '') || iif(c.pk, ' PRIMARY KEY', '') || iif(c.hidden, ' GENERATED', ''), c.dflt_value FROM pragma_table_list AS t, pragma_table_xinfo(t.name, 'main') AS c WHERE t.schema = 'main' AND t.type = 'table'";
    let mut columns = Columns::new();
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let table = row.get::<_, String>(0)?.to_ascii_lowercase();
        columns.entry(table).or_default().push(Column {
            name: row.get(1)?,
            kind: row.get(2)?,
            constraints: row.get(3)?,
            default: row.get(4)?,
        });
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
}
