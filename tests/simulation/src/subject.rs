//! Who is put to the test: litemigrate, or a naive runner with one mistake.
//!
//! Owns the mistakes. Each is one that a migration tool was seen to make, or that
//! litemigrate would make if one line of it were missing.

use crate::cases::{Case, create_history, insert};
use crate::scripts::Action;
use crate::vfs;
use litemigrate::internals::repair::{Change, Selection, baseline, repair};
use litemigrate::rusqlite::fallible_iterator::FallibleIterator;
use litemigrate::rusqlite::{self, Batch, Connection};
use litemigrate::{Committed, Error, Event, Options, down, restore, up};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Litemigrate,
    Naive(Mistake),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    None,
    /// The row is written when the script is committed.
    RowAfterwards,
    /// The row is committed before the script runs.
    RowBeforehand,
    /// Each statement is a transaction of its own.
    Autocommit,
    /// What is pending is not looked at again under the lock.
    NoSecondLook,
    /// `synchronous` is SQLite's default.
    SynchronousFull,
    SynchronousNormal,
    SynchronousOff,
    /// The journal is in memory.
    JournalInMemory,
    /// A step is told before its commit.
    AnnouncedEarly,
    /// A commit that failed counts as one that succeeded.
    CommitErrorIgnored,
    /// A script goes on after a statement that failed.
    StatementErrorIgnored,
    /// Foreign keys stay off for the next script.
    KeysLeftOff,
    /// The write lock is taken by the first write.
    DeferredBegin,
    /// Nobody is waited for.
    NoPatience,
    /// Readers are not waited for at the commit.
    NoPatienceAtCommit,
}

pub const MISTAKES: [Mistake; 15] = [
    Mistake::RowAfterwards,
    Mistake::RowBeforehand,
    Mistake::Autocommit,
    Mistake::NoSecondLook,
    Mistake::SynchronousFull,
    Mistake::SynchronousNormal,
    Mistake::SynchronousOff,
    Mistake::JournalInMemory,
    Mistake::AnnouncedEarly,
    Mistake::CommitErrorIgnored,
    Mistake::StatementErrorIgnored,
    Mistake::KeysLeftOff,
    Mistake::DeferredBegin,
    Mistake::NoPatience,
    Mistake::NoPatienceAtCommit,
];

/// What a run said at its end.
#[derive(Debug, Clone)]
pub struct Said {
    pub success: bool,
    /// The newest version in the history, if it said which.
    pub newest: Option<Option<i64>>,
    /// It said that it does not know whether its last commit happened.
    pub unsure: bool,
    /// The statements of a script outside a transaction that stay done.
    pub kept: Option<usize>,
    pub text: String,
}

impl Said {
    fn succeeded(newest: Option<Option<i64>>) -> Self {
        Self {
            success: true,
            newest,
            unsure: false,
            kept: None,
            text: String::new(),
        }
    }

    pub fn failed(text: String) -> Self {
        Self {
            success: false,
            newest: None,
            unsure: false,
            kept: None,
            text,
        }
    }
}

impl Subject {
    pub fn run(self, case: &Case, applied: &mut dyn FnMut(i64)) -> Result<Said, String> {
        if case.action == Action::Restore {
            return Ok(restored(case, applied));
        }
        let mut connection = case.open().map_err(|error| format!("open: {error}"))?;
        Ok(match self {
            Self::Litemigrate => litemigrate(case, &mut connection, applied),
            Self::Naive(mistake) => match naive(case, mistake, &mut connection, applied) {
                Ok(()) => Said::succeeded(None),
                Err(error) => Said::failed(error.to_string()),
            },
        })
    }
}

/// Copies the backup back, on connections of its own.
pub fn restored(case: &Case, applied: &mut dyn FnMut(i64)) -> Said {
    let [database, backup] = case.restored();
    let mut options = Options::default();
    options.vfs = Some(vfs::NAME.to_owned());
    match restore(&backup, &database, &options) {
        Ok(newest) => {
            applied(0);
            Said::succeeded(Some(newest))
        }
        Err(error) => {
            let text = error.to_string();
            Said {
                unsure: ["or holds the backup", "the backup was copied"]
                    .iter()
                    .any(|words| text.contains(words)),
                ..Said::failed(text)
            }
        }
    }
}

fn litemigrate(case: &Case, connection: &mut Connection, applied: &mut dyn FnMut(i64)) -> Said {
    let mut options = Options::default();
    options.single_transaction = case.action == Action::UpTogether;
    options.to = (case.action == Action::Down).then_some(0);
    let mut report = |event: Event<'_>| {
        if let Event::Applied(step) = event {
            applied(step.migration.version);
        }
    };
    let scripts = &case.migrations;
    let changed = |changes: Vec<_>, applied: &mut dyn FnMut(i64)| {
        if changes
            .iter()
            .any(|change| !matches!(change, Change::InOrder { .. }))
        {
            applied(0);
        }
        None
    };
    let result = match case.action {
        Action::Up | Action::UpTogether => {
            up(connection, scripts, &options, &mut report).map(|summary| Some(summary.newest))
        }
        Action::Down => {
            down(connection, scripts, &options, &mut report).map(|summary| Some(summary.newest))
        }
        Action::Baseline(to) => baseline(connection, scripts, Some(to), false, &options)
            .map(|changes| changed(changes, applied)),
        Action::Restore => return restored(case, applied),
        Action::Repair(version) => {
            let selection = Selection::Versions(vec![version]);
            repair(connection, scripts, &selection, &options)
                .map(|changes| changed(changes, applied))
        }
    };
    match result {
        Ok(newest) => Said::succeeded(newest),
        Err(error) => {
            let script = match &error {
                Error::Script(script) => Some(script),
                _ => None,
            };
            Said {
                success: false,
                newest: script.map(|script| script.newest),
                unsure: script.map_or(
                    error.to_string().contains("tells what the history is now"),
                    |script| script.committed == Committed::Unknown,
                ),
                kept: script
                    .filter(|script| !script.rolled_back)
                    .map(|script| script.statements_kept),
                text: format!("{error} ({error:?})"),
            }
        }
    }
}

/// A migration tool of one page, correct but for the mistake.
fn naive(
    case: &Case,
    mistake: Mistake,
    connection: &mut Connection,
    applied: &mut dyn FnMut(i64),
) -> rusqlite::Result<()> {
    let patience = Duration::from_secs(if mistake == Mistake::NoPatience { 0 } else { 5 });
    connection.busy_timeout(patience)?;
    let synchronous = match mistake {
        Mistake::SynchronousFull => "FULL",
        Mistake::SynchronousNormal => "NORMAL",
        Mistake::SynchronousOff => "OFF",
        _ => "EXTRA",
    };
    connection.execute_batch(&format!(
        "PRAGMA foreign_keys = ON; PRAGMA synchronous = {synchronous}"
    ))?;
    if mistake == Mistake::JournalInMemory {
        connection.query_row("PRAGMA journal_mode = MEMORY", [], |_| Ok(()))?;
    }
    let done = recorded(connection)?;
    let steps = case.steps();
    for (migration, text) in steps
        .into_iter()
        .filter(|(m, _)| !done.contains(&m.version))
    {
        connection.busy_timeout(patience)?;
        let result = naive_step(connection, mistake, migration, text, applied);
        if !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        if mistake != Mistake::KeysLeftOff {
            connection.execute_batch("PRAGMA foreign_keys = ON")?;
        }
        result?;
    }
    Ok(())
}

fn recorded(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    let query = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    if connection.query_row(query, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare("SELECT version FROM _sqlx_migrations")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

fn naive_step(
    connection: &Connection,
    mistake: Mistake,
    migration: &litemigrate::Migration,
    text: &str,
    applied: &mut dyn FnMut(i64),
) -> rusqlite::Result<()> {
    let outside = !migration.transactional || mistake == Mistake::Autocommit;
    if text.starts_with("PRAGMA foreign_keys = OFF") {
        connection.execute_batch("PRAGMA foreign_keys = OFF")?;
    }
    connection.execute_batch(match mistake {
        Mistake::DeferredBegin => "BEGIN",
        _ => "BEGIN IMMEDIATE",
    })?;
    let is_done =
        mistake != Mistake::NoSecondLook && recorded(connection)?.contains(&migration.version);
    if is_done {
        return Ok(());
    }
    create_history(connection)?;
    if mistake == Mistake::RowBeforehand {
        insert(connection, migration)?;
        connection.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
    }
    if outside {
        connection.execute_batch("COMMIT")?;
    }
    if mistake == Mistake::StatementErrorIgnored {
        let mut batch = Batch::new(connection, text);
        while let Some(mut statement) = batch.next()? {
            let _ = statement.raw_execute();
        }
    } else {
        connection.execute_batch(text)?;
    }
    if mistake == Mistake::RowAfterwards {
        connection.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
    } else if outside {
        connection.execute_batch("BEGIN IMMEDIATE")?;
    }
    if mistake != Mistake::RowBeforehand {
        insert(connection, migration)?;
    }
    if mistake == Mistake::AnnouncedEarly {
        applied(migration.version);
    }
    if mistake == Mistake::NoPatienceAtCommit {
        connection.busy_timeout(Duration::ZERO)?;
    }
    let committed = if connection.is_autocommit() {
        Ok(())
    } else {
        connection.execute_batch("COMMIT")
    };
    if mistake != Mistake::CommitErrorIgnored {
        committed?;
    }
    if mistake != Mistake::AnnouncedEarly {
        applied(migration.version);
    }
    Ok(())
}
