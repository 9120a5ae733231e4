//! How the schema of a database differs from what its migrations make.
//!
//! Owns what counts as a difference: what SQLite would do otherwise. Where the
//! spelling does not tell, SQLite is asked, in memory.

use crate::diagnostics::difference::{Difference, DifferenceKind};
use crate::schema::order::in_one_order;
use crate::schema::sql::{calls_a_function, is_same, is_simple, one_line};
use crate::schema::{Column, Key, Schema};
use rusqlite::Connection;
use std::collections::BTreeSet;

impl Schema {
    /// In what `found` is not as this schema says: objects that are missing,
    /// extra, or different in more than quoting, comments, case and white space.
    #[must_use]
    pub fn differences(&self, found: &Self) -> Vec<Difference> {
        let sql = |schema: &Self, key: &Key| schema.objects.get(key).map(|o| one_line(&o.sql));
        let mut all: Option<BTreeSet<String>> = None;
        let mut differences = Vec::new();
        for change in self.changes(found) {
            let key = (change.object.clone(), change.name.to_ascii_lowercase());
            let kind = match (self.objects.get(&key), found.objects.get(&key)) {
                (Some(a), Some(b)) => {
                    let own: BTreeSet<String>;
                    let names = match key.0.as_str() {
                        "table" | "index" => {
                            own = self.names(&key).chain(found.names(&key)).collect();
                            &own
                        }
                        _ => all.get_or_insert_with(|| {
                            self.all_names().chain(found.all_names()).collect()
                        }),
                    };
                    let (columns, same_defaults) = self.columns(found, &key);
                    let is_same_sql = || {
                        is_same(&a.sql, &b.sql, names)
                            || (key.0 == "table"
                                && is_same(&in_one_order(&a.sql), &in_one_order(&b.sql), names))
                    };
                    if same_defaults && is_same_sql() {
                        continue;
                    }
                    DifferenceKind::Different(columns)
                }
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

    /// The names that can be meant in a table or an index, in lower case: its own,
    /// its table's, and those of the columns.
    fn names(&self, key: &Key) -> impl Iterator<Item = String> {
        let table = self.objects.get(key).map(|object| object.table.clone());
        let columns = table.as_ref().and_then(|table| self.columns.get(table));
        let columns = columns.into_iter().flatten();
        let columns = columns.map(|column| column.name.to_ascii_lowercase());
        columns.chain(table).chain([key.1.clone()])
    }

    /// Those that can be meant in a view or a trigger: all that there are.
    fn all_names(&self) -> impl Iterator<Item = String> {
        let objects = self.objects.keys().map(|(_, name)| name.clone());
        let columns = self.columns.values().flatten();
        objects.chain(columns.map(|column| column.name.to_ascii_lowercase()))
    }

    /// In which columns a table differs, a phrase for each, and whether the defaults
    /// are the same.
    fn columns(&self, found: &Self, (object, name): &Key) -> (Vec<String>, bool) {
        let of = |schema: &Self| match object.as_str() {
            "table" => schema.columns.get(name).cloned().unwrap_or_default(),
            _ => Vec::new(),
        };
        let (expected, found) = (of(self), of(found));
        let named = |columns: &[Column], name: &str| {
            let same = |column: &&Column| column.name.eq_ignore_ascii_case(name);
            columns.iter().find(same).cloned()
        };
        let mut phrases = Vec::new();
        let mut same_defaults = true;
        for wanted in &expected {
            let name = &wanted.name;
            match named(&found, name) {
                None => phrases.push(format!("column {name} is missing")),
                Some(now) => {
                    let same_default = wanted.has_the_default_of(&now);
                    same_defaults &= same_default;
                    if !same_default
                        || !now.kind.eq_ignore_ascii_case(&wanted.kind)
                        || now.constraints != wanted.constraints
                    {
                        let (now, wanted) = (now.definition(), wanted.definition());
                        phrases.push(format!("column {name} is `{now}` and not `{wanted}`"));
                    }
                }
            }
        }
        for column in &found {
            if named(&expected, &column.name).is_none() {
                phrases.push(format!("column {} is extra", column.name));
            }
        }
        let order = |columns: &[Column], others: &[Column]| -> Vec<String> {
            let both = columns.iter().filter(|c| named(others, &c.name).is_some());
            both.map(|column| column.name.to_ascii_lowercase())
                .collect()
        };
        let (wanted, now) = (order(&expected, &found), order(&found, &expected));
        if wanted != now {
            phrases.push(format!(
                "columns are in the order {} and not {}",
                now.join(", "),
                wanted.join(", ")
            ));
        }
        (phrases, same_defaults)
    }
}

impl Column {
    fn definition(&self) -> String {
        let default = match &self.default {
            Some(default) => format!(" DEFAULT {default}"),
            None => String::new(),
        };
        let definition = format!("{}{default}{}", self.kind, self.constraints);
        definition.trim_start_matches(' ').to_owned()
    }

    /// Whether a row that does not name the column gets the same there.
    fn has_the_default_of(&self, other: &Self) -> bool {
        // No default is NULL.
        let text = |column: &Self| column.default.clone().unwrap_or_else(|| "NULL".to_owned());
        let (a, b) = (text(self), text(other));
        if a == b {
            return true;
        }
        if !calls_a_function(&a)
            && !calls_a_function(&b)
            && let Ok(same) = self.judged_by_sqlite(&a, other, &b)
        {
            return same;
        }
        is_same(&a, &b, &BTreeSet::new())
    }

    fn judged_by_sqlite(&self, a: &str, other: &Self, b: &str) -> rusqlite::Result<bool> {
        let column = |name: &str, column: &Self, default: &str| {
            let kind = match column.kind.as_str() {
                "" => String::new(),
                kind => format!("\"{}\"", kind.replace('"', "\"\"")),
            };
            match is_simple(default) {
                true => format!("{name} {kind} DEFAULT {default}"),
                false => format!("{name} {kind} DEFAULT ({default})"),
            }
        };
        let (a, b) = (column("a", self, a), column("b", other, b));
        let memory = Connection::open_in_memory()?;
        memory
            .prepare(&format!("CREATE TABLE d ({a}, {b}\n)"))?
            .raw_execute()?;
        memory
            .prepare("INSERT INTO d DEFAULT VALUES")?
            .raw_execute()?;
        let query = "SELECT typeof(a) = typeof(b) AND a IS b FROM d";
        memory.query_row(query, [], |row| row.get(0))
    }
}

#[cfg(test)]
mod tests {
    use crate::schema::Schema;
    use rusqlite::Connection;

    fn schema(sql: &str) -> Schema {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        Schema::read(&connection).unwrap()
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
        let expected = schema("CREATE TABLE t (a, b, c)");
        let found = schema("CREATE TABLE t (a, c, b)");
        assert_eq!(
            expected.differences(&found)[0].to_string(),
            "table t is different: columns are in the order a, c, b and not a, b, c"
        );
    }

    /// Each pair of definitions of a column `x` beside a column `email`, and whether
    /// SQLite does the same with them.
    #[test]
    fn nasty_pairs_are_told_apart_as_sqlite_does() {
        for (a, b, same) in [
            ("DEFAULT active", "DEFAULT \"active\"", true),
            ("DEFAULT active", "DEFAULT 'active'", true),
            ("DEFAULT [active]", "DEFAULT `active`", true),
            ("DEFAULT active", "DEFAULT ACTIVE", false),
            ("DEFAULT 'Off'", "DEFAULT \"off\"", false),
            ("DEFAULT \"Email\"", "DEFAULT \"email\"", false),
            (
                "DEFAULT CURRENT_TIMESTAMP",
                "DEFAULT current_timestamp",
                true,
            ),
            (
                "DEFAULT CURRENT_TIMESTAMP",
                "DEFAULT (CURRENT_TIMESTAMP)",
                true,
            ),
            (
                "DEFAULT CURRENT_TIMESTAMP",
                "DEFAULT \"CURRENT_TIMESTAMP\"",
                false,
            ),
            ("DEFAULT CURRENT_TIMESTAMP", "DEFAULT CURRENT_DATE", false),
            ("DEFAULT CURRENT_DATE", "DEFAULT 'CURRENT_DATE'", false),
            ("DEFAULT TRUE", "DEFAULT \"TRUE\"", false),
            ("DEFAULT TRUE", "DEFAULT true", true),
            ("DEFAULT TRUE", "DEFAULT 1", true),
            ("DEFAULT NULL", "", true),
            ("DEFAULT NULL", "DEFAULT \"NULL\"", false),
            ("DEFAULT 1", "DEFAULT (1)", true),
            ("DEFAULT 1", "DEFAULT +1", true),
            ("DEFAULT -1", "DEFAULT (- 1)", true),
            ("DEFAULT 1", "DEFAULT '1'", false),
            ("INT DEFAULT 1", "INT DEFAULT '1'", true),
            ("TEXT DEFAULT 1", "TEXT DEFAULT '1'", true),
            ("DEFAULT 1", "DEFAULT 1.0", false),
            ("REAL DEFAULT 1", "REAL DEFAULT 1.0", true),
            ("DEFAULT 10", "DEFAULT 0xA", true),
            ("DEFAULT x'ab'", "DEFAULT X'AB'", true),
            ("DEFAULT x'61'", "DEFAULT 'a'", false),
            ("DEFAULT 'it''s'", "DEFAULT \"it's\"", true),
            (
                "DEFAULT (datetime('now'))",
                "DEFAULT (DateTime ('now'))",
                true,
            ),
            (
                "DEFAULT (datetime('now'))",
                "DEFAULT (datetime('NOW'))",
                false,
            ),
            ("DEFAULT (datetime('now'))", "DEFAULT (date('now'))", false),
            ("DEFAULT ('a' || 'b')", "DEFAULT 'ab'", true),
            ("TEXT NOT NULL", "\"TEXT\" NOT NULL", true),
            ("TEXT NOT NULL", "TEXT \"NOT\" NULL", false),
            ("\u{A0}INTEGER PRIMARY KEY", "INTEGER PRIMARY KEY", false),
            ("INTEGER PRIMARY KEY", "INTEGER\u{A0}PRIMARY KEY", false),
            ("INTEGER\u{C}PRIMARY\tKEY", "INTEGER PRIMARY KEY", true),
            (
                "TEXT CHECK (x <> \"Email\")",
                "TEXT CHECK (x <> \"email\")",
                true,
            ),
            (
                "TEXT CHECK (x <> \"Email\")",
                "TEXT CHECK (x <> email)",
                true,
            ),
            (
                "TEXT CHECK (x <> \"Emails\")",
                "TEXT CHECK (x <> \"emails\")",
                false,
            ),
            (
                "TEXT CHECK (x <> \"Other\")",
                "TEXT CHECK (x <> \"other\")",
                false,
            ),
            ("TEXT CHECK (x <> 'a')", "TEXT CHECK (x <> \"a\")", true),
            (
                "TEXT CHECK (x <> 'email')",
                "TEXT CHECK (x <> \"email\")",
                false,
            ),
            (
                "TEXT CHECK (x <> CURRENT_DATE)",
                "TEXT CHECK (x <> \"CURRENT_DATE\")",
                false,
            ),
            ("TEXT CHECK (x == TRUE)", "TEXT CHECK (x = true)", true),
            ("TEXT CHECK (x == TRUE)", "TEXT CHECK (x = \"TRUE\")", false),
            ("TEXT CHECK (x <> 1)", "TEXT CHECK (x != 1)", true),
            ("TEXT COLLATE NOCASE", "TEXT COLLATE \"nocase\"", true),
            (
                "INT REFERENCES u ON DELETE SET DEFAULT",
                "INT REFERENCES U on delete set default",
                true,
            ),
            (
                "INT REFERENCES u ON DELETE SET DEFAULT",
                "INT REFERENCES u ON DELETE SET NULL",
                false,
            ),
        ] {
            let make = |x: &str| {
                schema(&format!(
                    "CREATE TABLE t (email TEXT, x {x}); CREATE TABLE u (other INTEGER PRIMARY KEY)"
                ))
            };
            let (first, second) = (make(a), make(b));
            assert_eq!(first.differences(&second).is_empty(), same, "{a} / {b}");
            assert_eq!(second.differences(&first).is_empty(), same, "{b} / {a}");
        }
        for (a, b, same) in [
            ("c INT NOT NULL UNIQUE", "c INT UNIQUE NOT NULL", true),
            (
                "c TEXT UNIQUE COLLATE NOCASE DEFAULT 'x' NOT NULL",
                "c TEXT DEFAULT ('x') NOT NULL COLLATE NOCASE UNIQUE",
                true,
            ),
            (
                "c INT REFERENCES u (a) ON DELETE SET NULL NOT DEFERRABLE NOT NULL",
                "c INT NOT NULL REFERENCES u (a) ON DELETE SET NULL NOT DEFERRABLE",
                true,
            ),
            (
                "c INT REFERENCES u (a) ON DELETE SET NULL",
                "c INT NOT NULL REFERENCES u (a) ON DELETE SET NULL",
                false,
            ),
            (
                "c INT CONSTRAINT n NOT NULL CHECK (c > 1)",
                "c INT CHECK (c > 1) CONSTRAINT n NOT NULL",
                true,
            ),
            (
                "c INT CONSTRAINT n NOT NULL CHECK (c > 1)",
                "c INT CONSTRAINT n CHECK (c > 1) NOT NULL",
                false,
            ),
            (
                "c INT CHECK (c > 1) CHECK (c > 2)",
                "c INT CHECK (c > 2) CHECK (c > 1)",
                false,
            ),
            (
                "c INT AS (a) STORED NOT NULL",
                "c INT NOT NULL GENERATED ALWAYS AS (a) STORED",
                false,
            ),
            (
                "c INT AS (a) STORED NOT NULL",
                "c INT NOT NULL AS (a) STORED",
                true,
            ),
            ("c INT NULL", "c INT NOT NULL", false),
            (
                "c INT DEFAULT NULL NOT NULL",
                "c INT NOT NULL DEFAULT NULL",
                true,
            ),
            ("c INT DEFAULT NULL", "c INT NOT NULL DEFAULT NULL", false),
            ("UNIQUE (a), UNIQUE (b)", "UNIQUE (b), UNIQUE (a)", true),
            (
                "UNIQUE (a), UNIQUE (b)",
                "unique ([B]), UNIQUE (\"a\")",
                true,
            ),
            (
                "UNIQUE (a), UNIQUE (a, b)",
                "UNIQUE (a, b), UNIQUE (a)",
                true,
            ),
            ("UNIQUE (a, b)", "UNIQUE (b, a)", false),
            ("UNIQUE (a), UNIQUE (b)", "UNIQUE (a)", false),
            ("UNIQUE (a), UNIQUE (b)", "UNIQUE (a), UNIQUE (a)", false),
            (
                "UNIQUE (a), UNIQUE (b COLLATE NOCASE)",
                "UNIQUE (b COLLATE NOCASE), UNIQUE (a)",
                true,
            ),
            (
                "UNIQUE (a), CHECK (a > 1)",
                "CHECK (a > 1), UNIQUE (a)",
                true,
            ),
            (
                "CONSTRAINT u UNIQUE (a), UNIQUE (b)",
                "UNIQUE (b), CONSTRAINT u UNIQUE (a)",
                true,
            ),
            ("UNIQUE (a) UNIQUE (b)", "UNIQUE (b) UNIQUE (a)", false),
            (
                "CHECK (a > 1), CHECK (b > 1)",
                "CHECK (b > 1), CHECK (a > 1)",
                false,
            ),
            (
                "UNIQUE (a) ON CONFLICT IGNORE, UNIQUE (b)",
                "UNIQUE (b), UNIQUE (a) ON CONFLICT IGNORE",
                false,
            ),
        ] {
            let make = |x: &str| {
                schema(&format!(
                    "CREATE TABLE t (a INT, b INT DEFAULT (1), {x}) STRICT"
                ))
            };
            let (first, second) = (make(a), make(b));
            assert_eq!(first.differences(&second).is_empty(), same, "{a} / {b}");
        }
        let quoted = schema("CREATE TABLE 't' ('a' TEXT, \"b c\" INT)");
        let plain = schema("CREATE TABLE T (A TEXT, 'b c' INT)");
        assert!(quoted.differences(&plain).is_empty());
    }
}
