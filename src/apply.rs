//! Applies what the plan says is pending: lock, look, run one, record it, commit; repeat.
//!
//! Owns the transactions. A script and its row commit together or not at all.
//! Never decides what is pending, and announces nothing before it is durable.

use crate::directory;
use crate::error::{Cause, Error, Finding, ScriptError, explained_message, sqlite_message};
use crate::history::{self, RecordError};
use crate::migration::{Kind, Migration};
use crate::plan::{Plan, Policy, plan};
use crate::script::{self, Ran, Stopped};
use rusqlite::Connection;
use std::collections::VecDeque;
use std::fs::{File, TryLockError};
use std::time::{Duration, Instant};

/// How to apply.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the user allows.
    pub policy: Policy,
    /// Stop after this version.
    pub to: Option<i64>,
    /// How long to wait for a lock that somebody else holds.
    pub lock_wait: Duration,
}

impl Default for Options {
    /// Everything, the default policy, and five seconds of patience, as sqlx has.
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            to: None,
            lock_wait: Duration::from_secs(5),
        }
    }
}

/// One migration applied, durably.
#[derive(Debug)]
pub struct Step<'a> {
    /// The migration.
    pub migration: &'a Migration,
    /// How long its script ran.
    pub elapsed: Duration,
    /// How many statements it had.
    pub statements: usize,
}

/// What happens during a run, in order.
#[derive(Debug)]
pub enum Event<'a> {
    /// Something a person should know.
    Warning(Finding),
    /// A migration was applied and committed.
    Applied(Step<'a>),
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// How many migrations were applied.
    pub applied: usize,
    /// The newest version of the history now.
    pub newest: Option<i64>,
}

/// Refuses if the plan has problems that the policy does not allow. Edited
/// scripts are compared with what was applied, to say in what they differ.
///
/// # Errors
///
/// [`Error::Refused`] with every problem.
pub fn refuse_problems(plan: &Plan<'_>, policy: &Policy) -> Result<(), Error> {
    let mut problems = plan.problems(policy);
    if problems.is_empty() {
        return Ok(());
    }
    for problem in &mut problems {
        if let crate::error::Problem::Modified {
            path,
            recorded,
            difference,
            ..
        } = problem
        {
            *difference =
                directory::spelling_difference(path, recorded).map(|found| found.to_string());
        }
    }
    Err(Error::Refused { problems })
}

/// Refuses a target version that no file has.
///
/// # Errors
///
/// [`Error::NoSuchVersion`].
pub fn refuse_unknown_target(migrations: &[Migration], to: Option<i64>) -> Result<(), Error> {
    match to {
        Some(version)
            if !migrations
                .iter()
                .any(|m| m.version == version && m.kind != Kind::Down) =>
        {
            Err(Error::NoSuchVersion { version })
        }
        _ => Ok(()),
    }
}

/// Applies every pending migration, in order, each in a transaction of its own
/// together with its row in `_sqlx_migrations`.
///
/// `connection` must be in no transaction. Its `synchronous` is set to EXTRA,
/// without which a commit in rollback-journal mode does not survive a power cut
/// (sqlite.org/pragma.html#pragma_synchronous). `report` hears of each step
/// after it is durable.
///
/// # Errors
///
/// [`Error::Refused`] and [`Error::NoSuchVersion`] before anything is written;
/// [`Error::Script`] if a script fails, which is rolled back while those before
/// it stay; [`Error::Changed`], [`Error::History`], [`Error::Database`].
pub fn up(
    connection: &mut Connection,
    migrations: &[Migration],
    options: &Options,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<Summary, Error> {
    refuse_unknown_target(migrations, options.to)?;
    let mut view = View::read(connection, migrations, options)?;
    let mut summary = Summary {
        applied: 0,
        newest: view.newest,
    };
    if view.pending.is_empty() {
        return Ok(summary);
    }
    let settings = Settings::prepare(connection, options)?;
    while let Some(&migration) = view.pending.front() {
        let script_lock = lock_script(migration, options)?;
        begin(connection, options)?;
        let applied = look_again(connection, migrations, options, &mut view)
            .and_then(|()| match summary.applied {
                0 if !view.pending.is_empty() => history::create(connection),
                _ => Ok(()),
            })
            .and_then(|()| match view.pending.front() {
                Some(first) if first.version == migration.version => {
                    apply_one(connection, migration, view.newest, &settings, options).map(Some)
                }
                // Somebody else applied it while we waited for the lock.
                _ => Ok(None),
            })
            .inspect_err(|_| roll_back(connection))?;
        drop(script_lock);
        summary.newest = view.newest;
        view.warnings
            .drain(..)
            .for_each(|warning| report(Event::Warning(warning)));
        let Some((ran, elapsed)) = applied else {
            roll_back(connection);
            continue;
        };
        view.pending.pop_front();
        view.newest = view.newest.max(Some(migration.version));
        summary.newest = view.newest;
        summary.applied += 1;
        ran.warnings
            .into_iter()
            .for_each(|warning| report(Event::Warning(warning)));
        report(Event::Applied(Step {
            migration,
            elapsed,
            statements: ran.statements,
        }));
    }
    Ok(summary)
}

/// What was seen of the history, and what follows from it.
struct View<'a> {
    /// Changes when another connection writes (sqlite.org/pragma.html#pragma_data_version).
    data_version: i64,
    pending: VecDeque<&'a Migration>,
    newest: Option<i64>,
    warnings: Vec<Finding>,
}

impl<'a> View<'a> {
    fn read(
        connection: &Connection,
        migrations: &'a [Migration],
        options: &Options,
    ) -> Result<Self, Error> {
        // First, so that a write between the two is noticed under the lock.
        let data_version = data_version(connection)?;
        let history = history::read(connection)?;
        let plan = plan(migrations, &history);
        refuse_problems(&plan, &options.policy)?;
        let versions: Vec<i64> = plan.pending(options.to).map(|m| m.version).collect();
        let is_pending = |migration: &&Migration| {
            migration.kind != Kind::Down && versions.binary_search(&migration.version).is_ok()
        };
        Ok(Self {
            data_version,
            pending: migrations.iter().filter(is_pending).collect(),
            newest: plan.newest_applied(),
            warnings: plan.warnings(&options.policy, options.to),
        })
    }
}

/// Under the lock: if somebody else wrote since we looked, looks again.
fn look_again<'a>(
    connection: &Connection,
    migrations: &'a [Migration],
    options: &Options,
    view: &mut View<'a>,
) -> Result<(), Error> {
    if data_version(connection)? != view.data_version {
        *view = View::read(connection, migrations, options)?;
    }
    Ok(())
}

fn data_version(connection: &Connection) -> Result<i64, Error> {
    connection
        .query_row("PRAGMA main.data_version", [], |row| row.get(0))
        .map_err(|error| Error::database(connection, "read the database", &error))
}

/// The settings of the connection that a script outside a transaction may
/// change and the next one must find as they were.
struct Settings {
    foreign_keys: bool,
}

impl Settings {
    fn prepare(connection: &Connection, options: &Options) -> Result<Self, Error> {
        refuse_read_only(connection)?;
        refuse_unreadable_schema(connection)?;
        let foreign_keys = connection
            .query_row("PRAGMA foreign_keys", [], |row| row.get(0))
            .map_err(|error| Error::database(connection, "read its settings", &error))?;
        let settings = Self { foreign_keys };
        settings.restore(connection, options)?;
        Ok(settings)
    }

    fn restore(&self, connection: &Connection, options: &Options) -> Result<(), Error> {
        let foreign_keys = if self.foreign_keys { "ON" } else { "OFF" };
        let pragmas = format!(
            "PRAGMA query_only = OFF; PRAGMA main.synchronous = EXTRA; PRAGMA foreign_keys = {foreign_keys}"
        );
        let configure = || {
            connection.execute_batch(&pragmas)?;
            connection.busy_timeout(options.lock_wait)?;
            // Without a journal nothing could be rolled back.
            let query = "PRAGMA main.journal_mode";
            let mode: String = connection.query_row(query, [], |row| row.get(0))?;
            if mode == "off" || mode == "memory" {
                connection.query_row("PRAGMA main.journal_mode = DELETE", [], |_| Ok(()))?;
            }
            Ok(())
        };
        configure().map_err(|error| Error::database(connection, "configure the connection", &error))
    }
}

/// `BEGIN IMMEDIATE` succeeds on a database that can only be read.
fn refuse_read_only(connection: &Connection) -> Result<(), Error> {
    match connection.is_readonly("main") {
        Ok(false) => Ok(()),
        Ok(true) => Err(Error::Database {
            path: connection.path().unwrap_or_default().into(),
            doing: "write to the database",
            cause: Cause::Permission,
            message: "the file or its file system is read-only for this user: nothing was changed"
                .to_owned(),
        }),
        Err(error) => Err(Error::database(connection, "read its settings", &error)),
    }
}

/// See [`script::has_readable_schemas`].
fn refuse_unreadable_schema(connection: &Connection) -> Result<(), Error> {
    match script::has_readable_schemas(connection) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::Database {
            path: connection.path().unwrap_or_default().into(),
            doing: "read the schema",
            cause: Cause::Storage,
            message: "it holds text that is not UTF-8: the database is damaged; look at PRAGMA integrity_check".to_owned(),
        }),
        Err(error) => Err(Error::database(connection, "read the schema", &error)),
    }
}

fn begin(connection: &Connection, options: &Options) -> Result<(), Error> {
    connection
        .busy_timeout(options.lock_wait)
        .and_then(|()| connection.execute_batch("BEGIN IMMEDIATE"))
        .map_err(|error| {
            let cause = Cause::of(&error);
            Error::Database {
                path: connection.path().unwrap_or_default().into(),
                doing: "lock the database",
                cause,
                message: locked(&error, cause, options),
            }
        })
}

/// SQLite's message, and if somebody else holds the lock what to do about it.
fn locked(error: &rusqlite::Error, cause: Cause, options: &Options) -> String {
    let wait = seconds(options.lock_wait);
    match cause {
        Cause::Busy => format!(
            "{} by another process, for longer than {wait}: try again, or wait longer with --lock-wait",
            sqlite_message(error)
        ),
        _ => explained_message(error),
    }
}

/// `5 s`, `0.25 s`.
fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// Rolls back, unless SQLite did it already, as it does after some errors.
/// If this fails too, closing the connection does it.
fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
}

/// A script that runs outside a transaction is not protected by the database's
/// lock, so two starts at the same instant agree by a lock on the file itself.
/// `None` for every other script, and where the file system has no such locks.
fn lock_script(migration: &Migration, options: &Options) -> Result<Option<File>, Error> {
    if migration.transactional {
        return Ok(None);
    }
    let Ok(file) = directory::open_regular(&migration.path) else {
        return Ok(None); // Reading it will tell why.
    };
    let clock = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(_)) => return Ok(None),
            Err(TryLockError::WouldBlock) if clock.elapsed() < options.lock_wait => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Database {
                    path: migration.path.clone(),
                    doing: "run this script",
                    cause: Cause::Busy,
                    message: format!(
                        "another process is running it, for longer than {}: try again, or wait longer with --lock-wait",
                        seconds(options.lock_wait)
                    ),
                });
            }
        }
    }
}

/// Runs one script and records it; the connection holds the write lock, and is
/// in no transaction any more if this succeeds.
fn apply_one(
    connection: &mut Connection,
    migration: &Migration,
    newest: Option<i64>,
    settings: &Settings,
    options: &Options,
) -> Result<(Ran, Duration), Error> {
    let sql = directory::read_sql(migration)?;
    if !migration.transactional {
        return apply_outside(connection, migration, newest, sql, settings, options);
    }
    let clock = Instant::now();
    let ran = script::execute_batch(connection, &migration.path, sql, true)
        .map_err(|stopped| script_error(migration, newest, stopped))?;
    let elapsed = clock.elapsed();
    record(connection, migration, elapsed)
        .and_then(|()| commit(connection, options))
        .map_err(|stopped| script_error(migration, newest, stopped))?;
    Ok((ran, elapsed))
}

/// A `-- no-transaction` script: the lock is given up before it, and taken
/// again for its row. Whatever fails after its last statement says that it ran.
fn apply_outside(
    connection: &mut Connection,
    migration: &Migration,
    newest: Option<i64>,
    sql: String,
    settings: &Settings,
    options: &Options,
) -> Result<(Ran, Duration), Error> {
    let failed = |stopped| script_error(migration, newest, stopped);
    commit(connection, options).map_err(failed)?;
    let clock = Instant::now();
    let result = script::execute_batch(connection, &migration.path, sql, false);
    let elapsed = clock.elapsed();
    roll_back(connection);
    let ran = result.map_err(failed)?;
    let not_recorded = |error: Error| {
        let (cause, message) = match error {
            Error::Database { cause, message, .. } => (cause, message),
            other => (Cause::Statement, other.to_string()),
        };
        failed(Stopped {
            position: None,
            message: format!("the script ran to its end, but could not be recorded: {message}"),
            remedy: None,
            cause,
            statements: ran.statements,
        })
    };
    settings
        .restore(connection, options)
        .map_err(not_recorded)?;
    begin(connection, options).map_err(not_recorded)?;
    record(connection, migration, elapsed)
        .and_then(|()| commit(connection, options))
        .map_err(|stopped| {
            failed(Stopped {
                statements: ran.statements,
                ..stopped
            })
        })?;
    Ok((ran, elapsed))
}

fn record(
    connection: &Connection,
    migration: &Migration,
    elapsed: Duration,
) -> Result<(), Stopped> {
    history::record(connection, migration, elapsed).map_err(|error| {
        let (cause, message) = match error {
            RecordError::Sqlite(error) => (Cause::of(&error), explained_message(&error)),
            RecordError::Swallowed => (
                Cause::Statement,
                "a trigger on it swallowed or changed the row: drop the trigger".to_owned(),
            ),
        };
        Stopped {
            position: None,
            message: format!(
                "the script ran, but its row could not be written to _sqlx_migrations: {message}"
            ),
            remedy: None,
            // A moment ago the database could be written: the script is at fault.
            cause: if cause == Cause::Permission {
                Cause::Statement
            } else {
                cause
            },
            statements: 0,
        }
    })
}

/// Commits. A reader can keep a commit waiting; SQLite's busy handler does that,
/// for as long as we say, whatever a script said.
fn commit(connection: &Connection, options: &Options) -> Result<(), Stopped> {
    let committed = connection
        .busy_timeout(options.lock_wait)
        .and_then(|()| connection.execute_batch("COMMIT"));
    let Err(error) = committed else {
        return Ok(());
    };
    let cause = Cause::of(&error);
    let mut message = locked(&error, cause, options);
    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) {
        message.push_str(&foreign_key_violations(connection).unwrap_or_default());
    }
    Err(Stopped {
        position: None,
        message: format!("at its end: {message}"),
        remedy: None,
        cause,
        statements: 0,
    })
}

/// The first rows that refer to nothing: ` (orders row 3 -> users; …)`.
fn foreign_key_violations(connection: &Connection) -> rusqlite::Result<String> {
    let query = "SELECT ' (' || group_concat(line, '; ') || ')' FROM (SELECT \"table\" || coalesce(' row ' || rowid, '') || ' -> ' || parent AS line FROM pragma_foreign_key_check LIMIT 5)";
    let text = connection.query_row(query, [], |row| row.get::<_, Option<String>>(0))?;
    Ok(text.unwrap_or_default())
}

fn script_error(migration: &Migration, newest: Option<i64>, stopped: Stopped) -> Error {
    Error::Script(Box::new(ScriptError {
        version: migration.version,
        path: migration.path.clone(),
        position: stopped.position,
        message: stopped.message,
        remedy: stopped.remedy,
        cause: stopped.cause,
        statements_kept: if migration.transactional {
            0
        } else {
            stopped.statements
        },
        rolled_back: migration.transactional,
        newest,
    }))
}
