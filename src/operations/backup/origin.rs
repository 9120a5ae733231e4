//! Of which database a backup is, and of which update it is the state before, as long as
//! the update is not over.
//!
//! Owns the small hidden file beside a backup that says so. By their histories two
//! databases that are copies of one, or have none yet, are not told apart; and without it
//! the second start after a script that failed would replace the state before the update
//! by one in the middle of it. Never touches the backup itself.

use crate::database::permission::place::{Place, is_ours, lead_to_one};
use crate::database::permission::{directory_of, open_without_waiting};
use crate::diagnostics::text::shown;
use crate::schema::history_table::HistoryTable;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// More than the versions of any update.
const LONGEST: u64 = 16 << 20;

/// What its name is, around the backup's: it is hidden, so that only backups are seen.
const SUFFIX: &str = ".litemigrate-origin";

/// What is known of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub database: PathBuf,
    /// The name of the history's table.
    pub table: String,
    /// The very file of the database, by its number and when it was made: another one may
    /// have its path by now, or its number.
    pub file: String,
    /// The update that it is the state before, if that is not over.
    pub update: Option<Update>,
    /// Nothing came of the update: the state may be copied again.
    pub is_void: bool,
}

/// An update that has begun: which versions it is to apply or to undo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Update {
    /// `up` or `down`.
    pub direction: &'static str,
    pub begins: Begins,
    pub versions: Vec<i64>,
}

/// What may have been done of an update, although nothing of it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    /// Nothing.
    Inside,
    /// Something was, and may have been undone again.
    Begun,
    /// Its first script runs outside a transaction: what that did before it failed stays.
    Outside,
    /// A later one does.
    Later,
    /// The database was empty: the backup is one from before, of another history.
    Empty,
    /// The same, and nobody knows whose it is.
    Adopted,
}

const BEGINS: [(Begins, &str); 6] = [
    (Begins::Inside, "inside"),
    (Begins::Begun, "begun"),
    (Begins::Outside, "outside"),
    (Begins::Later, "later"),
    (Begins::Empty, "empty"),
    (Begins::Adopted, "adopted"),
];

impl Begins {
    /// The same of an update of which something was done.
    pub(super) fn begun(self) -> Self {
        match self {
            Self::Inside => Self::Begun,
            Self::Later => Self::Outside,
            other => other,
        }
    }

    /// The same of one that a script outside a transaction has joined.
    pub(super) fn outside(self) -> Self {
        match self {
            Self::Inside | Self::Begun | Self::Later => Self::Outside,
            other => other,
        }
    }
}

/// What is found where the note of a backup should be.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing, or what is another user's.
    Nothing,
    /// What nobody can read.
    Unreadable,
    Known(Origin),
}

/// The name of a backup's note.
fn name_of(backup: &OsStr) -> OsString {
    let mut name = OsString::from(".");
    name.push(backup);
    name.push(SUFFIX);
    name
}

/// The note of a backup.
fn note_of(backup: &Path) -> PathBuf {
    directory_of(backup).join(name_of(backup.file_name().unwrap_or_default()))
}

/// The backups of a folder that have a note.
pub(super) fn backups_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let backup = name.as_bytes().strip_prefix(b".");
        let backup = backup.and_then(|name| name.strip_suffix(SUFFIX.as_bytes()));
        found.extend(backup.map(|name| folder.join(OsStr::from_bytes(name))));
    }
    Ok(found)
}

impl Origin {
    /// What is noted of `backup`, whose name is no link.
    pub(crate) fn read(backup: &Path) -> Found {
        let note = note_of(backup);
        if !is_ours(&note, backup) {
            return Found::Nothing;
        }
        let mut bytes = Vec::new();
        let read =
            open_without_waiting(&note).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
        match read.ok().and_then(|_| Self::parse(&bytes)) {
            Some(origin) => Found::Known(origin),
            None => Found::Unreadable,
        }
    }

    /// The update, the database's file, its path and the table, each ended by NUL.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut parts = bytes.strip_suffix(b"\0")?.split(|byte| *byte == 0);
        let mut text = || String::from_utf8(parts.next()?.to_vec()).ok();
        let (state, file) = (text()?, text()?);
        let update = match state.as_str() {
            "over" | "void" => None,
            update => Some(Update::parse(update)?),
        };
        Some(Self {
            update,
            is_void: state == "void",
            file,
            database: OsString::from_vec(parts.next()?.to_vec()).into(),
            table: String::from_utf8(parts.next()?.to_vec()).ok()?,
        })
    }

    /// Writes it down, durably and as a whole. The error names the note.
    pub(super) fn write(&self, backup: &Path, like: &Metadata) -> io::Result<()> {
        const NEW: &str = "-tmp";
        let state = match &self.update {
            Some(update) => update.text(),
            None if self.is_void => "void".to_owned(),
            None => "over".to_owned(),
        };
        let mut bytes = state.into_bytes();
        let path = self.database.as_os_str().as_bytes();
        for part in [self.file.as_bytes(), path, self.table.as_bytes()] {
            bytes.push(0);
            bytes.extend_from_slice(part);
        }
        bytes.push(0);
        let note = note_of(backup);
        let written = place_of(&note)
            .and_then(|place| place.write_whole(NEW, (0o644, like), &bytes, Place::publish));
        written.map_err(|error| {
            let found = std::fs::symlink_metadata(&note);
            let cure = match found.is_ok_and(|found| !found.is_file()) {
                true => ": remove what is there",
                false => "",
            };
            let message = format!(
                "its note {} cannot be written ({error}){cure}",
                shown(&note)
            );
            io::Error::new(error.kind(), message)
        })
    }

    /// Something of the update is done, whatever the history says later.
    pub(super) fn begun(mut self, backup: &Path) -> io::Result<()> {
        let Some(update) = &mut self.update else {
            return Ok(());
        };
        let begun = update.begins.begun();
        if update.begins == begun {
            return Ok(());
        }
        update.begins = begun;
        self.rewrite(backup)
    }

    fn rewrite(&self, backup: &Path) -> io::Result<()> {
        let like = std::fs::symlink_metadata(note_of(backup))?;
        self.write(backup, &like)
    }

    /// The update of a backup is over, or nothing came of it.
    pub(super) fn settle(mut self, backup: &Path, is_void: bool) {
        let update = self.update.take();
        match update.map(|update| update.begins) {
            Some(Begins::Adopted) => return forget(backup),
            // Of a file that had this path, and of none that has it now.
            Some(Begins::Empty) => self.file.clear(),
            _ => {}
        }
        self.is_void = is_void;
        // What still says that it is not over is kept for longer.
        let _ = self.rewrite(backup);
    }

    pub(super) fn begins(&self) -> Option<Begins> {
        self.update.as_ref().map(|update| update.begins)
    }

    /// Whether it names the file `database`, by this or another path, or by one that it had
    /// before it was moved.
    pub(crate) fn is_of(&self, database: &Path) -> bool {
        match (self.database.exists(), database.exists()) {
            (true, true) => lead_to_one(&self.database, database),
            (false, true) => self.is_of_file(database),
            (_, false) => self.database == database,
        }
    }

    /// Whether it is of this database, and of the history in this table.
    pub(super) fn belongs_to(&self, database: &Path, table: &HistoryTable) -> bool {
        self.is_of(database) && self.table == table.name()
    }

    /// Whether it is of another database, which is there: of one that was moved or copied
    /// with its backups, and is gone from its old place, the history tells.
    pub(super) fn is_anothers(&self, database: &Path) -> bool {
        !self.is_of(database) && self.database.exists()
    }

    /// Whether the very file is still there that it was made of.
    pub(super) fn is_of_file(&self, database: &Path) -> bool {
        std::fs::metadata(database).is_ok_and(|found| made_of(&found) == self.file)
    }
}

/// Removes a backup's note.
pub(crate) fn forget(backup: &Path) {
    let _ = place_of(&note_of(backup)).and_then(|place| place.remove(""));
}

fn place_of(note: &Path) -> io::Result<Place> {
    Place::in_folder(directory_of(note), note.file_name().unwrap_or_default())
}

impl Update {
    fn text(&self) -> String {
        let begins = BEGINS.iter().find(|(begins, _)| *begins == self.begins);
        let begins = begins.map_or("", |(_, word)| word);
        let versions = self.versions.iter().map(|version| format!(" {version}"));
        format!(
            "{} {begins}{}",
            self.direction,
            versions.collect::<String>()
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let direction = match words.next()? {
            "up" => "up",
            "down" => "down",
            _ => return None,
        };
        let begins = words.next()?;
        let (begins, _) = BEGINS.iter().find(|(_, word)| *word == begins)?;
        let versions = words.map(|word| word.parse().ok());
        Some(Self {
            direction,
            begins: *begins,
            versions: versions.collect::<Option<_>>()?,
        })
    }
}

/// What tells a file from others that have its path, now or later.
pub(super) fn made_of(metadata: &Metadata) -> String {
    // Not every file system knows.
    let made = metadata.created().ok();
    let made = made.and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    let made = made.map_or(0, |made| made.as_nanos());
    format!("{}.{made}", metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::{BEGINS, Origin, Update};

    #[test]
    fn a_note_is_read_as_it_was_written_and_not_if_it_is_cut_short() {
        for (begins, word) in BEGINS {
            let update = Update {
                direction: "down",
                begins,
                versions: vec![3, -1],
            };
            let text = update.text();
            assert_eq!(text, format!("down {word} 3 -1"));
            assert_eq!(Update::parse(&text), Some(update));
        }
        let whole = b"up outside 2 3\x0077.5\0/a\nb.db\0history\0";
        let origin = Origin::parse(whole).unwrap();
        assert_eq!(origin.database.to_str(), Some("/a\nb.db"));
        assert_eq!(origin.table, "history");
        for length in 0..whole.len() {
            assert_eq!(Origin::parse(&whole[..length]), None, "{length}");
        }
    }
}
