//! The name of the table that holds a history of migrations.
//!
//! Owns which names can be one: never SQL of ours, nor a name of SQLite's. Knows
//! nothing of what is in the table.

use crate::diagnostics::error::Error;
use crate::schema::sql::is_keyword;
use std::borrow::Cow;
use std::fmt;

/// The table that holds the history: `_sqlx_migrations`, unless two applications share
/// a database and each has its own. sqlx knows it as `table-name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryTable(Cow<'static, str>);

impl HistoryTable {
    /// One of another name, of ASCII letters, digits and `_`.
    ///
    /// ```
    /// use litemigrate::{HistoryTable, Options};
    ///
    /// let mut options = Options::default();
    /// options.table = HistoryTable::named("_image_migrations")?;
    /// # Ok::<(), litemigrate::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Configuration`] if the name is no such word, or is SQL's or SQLite's.
    pub fn named(name: &str) -> Result<Self, Error> {
        match why_not(name) {
            None => Ok(Self(Cow::Owned(name.to_owned()))),
            Some(message) => Err(Error::Configuration {
                origin: "the table of the history".to_owned(),
                message: format!("cannot be called '{name}': {message}"),
                position: None,
            }),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether a script means this table, in any case.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }
}

impl Default for HistoryTable {
    /// That of sqlx and SQLPage.
    fn default() -> Self {
        Self(Cow::Borrowed("_sqlx_migrations"))
    }
}

/// As it stands in SQL: no name that is allowed needs quotes.
impl fmt::Display for HistoryTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a table cannot be called so.
fn why_not(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || name.len() > 64 {
        return Some("a name has 1 to 64 characters, and begins with a letter or _");
    }
    if !name.chars().all(is_of_word) {
        return Some("a name has only the letters a to z, digits and _");
    }
    if lower.starts_with("sqlite_") || lower.starts_with("pragma_") {
        return Some("such names are SQLite's own");
    }
    is_keyword(&lower).then_some("it is a word of SQL")
}

#[cfg(test)]
mod tests {
    use super::HistoryTable;
    use rusqlite::Connection;

    /// Whatever is allowed stands in SQL as it is.
    #[test]
    fn what_is_allowed_needs_no_quotes() {
        for name in [
            "site",
            "_Site_2",
            "temp",
            "key",
            "view",
            "current_date",
            "a",
        ] {
            let table = HistoryTable::named(name).unwrap();
            let connection = Connection::open_in_memory().unwrap();
            let sql = format!(
                "CREATE TABLE main.{table} (x); INSERT INTO main.{table} VALUES (1); UPDATE main.{table} SET x = 2; DELETE FROM main.{table}"
            );
            connection.execute_batch(&sql).unwrap();
            assert_eq!(
                connection
                    .query_row("SELECT name FROM sqlite_schema", [], |row| row
                        .get::<_, String>(0))
                    .unwrap(),
                name
            );
        }
        for name in [
            "",
            "1a",
            "a b",
            "a;b",
            "a\"b",
            "main.a",
            "é",
            "a\0",
            "Select",
            "table",
            "sqlite_x",
            "SQLite_schema",
            "pragma_table_info",
            &"a".repeat(65),
        ] {
            assert!(HistoryTable::named(name).is_err(), "{name}");
        }
    }
}
