//! Runs one script, statement by statement, and locates the one that fails.
//!
//! Owns what a script may do to the transaction it runs in. Never begins or ends
//! that transaction, never writes to the history, never reads a file.

use crate::error::{Cause, Finding, sqlite_message};
use crate::position::Position;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::ffi::SQLITE_READONLY_DIRECTORY;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};
use rusqlite::{Batch, Connection, ErrorCode, Statement};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A script that ran to its end.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// How many statements it had.
    pub statements: usize,
    /// What a person should know about it.
    pub warnings: Vec<Finding>,
}

/// A script that stopped.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub position: Option<Position>,
    pub message: String,
    pub remedy: Option<&'static str>,
    pub cause: Cause,
    /// How many statements had been done before and stay, if no transaction undoes them.
    pub statements: usize,
}

/// A statement longer than this, in bytes, is not copied to find out where it ends.
const LONG: usize = 1 << 20;

/// Something that the authorizer saw in the statement that was just prepared.
mod saw {
    /// BEGIN, COMMIT or END, made to do nothing.
    pub const TRANSACTION: u32 = 1;
    /// ROLLBACK, denied.
    pub const ROLLBACK: u32 = 1 << 1;
    /// `PRAGMA foreign_keys = …`, which does nothing in a transaction.
    pub const FOREIGN_KEYS: u32 = 1 << 2;
    /// `PRAGMA journal_mode = OFF` or `MEMORY`, made to do nothing.
    pub const UNSAFE_JOURNAL: u32 = 1 << 3;
    /// `PRAGMA writable_schema`, by which a script can destroy the schema.
    pub const WRITABLE_SCHEMA: u32 = 1 << 4;
    /// ATTACH, whose file may be what cannot be opened, and which may stay.
    pub const ATTACH: u32 = 1 << 5;
    /// A temporary table, index, view or trigger, which may stay.
    pub const TEMPORARY: u32 = 1 << 6;
}

/// Runs every statement of `sql`, the text of the file `path`, and steps each to
/// its last row. With `transactional`, the connection must be in a transaction,
/// which is still open if this succeeds; without, it must be in none, and is in
/// none if this succeeds.
///
/// `Connection::execute_batch` of rusqlite is not used for four reasons, all
/// measured: it is quadratic in the script's length, because SQLite copies a
/// text that does not end in NUL for each statement (10 MB: 52 s against 0.4 s);
/// it steps each statement once, so a SELECT with effects runs for its first row
/// only; it drops what follows a NUL byte; and it tells no position for an error
/// that comes from running a statement. [`Batch`] is the same loop in pieces.
pub(crate) fn execute_batch(
    connection: &mut Connection,
    path: &Path,
    mut sql: String,
    transactional: bool,
) -> Result<Ran, Stopped> {
    sql.push('\0');
    let seen = Arc::new(AtomicU32::new(0));
    let mut runner = Runner {
        path,
        sql: &sql,
        seen: Arc::clone(&seen),
        transactional,
        start: 0,
        end: 0,
        kept: 0,
        ran: Ran::default(),
    };
    let hook = move |context: AuthContext<'_>| authorize(&seen, transactional, context.action);
    if let Err(error) = connection.authorizer(Some(hook)) {
        return Err(runner.stopped(&error, None));
    }
    let result = runner.run(connection);
    let removed = connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>);
    match (result, removed) {
        (Ok(()), Ok(())) => Ok(runner.ran),
        (Err(stopped), _) => Err(stopped),
        (Ok(()), Err(error)) => Err(runner.stopped(&error, None)),
    }
}

/// Tells SQLite what to do with an action that its parser found in a statement,
/// and leaves word of it in `seen`.
fn authorize(seen: &AtomicU32, transactional: bool, action: AuthAction<'_>) -> Authorization {
    let (what, answer) = match action {
        AuthAction::Transaction { operation } if transactional => match operation {
            TransactionOperation::Rollback => (saw::ROLLBACK, Authorization::Deny),
            _ => (saw::TRANSACTION, Authorization::Ignore),
        },
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => {
            return authorize_pragma(seen, transactional, pragma_name, pragma_value);
        }
        AuthAction::Attach { .. } => (saw::ATTACH, Authorization::Allow),
        AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. } => (saw::TEMPORARY, Authorization::Allow),
        _ => return Authorization::Allow,
    };
    seen.fetch_or(what, Ordering::Relaxed);
    answer
}

fn authorize_pragma(
    seen: &AtomicU32,
    transactional: bool,
    name: &str,
    value: Option<&str>,
) -> Authorization {
    let is = |expected: &str| name.eq_ignore_ascii_case(expected);
    let Some(value) = value else {
        return Authorization::Allow;
    };
    if is("writable_schema") {
        seen.fetch_or(saw::WRITABLE_SCHEMA, Ordering::Relaxed);
    } else if transactional && is("foreign_keys") {
        seen.fetch_or(saw::FOREIGN_KEYS, Ordering::Relaxed);
    } else if transactional && is("journal_mode") && takes_the_journal_away(value) {
        // At the head of a transaction SQLite would obey, and neither a failing
        // script nor a power cut could be rolled back any more.
        seen.fetch_or(saw::UNSAFE_JOURNAL, Ordering::Relaxed);
        return Authorization::Ignore;
    }
    Authorization::Allow
}

/// `OFF` or `MEMORY`: SQLite takes any beginning of a mode's name for the mode.
fn takes_the_journal_away(mode: &str) -> bool {
    let mode = mode.to_ascii_lowercase();
    !mode.is_empty() && ["off", "memory"].iter().any(|name| name.starts_with(&mode))
}

/// The length of the text in `source` that SQLite tells as `expanded`: the same,
/// except that each parameter is NULL in it. `None` if it is another text.
fn source_length(source: &str, expanded: &str) -> Option<usize> {
    if source.starts_with(expanded) {
        return Some(expanded.len());
    }
    let (source, mut rest) = (source.as_bytes(), expanded.as_bytes());
    let mut at = 0;
    while let Some((&byte, after)) = rest.split_first() {
        if source.get(at) == Some(&byte) {
            (at, rest) = (at + 1, after);
            continue;
        }
        rest = rest.strip_prefix(b"NULL")?;
        let is_name: fn(&u8) -> bool = match source.get(at)? {
            b'?' => u8::is_ascii_digit,
            b':' | b'@' | b'$' | b'#' => {
                |byte| byte.is_ascii_alphanumeric() || b"_$:".contains(byte) || *byte >= 0x80
            }
            _ => return None,
        };
        at += 1;
        at += source[at..].iter().take_while(|byte| is_name(byte)).count();
    }
    Some(at)
}

/// The state of one run of a script.
struct Runner<'a> {
    path: &'a Path,
    /// The whole script, NUL-terminated.
    sql: &'a str,
    seen: Arc<AtomicU32>,
    transactional: bool,
    /// Where the text of the current statement begins and ends.
    start: usize,
    end: usize,
    /// How many statements stay done if the next one fails outside a transaction.
    kept: usize,
    ran: Ran,
}

impl Runner<'_> {
    fn run(&mut self, connection: &Connection) -> Result<(), Stopped> {
        let mut seen_in_all = 0;
        let mut batch = Batch::new(connection, self.sql);
        loop {
            self.seen.store(0, Ordering::Relaxed);
            let mut statement = match batch.next() {
                Ok(Some(statement)) => statement,
                Ok(None) => break,
                Err(error) => return Err(self.not_prepared(&error)),
            };
            self.advance(&statement);
            let mut rows = statement.raw_query();
            loop {
                match rows.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => return Err(self.stopped(&error, Some(self.first_token()))),
                }
            }
            let seen = self.seen.load(Ordering::Relaxed);
            if seen != 0 {
                self.warn(seen);
                seen_in_all |= seen;
            }
            if seen_in_all & saw::WRITABLE_SCHEMA != 0 || seen & saw::ATTACH != 0 {
                self.refuse_unreadable_schema(connection)?;
            }
            if self.transactional && connection.is_autocommit() {
                let message = "this statement ended the transaction that the script runs in";
                return Err(self.refused(message, None));
            }
            self.ran.statements += 1;
            if connection.is_autocommit() {
                self.kept = self.ran.statements;
            }
            self.start = self.end;
        }
        if seen_in_all & saw::WRITABLE_SCHEMA != 0 {
            self.check_schema(connection)?;
        }
        if seen_in_all & (saw::ATTACH | saw::TEMPORARY) != 0 {
            self.warn_of_leftovers(connection)
                .map_err(|error| self.stopped(&error, None))?;
        }
        if !self.transactional && !connection.is_autocommit() {
            let message = "the script leaves a transaction open at its end";
            let remedy = "end it with COMMIT";
            return Err(Stopped {
                position: None,
                ..self.refused(message, Some(remedy))
            });
        }
        Ok(())
    }

    /// Moves on to `statement`. Texts follow each other without a gap, so that
    /// its length is all there is to find out, and SQLite tells its text.
    fn advance(&mut self, statement: &Statement<'_>) {
        let rest = &self.sql[self.end..];
        let semicolon = rest.find(';').map_or(rest.len(), |index| index + 1);
        self.start = self.end;
        if semicolon > LONG {
            // Copies of megabytes are not worth it: the end of the statement is
            // trusted until the next one turns out to begin elsewhere.
            self.end += semicolon;
            return;
        }
        let text = statement.expanded_sql().unwrap_or_default();
        if let Some(length) = source_length(rest, &text) {
            self.end += length;
        } else if let Some(offset) = rest.find(&text) {
            self.start += offset;
            self.end = self.start + text.len();
        }
    }

    /// The byte where the current statement's first token begins.
    fn first_token(&self) -> usize {
        let mut rest = &self.sql[self.start..];
        loop {
            rest = rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0c', ';', '\u{FEFF}']);
            rest = if rest.starts_with("--") {
                rest.find('\n').map_or("", |newline| &rest[newline..])
            } else if let Some(comment) = rest.strip_prefix("/*") {
                comment.find("*/").map_or("", |end| &comment[end + 2..])
            } else {
                return self.sql.len() - rest.len();
            };
        }
    }

    fn position(&self, offset: usize) -> Position {
        Position::new(self.path, self.sql, offset)
    }

    fn warn(&mut self, seen: u32) {
        // One warning of a kind for a script: dumps have these on many lines.
        let mut warn = |what: u32, kind: &'static str, message: &str| {
            if seen & what != 0 && !self.ran.warnings.iter().any(|warning| warning.kind == kind) {
                let position = Position::new(self.path, self.sql, self.first_token());
                let warning = Finding::at(kind, position, message);
                self.ran.warnings.push(warning);
            }
        };
        warn(
            saw::TRANSACTION,
            "transaction-absorbed",
            "BEGIN and COMMIT do nothing here: the whole script and its row in the history are one transaction",
        );
        warn(
            saw::FOREIGN_KEYS,
            "foreign-keys-pragma",
            "PRAGMA foreign_keys does nothing inside a transaction: foreign keys stay as they are",
        );
        warn(
            saw::UNSAFE_JOURNAL,
            "journal-mode-pragma",
            "this PRAGMA journal_mode is ignored: without a journal neither a failing script nor a power cut could be rolled back",
        );
    }

    fn refuse_unreadable_schema(&self, connection: &Connection) -> Result<(), Stopped> {
        match has_readable_schemas(connection) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.refused(
                "this statement brings in a schema that is not UTF-8 text",
                None,
            )),
            Err(error) => Err(self.stopped(&error, Some(self.first_token()))),
        }
    }

    /// The connection outlives the script, and with it what only the connection
    /// knows: the next script that names such a table writes to the wrong place.
    fn warn_of_leftovers(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let query = "SELECT 'the temporary ' || type || ' ' || name FROM temp.sqlite_schema UNION ALL SELECT 'the attached database ' || name FROM pragma_database_list WHERE name NOT IN ('main', 'temp')";
        let mut statement = connection.prepare(query)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let what = String::from_utf8_lossy(row.get_ref(0)?.as_bytes().unwrap_or_default());
            let message = format!(
                "leaves {what} behind, which the next scripts of this run see: drop or detach it at the end"
            );
            self.ran
                .warnings
                .push(Finding::new("left-behind", self.path, message));
        }
        Ok(())
    }

    fn not_prepared(&self, error: &rusqlite::Error) -> Stopped {
        if self.seen.load(Ordering::Relaxed) & saw::ROLLBACK != 0 {
            let message = "ROLLBACK is not possible in a migration: it would undo the script and let what follows it stand";
            let remedy = "remove it; a script that fails is rolled back as a whole (ROLLBACK TO a savepoint is fine)";
            return self.refused(message, Some(remedy));
        }
        let offset = match error {
            rusqlite::Error::SqlInputError { sql, offset, .. } => {
                let offset = usize::try_from(*offset).unwrap_or(0);
                self.sql.len() - sql.len() + offset
            }
            _ => self.first_token(),
        };
        self.stopped(error, Some(offset))
    }

    fn stopped(&self, error: &rusqlite::Error, offset: Option<usize>) -> Stopped {
        let message = sqlite_message(error);
        let attached = self.seen.load(Ordering::Relaxed) & saw::ATTACH != 0;
        let extended = error.sqlite_extended_error_code();
        let cause = match Cause::of(error) {
            // The database could be written a moment ago. What cannot be written
            // or opened now is what the statement names, or a new journal.
            Cause::Permission | Cause::CannotOpen if attached => Cause::Statement,
            Cause::Permission if extended == Some(SQLITE_READONLY_DIRECTORY) => Cause::Permission,
            Cause::Permission => Cause::Statement,
            Cause::CannotOpen => Cause::Permission,
            Cause::Busy if error.sqlite_error_code() == Some(ErrorCode::DatabaseLocked) => {
                Cause::Statement
            }
            cause => cause,
        };
        Stopped {
            remedy: remedy(&message, cause),
            position: offset.map(|offset| self.position(offset)),
            message,
            cause,
            statements: self.kept,
        }
    }

    fn refused(&self, message: &str, remedy: Option<&'static str>) -> Stopped {
        Stopped {
            position: Some(self.position(self.first_token())),
            message: message.to_owned(),
            remedy,
            cause: Cause::Statement,
            statements: self.kept,
        }
    }

    /// After `PRAGMA writable_schema`: reads the schema again, as the next
    /// program to open the database will, and looks at the tables.
    fn check_schema(&self, connection: &Connection) -> Result<(), Stopped> {
        let verdict = connection
            .prepare("PRAGMA writable_schema = RESET")
            .and_then(|mut statement| statement.raw_query().next().map(|_| ()))
            .and_then(|()| {
                connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
            });
        let message = match verdict {
            Ok(verdict) if verdict == "ok" => return Ok(()),
            Ok(verdict) => verdict,
            Err(error) => sqlite_message(&error),
        };
        Err(Stopped {
            position: None,
            message: format!(
                "the script used PRAGMA writable_schema and leaves a damaged schema: {message}"
            ),
            remedy: None,
            cause: Cause::Statement,
            statements: self.kept,
        })
    }
}

/// Whether every name in the schemas is UTF-8, as it is unless a database is
/// damaged: rusqlite cannot hand any other name to an authorizer.
pub(crate) fn has_readable_schemas(connection: &Connection) -> rusqlite::Result<bool> {
    let mut names = connection.prepare("SELECT name FROM pragma_database_list")?;
    let mut names = names.raw_query();
    while let Some(row) = names.next()? {
        let Ok(name) = row.get_ref(0)?.as_str() else {
            return Ok(false);
        };
        let name = name.replace('"', "\"\"");
        let query = format!("SELECT name, tbl_name, sql FROM \"{name}\".sqlite_schema");
        let mut objects = connection.prepare(&query)?;
        let mut objects = objects.raw_query();
        while let Some(object) = objects.next()? {
            for column in 0..3 {
                let text = object.get_ref(column)?.as_bytes_or_null();
                if !text.is_ok_and(|text| std::str::from_utf8(text.unwrap_or_default()).is_ok()) {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// What to do about a failure, where SQLite's message does not say it.
fn remedy(message: &str, cause: Cause) -> Option<&'static str> {
    const OUTSIDE: &str =
        "put it into a migration of its own whose first line is `-- no-transaction`";
    if message.contains("VACUUM from within a transaction")
        || message.contains("wal mode from within a transaction")
        || message.contains("Safety level may not be changed inside a transaction")
    {
        return Some(OUTSIDE);
    }
    match cause {
        Cause::Permission => Some(
            "SQLite could not make a file beside the database: its directory must be writable, and there must be room and file handles",
        ),
        Cause::Busy => Some("another process holds a lock that the script needs: run again later"),
        Cause::Storage => Some(
            "make room on the disk, or look at the disk and the database (PRAGMA integrity_check), then run again",
        ),
        Cause::Statement | Cause::CannotOpen => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{source_length, takes_the_journal_away};

    #[test]
    fn journal_modes_are_recognised_by_any_beginning() {
        for mode in ["off", "OFF", "o", "of", "memory", "MEM", "m"] {
            assert!(takes_the_journal_away(mode), "{mode}");
        }
        for mode in [
            "", "delete", "wal", "persist", "truncate", "offf", "memoryx",
        ] {
            assert!(!takes_the_journal_away(mode), "{mode}");
        }
    }

    #[test]
    fn parameters_are_skipped_whatever_they_are_called() {
        for (source, expanded) in [
            ("SELECT ?;", "SELECT NULL;"),
            (
                "SELECT ?12, NULL, :a_b, @é, $x::y, #1;",
                "SELECT NULL, NULL, NULL, NULL, NULL, NULL;",
            ),
            (
                "SELECT '?', \":p\", ?1||'NULL';",
                "SELECT '?', \":p\", NULL||'NULL';",
            ),
            ("SELECT 1;", "SELECT 1;"),
        ] {
            let text = format!("{source} SELECT more");
            assert_eq!(
                source_length(&text, expanded),
                Some(source.len()),
                "{source}"
            );
        }
        assert_eq!(source_length("SELECT 1;", "SELECT 2;"), None);
        assert_eq!(source_length("SELECT", "SELECT 2;"), None);
    }
}
