//! A verified copy of the database as it was before an update.
//!
//! Owns where the copy goes, when one is needed, and that no backup is ever lost for
//! one: it is complete, checked and synced before it takes the place of another, and
//! the state before an update is not replaced by one in the middle of it. Never decides
//! whether there is an update.

mod copying;
mod folder;
mod judge;
pub(crate) mod origin;

use crate::database::limits::Limits;
use crate::database::location::file_of;
use crate::database::permission::place::{Place, lead_to_one};
use crate::diagnostics::error::Error;
use crate::diagnostics::problem::Finding;
use crate::plan::history::{self, AppliedMigration};
use crate::plan::policy::Options;
use crate::schema::history_table::HistoryTable;
use copying::Job;
use origin::{Begins, Found, Origin, Update};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

pub(crate) use folder::{best_in, is_folder, name_in};
pub(crate) use judge::has_shared_row;

/// What became of the wish for a backup.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Where the backup is; none if nothing was to be copied and none was there.
    pub file: Option<PathBuf>,
    /// Why the one that is there was left alone.
    pub kept: Option<String>,
    /// Where what was there before is now, if it is of another history.
    pub aside: Option<PathBuf>,
    /// What was made, without links on the way, and its note.
    made: Option<(PathBuf, Origin)>,
    /// The history before the update.
    history: Vec<AppliedMigration>,
}

/// A script of the update: its version, and whether it runs outside a transaction.
pub(crate) type Planned = (i64, bool);

/// Copies the database of `connection`, which holds the write lock so that nobody
/// changes it meanwhile, to the file or into the folder of `options`, before the first
/// of these scripts is run. The copy is no more readable than the database.
///
/// # Errors
///
/// [`Error::CannotCreate`] or [`Error::Database`]; every backup is as it was.
pub(crate) fn create(
    connection: &Connection,
    wanted: &Path,
    direction: &'static str,
    scripts: &[Planned],
    options: &Options,
    limits: &Limits,
) -> Result<Outcome, Error> {
    let database = file_of(connection);
    let history = history::read(connection, &options.table)?;
    let folder = is_folder(wanted).then_some(wanted);
    if database.as_os_str().is_empty() {
        return Err(Error::CannotCreate {
            path: wanted.to_owned(),
            message: "a database in memory has no file of which a backup could be made".to_owned(),
        });
    }
    refuse_missing_folder(wanted)?;
    let mut job = Job {
        database: &database,
        file: wanted.to_owned(),
        folder,
        history,
        vfs: options.vfs.as_deref(),
        table: &options.table,
        limits,
    };
    if folder.is_some() {
        job.file = job.slot(1);
    }
    let is_empty = is_empty(connection)?;
    if is_empty && std::fs::symlink_metadata(&job.file).is_err() {
        return Ok(Outcome::default());
    }
    let metadata = std::fs::metadata(&database);
    let metadata = metadata.map_err(|error| job.cannot_create(error.to_string()))?;
    job.refuse_name(&metadata)?;
    let update = Update {
        direction,
        begins: match scripts {
            [(_, true), ..] => Begins::Outside,
            scripts if scripts.iter().any(|(_, is_outside)| *is_outside) => Begins::Later,
            _ => Begins::Inside,
        },
        versions: scripts.iter().map(|(version, _)| *version).collect(),
    };
    if is_empty {
        // Until this update is over: the next start finds a database that is not empty.
        if folder.is_none() && !scripts.is_empty() {
            job.keep_for_empty(update, &metadata)?;
        }
        let file = (!scripts.is_empty()).then_some(job.file);
        return Ok(Outcome::kept(file, "the database is empty"));
    }
    if let Some(kept) = job.kept(&update, &metadata)? {
        return match kept.kept {
            // Somebody wants a copy of what is there now.
            Some(why) if scripts.is_empty() => {
                Err(job.cannot_create(format!("{why}: name another file")))
            }
            _ => Ok(Outcome {
                history: job.history,
                ..kept
            }),
        };
    }
    let (place, aside) = job.copy_to_a_name(&metadata)?;
    let update = (!scripts.is_empty()).then_some(update);
    let noted = job.note(place.path(), update, &metadata)?;
    if let Some((keep, folder)) = options.keep.zip(folder) {
        // They are still there, and said to be when the update is over.
        let _ = folder::remove_tries(&job, folder, keep);
    }
    Ok(Outcome {
        file: Some(job.file),
        kept: None,
        aside,
        made: Some((place.path().to_owned(), noted)),
        history: job.history,
    })
}

/// The update is over for whose sake the backup of `database` is kept, as far as `is_over`
/// says so of it.
pub(crate) fn settle(
    wanted: &Path,
    database: &Path,
    table: &HistoryTable,
    is_over: impl Fn(&Update) -> bool,
) {
    let is_over = |_: &Path, origin: &Origin, update: &Update| {
        origin.table == table.name() && is_over(update)
    };
    // Most runs find nothing to do, and many no backup yet.
    if std::fs::symlink_metadata(wanted).is_err() {
        return;
    }
    if is_folder(wanted) {
        return settle_in(wanted, database, is_over);
    }
    let Ok(place) = Place::of(wanted) else {
        return;
    };
    match Origin::read(place.path()) {
        // It kept this one, and cannot say for how long.
        Found::Unreadable => origin::forget(place.path()),
        found => settle_one(found, place.path(), database, is_over),
    }
}

/// The same of the backups in a folder, after one of them, or another one with this history,
/// was put back, unless that is a state in the middle of their update.
pub(crate) fn settle_restored(
    folder: &Path,
    restored: &Path,
    database: &Path,
    table: &HistoryTable,
    history: &[AppliedMigration],
) {
    settle_in(folder, database, |backup, origin, update| {
        let is_done = |version: &i64| {
            let is_recorded = history.iter().any(|row| row.version == *version);
            is_recorded == (update.direction == "up")
        };
        let is_anew = matches!(update.begins, Begins::Empty | Begins::Adopted);
        let is_middle = !is_anew && update.versions.iter().any(is_done);
        origin.table == table.name() && (lead_to_one(backup, restored) || !is_middle)
    });
}

fn settle_in(folder: &Path, database: &Path, is_over: impl Fn(&Path, &Origin, &Update) -> bool) {
    for backup in origin::backups_in(folder).unwrap_or_default() {
        settle_one(Origin::read(&backup), &backup, database, &is_over);
    }
}

fn settle_one(
    found: Found,
    backup: &Path,
    database: &Path,
    is_over: impl Fn(&Path, &Origin, &Update) -> bool,
) {
    if let Found::Known(origin) = found
        && origin.is_of(database)
        && origin
            .update
            .as_ref()
            .is_some_and(|update| is_over(backup, &origin, update))
    {
        origin.settle(backup, false);
    }
}

impl Outcome {
    fn kept(file: Option<PathBuf>, why: &str) -> Self {
        Self {
            file,
            kept: Some(why.to_owned()),
            ..Self::default()
        }
    }

    /// Nothing came of the update: the database is as the backup that was made for it.
    pub(crate) fn settle(&self) {
        if let Some((made, origin)) = &self.made {
            origin.clone().settle(made, true);
        }
    }

    /// Something of the update is about to be done: what is killed afterwards cannot say so.
    ///
    /// # Errors
    ///
    /// [`Error::CannotCreate`] if that cannot be noted.
    pub(crate) fn begun(&self) -> Result<(), Error> {
        let Some((made, origin)) = &self.made else {
            return Ok(());
        };
        // As it was written, whatever another run has made of it meanwhile.
        let noted = origin.clone().begun(made);
        noted.map_err(|error| Error::CannotCreate {
            path: made.to_owned(),
            message: error.to_string(),
        })
    }

    /// Removes the oldest backups in the folder where one was made, when its update is over.
    /// The warning is that they are still there.
    pub(crate) fn remove_older(
        &self,
        database: &Path,
        options: &Options,
        limits: &Limits,
    ) -> Option<Finding> {
        let folder = options.backup.as_deref().filter(|path| is_folder(path));
        let (file, folder, keep) = (self.file.as_ref()?, folder?, options.keep?);
        let job = Job {
            database,
            file: self.made.as_ref().map_or(file, |(made, _)| made).clone(),
            folder: Some(folder),
            history: self.history.clone(),
            vfs: options.vfs.as_deref(),
            table: &options.table,
            limits,
        };
        let error = folder::remove_older(&job, folder, keep).err()?;
        let message = format!("older backups cannot be removed: {error}");
        Some(Finding::new("backups-not-removed", folder, message))
    }
}

/// Refuses a folder that is not there: asked before a database is made, too.
///
/// # Errors
///
/// [`Error::CannotCreate`].
pub(crate) fn refuse_missing_folder(wanted: &Path) -> Result<(), Error> {
    match is_folder(wanted) && !wanted.is_dir() {
        true => Err(Error::CannotCreate {
            path: wanted.to_owned(),
            message: "there is no such folder: create it first".to_owned(),
        }),
        false => Ok(()),
    }
}

/// Whether the database holds nothing: an old backup is worth more than a copy of it.
pub(super) fn is_empty(connection: &Connection) -> Result<bool, Error> {
    let query = "SELECT NOT EXISTS (SELECT 1 FROM main.sqlite_schema)";
    connection
        .query_row(query, [], |row| row.get(0))
        .map_err(|error| Error::database(connection, "read the database", &error))
}
