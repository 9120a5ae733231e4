//! Applies what the plan says is pending: lock, look, run one, record it, commit; repeat.
//!
//! Owns the order of these. A script and its row commit together or not at all.
//! Never decides what is pending, and announces nothing before it is durable.

mod step;

use crate::database::limits::Limits;
use crate::database::location::file_of;
use crate::database::transaction::{Settings, begin, lock_script, roll_back};
use crate::diagnostics::error::Error;
use crate::diagnostics::problem::Finding;
use crate::files::migration::Migration;
use crate::operations::backup;
use crate::plan::history;
use crate::plan::plan;
use crate::plan::policy::Options;
use crate::plan::targets::{to_apply, to_undo};
use crate::schema::SchemaChange;
use rusqlite::Connection;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use step::Halt;

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

/// Applies every pending migration, in order, each in a transaction of its own
/// together with its row in `_sqlx_migrations`; or all in one, or all for show.
///
/// `connection` must be in no transaction, and is given back with the settings that
/// it had. While this runs, its `synchronous` is EXTRA, without which a commit in
/// rollback-journal mode does not survive a power cut
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
    run(connection, migrations, options, Direction::Up, report)
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
    run(connection, migrations, options, Direction::Down, report)
}

/// Which way a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// Runs these scripts in this order, to find out what they make of a database in
/// memory that `connection` has open. Nothing outside of it is touched: ATTACH
/// of a file and VACUUM INTO are refused.
pub(crate) fn replay(connection: &mut Connection, migrations: &[&Migration]) -> Result<(), Error> {
    let options = Options {
        allow_cascade: true,
        ..Options::default()
    };
    let view = View {
        data_version: data_version(connection)?,
        targets: migrations.iter().copied().collect(),
        versions: BTreeSet::new(),
        warnings: Vec::new(),
    };
    let job = Job {
        migrations: &[],
        options: &options,
        direction: Direction::Up,
        contained: true,
    };
    execute(connection, job, view, &mut |_| {}).map(|_| ())
}

fn run(
    connection: &mut Connection,
    migrations: &[Migration],
    options: &Options,
    direction: Direction,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<Summary, Error> {
    let job = Job {
        migrations,
        options,
        direction,
        contained: options.dry_run && file_of(connection).as_os_str().is_empty(),
    };
    let view = View::read(connection, &job)?;
    if view.targets.is_empty() {
        return Ok(Summary {
            applied: 0,
            newest: view.newest(),
        });
    }
    execute(connection, job, view, report)
}

fn execute<'a>(
    connection: &mut Connection,
    job: Job<'a, '_>,
    view: View<'a>,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<Summary, Error> {
    let limits = job.options.limits();
    let settings = Settings::prepare(connection, &limits)?;
    let foreign_keys = settings.foreign_keys;
    let mut run = Run {
        job,
        limits,
        settings,
        view,
        enforced: foreign_keys,
        backed_up: false,
        wrote: false,
        together: job.options.single_transaction || job.options.dry_run,
        created: false,
        report,
    };
    let result = if run.together {
        run.together(connection)
    } else {
        run.one_by_one(connection)
    };
    let given_back = run.settings.give_back(connection);
    result.and_then(|summary| given_back.map(|()| summary))
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
    fn read(connection: &Connection, job: &Job<'a, '_>) -> Result<Self, Error> {
        // First, so that a write between the two is noticed under the lock.
        let data_version = data_version(connection)?;
        let history = history::read(connection)?;
        let plan = plan(job.migrations, &history);
        let (targets, warnings) = match job.direction {
            Direction::Up => (
                to_apply(job.migrations, &plan, job.options)?,
                plan.warnings(&job.options.policy, job.options.to),
            ),
            Direction::Down => (to_undo(job.migrations, &plan, job.options)?, Vec::new()),
        };
        Ok(Self {
            data_version,
            targets,
            versions: history.iter().map(|row| row.version).collect(),
            warnings,
        })
    }

    /// After a commit: the history has this version, or has it no more.
    fn move_on(&mut self, direction: Direction, version: i64) {
        match direction {
            Direction::Up => self.versions.insert(version),
            Direction::Down => self.versions.remove(&version),
        };
    }

    fn newest(&self) -> Option<i64> {
        self.versions.last().copied()
    }
}

fn data_version(connection: &Connection) -> Result<i64, Error> {
    connection
        .query_row("PRAGMA main.data_version", [], |row| row.get(0))
        .map_err(|error| Error::database(connection, "read the database", &error))
}

/// One run of [`up`] or [`down`].
struct Run<'a, 'r> {
    job: Job<'a, 'r>,
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
            let script_lock = match migration.transactional {
                true => None,
                false => lock_script(connection, &migration.path, &self.limits)?,
            };
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
                    self.view.move_on(self.job.direction, migration.version);
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
            if !self.job.options.dry_run {
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
        if self.job.options.dry_run {
            roll_back(connection);
        } else if let Some(last) = steps.last() {
            self.commit(connection, last.migration)?;
            for step in &steps {
                self.view
                    .move_on(self.job.direction, step.migration.version);
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
        self.limits.refuse_late(&file_of(connection))?;
        let report = &mut self.report;
        begin(connection, &self.limits, &mut || report(Event::Waiting))?;
        if data_version(connection)? != self.view.data_version {
            // A copy that was made before somebody else wrote is out of date.
            self.backed_up &= self.wrote;
            self.view = View::read(connection, &self.job)?;
        }
        let warnings = std::mem::take(&mut self.view.warnings);
        self.warn(warnings);
        Ok(())
    }

    /// Under the lock and before the first write.
    fn back_up(&mut self, connection: &Connection) -> Result<(), Error> {
        let Some(file) = &self.job.options.backup else {
            return Ok(());
        };
        let pages = connection
            .query_row("PRAGMA main.page_count", [], |row| row.get::<_, i64>(0))
            .map_err(|error| Error::database(connection, "read the database", &error))?;
        // An empty database needs no copy, and an old copy is worth more.
        if !self.backed_up && pages > 0 {
            (self.report)(Event::BackingUp);
            let vfs = self.job.options.vfs.as_deref();
            backup::create(connection, file, vfs, &self.limits)?;
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
}
