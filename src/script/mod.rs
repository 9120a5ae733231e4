//! Runs one script, statement by statement, and locates the one that fails.
//!
//! Owns the way through a script and what is said when it stops. Never begins or ends
//! the transaction it runs in, never writes to the history, never reads a file.

pub(crate) mod authorizer;
pub(crate) mod foreign_keys;

use crate::diagnostics::error::{Cause, NO_TEMPORARY, sqlite_message};
use crate::diagnostics::position::Position;
use crate::diagnostics::problem::Finding;
use crate::schema::readable::has_readable_schemas;
use crate::script::authorizer::{Rules, Seen, authorize, saw};
use crate::script::foreign_keys::DropGuard;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::ffi::{SQLITE_IOERR_GETTEMPPATH, SQLITE_READONLY_DIRECTORY};
use rusqlite::hooks::{AuthContext, Authorization};
use rusqlite::{Batch, Connection, ErrorCode, Statement};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

impl Stopped {
    /// A failure after the last statement.
    pub(crate) fn at_end(cause: Cause, message: String) -> Self {
        Self {
            position: None,
            message,
            remedy: None,
            cause,
            statements: 0,
        }
    }
}

/// Why a script did not run to its end.
pub(crate) enum Failed {
    Stopped(Stopped),
    /// It asks for foreign keys to be off before it has changed anything, which
    /// only works before the transaction begins.
    WithoutForeignKeys,
}

impl From<Stopped> for Failed {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

/// How often a script tells how far it is.
const PROGRESS: Duration = Duration::from_millis(100);

/// Why a contained script stopped.
const OUTSIDE: &str = "this statement touches another file, which it may not do where scripts run in memory only to see what they make";

/// A statement longer than this, in bytes, is not copied to find out where it ends.
const LONG: usize = 1 << 20;

/// Runs every statement of `sql`, the text of the file `path`, and steps each to
/// its last row. If it is to be transactional, the connection must be in a
/// transaction, which is still open if this succeeds; else it must be in none,
/// and is in none if this succeeds. `progress` hears now and then how many
/// statements are done.
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
    rules: Rules,
    progress: &mut dyn FnMut(usize),
) -> Result<Ran, Failed> {
    sql.push('\0');
    let seen = Arc::new(Seen::default());
    let mut runner = Runner {
        path,
        sql: &sql,
        seen: Arc::clone(&seen),
        rules,
        start: 0,
        end: 0,
        changed: false,
        committed: false,
        asked: false,
        dropped: Vec::new(),
        leftovers: None,
        kept: 0,
        ran: Ran::default(),
    };
    let hook = move |context: AuthContext<'_>| authorize(&seen, &rules, &context);
    if let Err(error) = connection.authorizer(Some(hook)) {
        return Err(runner.stopped(&error, None).into());
    }
    let result = runner.run(connection, progress);
    let removed = connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>);
    match (result, removed) {
        (Ok(()), Ok(())) => Ok(runner.ran),
        (Err(stopped), _) => Err(stopped),
        (Ok(()), Err(error)) => Err(runner.stopped(&error, None).into()),
    }
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
    seen: Arc<Seen>,
    rules: Rules,
    /// Where the text of the current statement begins and ends.
    start: usize,
    end: usize,
    /// Whether a statement could have changed anything.
    changed: bool,
    /// Whether the script takes itself to be between its COMMIT and its BEGIN.
    committed: bool,
    /// Whether the script itself asked for foreign keys to be off.
    asked: bool,
    /// The tables that were dropped outside a transaction.
    dropped: Vec<String>,
    /// What the connection held before the first statement that adds to it.
    leftovers: Option<Vec<String>>,
    /// How many statements stay done if the next one fails outside a transaction.
    kept: usize,
    ran: Ran,
}

impl Runner<'_> {
    fn run(
        &mut self,
        connection: &Connection,
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), Failed> {
        let mut told = Instant::now();
        let mut seen_in_all = 0;
        let mut batch = Batch::new(connection, self.sql);
        loop {
            self.seen.clear();
            let mut statement = match batch.next() {
                Ok(Some(statement)) => statement,
                Ok(None) => break,
                Err(error) => return Err(self.not_prepared(&error).into()),
            };
            self.advance(&statement);
            let seen = self.seen.what();
            if seen & saw::FOREIGN_KEYS_OFF != 0 && self.rules.enforced {
                return Err(self.foreign_keys_off());
            }
            self.asked |= seen & saw::FOREIGN_KEYS_OFF != 0 && (!self.changed || self.committed);
            self.refuse_mixed(seen)?;
            if seen & (saw::ATTACH | saw::TEMPORARY) != 0 && self.leftovers.is_none() {
                self.leftovers = leftovers(connection).ok();
            }
            if seen & saw::DROP != 0 {
                self.drop_table(connection, &mut statement)?;
            } else {
                self.step(&mut statement)?;
            }
            self.changed |= !statement.readonly() && seen & saw::PRAGMA == 0;
            self.committed = seen & saw::COMMIT != 0 || (self.committed && seen & saw::BEGIN == 0);
            seen_in_all |= seen;
            if seen != 0 {
                self.warn(seen);
                self.warn_of_open_rebuild(connection, seen);
            }
            if seen_in_all & saw::WRITABLE_SCHEMA != 0 || seen & saw::ATTACH != 0 {
                self.refuse_unreadable_schema(connection)?;
            }
            if self.rules.transactional && connection.is_autocommit() {
                let message = "this statement ended the transaction that the script runs in";
                return Err(self.refused(message, None).into());
            }
            self.ran.statements += 1;
            if connection.is_autocommit() {
                self.kept = self.ran.statements;
            }
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                progress(self.ran.statements);
            }
            self.start = self.end;
        }
        self.finish(connection, seen_in_all)
            .map_err(Failed::Stopped)
    }

    fn finish(&mut self, connection: &Connection, seen: u32) -> Result<(), Stopped> {
        if seen & saw::WRITABLE_SCHEMA != 0 {
            self.check_schema(connection)?;
        }
        self.warn_of_leftovers(connection)
            .map_err(|error| self.stopped(&error, None))?;
        if !self.rules.transactional && !connection.is_autocommit() {
            let message = "the script leaves a transaction open at its end";
            let remedy = "end it with COMMIT";
            return Err(Stopped {
                position: None,
                ..self.refused(message, Some(remedy))
            });
        }
        Ok(())
    }

    /// Steps a statement to its last row.
    fn step(&self, statement: &mut Statement<'_>) -> Result<(), Stopped> {
        let mut rows = statement.raw_query();
        loop {
            match rows.next() {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                // Of VACUUM INTO only running it tells.
                Err(_) if self.seen.what() & saw::OUTSIDE != 0 => {
                    return Err(self.refused(OUTSIDE, None));
                }
                Err(error) => return Err(self.stopped(&error, Some(self.first_token()))),
            }
        }
    }

    /// In one transaction with a rebuild that needs foreign keys off, a statement
    /// whose effect may depend on them would do something else than on its own.
    fn refuse_mixed(&self, seen: u32) -> Result<(), Stopped> {
        if !self.rules.mixed || self.asked {
            return Ok(());
        }
        let text = &self.sql[self.start..self.end.max(self.start)];
        let may_replace = || text.to_ascii_lowercase().contains("replace");
        if seen & (saw::ROWS | saw::DROP) == 0 && (seen & saw::INSERT == 0 || !may_replace()) {
            return Ok(());
        }
        let message = "this statement would run without foreign keys: another script of this run begins with PRAGMA foreign_keys = OFF, and they cannot be switched inside a transaction";
        let remedy = "run without --single-transaction or --dry-run, or the two scripts in different runs (--to)";
        Err(self.refused(message, Some(remedy)))
    }

    /// `PRAGMA foreign_keys = OFF` with enforcement on: the head of SQLite's own
    /// way to rebuild a table (sqlite.org/lang_altertable.html), or too late.
    fn foreign_keys_off(&self) -> Failed {
        if !self.changed || self.committed {
            return Failed::WithoutForeignKeys;
        }
        let message = "PRAGMA foreign_keys = OFF would do nothing here: the script has changed something already, and it runs in a transaction";
        let remedy = "put it before everything else in the script";
        self.refused(message, Some(remedy)).into()
    }

    /// Runs a DROP TABLE, and refuses it if other tables lost rows by it.
    fn drop_table(
        &mut self,
        connection: &Connection,
        statement: &mut Statement<'_>,
    ) -> Result<(), Stopped> {
        let Some((schema, table)) = self.seen.take_dropped() else {
            return self.step(statement);
        };
        let failed = |error: &rusqlite::Error| self.stopped(error, Some(self.first_token()));
        let outside = connection.is_autocommit();
        let guard = if self.rules.enforced && !self.rules.allow_cascade {
            DropGuard::before(connection, &schema, &table).map_err(|error| failed(&error))?
        } else {
            None
        };
        let Some(guard) = guard else {
            self.step(statement)?;
            if outside {
                self.dropped.push(table);
            }
            return Ok(());
        };
        if outside {
            connection
                .execute_batch("SAVEPOINT litemigrate_drop")
                .map_err(|error| failed(&error))?;
        }
        self.step(statement)?;
        if let Some(message) = guard.after(connection).map_err(|error| failed(&error))? {
            if outside {
                let _ = connection
                    .execute_batch("ROLLBACK TO litemigrate_drop; RELEASE litemigrate_drop");
            }
            let remedy = "begin the script with PRAGMA foreign_keys = OFF to rebuild the table (the rows are checked at its end), or let the rows go with --allow-cascade";
            return Err(self.refused(&message, Some(remedy)));
        }
        if outside {
            connection
                .execute_batch("RELEASE litemigrate_drop")
                .map_err(|error| failed(&error))?;
            self.dropped.push(table);
        }
        Ok(())
    }

    /// A rebuild outside a transaction: between its DROP and its RENAME there is
    /// no such table, and a power cut leaves it so.
    fn warn_of_open_rebuild(&mut self, connection: &Connection, seen: u32) {
        if seen & saw::ALTER == 0 || self.dropped.is_empty() || !connection.is_autocommit() {
            return;
        }
        let exists = |table: &String| {
            let query = "SELECT 1 FROM sqlite_schema WHERE lower(name) = lower(?1)";
            connection.query_row(query, [table], |_| Ok(())).is_ok()
        };
        if let Some(table) = self.dropped.iter().find(|table| exists(table)) {
            let message = format!(
                "{table} was dropped and is there again, outside a transaction: a power cut in between would have left none; put BEGIN before the DROP and COMMIT after this"
            );
            let warning = Finding::at("open-rebuild", self.position(self.first_token()), message);
            self.ran.warnings.push(warning);
            self.dropped.clear();
        }
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
            saw::BEGIN | saw::COMMIT,
            "transaction-absorbed",
            "BEGIN and COMMIT do nothing here: the whole script and its row in the history are one transaction",
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
        let Some(before) = self.leftovers.take() else {
            return Ok(());
        };
        for what in leftovers(connection)? {
            if !before.contains(&what) {
                let message = format!(
                    "leaves {what} behind, which the next scripts of this run see: drop or detach it at the end"
                );
                self.ran
                    .warnings
                    .push(Finding::new("left-behind", self.path, message));
            }
        }
        Ok(())
    }

    fn not_prepared(&self, error: &rusqlite::Error) -> Stopped {
        let seen = self.seen.what();
        if seen & saw::OUTSIDE != 0 {
            return self.refused(OUTSIDE, None);
        }
        if seen & saw::ROLLBACK != 0 {
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
        let attached = self.seen.what() & saw::ATTACH != 0;
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
            remedy: match extended {
                Some(SQLITE_IOERR_GETTEMPPATH) => Some(NO_TEMPORARY),
                _ => remedy(&message, cause),
            },
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

/// What only the connection knows: temporary objects and attached databases.
fn leftovers(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let query = "SELECT 'the temporary ' || type || ' ' || name FROM temp.sqlite_schema UNION ALL SELECT 'the attached database ' || name FROM pragma_database_list WHERE name NOT IN ('main', 'temp')";
    let mut statement = connection.prepare(query)?;
    let found = statement.query_map([], |row| row.get(0))?;
    found.collect()
}

/// What to do about a failure, where SQLite's message does not say it.
fn remedy(message: &str, cause: Cause) -> Option<&'static str> {
    const ALONE: &str =
        "put it into a migration of its own whose first line is `-- no-transaction`";
    if message.contains("VACUUM from within a transaction")
        || message.contains("wal mode from within a transaction")
        || message.contains("Safety level may not be changed inside a transaction")
    {
        return Some(ALONE);
    }
    match cause {
        Cause::Permission => Some(
            "SQLite could not make a file beside the database: its directory must be writable, and there must be room and file handles",
        ),
        Cause::Busy if message == "interrupted" => {
            Some("the time is over (--timeout): give it more, or split the script")
        }
        Cause::Busy => Some("another process holds a lock that the script needs: run again later"),
        Cause::Storage => Some(
            "make room on the disk, or look at the disk and the database (PRAGMA integrity_check), then run again",
        ),
        Cause::Statement | Cause::CannotOpen => None,
    }
}

#[cfg(test)]
mod tests {
    use super::source_length;

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
