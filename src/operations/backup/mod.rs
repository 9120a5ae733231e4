//! A verified copy of the database as it was before an update.
//!
//! Owns where the copy goes, when one is needed, and that no backup is ever lost for
//! one: it is complete, checked and synced before it takes the place of another, and
//! the state before an update is not replaced by one in the middle of it. Never decides
//! whether there is an update.

mod folder;
mod owners;
pub(crate) mod unfinished;

use crate::database::limits::Limits;
use crate::database::location::{Location, file_of};
use crate::database::permission::place::{Place, hold};
use crate::database::permission::{directory_of, open_without_waiting, with_suffix};
use crate::diagnostics::error::Error;
use crate::diagnostics::text::shown;
use crate::operations::copy::{at, copy_to, history_of, verify};
use crate::plan::history::{self, AppliedMigration};
use crate::plan::policy::Options;
use crate::schema::history_table::HistoryTable;
use owners::Owners;
use rusqlite::{Connection, OpenFlags};
use std::fs::Metadata;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use unfinished::Unfinished;

pub(crate) use folder::{is_folder, name_in, newest_in};

/// What lies beside a database, by SQLite or by us, and is never a backup.
const SIDECARS: [&str; 4] = ["-wal", "-journal", "-shm", ".lock"];

/// The suffix of a copy that is not complete.
const TEMPORARY: &str = ".litemigrate-tmp";

/// What became of the wish for a backup.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Where the backup is; none if nothing was to be copied and none was there.
    pub file: Option<PathBuf>,
    /// Why the one that is there was left alone.
    pub kept: Option<String>,
    /// What is to be forgotten when the update is over.
    pub unfinished: Option<Unfinished>,
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
    let into_folder = is_folder(wanted);
    refuse_missing_folder(wanted)?;
    let file = match into_folder {
        true => {
            let newest = history.last().map(|row| row.version);
            wanted.join(name_in(&database, &options.table, newest))
        }
        false => wanted.to_owned(),
    };
    let is_empty = is_empty(connection)?;
    if is_empty && std::fs::symlink_metadata(&file).is_err() {
        return Ok(Outcome {
            file: None,
            kept: None,
            unfinished: None,
        });
    }
    let job = Job {
        database: &database,
        file: &file,
        history,
        vfs: options.vfs.as_deref(),
        table: &options.table,
        limits,
    };
    let cannot_create = |error: io::Error| job.cannot_create(error.to_string());
    let metadata = std::fs::metadata(&database).map_err(cannot_create)?;
    let place = Place::of(&file).map_err(cannot_create)?;
    // The lock of one database does not keep out a run on another of the same name.
    let _held = hold(directory_of(place.path()), limits.patience());
    job.refuse_name(&place, &metadata)?;
    let mut owners = match into_folder {
        true => Owners::read(&database, &options.table, wanted).map_err(cannot_create)?,
        false => Owners::default(),
    };
    let update = Unfinished {
        direction,
        versions: scripts.iter().map(|(version, _)| *version).collect(),
        begins_outside: scripts.first().is_some_and(|(_, is_outside)| *is_outside),
        database: database.clone(),
        backup: place.path().to_owned(),
    };
    // In a folder another version has another name: only what a script outside a
    // transaction leaves half done would be taken for the state of a version.
    let needs_mark = !into_folder || scripts.iter().any(|(_, is_outside)| *is_outside);
    let before = match into_folder {
        true => job.unfinished_in(wanted, &update)?,
        false => match Unfinished::read(place.path()) {
            Some(mark) => job.unfinished(&place, mark, &update)?,
            None => None,
        },
    };
    if is_empty {
        // Until this update is over: the next start finds a database that is not empty.
        let mark = (!into_folder).then_some(update);
        if let Some(update) = &mark {
            update.write(&metadata).map_err(cannot_create)?;
        }
        return Ok(Outcome {
            file: Some(file),
            kept: Some("the database is empty".to_owned()),
            unfinished: mark,
        });
    }
    if let Some(before) = before {
        return Ok(Outcome {
            kept: Some(before.reason(&update)),
            file: Some(match (into_folder, before.backup.file_name()) {
                (true, Some(name)) => wanted.join(name),
                _ => file,
            }),
            unfinished: Some(before),
        });
    }
    if into_folder {
        job.refuse_foreign(&place, &owners)?;
        folder::remove_cut_off(&job, wanted, &owners)
            .and_then(|()| owners.note(&job, wanted, &metadata))
            .map_err(cannot_create)?;
    }
    job.copy(&place, &metadata)?;
    if needs_mark {
        update.write(&metadata).map_err(cannot_create)?;
    }
    if let Some(keep) = options.keep.filter(|_| into_folder) {
        folder::remove_older(&job, wanted, &owners, keep)?;
    }
    Ok(Outcome {
        file: Some(file),
        kept: None,
        unfinished: needs_mark.then_some(update),
    })
}

/// Writes a small file of ours, durably and as a whole.
fn write_whole(place: &Place, bytes: &[u8], like: &Metadata) -> io::Result<()> {
    const NEW: &str = "-tmp";
    place.remove(NEW)?;
    let mut file = place.create(NEW, 0o644, like)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| place.publish(NEW))
        .inspect_err(|_| drop(place.remove(NEW)))
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

/// Whether a file is a script that was named by mistake: any other that is no database
/// may be a damaged backup, which a good one replaces.
fn is_script(file: &Path) -> bool {
    let mut head = Vec::new();
    let read = open_without_waiting(file).and_then(|file| file.take(16).read_to_end(&mut head));
    let is_text = read.is_ok() && !head.contains(&0);
    is_text && !head.is_empty() && file.extension().is_some_and(|ending| ending == "sql")
}

/// Whether the database holds nothing: an old backup is worth more than a copy of it.
fn is_empty(connection: &Connection) -> Result<bool, Error> {
    let query = "SELECT NOT EXISTS (SELECT 1 FROM main.sqlite_schema)";
    connection
        .query_row(query, [], |row| row.get(0))
        .map_err(|error| Error::database(connection, "read the database", &error))
}

/// One copy.
struct Job<'a> {
    database: &'a Path,
    /// Where it goes, as it was named.
    file: &'a Path,
    history: Vec<AppliedMigration>,
    vfs: Option<&'a str>,
    table: &'a HistoryTable,
    limits: &'a Limits,
}

impl Job<'_> {
    fn cannot_create(&self, message: impl Into<String>) -> Error {
        Error::CannotCreate {
            path: self.file.to_owned(),
            message: message.into(),
        }
    }

    /// Refuses names of the database itself, of its sidecars, and of what is no file.
    fn refuse_name(&self, place: &Place, database: &Metadata) -> Result<(), Error> {
        let is_sidecar =
            |suffix: &&str| place.path() == with_suffix(self.database, suffix).as_path();
        if SIDECARS.iter().any(is_sidecar) {
            return Err(self.cannot_create(
                "this name is SQLite's own, beside the database: name another file",
            ));
        }
        match std::fs::symlink_metadata(place.beside("")) {
            Ok(found) if (found.dev(), found.ino()) == (database.dev(), database.ino()) => {
                Err(self.cannot_create("it is the database itself"))
            }
            Ok(found) if !found.is_file() => Err(self.cannot_create("it is not a regular file")),
            Ok(_) if is_script(place.path()) => Err(self
                .cannot_create("it is a script, by its name and its content: name another file")),
            _ => Ok(()),
        }
    }

    /// Refuses to replace a copy in a folder unless it is an older one of the same
    /// version of the same database.
    fn refuse_foreign(&self, place: &Place, owners: &Owners) -> Result<(), Error> {
        let found = std::fs::symlink_metadata(place.beside(""));
        if found.is_err() || found.is_ok_and(|found| found.len() == 0) {
            return Ok(());
        }
        let name = self.file.file_name().unwrap_or_default();
        if let Some(other) = owners.another(name, self.database) {
            return Err(self.cannot_create(format!(
                "what is there is the backup of {}: move it away, or name another folder",
                shown(other)
            )));
        }
        match history_of(&at(place.path(), self.vfs), self.table, self.limits) {
            Ok(found) if folder::origins(&found).eq(folder::origins(&self.history)) => Ok(()),
            Ok(_) => Err(self.cannot_create(
                "what is there holds another database's history: move it away, or name another folder",
            )),
            Err(error @ Error::Database { cause: crate::diagnostics::error::Cause::Busy, .. }) => {
                Err(error)
            }
            Err(_) => Err(self.cannot_create(
                "what is there is no backup, or a damaged one: move it away",
            )),
        }
    }

    /// The update that has begun with a backup in the folder, and is not over. A mark of
    /// one that is over is of no use.
    fn unfinished_in(
        &self,
        folder: &Path,
        update: &Unfinished,
    ) -> Result<Option<Unfinished>, Error> {
        let marked = folder::marked(self, folder);
        for backup in marked.map_err(|error| self.cannot_create(error.to_string()))? {
            let place =
                Place::of(&backup).map_err(|error| self.cannot_create(error.to_string()))?;
            let Some(mark) = Unfinished::read(place.path()) else {
                continue;
            };
            if mark.database != self.database && mark.database.exists() {
                continue;
            }
            match self.unfinished(&place, mark.clone(), update)? {
                Some(before) => return Ok(Some(before)),
                None => mark.forget(),
            }
        }
        Ok(None)
    }

    /// The update that has begun with the backup that is there, as its mark says, if it is
    /// not over.
    fn unfinished(
        &self,
        place: &Place,
        before: Unfinished,
        update: &Unfinished,
    ) -> Result<Option<Unfinished>, Error> {
        if is_another(&before.database, self.database) {
            return Err(self.cannot_create(format!(
                "it is the backup of {}, whose update is not over: name another file",
                before.database.display()
            )));
        }
        let is_recorded = |version: &i64| {
            let is_applied = self.history.iter().any(|row| row.version == *version);
            is_applied == (before.direction == "up")
        };
        let is_any_recorded = before.versions.iter().any(is_recorded);
        // A script that is half done may have another number by now.
        let may_be_it = before.begins_outside && update.begins_outside && !is_any_recorded;
        let is_on_its_way = before.direction == update.direction
            && (may_be_it || before.versions.iter().any(|v| update.versions.contains(v)));
        // Of which nothing stays: the state before it is that of now.
        let has_begun = before.begins_outside || is_any_recorded;
        if !is_on_its_way || !has_begun {
            return Ok(None);
        }
        // One that is gone or damaged is worth less than a copy of what there is.
        match verify(&at(place.path(), self.vfs), self.table, self.limits) {
            Ok(_) => Ok(Some(before)),
            Err(error) if self.limits.is_over() => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Makes the copy, checks it, and gives it its name.
    fn copy(&self, place: &Place, database: &Metadata) -> Result<(), Error> {
        let cannot_create = |error: io::Error| self.cannot_create(error.to_string());
        // What a killed run left; no other run is at this point while we hold the lock.
        for suffix in ["", "-wal", "-journal"] {
            place
                .remove(&format!("{TEMPORARY}{suffix}"))
                .map_err(cannot_create)?;
        }
        let mode = database.permissions().mode() & 0o666;
        let made = place
            .create(TEMPORARY, mode, database)
            .map_err(cannot_create)?;
        self.copy_and_check(place, &made)
            .and_then(|()| self.bring_in_sidecars(place))
            .and_then(|()| {
                made.sync_all()
                    .and_then(|()| place.publish_made(TEMPORARY, &made))
                    .map_err(cannot_create)
            })
            .inspect_err(|_| drop(place.remove(TEMPORARY)))?;
        // Under its final name, once more: what lay beside an old file of that name
        // would be read with the new one.
        match history_of(&at(place.path(), self.vfs), self.table, self.limits)? == self.history {
            true => Ok(()),
            false => Err(self.wrong("under its name its history is not the database's")),
        }
    }

    fn copy_and_check(&self, place: &Place, made: &std::fs::File) -> Result<(), Error> {
        let target = at(&with_suffix(place.path(), TEMPORARY), self.vfs);
        // By another connection: SQLite copies from none that is writing.
        let source =
            at(self.database, self.vfs).open(self.database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let copy = copy_to(&source, &target, self.limits, made)?;
        drop(copy);
        match verify(&target, self.table, self.limits)? == self.history {
            true => Ok(()),
            false => Err(self.wrong("its history is not the database's")),
        }
    }

    /// What SQLite would read together with the new file belongs to the old one: it is
    /// brought in there, so that the old one is whole until it is replaced.
    fn bring_in_sidecars(&self, place: &Place) -> Result<(), Error> {
        let left = || {
            ["-wal", "-journal"]
                .into_iter()
                .map(|suffix| with_suffix(place.path(), suffix))
                .find(|path| std::fs::symlink_metadata(path).is_ok())
        };
        if left().is_none() {
            return Ok(());
        }
        let old = at(place.path(), self.vfs);
        if let Ok(connection) = old.open(&old.path, OpenFlags::SQLITE_OPEN_READ_WRITE) {
            // Closing it removes a `-wal`, and a journal that is over.
            let _ = connection
                .busy_timeout(self.limits.patience())
                .and_then(|()| {
                    connection.execute_batch(
                        "PRAGMA synchronous = FULL; BEGIN IMMEDIATE; COMMIT; PRAGMA wal_checkpoint(TRUNCATE)",
                    )
                });
        }
        match left() {
            None => Ok(()),
            Some(path) => Err(self.cannot_create(format!(
                "{} lies beside it, belongs to what is there now, and cannot be brought in: move both away, or name another file",
                path.display()
            ))),
        }
    }

    fn wrong(&self, message: &str) -> Error {
        Error::Database {
            path: self.file.to_owned(),
            doing: "verify the backup",
            cause: crate::diagnostics::error::Cause::Storage,
            message: format!("{message}: nothing was migrated"),
        }
    }
}

impl Unfinished {
    fn reason(&self, update: &Self) -> String {
        let is_still = |version: &&i64| update.versions.contains(version);
        let mut still: Vec<&i64> = self.versions.iter().filter(is_still).collect();
        if still.is_empty() {
            // It has another number by now.
            still = self.versions.iter().collect();
        }
        let list: Vec<String> = still
            .iter()
            .take(5)
            .map(|version| version.to_string())
            .collect();
        format!(
            "it is the state before an update that is not over (version {})",
            list.join(", ")
        )
    }
}

/// Whether two names lead to one file.
pub(crate) fn is_same_file(one: &Path, other: &Location) -> bool {
    identity(one).is_some() && identity(one) == identity(&other.path)
}

/// Whether what is known as the database of a backup is there, and is another.
fn is_another(known: &Path, database: &Path) -> bool {
    identity(known).is_some_and(|found| Some(found) != identity(database))
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
