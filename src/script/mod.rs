//! One script: run statement by statement, watched, and located where it fails.
//!
//! Owns the way through a script, what it may do, and what is noticed about it. Never
//! begins or ends the transaction it runs in, never writes to the history, never reads
//! a file.

mod after;
mod asked;
pub(crate) mod authorizer;
mod changed;
mod columns;
mod conditions;
mod conflicts;
mod creation;
mod crossing;
mod ending;
mod faults;
mod losses;
mod lost;
mod mistaken;
mod names;
mod notes;
pub(crate) mod orphans;
mod outer;
mod parts;
mod place;
mod pragmas;
mod quoted;
pub(crate) mod referring;
pub(crate) mod remedy;
mod runner;
mod savepoints;
mod search;
mod seen;
mod stops;
mod suspects;
pub(crate) mod text;
mod uncopied;
mod unmeant;
mod warnings;
mod watch;
pub(crate) mod window;

use crate::diagnostics::error::{Cause, Error};
use crate::diagnostics::position::Position;
use crate::diagnostics::problem::Finding;
use crate::schema::sql::in_any_case;
use crate::schema::whole::Whole;
use authorizer::{Rules, authorize};
use runner::Runner;
use rusqlite::Connection;
use rusqlite::hooks::{Action, AuthContext, Authorization};
use seen::Seen;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use window::ReadOn;

/// A script that ran to its end.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// How many statements it had.
    pub statements: usize,
    /// What a person should know about it.
    pub warnings: Vec<Finding>,
    /// The pragmas that it has set, in lower case.
    pub settings: BTreeSet<String>,
    /// It has left the schema writable.
    pub left_writable: bool,
    /// It wrote to the history itself.
    pub wrote_history: bool,
    /// Rows of the history may have gone or changed by a trigger, with their table, or
    /// through the schema.
    pub history_in_danger: bool,
    /// It has dropped or renamed something.
    pub drops: bool,
    /// It has altered a table, and with that maybe what refers to it.
    pub alters: bool,
    /// What it has dropped, and the lowest number that the last row of the schema had after
    /// that: what was made later has a higher one.
    pub dropped: Vec<String>,
    pub lowest_last_row: Option<i64>,
    /// What it has dropped, altered or given a new name, by that, too.
    pub gone: Vec<String>,
    /// The views, the triggers and the tables with foreign keys that it has made, in lower
    /// case: what looks for something else.
    pub looking: BTreeSet<String>,
    /// It has written where a key is checked at COMMIT only.
    pub deferred: bool,
    /// It has used `PRAGMA defer_foreign_keys`.
    pub deferring: bool,
    /// The rows of each table that it changed, before and after, if they are counted.
    pub rows: Vec<RowCount>,
    /// Files that ATTACH has made, if rows are counted: a run for show.
    pub attached_files: Vec<PathBuf>,
}

/// How many rows a table has had before a script changed it, and has after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowCount {
    /// The table's name.
    pub table: String,
    /// `None` if the script has made it.
    pub before: Option<u64>,
    /// `None` if the script has dropped it.
    pub after: Option<u64>,
}

/// A script that stopped.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub position: Option<Position>,
    pub message: String,
    pub remedy: Option<String>,
    pub cause: Cause,
    /// How many statements had been done before and stay, if no transaction undoes them.
    pub statements: usize,
    /// It was stopped by a warning.
    pub by_warning: bool,
    /// Its text could not be read on, or was another: nothing else is said here.
    pub unread: Option<Box<Error>>,
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
            by_warning: false,
            unread: None,
        }
    }
}

/// What is known from one script of a run to the next.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// Which views, triggers and keys were all right before the first script that drops
    /// or renames.
    pub whole: Option<Whole>,
    /// The last script outside a transaction that has dropped or altered something.
    pub dropping: PathBuf,
    /// What a script had done when it stopped.
    pub stopped: Option<Ran>,
    /// The tables that hold other applications' histories, asked before the first script.
    pub histories: Option<Arc<[String]>>,
}

/// Runs every statement of the file `path`, whose text `read_on` gives piece by piece, and
/// steps each to its last row. If it is to be transactional, the connection must be in a
/// transaction, which is still open if this succeeds; else it must be in none,
/// and is in none if this succeeds. `progress` hears now and then how many
/// statements are done.
///
/// `Connection::execute_batch` of rusqlite is not used for four reasons, all
/// measured: it is quadratic in the script's length, because SQLite copies a
/// text that does not end in NUL for each statement (10 MB: 52 s against 0.4 s);
/// it steps each statement once, so a SELECT with effects runs for its first row
/// only; it drops what follows a NUL byte; and it tells no position for an error
/// that comes from running a statement. [`rusqlite::Batch`] is the same loop in pieces.
pub(crate) fn execute_batch(
    connection: &mut Connection,
    path: &Path,
    read_on: &mut ReadOn<'_>,
    rules: Rules,
    watched: &mut Watched,
    progress: &mut dyn FnMut(usize),
) -> Result<Ran, Stopped> {
    let seen = Arc::new(Seen::default());
    let mut rules = rules;
    if watched.histories.is_none() && !rules.replayed {
        let found = histories(connection).ok();
        let others = |names: Vec<String>| {
            let names = names.into_iter();
            names.filter(|name| !rules.history.is(name)).collect()
        };
        watched.histories = found.map(others);
    }
    rules.others.clone_from(&watched.histories);
    let mut runner = Runner::new(path, read_on, Arc::clone(&seen), rules.clone(), watched);
    let hook = move |context: AuthContext<'_>| authorize(&seen, &rules, &context);
    if let Err(error) = connection.authorizer(Some(hook)) {
        return Err(runner.stopped(&error, None));
    }
    let result = runner.run(connection, progress);
    let unhooked = match runner.is_hooked {
        true => connection.update_hook(None::<fn(Action, &str, &str, i64)>),
        false => Ok(()),
    };
    let removed = connection
        .authorizer(None::<fn(AuthContext<'_>) -> Authorization>)
        .and(unhooked);
    match (result, removed) {
        (Ok(()), Ok(())) => Ok(runner.ran),
        (Err(stopped), _) => {
            runner.watched.stopped = Some(runner.ran);
            Err(stopped)
        }
        (Ok(()), Err(error)) => Err(runner.stopped(&error, None)),
    }
}

/// The tables that have the columns of a history, whatever they are called.
pub(crate) fn histories(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let query = format!(
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND sql GLOB {}",
        in_any_case("*installed_on*checksum*execution_time*")
    );
    let mut statement = connection.prepare(&query)?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}
