//! Applies what the plan says is pending: lock, look, run one, record it, commit; repeat.
//!
//! Owns the order of these. A script and its row commit together or not at all.
//! Never decides what is pending, and announces nothing before it is durable.

use crate::backup;
use crate::directory;
use crate::error::{Cause, Error, Finding, Problem, ScriptError, explained_message};
use crate::foreign_keys::{new_violations, violations};
use crate::history::{self, RecordError};
use crate::migration::{Kind, Migration};
use crate::plan::{Plan, Policy, State, plan};
use crate::schema::{Schema, SchemaChange};
use crate::script::{self, Failed, Ran, Rules, Stopped};
use crate::transaction::{Limits, Settings, begin, commit, lock_script, roll_back};
use rusqlite::Connection;
use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
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
    /// How long the whole run may last.
    pub timeout: Option<Duration>,
    /// All scripts and their rows in one transaction, or none.
    pub single_transaction: bool,
    /// Run everything, report what it did, and roll it back.
    pub dry_run: bool,
    /// Let a DROP TABLE delete or change rows of other tables.
    pub allow_cascade: bool,
    /// Copy the database to this file before the first write.
    pub backup: Option<PathBuf>,
}

impl Default for Options {
    /// Everything, the default policy, and five seconds of patience, as sqlx has.
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            to: None,
            lock_wait: Duration::from_secs(5),
            timeout: None,
            single_transaction: false,
            dry_run: false,
            allow_cascade: false,
            backup: None,
        }
    }
}

/// One migration applied: durably, unless it is a dry run.
#[derive(Debug)]
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
}

/// What happens during a run, in order.
#[derive(Debug)]
pub enum Event<'a> {
    /// Somebody else has held the lock for a second.
    Waiting,
    /// A script outside a transaction has come so far; told once a second.
    Progress {
        /// The migration.
        migration: &'a Migration,
        /// How many of its statements are done, and stay.
        statements: usize,
    },
    /// The backup is made and has its name.
    BackedUp,
    /// Something a person should know.
    Warning(Finding),
    /// A migration was applied and committed, or would be in a dry run.
    Applied(Step<'a>),
}

/// What a run did, or would have done.
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
        if let Problem::Modified {
            path,
            recorded,
            difference,
            ..
        } = problem
        {
            let found = directory::spelling_difference(path, recorded);
            *difference = found.map(|found| found.to_string());
        }
    }
    Err(Error::Refused { problems })
}

/// Refuses a plan with problems, and a script that runs outside a transaction if
/// all are to be in one.
///
/// # Errors
///
/// [`Error::Refused`], [`Error::Unusable`].
pub fn refuse(plan: &Plan<'_>, options: &Options) -> Result<(), Error> {
    refuse_problems(plan, &options.policy)?;
    let outside = plan
        .pending(options.to)
        .find(|migration| !migration.transactional);
    match outside {
        Some(migration) if options.single_transaction && !options.dry_run => {
            let message = "begins with `-- no-transaction`, so it cannot be part of a single transaction: apply it, and what is before it, without --single-transaction first (--to)";
            Err(Error::Unusable {
                directory: migration
                    .path
                    .parent()
                    .unwrap_or(&migration.path)
                    .to_owned(),
                findings: vec![Finding::new("no-transaction", &migration.path, message)],
                warnings: Vec::new(),
            })
        }
        _ => Ok(()),
    }
}

/// Refuses a target version that no file has.
///
/// # Errors
///
/// [`Error::NoSuchVersion`].
pub fn refuse_unknown_target(migrations: &[Migration], to: Option<i64>) -> Result<(), Error> {
    let exists = |version| {
        migrations
            .iter()
            .any(|m| m.version == version && m.kind != Kind::Down)
    };
    match to {
        Some(version) if !exists(version) => Err(Error::NoSuchVersion { version }),
        _ => Ok(()),
    }
}

/// Applies every pending migration, in order, each in a transaction of its own
/// together with its row in `_sqlx_migrations`; or all in one, or all for show.
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
    run(connection, migrations, options, Direction::Up, report)
}

/// Undoes applied migrations with their `.down.sql`, newest first: those above
/// the version `to` of the options, or the newest one. Each script and the
/// removal of its row are one transaction, as for [`up`], and `report` hears of
/// each as of an applied one (`sqlx-core/src/migrate/migrator.rs`, `undo`).
///
/// # Errors
///
/// As [`up`]; [`Error::Refused`] also if one of them has no script that undoes it.
pub fn down(
    connection: &mut Connection,
    migrations: &[Migration],
    options: &Options,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<Summary, Error> {
    run(connection, migrations, options, Direction::Down, report)
}

/// Which way a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

fn run(
    connection: &mut Connection,
    migrations: &[Migration],
    options: &Options,
    direction: Direction,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<Summary, Error> {
    let view = View::read(connection, migrations, options, direction)?;
    if view.targets.is_empty() {
        return Ok(Summary {
            applied: 0,
            newest: view.newest(),
        });
    }
    let limits = Limits::new(options.lock_wait, options.timeout);
    let settings = Settings::prepare(connection, &limits)?;
    let foreign_keys = settings.foreign_keys;
    let mut run = Run {
        migrations,
        options,
        direction,
        limits,
        settings,
        view,
        enforced: foreign_keys,
        backed_up: false,
        wrote: false,
        together: options.single_transaction || options.dry_run,
        created: false,
        report,
    };
    let result = if run.together {
        run.together(connection)
    } else {
        run.one_by_one(connection)
    };
    roll_back(connection);
    let _ = connection.progress_handler(0, None::<fn() -> bool>);
    let restored = run.enforce(connection, foreign_keys);
    result.and_then(|summary| restored.map(|()| summary))
}

/// What was seen of the history, and what follows from it.
struct View<'a> {
    /// Changes when another connection writes (sqlite.org/pragma.html#pragma_data_version).
    data_version: i64,
    /// The scripts that are to be run, in order.
    targets: VecDeque<&'a Migration>,
    /// The versions in the history.
    versions: BTreeSet<i64>,
    warnings: Vec<Finding>,
}

impl<'a> View<'a> {
    fn read(
        connection: &Connection,
        migrations: &'a [Migration],
        options: &Options,
        direction: Direction,
    ) -> Result<Self, Error> {
        // First, so that a write between the two is noticed under the lock.
        let data_version = data_version(connection)?;
        let history = history::read(connection)?;
        let plan = plan(migrations, &history);
        let (targets, warnings) = match direction {
            Direction::Up => {
                refuse(&plan, options)?;
                let warnings = plan.warnings(&options.policy, options.to);
                (pending(migrations, &plan, options.to), warnings)
            }
            Direction::Down => {
                refuse_problems(&plan, &options.policy)?;
                (undoing(migrations, &plan, options.to)?, Vec::new())
            }
        };
        Ok(Self {
            data_version,
            targets,
            versions: history.iter().map(|row| row.version).collect(),
            warnings,
        })
    }

    fn newest(&self) -> Option<i64> {
        self.versions.last().copied()
    }
}

/// The scripts that apply what is pending, oldest first.
fn pending<'a>(
    migrations: &'a [Migration],
    plan: &Plan<'_>,
    to: Option<i64>,
) -> VecDeque<&'a Migration> {
    let versions: Vec<i64> = plan.pending(to).map(|m| m.version).collect();
    let is_pending = |migration: &&Migration| {
        migration.kind != Kind::Down && versions.binary_search(&migration.version).is_ok()
    };
    migrations.iter().filter(is_pending).collect()
}

/// The scripts that undo what is applied above `to`, or the newest, newest first.
fn undoing<'a>(
    migrations: &'a [Migration],
    plan: &Plan<'_>,
    to: Option<i64>,
) -> Result<VecDeque<&'a Migration>, Error> {
    let applied = plan.states.iter().rev().filter_map(State::row);
    let wanted: Vec<i64> = match to {
        Some(to) => applied
            .map(|row| row.version)
            .filter(|version| *version > to)
            .collect(),
        None => applied.map(|row| row.version).take(1).collect(),
    };
    let mut targets = VecDeque::new();
    let mut problems = Vec::new();
    for version in wanted {
        match migrations
            .iter()
            .find(|m| m.version == version && m.kind == Kind::Down)
        {
            Some(migration) => targets.push_back(migration),
            None => problems.push(Problem::NotReversible { version }),
        }
    }
    if problems.is_empty() {
        Ok(targets)
    } else {
        Err(Error::Refused { problems })
    }
}

fn data_version(connection: &Connection) -> Result<i64, Error> {
    connection
        .query_row("PRAGMA main.data_version", [], |row| row.get(0))
        .map_err(|error| Error::database(connection, "read the database", &error))
}

/// Why a migration was not applied.
enum Halt {
    Error(Error),
    /// The script asks for foreign keys to be off, which only works outside a
    /// transaction: begin again without them.
    WithoutForeignKeys,
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// One run of [`up`] or [`down`].
struct Run<'a, 'r> {
    migrations: &'a [Migration],
    options: &'r Options,
    direction: Direction,
    limits: Limits,
    settings: Settings,
    view: View<'a>,
    /// Whether foreign keys are enforced now.
    enforced: bool,
    backed_up: bool,
    /// Whether anything was committed by this run.
    wrote: bool,
    /// Whether all scripts are in one transaction.
    together: bool,
    /// Whether the history's table is known to be there.
    created: bool,
    report: &'r mut dyn FnMut(Event<'_>),
}

impl<'a> Run<'a, '_> {
    fn one_by_one(&mut self, connection: &mut Connection) -> Result<Summary, Error> {
        let mut applied = 0;
        while let Some(&migration) = self.view.targets.front() {
            let script_lock = lock_script(connection, migration, &self.limits)?;
            self.begin_and_look(connection)?;
            let is_first = self
                .view
                .targets
                .front()
                .is_some_and(|first| first.version == migration.version);
            if !is_first {
                // Somebody else applied it while we waited for the lock.
                roll_back(connection);
                continue;
            }
            self.back_up(connection)?;
            if !self.created {
                history::create(connection)?;
                self.created = true;
            }
            let result = if migration.transactional {
                self.apply_inside(connection, migration).and_then(|step| {
                    self.commit(connection, migration)?;
                    Ok(step)
                })
            } else {
                self.apply_outside(connection, migration)
                    .map_err(Halt::Error)
            };
            drop(script_lock);
            match result {
                Ok((step, warnings)) => {
                    applied += 1;
                    self.wrote = true;
                    self.view.targets.pop_front();
                    match self.direction {
                        Direction::Up => self.view.versions.insert(migration.version),
                        Direction::Down => self.view.versions.remove(&migration.version),
                    };
                    self.warn(warnings);
                    (self.report)(Event::Applied(step));
                    self.enforce(connection, self.settings.foreign_keys)?;
                }
                Err(Halt::WithoutForeignKeys) => {
                    roll_back(connection);
                    self.created = applied > 0;
                    self.enforce(connection, false)?;
                }
                Err(Halt::Error(error)) => return Err(error),
            }
        }
        Ok(Summary {
            applied,
            newest: self.view.newest(),
        })
    }

    /// All in one transaction, which is rolled back in the end if it is for show.
    fn together(&mut self, connection: &mut Connection) -> Result<Summary, Error> {
        let (steps, warnings) = loop {
            self.begin_and_look(connection)?;
            if self.view.targets.is_empty() {
                return Ok(Summary {
                    applied: 0,
                    newest: self.view.newest(),
                });
            }
            if !self.options.dry_run {
                self.back_up(connection)?;
            }
            history::create(connection)?;
            match self.apply_all_inside(connection) {
                Ok(done) => break done,
                Err(Halt::WithoutForeignKeys) => {
                    // For the others too: what they lack of enforcement is
                    // checked at the end of each.
                    roll_back(connection);
                    self.enforce(connection, false)?;
                }
                Err(Halt::Error(error)) => return Err(error),
            }
        };
        if self.options.dry_run {
            roll_back(connection);
        } else if let Some(last) = steps.last() {
            self.commit(connection, last.migration)?;
            for step in &steps {
                match self.direction {
                    Direction::Up => self.view.versions.insert(step.migration.version),
                    Direction::Down => self.view.versions.remove(&step.migration.version),
                };
            }
        }
        let summary = Summary {
            applied: steps.len(),
            newest: self.view.newest(),
        };
        self.warn(warnings);
        steps
            .into_iter()
            .for_each(|step| (self.report)(Event::Applied(step)));
        Ok(summary)
    }
    fn apply_all_inside(
        &mut self,
        connection: &mut Connection,
    ) -> Result<(Vec<Step<'a>>, Vec<Finding>), Halt> {
        let mut steps: Vec<Step<'a>> = Vec::new();
        let mut warnings = Vec::new();
        let pending: Vec<&'a Migration> = self.view.targets.iter().copied().collect();
        for migration in pending {
            if !migration.transactional {
                let message = "runs outside a transaction, so it was not run for show, and neither was its effect on what follows";
                warnings.push(Finding::new("not-run", &migration.path, message));
                continue;
            }
            let (step, more) =
                self.apply_inside(connection, migration)
                    .map_err(|halt| match halt {
                        Halt::Error(Error::Script(mut script)) => {
                            script.rolled_back_with_it = steps.len();
                            Halt::Error(Error::Script(script))
                        }
                        other => other,
                    })?;
            steps.push(step);
            warnings.extend(more);
        }
        Ok((steps, warnings))
    }

    /// Takes the write lock; if somebody else wrote since we looked, looks again.
    fn begin_and_look(&mut self, connection: &Connection) -> Result<(), Error> {
        self.limits.refuse_late(connection)?;
        let report = &mut self.report;
        begin(connection, &self.limits, &mut || report(Event::Waiting))?;
        if data_version(connection)? != self.view.data_version {
            // A copy that was made before somebody else wrote is out of date.
            self.backed_up &= self.wrote;
            self.view = View::read(connection, self.migrations, self.options, self.direction)?;
        }
        let warnings = std::mem::take(&mut self.view.warnings);
        self.warn(warnings);
        Ok(())
    }

    /// Under the lock and before the first write.
    fn back_up(&mut self, connection: &Connection) -> Result<(), Error> {
        let Some(file) = &self.options.backup else {
            return Ok(());
        };
        let pages = connection
            .query_row("PRAGMA main.page_count", [], |row| row.get::<_, i64>(0))
            .map_err(|error| Error::database(connection, "read the database", &error))?;
        // An empty database needs no copy, and an old copy is worth more.
        if !self.backed_up && pages > 0 {
            backup::create(connection, file)?;
            (self.report)(Event::BackedUp);
        }
        self.backed_up = true;
        Ok(())
    }

    fn warn(&mut self, warnings: Vec<Finding>) {
        warnings
            .into_iter()
            .for_each(|warning| (self.report)(Event::Warning(warning)));
    }

    /// Switches foreign keys, outside a transaction.
    fn enforce(&mut self, connection: &Connection, foreign_keys: bool) -> Result<(), Error> {
        if self.enforced != foreign_keys {
            self.settings.restore(connection, foreign_keys)?;
            self.enforced = foreign_keys;
        }
        Ok(())
    }

    fn rules(&self, transactional: bool) -> Rules {
        Rules {
            transactional,
            enforced: self.enforced,
            mixed: self.together && !self.enforced && self.settings.foreign_keys,
            allow_cascade: self.options.allow_cascade,
        }
    }

    /// Runs a script and records it, in the transaction that is open.
    fn apply_inside(
        &self,
        connection: &mut Connection,
        migration: &'a Migration,
    ) -> Result<(Step<'a>, Vec<Finding>), Halt> {
        let sql = directory::read_sql(migration)?;
        // Without enforcement, or without a COMMIT, nobody else looks for rows
        // that refer to nothing.
        let check = self.settings.foreign_keys && (!self.enforced || self.options.dry_run);
        let unchecked = |error: &rusqlite::Error| {
            let message = format!(
                "foreign keys cannot be checked: {}",
                explained_message(error)
            );
            self.failed(migration, Stopped::at_end(Cause::of(error), message))
        };
        let before = match check {
            true => Some(violations(connection).map_err(|error| unchecked(&error))?),
            false => None,
        };
        let schema = if self.options.dry_run {
            Schema::read(connection).ok()
        } else {
            None
        };
        let changes = connection.total_changes();
        let clock = Instant::now();
        let rules = self.rules(true);
        let ran = match script::execute_batch(connection, &migration.path, sql, rules, &mut |_| {})
        {
            Ok(ran) => ran,
            Err(Failed::WithoutForeignKeys) => return Err(Halt::WithoutForeignKeys),
            Err(Failed::Stopped(stopped)) => return Err(self.failed(migration, stopped).into()),
        };
        let elapsed = clock.elapsed();
        let rows_changed = connection.total_changes() - changes;
        if let Some(before) = before {
            let after = violations(connection).map_err(|error| unchecked(&error))?;
            if let Some(list) = new_violations(&before, &after) {
                let message = format!("the script leaves rows that refer to nothing: {list}");
                return Err(self
                    .failed(migration, Stopped::at_end(Cause::Statement, message))
                    .into());
            }
        }
        let schema_changes = match schema {
            Some(before) => Schema::read(connection)
                .map(|now| before.changes(&now))
                .unwrap_or_default(),
            None => Vec::new(),
        };
        self.record(connection, migration, elapsed)
            .map_err(|(cause, message)| {
                let message = format!("the script ran, but {message}");
                self.failed(migration, Stopped::at_end(cause, message))
            })?;
        let Ran {
            statements,
            warnings,
        } = ran;
        Ok((
            Step {
                migration,
                elapsed,
                statements,
                rows_changed,
                schema_changes,
            },
            warnings,
        ))
    }

    /// A `-- no-transaction` script: the lock is given up before it, and taken
    /// again for its row. Whatever fails after its last statement says that it ran.
    fn apply_outside(
        &mut self,
        connection: &mut Connection,
        migration: &'a Migration,
    ) -> Result<(Step<'a>, Vec<Finding>), Error> {
        let sql = directory::read_sql(migration)?;
        self.commit(connection, migration)?;
        let changes = connection.total_changes();
        let clock = Instant::now();
        let rules = self.rules(false);
        let report = &mut self.report;
        let mut progress = |statements| {
            report(Event::Progress {
                migration,
                statements,
            })
        };
        let result = script::execute_batch(connection, &migration.path, sql, rules, &mut progress);
        let elapsed = clock.elapsed();
        roll_back(connection);
        let ran = match result {
            Ok(ran) => ran,
            Err(Failed::Stopped(stopped)) => return Err(self.failed(migration, stopped)),
            // Outside a transaction the pragma just works.
            Err(Failed::WithoutForeignKeys) => {
                return Err(self.failed(
                    migration,
                    Stopped::at_end(
                        Cause::Statement,
                        "foreign keys cannot be switched".to_owned(),
                    ),
                ));
            }
        };
        let rows_changed = connection.total_changes() - changes;
        let not_recorded = |run: &Self, cause, message: String| {
            let message = format!("the script ran to its end, but is not recorded: {message}");
            run.failed(
                migration,
                Stopped {
                    statements: ran.statements,
                    ..Stopped::at_end(cause, message)
                },
            )
        };
        let recorded = self
            .settings
            .restore(connection, self.settings.foreign_keys)
            .and_then(|()| {
                let report = &mut self.report;
                begin(connection, &self.limits, &mut || report(Event::Waiting))
            });
        match recorded {
            Ok(()) => {}
            Err(Error::Database { cause, message, .. }) => {
                return Err(not_recorded(self, cause, message));
            }
            Err(other) => return Err(not_recorded(self, Cause::Statement, other.to_string())),
        }
        if let Err((cause, message)) = self.record(connection, migration, elapsed) {
            roll_back(connection);
            let rows = history::read(connection).unwrap_or_default();
            let message = if rows.iter().any(|row| row.version == migration.version) {
                "another process ran it at the same time, and has recorded it: look at what it did twice".to_owned()
            } else {
                message
            };
            return Err(not_recorded(self, cause, message));
        }
        commit(connection, &self.limits)
            .map_err(|(cause, message)| not_recorded(self, cause, message))?;
        let Ran {
            statements,
            warnings,
        } = ran;
        Ok((
            Step {
                migration,
                elapsed,
                statements,
                rows_changed,
                schema_changes: Vec::new(),
            },
            warnings,
        ))
    }

    fn commit(&self, connection: &Connection, migration: &Migration) -> Result<(), Error> {
        commit(connection, &self.limits)
            .map_err(|(cause, message)| self.failed(migration, Stopped::at_end(cause, message)))
    }

    /// Inserts the row of `migration`. The error is a cause and a sentence.
    fn record(
        &self,
        connection: &Connection,
        migration: &Migration,
        elapsed: Duration,
    ) -> Result<(), (Cause, String)> {
        let written = match self.direction {
            Direction::Up => history::record(connection, migration, elapsed),
            Direction::Down => history::remove(connection, migration.version),
        };
        written.map_err(|error| {
            let (cause, message) = match error {
                RecordError::Sqlite(error) => (Cause::of(&error), explained_message(&error)),
                RecordError::Swallowed => (
                    Cause::Statement,
                    "a trigger on it swallowed or changed the row: drop the trigger".to_owned(),
                ),
            };
            // A moment ago the database could be written: the script is at fault.
            let cause = if cause == Cause::Permission {
                Cause::Statement
            } else {
                cause
            };
            (
                cause,
                format!("its row could not be written to _sqlx_migrations: {message}"),
            )
        })
    }

    fn failed(&self, migration: &Migration, stopped: Stopped) -> Error {
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
            rolled_back_with_it: 0,
            newest: self.view.newest(),
        }))
    }
}
