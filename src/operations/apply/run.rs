//! The way through all scripts of a run: one by one, or all in one transaction.
//!
//! Owns the locks between the scripts, the backup before the first of them, and what is
//! told to the caller and when.

use super::blame::Blame;
use super::view::{View, data_version};
use super::{Event, Job, Summary};
use crate::database::guard::{Guarded, ScriptLock, is_guarded, lock_script};
use crate::database::limits::Limits;
use crate::database::location::file_of;
use crate::database::permission::is_root;
use crate::database::settings::Settings;
use crate::database::transaction::{begin, roll_back};
use crate::diagnostics::error::{Cause, Committed, Error};
use crate::diagnostics::problem::Finding;
use crate::files::migration::Migration;
use crate::operations::backup;
use crate::operations::copy::refuse_damage;
use crate::plan::foreign::{Forms, refuse_applied_elsewhere, refuse_way_back};
use crate::plan::history;
use crate::plan::targets::Direction;
use crate::schema::Schema;
use crate::script::Watched;
use rusqlite::Connection;
use std::path::PathBuf;

/// A schema that is kept current from script to script.
pub(super) struct KnownSchema {
    /// SQLite's number of it (sqlite.org/pragma.html#pragma_schema_version).
    pub version: String,
    /// Its last row: what is made comes after it.
    pub last_row: i64,
    pub schema: Schema,
}

/// One run of `up` or `down`.
pub(super) struct Run<'a, 'r> {
    pub job: Job<'a, 'r>,
    /// Asked once.
    pub database: PathBuf,
    pub limits: Limits,
    pub settings: Settings,
    pub view: View<'a>,
    /// The newest version that is durable.
    pub newest: Option<i64>,
    /// What is known from one script to the next.
    pub watched: Watched,
    pub blame: Blame,
    /// A key was touched that only COMMIT checks, in a transaction that has none.
    pub deferred: bool,
    /// The schema after the last script, if this is for show.
    pub schema: Option<KnownSchema>,
    /// The tables that the last script has dropped.
    pub dropped: Vec<String>,
    /// Files that ATTACH has made, if this is for show.
    pub attached_files: Vec<PathBuf>,
    /// What is still to be told of scripts that ran, if this run fails.
    pub unsaid: Vec<Finding>,
    /// A script has altered a table.
    pub altered: bool,
    /// Whether all scripts are in one transaction.
    pub together: bool,
    /// The tools whose annotations the scripts have that were looked through.
    forms: Forms,
    /// Whether another tool has applied the targets was asked, under the lock.
    is_ours: bool,
    /// Whether root runs it: asked once.
    pub as_root: bool,
    verified: bool,
    /// The backup that was made or kept.
    backup: Option<backup::Outcome>,
    backup_is_told: bool,
    begun_is_noted: bool,
    /// Warnings that are told when nobody waits for the lock.
    waiting: Vec<Finding>,
    /// Whether a script was run outside a transaction, or a commit tried, and how many rows
    /// were changed before.
    pub touched: bool,
    pub changes_before: u64,
    /// Whether anything was committed by this run.
    wrote: bool,
    /// Whether the history's table is known to be there.
    created: bool,
    pub report: &'r mut dyn FnMut(Event<'_>),
}

impl<'a, 'r> Run<'a, 'r> {
    pub(super) fn prepare(
        connection: &mut Connection,
        job: Job<'a, 'r>,
        view: View<'a>,
        forms: Forms,
        report: &'r mut dyn FnMut(Event<'_>),
    ) -> Result<Self, Error> {
        let limits = job.options.limits();
        let settings = Settings::prepare(connection, &limits)?;
        Ok(Self {
            newest: view.newest(),
            together: job.options.single_transaction || job.options.dry_run,
            job,
            database: file_of(connection),
            limits,
            settings,
            view,
            watched: Watched::default(),
            blame: Blame::default(),
            deferred: false,
            schema: None,
            dropped: Vec::new(),
            attached_files: Vec::new(),
            unsaid: Vec::new(),
            altered: false,
            forms,
            is_ours: false,
            as_root: is_root(),
            verified: false,
            backup: None,
            backup_is_told: true,
            begun_is_noted: false,
            waiting: Vec::new(),
            touched: false,
            changes_before: 0,
            wrote: false,
            created: false,
            report,
        })
    }

    pub(super) fn execute(&mut self, connection: &mut Connection) -> Result<Summary, Error> {
        let result = match self.together {
            true => self.together(connection),
            false => self.one_by_one(connection),
        };
        match &result {
            // The next update makes a new backup.
            Ok(_) => {
                if let Some(backup) = self.backup.take() {
                    let is_recorded = |version| self.view.rows.contains_key(&version);
                    self.job
                        .settle_backups(&self.database, self.newest, is_recorded);
                    let older = backup.remove_older(&self.database, self.job.options, &self.limits);
                    self.warn(older.into_iter().collect());
                }
            }
            // Often they say why.
            Err(error) => {
                roll_back(connection);
                self.tell_what_waits();
                let left_nothing =
                    !self.wrote && (!self.touched || self.is_without_trace(connection, error));
                // What was done of it is noted, or the update says of itself that it may be.
                if left_nothing {
                    self.backup.iter().for_each(backup::Outcome::settle);
                }
                let unsaid = std::mem::take(&mut self.unsaid);
                self.warn(unsaid);
            }
        }
        if self.together {
            return result;
        }
        // What was applied before a failure stays, and so does what it has broken.
        if let Err(Error::Script(failed) | Error::Warned(failed)) = &result
            && failed.statements_kept > 0
        {
            self.wrote = true;
            if self.watched.dropping == failed.path {
                self.blame.note_drop(&failed.path);
            }
        }
        if self.wrote && !self.job.replayed {
            roll_back(connection);
            // A look that cannot answer says nothing: the run's own end is what counts.
            let found = self.dead_objects(connection);
            for warnings in found.into_iter().chain(self.useless_objects(connection)) {
                self.warn(warnings);
            }
        }
        result
    }

    /// Ends what is open, and gives the connection back as it was.
    pub(super) fn give_back(
        &self,
        connection: &mut Connection,
        has_failed: bool,
    ) -> Result<(), Error> {
        if has_failed {
            self.settings.put_back_all(connection);
        }
        let given_back = self.settings.give_back(connection);
        if self.job.options.dry_run {
            self.remove_attached(connection);
        }
        given_back
    }

    fn one_by_one(&mut self, connection: &mut Connection) -> Result<Summary, Error> {
        let mut applied = 0;
        while let Some(&migration) = self.view.targets.front() {
            let runs_outside = self.runs_outside(migration);
            let script_lock = self.begin_guarded(connection, migration, runs_outside)?;
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
                history::create(connection, &self.job.options.table)?;
                self.created = true;
            }
            let (step, warnings) = if !runs_outside {
                let (step, warnings) = self.apply_inside(connection, migration)?;
                self.note_begun()?;
                self.touched = true;
                if let Err(error) = self.commit(connection, migration) {
                    self.unsaid = warnings;
                    return Err(error);
                }
                (step, warnings)
            } else {
                self.apply_outside(connection, migration)?
            };
            drop(script_lock);
            self.tell_what_waits();
            applied += 1;
            self.wrote = true;
            // It is the first, unless what was seen under the lock is another list.
            let is_it = |other: &&Migration| other.version == migration.version;
            match self.view.targets.front().is_some_and(is_it) {
                true => drop(self.view.targets.pop_front()),
                false => self.view.targets.retain(|other| !is_it(other)),
            }
            self.view.move_on(self.job.direction, migration);
            self.newest = self.view.newest();
            self.warn(warnings);
            (self.report)(Event::Applied(step));
        }
        Ok(Summary {
            applied,
            newest: self.newest,
        })
    }

    /// Takes the write lock, and the lock of scripts outside a transaction if this one is,
    /// or if somebody has it: that script's statements are not to meet another history.
    pub(super) fn begin_guarded(
        &mut self,
        connection: &mut Connection,
        migration: &Migration,
        runs_outside: bool,
    ) -> Result<Option<ScriptLock>, Error> {
        if !runs_outside {
            self.begin_and_look(connection)?;
            if !is_guarded(&self.database) {
                return Ok(None);
            }
            roll_back(connection);
        }
        let warn = &mut |warning| (self.report)(Event::Warning(warning));
        let lock = lock_script(
            &self.database,
            Guarded::Script(&migration.path),
            &self.limits,
            warn,
        )?;
        self.begin_and_look(connection)?;
        Ok(lock)
    }

    /// Takes the write lock; if somebody else wrote since we looked, looks again.
    pub(super) fn begin_and_look(&mut self, connection: &Connection) -> Result<(), Error> {
        self.limits.refuse_late(&self.database)?;
        let report = &mut self.report;
        begin(connection, &self.limits, &mut || report(Event::Waiting))?;
        if data_version(connection)? != self.view.data_version {
            self.view = View::read(connection, &self.job)?;
            self.newest = self.view.newest();
            self.is_ours = false;
            // A backup without it may have been put back.
            self.created = false;
        }
        self.refuse_other_tools(connection)?;
        let warnings = std::mem::take(&mut self.view.warnings);
        if let Some(first) = self.view.targets.front().copied() {
            self.refuse_warnings(first, 0, &warnings)?;
        }
        self.waiting.extend(warnings);
        if self.job.options.verify && !self.verified {
            refuse_damage(connection, "migrate it")?;
            self.verified = true;
        }
        Ok(())
    }

    /// Asked under the lock, because another tool may have come before us.
    fn refuse_other_tools(&mut self, connection: &Connection) -> Result<(), Error> {
        if self.is_ours || self.job.replayed || !self.is_up() {
            return Ok(());
        }
        let targets: Vec<&Migration> = self.view.targets.iter().copied().collect();
        let is_new = |migration: &&Migration| !self.forms.contains_key(&migration.version);
        let new: Vec<&Migration> = targets.iter().copied().filter(is_new).collect();
        self.forms.extend(refuse_way_back(&new)?);
        if self.view.rows.is_empty() {
            refuse_applied_elsewhere(connection, &targets, &self.forms)?;
        }
        self.is_ours = true;
        Ok(())
    }

    /// Under the lock and before the first write.
    pub(super) fn back_up(&mut self, connection: &Connection) -> Result<(), Error> {
        let Some(file) = &self.job.options.backup else {
            return Ok(());
        };
        if self.backup.is_some() {
            return Ok(());
        }
        (self.report)(Event::BackingUp);
        let planned = |migration: &&Migration| (migration.version, self.runs_outside(migration));
        let scripts: Vec<_> = self.view.targets.iter().map(planned).collect();
        let direction = match self.job.direction {
            Direction::Up => "up",
            Direction::Down => "down",
        };
        let options = self.job.options;
        let made = backup::create(connection, file, direction, &scripts, options, &self.limits)?;
        self.backup = Some(made);
        self.backup_is_told = false;
        // No script begins when the time is over.
        self.limits.refuse_late(&self.database)
    }

    /// Before the first commit: what is killed after it cannot say so.
    pub(super) fn note_begun(&mut self) -> Result<(), Error> {
        match &self.backup {
            Some(backup) if !std::mem::replace(&mut self.begun_is_noted, true) => backup.begun(),
            _ => Ok(()),
        }
    }

    /// Whoever reads it may stand still, and then nobody could write to the database if this
    /// was told under the lock.
    pub(super) fn tell_what_waits(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.warn(waiting);
        if std::mem::replace(&mut self.backup_is_told, true) {
            return;
        }
        let Some(made) = &self.backup else {
            return;
        };
        match (&made.file, &made.kept) {
            (Some(file), Some(why)) => (self.report)(Event::BackupKept { file, why }),
            (Some(file), None) => (self.report)(Event::BackedUp(file)),
            (None, _) => {}
        }
        if let Some(aside) = &made.aside {
            let message = "is the backup that was there, of a history that this database has nothing of: remove it if it is of no use any more";
            let warning = Finding::new("backup-aside", aside, message);
            (self.report)(Event::Warning(warning));
        }
    }

    pub(super) fn warn(&mut self, warnings: Vec<Finding>) {
        warnings
            .into_iter()
            .for_each(|warning| (self.report)(Event::Warning(warning)));
    }

    /// Whether a script that failed has left nothing for certain: not by the statement
    /// that failed either.
    fn is_without_trace(&self, connection: &Connection, error: &Error) -> bool {
        match error {
            Error::Script(failed) | Error::Warned(failed) if failed.rolled_back => {
                failed.committed == Committed::No
            }
            Error::Script(failed) | Error::Warned(failed) => {
                failed.statements_kept == 0
                    && failed.cause == Cause::Statement
                    && connection.total_changes() == self.changes_before
            }
            _ => false,
        }
    }

    /// Whether its script is run, and not in our transaction.
    pub(super) fn runs_outside(&self, migration: &Migration) -> bool {
        !migration.transactional && !self.view.replaced.contains_key(&migration.version)
    }

    /// Which way it goes, as `Direction` of the job.
    pub(super) fn is_up(&self) -> bool {
        self.job.direction == Direction::Up
    }
}
