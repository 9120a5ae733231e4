//! What is there where a backup is to go: may it be replaced?
//!
//! Owns that the state before an update is not replaced by one in the middle of it, and
//! the backup of one database not by that of another. Changes nothing but notes.

use super::copying::Job;
use super::folder;
use super::origin::{Begins, Found, Origin, Update};
use super::{Outcome, is_empty};
use crate::database::look::{Access, look};
use crate::database::permission::place::Place;
use crate::diagnostics::error::{Cause, Error};
use crate::diagnostics::text::shown;
use crate::operations::copy::{at, history_of, verify};
use crate::plan::history::AppliedMigration;
use std::collections::BTreeSet;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

/// What is there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    /// Nothing.
    Free,
    /// An older copy, which a new one replaces.
    Replaceable,
    /// Something that stays.
    Other,
}

impl Job<'_> {
    /// Chooses a name in the folder, or judges the one that was wished for.
    pub(super) fn choose(&mut self) -> Result<Judged, Error> {
        if self.folder.is_none() {
            return self.judge_file();
        }
        let newest = self.history.last().map(|row| row.version);
        let mut number = 1;
        for copy in self.all_in_folder()? {
            if copy.version != newest {
                continue;
            }
            self.file = self.slot(copy.number);
            match self.judge_slot()? {
                Judged::Other => number = number.max(copy.number + 1),
                judged => return Ok(judged),
            }
        }
        // A later one has a higher number, whichever are gone.
        self.file = self.slot(number);
        Ok(Judged::Free)
    }

    /// Whether there is nothing, not even an empty file.
    fn is_free(place: &Place) -> Option<Judged> {
        match std::fs::symlink_metadata(place.beside("")) {
            Err(_) => Some(Judged::Free),
            Ok(found) if found.len() == 0 => Some(Judged::Replaceable),
            Ok(_) => None,
        }
    }

    fn belongs_to(&self, other: &Path) -> Error {
        self.cannot_create(format!(
            "what is there is the backup of {}: move it away, or name another file",
            shown(other)
        ))
    }

    /// Of a folder only an older copy of the very same state is replaced; what may be
    /// another's, or of a time before something was undone, stays beside it.
    fn judge_slot(&self) -> Result<Judged, Error> {
        let place = self.place()?;
        if let Some(free) = Self::is_free(&place) {
            return Ok(free);
        }
        let Found::Known(origin) = Origin::read(place.path()) else {
            return Ok(Judged::Other);
        };
        if !origin.is_of(self.database) {
            return Ok(Judged::Other);
        }
        // That of an update that was done is not the same state, though it is called so.
        let is_open = matches!(origin.begins(), Some(Begins::Inside | Begins::Later));
        if origin.table != self.table.name() || !(origin.is_void || is_open) {
            return Ok(Judged::Other);
        }
        match history_of(&at(place.path(), self.vfs), self.table, self.limits) {
            Ok(found) if is_same(&found, &self.history) => Ok(Judged::Replaceable),
            Ok(_) => Ok(Judged::Other),
            Err(error) if is_busy(&error) => Err(error),
            // A damaged copy of ours.
            Err(_) => Ok(Judged::Replaceable),
        }
    }

    /// A file that was named is replaced, unless it is another database's backup. One of
    /// another history may be all that is left of a database that was lost and made anew.
    fn judge_file(&self) -> Result<Judged, Error> {
        let place = self.place()?;
        if let Some(free) = Self::is_free(&place) {
            return Ok(free);
        }
        let origin = Origin::read(place.path());
        if let Found::Known(origin) = &origin
            && origin.is_anothers(self.database)
        {
            return Err(self.belongs_to(&origin.database));
        }
        let found = match history_of(&at(place.path(), self.vfs), self.table, self.limits) {
            Ok(found) => found,
            // Not a database, or damaged: it is worth less than a good backup.
            Err(error) if is_damage(&error) => return Ok(Judged::Replaceable),
            Err(error) => return Err(error),
        };
        if has_shared_row(&found, &self.history) {
            return Ok(Judged::Replaceable);
        }
        match (&origin, found.is_empty()) {
            // Both are from before the first migration, or this one is, of this very file.
            (Found::Known(origin), true)
                if self.history.is_empty() || origin.is_of_file(self.database) =>
            {
                Ok(Judged::Replaceable)
            }
            (Found::Known(_), _) => Ok(Judged::Other),
            // It may be another application's.
            (_, true) if self.has_tables(&place)? => Ok(Judged::Other),
            (_, true) => Ok(Judged::Replaceable),
            // It may be in use, and was named by mistake.
            (_, false) => Err(self.cannot_create(
                "what is there holds another database's history: move it away, or name another file",
            )),
        }
    }

    fn has_tables(&self, place: &Place) -> Result<bool, Error> {
        let file = at(place.path(), self.vfs);
        let seen = look(&file, Access::Look, self.limits, is_empty)?;
        Ok(seen.is_some_and(|(is_empty, _)| !is_empty))
    }

    /// The database is empty: what is there is from before, and stays until it is not.
    pub(super) fn keep_for_empty(&self, mut update: Update, like: &Metadata) -> Result<(), Error> {
        let place = self.place()?;
        update.begins = match Origin::read(place.path()) {
            Found::Known(origin) if origin.is_anothers(self.database) => {
                return Err(self.belongs_to(&origin.database));
            }
            Found::Known(origin) if origin.begins() != Some(Begins::Adopted) => Begins::Empty,
            _ => Begins::Adopted,
        };
        self.note(place.path(), Some(update), like).map(drop)
    }

    /// The backup that is the state before an update that is not over, if there is one:
    /// none is made then. The scripts of this start are part of that update.
    pub(super) fn kept(&self, update: &Update, like: &Metadata) -> Result<Option<Outcome>, Error> {
        for backup in self.candidates()? {
            if std::fs::symlink_metadata(&backup).is_err() {
                continue;
            }
            let named = match (self.folder, backup.file_name()) {
                (Some(folder), Some(name)) => folder.join(name),
                _ => self.file.clone(),
            };
            let kept = |why: String| Ok(Some(Outcome::kept(Some(named), &why)));
            let origin = match Origin::read(&backup) {
                Found::Known(origin) => origin,
                Found::Unreadable
                    if self.folder.is_none() && self.history_of_whole(&backup)?.is_some() =>
                {
                    return kept("nobody can read the note beside it, which may say that it is the state before an update that is not over: remove it if all is well".to_owned());
                }
                _ => continue,
            };
            let Some(before) = &origin.update else {
                continue;
            };
            let is_of_it = match self.folder {
                Some(_) => origin.is_of(self.database),
                None => !origin.is_anothers(self.database),
            };
            let is_ours = is_of_it && origin.table == self.table.name();
            if !is_ours && self.folder.is_some() {
                continue;
            }
            if !is_of_it {
                return Err(self.cannot_create(format!(
                    "it is the backup of {}, whose update is not over: name another file",
                    shown(&origin.database)
                )));
            }
            if !is_ours {
                return Err(self.cannot_create(format!(
                    "it is the state before an update with --table {} that is not over: name another file",
                    origin.table
                )));
            }
            let Some(has_moved) = self.is_before(&backup, before)? else {
                continue;
            };
            let mut joined = before.clone();
            let new = update.versions.iter();
            joined
                .versions
                .extend(new.filter(|version| !before.versions.contains(version)));
            // What was done of it may be undone again, and the history no longer tell.
            if has_moved {
                joined.begins = before.begins.begun();
            }
            if update.begins == Begins::Outside {
                joined.begins = before.begins.outside();
            }
            if joined != *before || origin.database != self.database {
                self.note(&backup, Some(joined), like)?;
            }
            return kept(reason(before, update));
        }
        Ok(None)
    }

    /// The backups that may be the state before an update, the oldest first.
    fn candidates(&self) -> Result<Vec<PathBuf>, Error> {
        match self.folder {
            None => Ok(vec![self.place()?.path().to_owned()]),
            Some(_) => {
                let found = self.all_in_folder()?.into_iter();
                Ok(found.map(|copy| copy.path).collect())
            }
        }
    }

    fn all_in_folder(&self) -> Result<Vec<folder::Copy>, Error> {
        let Some(folder) = self.folder else {
            return Ok(Vec::new());
        };
        folder::all_in(folder, self.database, self.table).map_err(|error| self.of_io(&error))
    }

    /// One that is gone or damaged is worth less than a copy of what there is.
    fn history_of_whole(&self, backup: &Path) -> Result<Option<Vec<AppliedMigration>>, Error> {
        match verify(&at(backup, self.vfs), self.table, self.limits) {
            Ok(found) => Ok(Some(found)),
            Err(error) if self.limits.is_over() || is_busy(&error) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// If a backup is the state before an update that is not over, and of which something
    /// was done, or may have been: whether the history has moved on from it.
    fn is_before(&self, backup: &Path, update: &Update) -> Result<Option<bool>, Error> {
        let is_done = |version: &i64| {
            let is_recorded = self.history.iter().any(|row| row.version == *version);
            is_recorded == (update.direction == "up")
        };
        // In a folder another state has another name.
        let is_inside = matches!(update.begins, Begins::Inside | Begins::Begun);
        let is_apart = is_inside && self.folder.is_some();
        if is_apart || update.versions.iter().all(is_done) {
            return Ok(None);
        }
        let Some(found) = self.history_of_whole(backup)? else {
            return Ok(None);
        };
        let has_moved = !is_same(&found, &self.history);
        let is_kept = match update.begins {
            Begins::Empty | Begins::Adopted | Begins::Begun | Begins::Outside => true,
            Begins::Inside | Begins::Later => has_moved,
        };
        Ok(is_kept.then_some(has_moved))
    }
}

/// By what a row is known again, though its script was repaired since.
fn origins(history: &[AppliedMigration]) -> impl Iterator<Item = (i64, &str, i64)> + Clone {
    history
        .iter()
        .map(|row| (row.version, row.installed_on.as_str(), row.execution_time))
}

fn is_same(one: &[AppliedMigration], other: &[AppliedMigration]) -> bool {
    origins(one).eq(origins(other))
}

/// Whether two histories have a row in common: others may have been repaired.
pub(crate) fn has_shared_row(one: &[AppliedMigration], other: &[AppliedMigration]) -> bool {
    let known: BTreeSet<_> = origins(one).collect();
    origins(other).any(|row| known.contains(&row))
}

/// What is no database, or a damaged one, and not only what cannot be looked at now.
fn is_damage(error: &Error) -> bool {
    let cannot = [Cause::Busy, Cause::CannotOpen, Cause::Permission];
    !matches!(error, Error::Database { cause, .. } if cannot.contains(cause))
}

fn is_busy(error: &Error) -> bool {
    matches!(
        error,
        Error::Database {
            cause: Cause::Busy,
            ..
        }
    )
}

fn reason(before: &Update, update: &Update) -> String {
    let is_still = |version: &&i64| update.versions.contains(version);
    let mut still: Vec<&i64> = before.versions.iter().filter(is_still).collect();
    if still.is_empty() {
        // It has another number by now.
        still = before.versions.iter().collect();
    }
    let list: Vec<String> = still
        .iter()
        .take(5)
        .map(|version| version.to_string())
        .collect();
    let versions = if list.len() == 1 {
        "version"
    } else {
        "versions"
    };
    format!(
        "it is the state before an update that is not over ({versions} {})",
        list.join(", ")
    )
}
