//! One copy of the database, from its name to the file.
//!
//! Owns that it is complete, checked and synced before it takes the place of another.

use super::folder::name_in;
use super::judge::Judged;
use super::origin::{Found, Origin, Update, made_of};
use crate::database::holder::lock_holder;
use crate::database::limits::Limits;
use crate::database::permission::place::{Place, is_at, same_file};
use crate::database::permission::{directory_of, open_without_waiting, with_suffix};
use crate::diagnostics::error::{Cause, Error};
use crate::diagnostics::text::shown;
use crate::operations::copy::{
    TEMPORARY, at, copy_to, history_of, is_no_database, remove_copy, verify,
};
use crate::plan::history::AppliedMigration;
use crate::schema::history_table::HistoryTable;
use rusqlite::OpenFlags;
use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What lies beside a database, by SQLite or by us, and is never a backup.
const SIDECARS: [&str; 5] = ["-wal", "-journal", "-shm", ".lock", ".litemigrate-lock"];

/// How often another name is tried, if somebody takes the one that was free.
const TRIES: usize = 5;

/// One copy.
pub(super) struct Job<'a> {
    pub(super) database: &'a Path,
    /// Where it goes, as it was named.
    pub(super) file: PathBuf,
    /// The folder that it goes into under a name of its own.
    pub(super) folder: Option<&'a Path>,
    pub(super) history: Vec<AppliedMigration>,
    pub(super) vfs: Option<&'a str>,
    pub(super) table: &'a HistoryTable,
    pub(super) limits: &'a Limits,
}

impl Job<'_> {
    pub(super) fn cannot_create(&self, message: impl Into<String>) -> Error {
        Error::CannotCreate {
            path: self.file.clone(),
            message: message.into(),
        }
    }

    pub(super) fn of_io(&self, error: &io::Error) -> Error {
        let is_refused = error.kind() == io::ErrorKind::PermissionDenied;
        match is_refused && error.raw_os_error().is_some() {
            true => self.cannot_create(format!(
                "{error}: may this user write to the folder {}?",
                shown(directory_of(&self.file))
            )),
            false => self.cannot_create(error.to_string()),
        }
    }

    pub(super) fn place(&self) -> Result<Place, Error> {
        Place::of(&self.file).map_err(|error| self.of_io(&error))
    }

    /// The name in the folder of the state that the database is in, and of so many others.
    pub(super) fn slot(&self, number: usize) -> PathBuf {
        let newest = self.history.last().map(|row| row.version);
        let name = name_in(self.database, self.table, newest, number);
        self.folder.unwrap_or(Path::new("")).join(name)
    }

    /// Writes down whose backup it is.
    pub(super) fn note(
        &self,
        backup: &Path,
        update: Option<Update>,
        like: &Metadata,
    ) -> Result<Origin, Error> {
        let origin = Origin {
            database: self.database.to_owned(),
            table: self.table.name().to_owned(),
            file: made_of(like),
            is_void: update.is_none(),
            update,
        };
        let written = origin.write(backup, like);
        written.map_err(|error| self.of_io(&error))?;
        Ok(origin)
    }

    /// Refuses names of the database itself, of its sidecars, and of what is no file.
    pub(super) fn refuse_name(&self, database: &Metadata) -> Result<(), Error> {
        let place = self.place()?;
        let is_sidecar =
            |suffix: &&str| place.path() == with_suffix(self.database, suffix).as_path();
        if SIDECARS.iter().any(is_sidecar) {
            return Err(self.cannot_create(
                "this name is SQLite's own or ours, beside the database: name another file",
            ));
        }
        let is_database =
            |path: PathBuf| std::fs::metadata(path).is_ok_and(|found| same_file(&found, database));
        if is_database(place.beside("")) || is_database(place.beside(TEMPORARY)) {
            return Err(self.cannot_create("it is the database itself"));
        }
        match std::fs::symlink_metadata(place.beside("")) {
            Ok(found) if !found.is_file() => Err(self.cannot_create("it is not a regular file")),
            Ok(_) if is_no_database(place.path()) => Err(self.cannot_create(
                "it is no database, by its name and its content: name another file",
            )),
            _ => Ok(()),
        }
    }

    /// Copies to the name that was wished for, or to one in the folder.
    /// Where it is, and where what was there is now if it stays.
    pub(super) fn copy_to_a_name(
        &mut self,
        database: &Metadata,
    ) -> Result<(Place, Option<PathBuf>), Error> {
        for _ in 0..TRIES {
            let judged = self.choose()?;
            let place = self.place()?;
            self.refuse_name(database)?;
            let mut aside = None;
            if self.copy(&place, judged, database, &mut aside)? {
                return Ok((place, aside));
            }
        }
        Err(self.cannot_create("others make backups of this name all the time: run it again"))
    }

    /// Makes the copy, checks it, and gives it its name. False if it was to have a name that
    /// nothing had, and something has it now.
    fn copy(
        &self,
        place: &Place,
        judged: Judged,
        database: &Metadata,
        aside: &mut Option<PathBuf>,
    ) -> Result<bool, Error> {
        let is_new = judged == Judged::Free;
        let mode = database.permissions().mode() & 0o666;
        let made = self.make_temporary(place, mode, database)?;
        // Nobody else gives this name now. Before anything is replaced it is known that there
        // can be a note.
        let is_taken = match Origin::read(place.path()) {
            _ if is_new => std::fs::symlink_metadata(place.beside("")).is_ok(),
            Found::Known(origin) => origin.is_anothers(self.database),
            _ => false,
        };
        if is_taken {
            let _ = place.remove(TEMPORARY);
            return Ok(false);
        }
        let is_noted = matches!(
            Origin::read(place.path()),
            Found::Known(origin) if origin.is_of(self.database)
        );
        // What is put aside may be another application's, and is not to be called ours.
        if !is_noted && judged != Judged::Other {
            let noted = self.note(place.path(), None, database);
            noted.inspect_err(|_| drop(place.remove(TEMPORARY)))?;
        }
        let published = self
            .copy_and_check(place, &made)
            .and_then(|()| self.bring_in_sidecars(place))
            .and_then(|()| made.sync_all().map_err(|error| self.of_io(&error)))
            .and_then(|()| {
                if judged == Judged::Other {
                    let moved = self.put_aside(place);
                    *aside = Some(moved.map_err(|error| self.of_io(&error))?);
                }
                match is_new {
                    true => place.publish_new_made(TEMPORARY, &made),
                    false => place.publish_made(TEMPORARY, &made).map(|()| true),
                }
                .map_err(|error| self.of_io(&error))
            });
        if !matches!(published, Ok(true)) {
            let _ = place.remove(TEMPORARY);
            return published;
        }
        // Under its final name, once more: what lay beside an old file of that name
        // would be read with the new one.
        match history_of(&at(place.path(), self.vfs), self.table, self.limits)? == self.history {
            true => Ok(true),
            false => Err(self.wrong("under its name its history is not the database's")),
        }
    }

    /// Gives what is there another name, too, the first that is free: `FILE.2` and so on.
    fn put_aside(&self, place: &Place) -> io::Result<PathBuf> {
        let mut number = 2;
        loop {
            let suffix = format!(".{number}");
            match place.link_as(&suffix) {
                Ok(()) => return Ok(with_suffix(&self.file, &suffix)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The file that is to become the copy, locked as long as we make it. One that a killed
    /// run has left is removed; another run's is waited for.
    fn make_temporary(&self, place: &Place, mode: u32, like: &Metadata) -> Result<File, Error> {
        let path = place.beside(TEMPORARY);
        let clock = Instant::now();
        loop {
            match place.create(TEMPORARY, mode, like) {
                Ok(made) => {
                    // Where a file system has no locks nobody is kept out.
                    let _ = made.try_lock();
                    if is_at(&made, &path) {
                        return Ok(made);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let found = open_without_waiting(&path);
                    let lock = found.as_ref().map(File::try_lock);
                    if !matches!(lock, Ok(Err(TryLockError::WouldBlock))) {
                        remove_copy(place).map_err(|error| self.of_io(&error))?;
                    } else if clock.elapsed() >= self.limits.patience() {
                        return Err(self.busy("another run is making it now: run this again"));
                    } else {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                }
                Err(error) => return Err(self.of_io(&error)),
            }
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
            let beside = |suffix| with_suffix(place.path(), suffix);
            // One of these that is over holds nothing.
            let journal = Some(beside("-journal")).filter(|path| is_a_journal(path));
            let wal = Some(beside("-wal"));
            let wal = wal.filter(|path| std::fs::symlink_metadata(path).is_ok());
            wal.or(journal)
        };
        if left().is_none() {
            return Ok(());
        }
        let old = at(place.path(), self.vfs);
        // Asked for its metadata it refuses what is no file of its own beside it.
        if old.metadata().is_ok()
            && let Ok(connection) = old.open(&old.path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        {
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
            Some(path) if lock_holder(&with_suffix(place.path(), "-shm")).is_some() => {
                Err(self.busy(&format!(
                    "another process has it open, with {}: stop that process, then run this again",
                    path.display()
                )))
            }
            Some(path) => Err(self.cannot_create(format!(
                "{} lies beside it, belongs to what is there now, and cannot be brought in: move both away, or name another file",
                path.display()
            ))),
        }
    }

    fn busy(&self, message: &str) -> Error {
        Error::Database {
            path: self.file.clone(),
            doing: "make the backup",
            cause: Cause::Busy,
            message: message.to_owned(),
        }
    }

    fn wrong(&self, message: &str) -> Error {
        Error::Database {
            path: self.file.clone(),
            doing: "verify the backup",
            cause: Cause::Storage,
            message: format!("{message}: nothing was migrated"),
        }
    }
}

/// Whether there is more than a journal that is over: empty, or with zeros for a header
/// (sqlite.org/fileformat2.html#the_rollback_journal).
fn is_a_journal(path: &Path) -> bool {
    let Ok(found) = std::fs::symlink_metadata(path) else {
        return false;
    };
    let mut first = [0];
    let read = open_without_waiting(path).and_then(|mut file| file.read(&mut first));
    !(found.is_file() && matches!(read, Ok(0 | 1)) && first == [0])
}
