//! Applies what the plan says is pending: lock, look, run one, record it, commit; repeat.
//!
//! Owns the order of these. A script and its row commit together or not at all.
//! Never decides what is pending, and announces nothing before it is durable.

mod advice;
mod blame;
mod judge;
mod run;
mod step;
mod together;
mod view;

use crate::database::location::file_of;
use crate::diagnostics::error::Error;
use crate::diagnostics::problem::Finding;
use crate::files::migration::Migration;
use crate::operations::backup;
use crate::plan::foreign::{Forms, refuse_way_back};
use crate::plan::policy::Options;
use crate::plan::targets::Direction;
use crate::schema::SchemaChange;
use crate::schema::pragma::ask;
use crate::script::RowCount;
use run::Run;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::Duration;
use view::{View, data_version};

/// One migration applied: durably, unless it is a dry run.
#[derive(Debug)]
#[non_exhaustive]
pub struct Step<'a> {
    /// The migration.
    pub migration: &'a Migration,
    /// How long its script ran.
    pub elapsed: Duration,
    /// How many statements it had.
    pub statements: usize,
    /// How many rows it inserted, updated and deleted, by triggers and foreign
    /// keys too.
    pub rows_changed: u64,
    /// What it did to the schema; only found out in a dry run.
    pub schema_changes: Vec<SchemaChange>,
    /// The rows of each table that it changed; only counted in a dry run.
    pub rows: Vec<RowCount>,
    /// The versions whose place its row takes: then its script was not run.
    pub replaced: Vec<i64>,
}

/// What happens during a run, in order.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Somebody else has held the lock for a second.
    Waiting,
    /// A script begins.
    Started(&'a Migration),
    /// It has come so far; told ten times a second, between two statements.
    Progress {
        /// The migration.
        migration: &'a Migration,
        /// How many of its statements are done. They stay if it runs outside a
        /// transaction.
        statements: usize,
    },
    /// The backup is being made.
    BackingUp,
    /// The backup is made and has this name.
    BackedUp(&'a Path),
    /// No backup is made, and the one that is there stays.
    BackupKept {
        /// The one that is there.
        file: &'a Path,
        /// Why it stays.
        why: &'a str,
    },
    /// Something a person should know.
    Warning(Finding),
    /// A migration was applied and committed, or would be in a dry run.
    Applied(Step<'a>),
}

/// What a run did, or would have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// How many migrations were applied.
    pub applied: usize,
    /// The newest version of the history now.
    pub newest: Option<i64>,
}

/// Applies every pending migration, in order, each in a transaction of its own
/// together with its row in `_sqlx_migrations`; or all in one, or all for show.
///
/// `connection` must be in no transaction, and is given back with the `query_only`,
/// `synchronous`, `journal_mode`, `foreign_keys` and busy timeout that it had; its
/// authorizer, progress handler and busy handler are taken, and there are none
/// afterwards: set your own again. While this runs, its `synchronous` is EXTRA, without
/// which a commit in rollback-journal mode does not survive a power cut
/// (sqlite.org/pragma.html#pragma_synchronous). `report` hears of each step
/// after it is durable.
///
/// # Errors
///
/// [`Error::Refused`] and [`Error::NoSuchVersion`] before anything is written;
/// [`Error::Script`] if a script fails, which is rolled back while those before
/// it stay; [`Error::Warned`] likewise, if warnings are to refuse; [`Error::Changed`],
/// [`Error::History`], [`Error::Database`].
pub fn up(
    connection: &mut Connection,
    migrations: &[Migration],
    options: &Options,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<Summary, Error> {
    run(connection, migrations, options, Direction::Up, None, report)
}

/// The same where the pending scripts were looked through already, before there was
/// anything to write to.
pub(crate) fn up_after_look(
    connection: &mut Connection,
    migrations: &[Migration],
    options: &Options,
    forms: Forms,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<Summary, Error> {
    run(
        connection,
        migrations,
        options,
        Direction::Up,
        Some(forms),
        report,
    )
}

/// Undoes applied migrations with their `.down.sql`, newest first: those above
/// the version `to` of the options, or the newest one. Each script and the
/// removal of its row are one transaction, as for [`up`], and `report` hears of
/// each as of an applied one (`sqlx-core/src/migrate/migrator.rs`, `undo`).
///
/// # Errors
///
/// As [`up`]; [`Error::Refused`] also if one of them has no script that undoes it;
/// [`Error::NoSuchVersion`] if `to` is neither 0 nor in a file or the history.
pub fn down(
    connection: &mut Connection,
    migrations: &[Migration],
    options: &Options,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<Summary, Error> {
    run(
        connection,
        migrations,
        options,
        Direction::Down,
        None,
        report,
    )
}

/// What a run is to do.
#[derive(Clone, Copy)]
struct Job<'a, 'r> {
    migrations: &'a [Migration],
    options: &'r Options,
    direction: Direction,
    /// Nothing outside of the database may be touched: it is in memory, and
    /// what is done to it is for show.
    contained: bool,
    /// The scripts were applied already, elsewhere: nothing is judged.
    replayed: bool,
}

impl Job<'_, '_> {
    /// Whether --to, if it is given, leaves nothing out.
    fn goes_all_the_way(&self) -> bool {
        let is_last = |to: i64| self.migrations.iter().all(|file| file.version <= to);
        self.options.to.is_none_or(is_last)
    }

    /// The run is at its end, and with it the updates that backups are kept for.
    fn settle_backups(
        &self,
        database: &Path,
        newest: Option<i64>,
        is_recorded: impl Fn(i64) -> bool,
    ) {
        let Some(wanted) = &self.options.backup else {
            return;
        };
        // Of a database that is newer than the scripts nobody here knows what is to come.
        let is_known = |version| self.migrations.iter().any(|file| file.version == version);
        if self.options.dry_run || !newest.is_none_or(is_known) {
            return;
        }
        let is_up = self.direction == Direction::Up;
        let is_over = |update: &backup::origin::Update| {
            let was_up = update.direction == "up";
            // With --to some are still to come. What was to be undone is given up by going
            // all the way forward; going back ends no way forward.
            let are_all = match (is_up, was_up) {
                (true, _) => self.goes_all_the_way(),
                (false, was_up) => !was_up,
            };
            // Of a script that is gone nothing is to come.
            let there: BTreeSet<i64> = self.migrations.iter().map(|m| m.version).collect();
            let is_done = |version: &i64| {
                is_recorded(*version) == was_up || (is_up && was_up && !there.contains(version))
            };
            are_all || update.versions.iter().all(is_done)
        };
        backup::settle(wanted, database, &self.options.table, is_over);
    }
}

/// A killed run may have come to its end without saying so to its backup: for a run of `up`
/// that finds nothing to do before it begins.
pub(crate) fn settle_idle(
    migrations: &[Migration],
    options: &Options,
    database: &Path,
    newest: Option<i64>,
) {
    let job = Job {
        migrations,
        options,
        direction: Direction::Up,
        contained: false,
        replayed: false,
    };
    // With --to there may be more to come.
    if job.goes_all_the_way() {
        job.settle_backups(database, newest, |_| true);
    }
}

/// Runs these scripts in this order, to find out what they make of a database in
/// memory that `connection` has open. Nothing outside of it is touched: ATTACH
/// of a file and VACUUM INTO are refused.
pub(crate) fn replay(
    connection: &mut Connection,
    migrations: &[&Migration],
    asked: &Options,
) -> Result<(), Error> {
    let options = Options {
        deadline: asked.deadline,
        ..Options::default()
    };
    let view = View {
        data_version: data_version(connection)?,
        targets: migrations.iter().copied().collect(),
        replaced: BTreeMap::new(),
        rows: BTreeMap::new(),
        warnings: Vec::new(),
    };
    let job = Job {
        migrations: &[],
        options: &options,
        direction: Direction::Up,
        contained: true,
        replayed: true,
    };
    execute(connection, job, view, Forms::new(), &mut |_| {}).map(|_| ())
}

fn run(
    connection: &mut Connection,
    migrations: &[Migration],
    options: &Options,
    direction: Direction,
    forms: Option<Forms>,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<Summary, Error> {
    let job = Job {
        migrations,
        options,
        direction,
        contained: false,
        replayed: false,
    };
    // Whose connection it is may have no patience, or more.
    let patience = ask(connection, "busy_timeout").ok().flatten();
    options.limits().set_patience(connection)?;
    let view = View::read(connection, &job);
    let _ = ask(
        connection,
        &format!("busy_timeout = {}", patience.unwrap_or_default()),
    );
    let mut view = view?;
    if view.targets.is_empty() {
        // A killed run may have come to its end without saying so.
        let is_recorded = |version| view.rows.contains_key(&version);
        job.settle_backups(&file_of(connection), view.newest(), is_recorded);
        return Ok(Summary {
            applied: 0,
            newest: view.newest(),
        });
    }
    let forms = match (forms, direction) {
        (Some(forms), _) => forms,
        (None, Direction::Up) => refuse_way_back(view.targets.make_contiguous())?,
        (None, Direction::Down) => Forms::new(),
    };
    execute(connection, job, view, forms, report)
}

fn execute<'a>(
    connection: &mut Connection,
    job: Job<'a, '_>,
    view: View<'a>,
    forms: Forms,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<Summary, Error> {
    let mut run = Run::prepare(connection, job, view, forms, report)?;
    // A panic in the caller's `report` must not leave a transaction open.
    let result = catch_unwind(AssertUnwindSafe(|| run.execute(connection)));
    let given_back = run.give_back(connection, !matches!(result, Ok(Ok(_))));
    match result {
        Ok(result) => result.and_then(|summary| given_back.map(|()| summary)),
        Err(panic) => resume_unwind(panic),
    }
}
