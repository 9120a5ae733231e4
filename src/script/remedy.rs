//! What to do about a statement that failed, where SQLite's message does not say it.
//!
//! Owns these sentences. Looks at the message and at the statement's first words.

use super::seen::saw;
use super::text::skip_blank;
use crate::diagnostics::error::Cause;
use crate::schema::tokens::tokens;
use rusqlite::ErrorCode;

/// For what cannot be done inside a transaction.
pub(crate) const ALONE: &str =
    "put it into a migration of its own whose first line is `-- no-transaction`";

/// For a DROP TABLE that other tables' rows depend on.
pub(crate) const REBUILD: &str = "to rebuild the table put PRAGMA foreign_keys = OFF before it (rows that refer to nothing are looked for at the script's end); to let those rows go use --allow-cascade, or delete them first";

/// For a DROP TABLE that other tables' rows forbid.
pub(crate) const KEPT: &str = "to rebuild the table put PRAGMA foreign_keys = OFF before it (rows that refer to nothing are looked for at the script's end); to drop it for good delete these rows, or what they refer to it by, first";

/// For both where the script has given the table this name: what refers to it followed.
pub(crate) const RENAMED: &str = "to rebuild a table by renaming it put PRAGMA foreign_keys = OFF and PRAGMA legacy_alter_table = ON before the ALTER TABLE, and legacy_alter_table = OFF at the end: without it what refers to the table follows the rename (rows that refer to nothing are looked for at the script's end); to drop it for good delete these rows first, or use --allow-cascade where they go with it";

/// For rows that refer to nothing.
pub(crate) const ORPHANS: &str = "give these rows what they refer to, or delete them, in the same script; if ALTER TABLE has renamed what they refer to, put PRAGMA foreign_keys = OFF and PRAGMA legacy_alter_table = ON before it";

/// For references to what is no key any more.
pub(crate) const MISMATCH: &str = "what is referred to must be its table's PRIMARY KEY, or UNIQUE, or have a unique index on exactly these columns: make it so again in the same script";

/// For a REPLACE that takes rows of other tables with it.
pub(crate) const REPLACE: &str = "INSERT … ON CONFLICT DO UPDATE keeps the row and what refers to it; to let those rows go use --allow-cascade";

/// For an UPDATE that does the same.
pub(crate) const REPLACED: &str = "UPDATE OR REPLACE, and a key of which the table says ON CONFLICT REPLACE, delete the row that has the value already: change that row's value first, or UPDATE OR FAIL to see which it is; to let those rows go use --allow-cascade";

/// For a row of a search index's content that the index does not know.
pub(crate) const UNFILLED: &str = "the database is not damaged: a search index does not hold what its content has; fill it before this, with INSERT INTO f (f) VALUES ('rebuild') where f is its name";

/// For a setting that only a connection has.
pub(crate) const OF_CONNECTION: &str = "it holds for one connection, and is nothing that the database keeps: take it out, and set it where the application connects";

/// SQLite has them only if it was built so, as `cargo install` cannot know.
const MATHEMATICAL: [&str; 29] = [
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "ceiling", "cos", "cosh",
    "degrees", "exp", "floor", "ln", "log", "log10", "log2", "mod", "pi", "pow", "power",
    "radians", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
];

/// `statement` is the script's text from where the statement begins.
pub(crate) fn remedy(
    message: &str,
    (cause, code): (Cause, Option<ErrorCode>),
    what: u32,
    statement: &str,
) -> Option<String> {
    let of_text = of_statement(message, what, statement);
    if of_text.is_some() {
        return of_text;
    }
    let remedy = match cause {
        Cause::Permission => {
            "SQLite could not make a file beside the database: its directory must be writable, and there must be room and file handles"
        }
        Cause::Busy if message == "interrupted" => {
            "the time is over (--timeout): give it more, or split the script"
        }
        Cause::Busy => "another process holds a lock that the script needs: run again later",
        Cause::Storage => match code {
            Some(ErrorCode::DiskFull) => "make room on the disk that is full, then run again",
            Some(ErrorCode::OutOfMemory) => "give the process more memory, then run again",
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                "the database is damaged: put a backup back (`litemigrate restore FILE`), or see what PRAGMA integrity_check says"
            }
            _ => "look at the disk and its mount, then run again",
        },
        Cause::Statement | Cause::CannotOpen => return None,
    };
    Some(remedy.to_owned())
}

fn of_statement(message: &str, what: u32, statement: &str) -> Option<String> {
    let has = |part: &str| message.contains(part);
    if has("VACUUM from within a transaction") || has("wal mode from within a transaction") {
        return Some(ALONE.to_owned());
    }
    if has("Safety level may not be changed inside a transaction") {
        return Some(OF_CONNECTION.to_owned());
    }
    let begins = skip_blank(statement, true).map_or("", |at| &statement[at..]);
    if has("near \".\"") && begins.starts_with('.') {
        let word = begins.split_whitespace().next().unwrap_or(".");
        let instead = match word {
            ".read" => "put here what that file holds",
            ".import" => "write the rows as INSERTs",
            _ => "take the line out",
        };
        return Some(format!(
            "{word} is a command of the sqlite3 shell, which no other program knows: {instead}"
        ));
    }
    let first: String = begins.chars().take(400).collect();
    let words: Vec<String> = tokens(&first)
        .take(16)
        .map(|token| token.text.to_ascii_lowercase())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let alters = words.starts_with(&["alter", "table"]);
    if alters && message.to_ascii_uppercase().contains("NEAR \"EXISTS\"") {
        return Some("SQLite has no ADD COLUMN IF NOT EXISTS and no DROP COLUMN IF EXISTS: leave the condition out, a migration runs once".to_owned());
    }
    if has("object name reserved for internal use") {
        let is_own = |word: &&str| *word == "sqlite_sequence" || word.starts_with("sqlite_stat");
        let remedy = match words
            .iter()
            .any(|word| is_own(&word.trim_matches(['"', '`', '[', ']', '\''])))
        {
            true => {
                "SQLite makes this table itself, and .schema and .dump print it: take the line out (ANALYZE makes sqlite_stat1)"
            }
            false => "names that begin with sqlite_ are SQLite's own: choose another",
        };
        return Some(remedy.to_owned());
    }
    if has("_sqlx_migrations") && has("already exists") {
        return Some("the history is made by itself, and belongs to no script: take this statement out, and with it the INSERTs into the table, as a dump of a migrated database has them".to_owned());
    }
    let is_forbidden = what & saw::EXTENSION != 0 && has("not authorized");
    if is_forbidden || has("unsafe use of load_extension") {
        return Some("a script cannot load an extension: take the statement out, and name it in sqlite_extensions of SQLPage's settings (or SQLITE_EXTENSIONS in the environment), which are loaded before the scripts; with -m they are read only with --profile sqlpage".to_owned());
    }
    if let Some(name) = message.strip_prefix("no such function: ")
        && MATHEMATICAL.contains(&name.to_ascii_lowercase().as_str())
    {
        return Some("this litemigrate was built without SQLite's mathematical functions: build it where its .cargo/config.toml is, or with LIBSQLITE3_FLAGS=-DSQLITE_ENABLE_MATH_FUNCTIONS in the environment".to_owned());
    }
    if has("no such module") {
        return Some("it comes with an extension: name that in sqlite_extensions of SQLPage's settings (or SQLITE_EXTENSIONS in the environment); with -m they are read only with --profile sqlpage".to_owned());
    }
    let renames = words.iter().position(|word| *word == "rename");
    let renames_column = renames.is_some_and(|at| words.get(at + 1) != Some(&"to"));
    if has("error in index") && alters {
        return Some("drop the index before this statement, and make another after it".to_owned());
    }
    if alters && let Some(remedy) = of_column(message) {
        return Some(remedy.to_owned());
    }
    if let Some((_, remedy)) = ELSEWHERE.iter().find(|(said, _)| has(said)) {
        return Some((*remedy).to_owned());
    }
    if (has("error in view") || has("error in trigger")) && alters {
        let remedy = if has("after drop column") {
            "it uses the column: drop it before this statement, and make it again after it without the column"
        } else if has("after rename") && renames_column {
            "it cannot follow the new name: drop it before this statement, and make it again after it with the new name"
        } else {
            "if it looks for the table that is being replaced, drop it before this statement, and make it again after the rename; if it was useless before, drop it"
        };
        return Some(remedy.to_owned());
    }
    if what & saw::DETACH != 0 && has("is locked") {
        return Some("what was attached and used in a transaction can only be detached after it: begin the file with `-- no-transaction`, or, if no later script is harmed by it, leave DETACH out (the connection ends with the run)".to_owned());
    }
    None
}

/// What ALTER TABLE of SQLite cannot do (sqlite.org/lang_altertable.html).
fn of_column(message: &str) -> Option<&'static str> {
    const REBUILT: &str = "make a new table as it should be, copy the rows, drop the old one and rename the new one, with PRAGMA foreign_keys = OFF before it (sqlite.org/lang_altertable.html)";
    let cannot = message.to_ascii_lowercase();
    let of = |part: &str| cannot.contains(part);
    if of("with non-constant default") {
        return Some(
            "add the column without it and UPDATE the rows; for new rows a trigger, or a rebuilt table, gives the default",
        );
    }
    if of("not null column with default value null") {
        return Some("give it a DEFAULT that is not NULL, which the rows that are there get");
    }
    if of("add a unique column") {
        return Some("add it without UNIQUE, and CREATE UNIQUE INDEX on it");
    }
    (of("add a primary key column")
        || of("cannot drop unique column")
        || of("cannot drop primary key column"))
    .then_some(REBUILT)
}

/// What other databases have, and their shells.
const ELSEWHERE: [(&str, &str); 8] = [
    (
        "near \"AUTO_INCREMENT\"",
        "in SQLite INTEGER PRIMARY KEY counts by itself (AUTOINCREMENT after it gives no number twice)",
    ),
    (
        "near \"DELIMITER\"",
        "it is a command of MySQL's shell: take it out, the `;` of a trigger's END ends it here",
    ),
    (
        "near \"GO\"",
        "it is a command of SQL Server's shell: take it out",
    ),
    (
        "no such function: NOW",
        "write CURRENT_TIMESTAMP or datetime('now')",
    ),
    (
        "no such function: now",
        "write CURRENT_TIMESTAMP or datetime('now')",
    ),
    (
        "no such function: gen_random_uuid",
        "write lower(hex(randomblob(16)))",
    ),
    (
        "no such function: uuid_generate_v4",
        "write lower(hex(randomblob(16)))",
    ),
    (
        "near \"ENUM\"",
        "SQLite has no ENUM: write TEXT CHECK (name IN ('a', 'b'))",
    ),
];

#[cfg(test)]
mod tests {
    use super::of_statement;

    /// Every one of SQLite's list, in whatever case; no other function.
    #[test]
    fn what_a_build_without_mathematics_lacks_is_said() {
        let of = |name: &str| of_statement(&format!("no such function: {name}"), 0, "SELECT 1");
        assert!(
            of("sqrt")
                .unwrap()
                .contains("-DSQLITE_ENABLE_MATH_FUNCTIONS")
        );
        assert!(of("POWER").is_some() && of("sqrtt").is_none() && of("load_extension").is_none());
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        for name in super::MATHEMATICAL {
            let known: bool = connection
                .query_row(
                    "SELECT count(*) > 0 FROM pragma_function_list WHERE name = ?1",
                    [name],
                    |row| row.get(0),
                )
                .unwrap();
            assert!(known, "{name}");
        }
    }
}
