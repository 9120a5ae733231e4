//! Of which update a backup is the state before, as long as the update is not over.
//!
//! Owns the small file beside a backup that says so. Without it, the second start
//! after a script that failed would replace the state before the update by one in the
//! middle of it. Never touches the backup itself.

use super::write_whole;
use crate::database::permission::place::{Place, is_ours};
use crate::database::permission::{open_without_waiting, with_suffix};
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// More than the versions of any update.
pub(super) const LONGEST: u64 = 16 << 20;

/// An update that has begun: which versions it is to apply or to undo, of which
/// database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// `up` or `down`.
    pub direction: &'static str,
    pub versions: Vec<i64>,
    /// Its first script runs outside a transaction: what that did before it failed stays,
    /// and is recorded nowhere.
    pub begins_outside: bool,
    pub database: PathBuf,
    /// The backup, without links on the way to it.
    pub backup: PathBuf,
}

/// What its name is beside the backup's.
pub(super) const MARK: &str = ".litemigrate-pending";

impl Unfinished {
    /// The update that was not over when `backup` was looked at last, if there is one.
    pub(crate) fn read(backup: &Path) -> Option<Self> {
        let mark = with_suffix(backup, MARK);
        if !is_ours(&mark, backup) {
            return None;
        }
        let mut bytes = Vec::new();
        let file = open_without_waiting(&mark).ok()?;
        file.take(LONGEST).read_to_end(&mut bytes).ok()?;
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let database = bytes.get(end + 1..)?.strip_suffix(b"\n")?.to_vec();
        let mut words = std::str::from_utf8(&bytes[..end]).ok()?.split(' ');
        let direction = match words.next()? {
            "up" => "up",
            "down" => "down",
            _ => return None,
        };
        let mut words = words.peekable();
        // A mark that does not say it is taken for the worse.
        let begins_outside = words.next_if_eq(&"inside").is_none();
        words.next_if_eq(&"outside");
        Some(Self {
            direction,
            begins_outside,
            versions: words.map(|word| word.parse().ok()).collect::<Option<_>>()?,
            database: std::ffi::OsString::from_vec(database).into(),
            backup: backup.to_owned(),
        })
    }

    /// Writes it down, durably: the first write to the database comes after it.
    pub(super) fn write(&self, like: &Metadata) -> io::Result<()> {
        let mut text = self.direction.as_bytes().to_vec();
        let begins: &[u8] = if self.begins_outside {
            b" outside"
        } else {
            b" inside"
        };
        text.extend_from_slice(begins);
        for version in &self.versions {
            text.extend_from_slice(format!(" {version}").as_bytes());
        }
        text.push(b'\n');
        text.extend_from_slice(self.database.as_os_str().as_bytes());
        text.push(b'\n');
        write_whole(&Place::of(&self.backup)?.sibling(MARK), &text, like)
    }

    /// Forgets it: the update is over, or undone. Another's mark stays.
    pub(crate) fn forget(&self) {
        if Self::read(&self.backup).as_ref() == Some(self) {
            let _ = Place::of(&self.backup).and_then(|place| place.sibling(MARK).remove(""));
        }
    }
}
