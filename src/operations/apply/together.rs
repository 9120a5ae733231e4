//! All scripts of a run in one transaction: `--single-transaction`, or for show.
//!
//! Owns that they are committed together or not at all, and that of a run for show
//! nothing stays, nor what ATTACH has made.

use super::run::Run;
use super::{Event, Step, Summary};
use crate::database::permission::place::Place;
use crate::database::transaction::roll_back;
use crate::diagnostics::error::{Cause, Error, ScriptError};
use crate::diagnostics::problem::Finding;
use crate::files::migration::Migration;
use crate::plan::history;
use rusqlite::Connection;

impl<'a> Run<'a, '_> {
    /// All in one transaction, which is rolled back in the end if it is for show.
    pub(super) fn together(&mut self, connection: &mut Connection) -> Result<Summary, Error> {
        let _script_lock = match self.view.targets.front().copied() {
            Some(first) if !self.job.options.dry_run && !self.job.replayed => {
                self.begin_guarded(connection, first, false)?
            }
            _ => {
                self.begin_and_look(connection)?;
                None
            }
        };
        if self.view.targets.is_empty() {
            return Ok(Summary {
                applied: 0,
                newest: self.newest,
            });
        }
        if !self.job.options.dry_run {
            self.back_up(connection)?;
        }
        history::create(connection, &self.job.options.table)?;
        let mut warnings = Vec::new();
        let steps = match self.all_together(connection, &mut warnings) {
            Ok(steps) => steps,
            Err(error) => {
                warnings.append(&mut self.unsaid);
                self.unsaid = warnings;
                return Err(error);
            }
        };
        let summary = Summary {
            applied: steps.len(),
            newest: self.newest,
        };
        self.tell_what_waits();
        self.warn(warnings);
        steps
            .into_iter()
            .for_each(|step| (self.report)(Event::Applied(step)));
        Ok(summary)
    }

    /// Applies all, and commits them unless it is for show.
    fn all_together(
        &mut self,
        connection: &mut Connection,
        warnings: &mut Vec<Finding>,
    ) -> Result<Vec<Step<'a>>, Error> {
        let steps = self.apply_all_inside(connection, warnings)?;
        if connection.is_autocommit() {
            // One could not be tried.
            return Ok(steps);
        }
        let dead = self.dead_objects(connection)?;
        // The question whether it can be committed rolls it back.
        let useless = self.useless_objects(connection).unwrap_or_default();
        if let Some(last) = steps.last() {
            self.refuse_warnings(last.migration, 0, &dead)?;
            self.refuse_uncommittable(connection, last.migration)?;
        }
        warnings.extend(dead);
        warnings.extend(useless);
        if self.job.options.dry_run {
            roll_back(connection);
        } else if let Some(last) = steps.last() {
            self.note_begun()?;
            self.touched = true;
            self.commit(connection, last.migration)
                .map_err(|error| rolled_back_with(error, steps.len() - 1))?;
            self.newest = self.view.newest();
        }
        Ok(steps)
    }

    fn apply_all_inside(
        &mut self,
        connection: &mut Connection,
        warnings: &mut Vec<Finding>,
    ) -> Result<Vec<Step<'a>>, Error> {
        let mut steps: Vec<Step<'a>> = Vec::new();
        let mut not_run: Option<&Migration> = None;
        while let Some(migration) = self.view.targets.pop_front() {
            if self.runs_outside(migration) {
                not_run = not_run.or(Some(migration));
                let message = "runs outside a transaction, so it was not run for show, and neither was its effect on what follows";
                warnings.push(Finding::new("not-run", &migration.path, message));
                continue;
            }
            let (step, more) = match (self.apply_inside(connection, migration), not_run) {
                (Ok(applied), _) => applied,
                (Err(Error::Script(failed)), Some(first)) if may_be_without(&failed) => {
                    let message = format!(
                        "could not be tried, nor what follows it: {}; it may need what {} does, which was not run",
                        failed.message,
                        first.file_name()
                    );
                    warnings.append(&mut self.unsaid);
                    warnings.push(Finding::new("not-run", &migration.path, message));
                    roll_back(connection);
                    break;
                }
                (Err(error), _) => return Err(rolled_back_with(error, steps.len())),
            };
            self.view.move_on(self.job.direction, migration);
            steps.push(step);
            warnings.extend(more);
        }
        Ok(steps)
    }

    /// What ATTACH has made for show is made no more: what is empty and was not there.
    pub(super) fn remove_attached(&self, connection: &Connection) {
        if self.attached_files.is_empty() {
            return;
        }
        let query = "SELECT name FROM pragma_database_list WHERE name NOT IN ('main', 'temp')";
        let names: rusqlite::Result<Vec<String>> = connection
            .prepare(query)
            .and_then(|mut names| names.query_map([], |row| row.get(0))?.collect());
        for name in names.unwrap_or_default() {
            let _ = connection.execute("DETACH ?1", [name]);
        }
        for file in &self.attached_files {
            if std::fs::metadata(file).is_ok_and(|metadata| metadata.len() == 0) {
                let _ = Place::of(file).and_then(|place| place.remove(""));
            }
        }
    }
}

/// Whether a script may have failed because one before it was not run, which would have
/// made, dropped or renamed what it names, or the rows that it counts on.
fn may_be_without(failed: &ScriptError) -> bool {
    let words = [
        "no such ",
        "has no column named",
        "already exists",
        "duplicate column name",
        "unable to identify the object to be reindexed",
        "constraint failed",
        "leaves rows that refer to nothing",
    ];
    failed.cause == Cause::Statement && words.iter().any(|words| failed.message.contains(words))
}

/// The scripts before the one that failed went with it.
fn rolled_back_with(error: Error, count: usize) -> Error {
    match error {
        Error::Script(mut script) => {
            script.rolled_back_with_it = count;
            Error::Script(script)
        }
        Error::Warned(mut script) => {
            script.rolled_back_with_it = count;
            Error::Warned(script)
        }
        other => other,
    }
}
