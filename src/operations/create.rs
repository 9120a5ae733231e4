//! Makes the next migration file of a folder.
//!
//! Owns how new files are numbered and named. The name follows SQLPage's
//! `create-migration` (`src/cli/commands.rs`). Never writes over a file.

use crate::database::permission::directory_of;
use crate::database::permission::place::{Place, hold};
use crate::diagnostics::error::{Error, sqlite_message};
use crate::files::directory::highest_version;
use crate::files::read::create_file;
use crate::script::text::TEMPLATE;
use rusqlite::Connection;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How the new file is numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Numbering {
    /// As the folder is numbered already; timestamps if it is empty.
    #[default]
    AsBefore,
    /// One more than the highest, at its width.
    Sequential,
    /// `YYYYMMDDHHMMSS`, UTC.
    Timestamp,
}

/// Versions from here on are taken for dates: 1900-01-01 without dashes.
const FIRST_DATE: i64 = 19_000_101;

/// Makes the next file of `directory`, or with `reversible` the two files of a
/// reversible migration, and gives back their paths. The folder is made if it
/// is not there, as SQLPage does. The version is always above the highest.
///
/// # Errors
///
/// [`Error::Directory`], [`Error::CannotCreate`].
pub fn create(
    directory: &Path,
    name: &str,
    numbering: Numbering,
    reversible: bool,
) -> Result<Vec<PathBuf>, Error> {
    let failed = |message: String| Error::CannotCreate {
        path: directory.to_owned(),
        message,
    };
    create_directory(directory).map_err(|error| failed(error.to_string()))?;
    let _held = hold(directory, Duration::from_secs(10));
    let highest = highest_version(directory)?;
    let version = next_version(highest, numbering).map_err(failed)?;
    let name = file_name_part(name);
    let (suffixes, content): (&[&str], _) = if reversible {
        (&["up.sql", "down.sql"], TEMPLATE)
    } else {
        (&["sql"], TEMPLATE)
    };
    let mut created: Vec<PathBuf> = Vec::new();
    for suffix in suffixes {
        let path = directory.join(format!("{version}_{name}.{suffix}"));
        create_file(&path, content).inspect_err(|_| {
            // Half a pair would be applied by the next run.
            let remove = |path: &PathBuf| Place::of(path)?.remove("");
            created.iter().for_each(|path| drop(remove(path)));
        })?;
        created.push(path);
    }
    Ok(created)
}

/// Makes the folder and what is missing above it, each for the owner of where it is.
pub(crate) fn create_directory(directory: &Path) -> io::Result<()> {
    let parent = directory_of(directory);
    if !directory.is_dir() && parent != directory && !parent.is_dir() {
        create_directory(parent)?;
    }
    match directory.is_dir() {
        true => Ok(()),
        false => Place::of(directory)?.create_folder(),
    }
}

/// What SQLPage makes of a name: each character that is no letter or digit
/// becomes `_`, and all of it lower case.
fn file_name_part(name: &str) -> String {
    name.replace(|c: char| !c.is_alphanumeric(), "_")
        .to_lowercase()
}

fn next_version(highest: Option<(i64, String)>, numbering: Numbering) -> Result<String, String> {
    let next = match &highest {
        Some((version, _)) => version
            .checked_add(1)
            .ok_or("the highest version there can be is taken")?,
        None => 1,
    };
    let by_date = match numbering {
        Numbering::AsBefore => highest
            .as_ref()
            .is_none_or(|&(version, _)| version >= FIRST_DATE),
        Numbering::Sequential => false,
        Numbering::Timestamp => true,
    };
    if by_date {
        return Ok(next.max(now()?).to_string());
    }
    let width = match &highest {
        Some((_, digits)) => digits.trim_start_matches('+').len(),
        None => 4,
    };
    Ok(format!("{next:0width$}"))
}

/// `YYYYMMDDHHMMSS` in UTC, by SQLite's calendar.
fn now() -> Result<i64, String> {
    Connection::open_in_memory()
        .and_then(|connection| {
            let query = "SELECT CAST(strftime('%Y%m%d%H%M%S', 'now') AS INTEGER)";
            connection.query_row(query, [], |row| row.get(0))
        })
        .map_err(|error| sqlite_message(&error))
}

#[cfg(test)]
mod tests {
    use super::{Numbering, file_name_part, next_version};

    fn next(highest: Option<&str>, numbering: Numbering) -> Result<String, String> {
        next_version(
            highest.map(|digits| (digits.parse().unwrap(), digits.to_owned())),
            numbering,
        )
    }

    #[test]
    fn numbers_go_on_as_the_folder_is_numbered() {
        use Numbering::{AsBefore, Sequential, Timestamp};
        assert_eq!(next(Some("0006"), AsBefore).unwrap(), "0007");
        assert_eq!(next(Some("9"), AsBefore).unwrap(), "10");
        assert_eq!(next(Some("099"), AsBefore).unwrap(), "100");
        assert_eq!(next(Some("+5"), AsBefore).unwrap(), "6");
        assert_eq!(next(Some("-1"), AsBefore).unwrap(), "00");
        assert_eq!(next(None, Sequential).unwrap(), "0001");
        for stamped in [
            next(None, AsBefore),
            next(Some("20240101120000"), AsBefore),
            next(Some("7"), Timestamp),
            next(Some("20240101"), AsBefore),
        ] {
            let stamped = stamped.unwrap();
            assert!(
                stamped.len() == 14 && stamped.starts_with("20"),
                "{stamped}"
            );
        }
        assert_eq!(
            next(Some("20240101120000"), Sequential).unwrap(),
            "20240101120001"
        );
        assert_eq!(
            next(Some("99990101120000"), AsBefore).unwrap(),
            "99990101120001"
        );
        assert!(next(Some("9223372036854775807"), AsBefore).is_err());
    }

    #[test]
    fn names_become_what_sqlpage_makes_of_them() {
        assert_eq!(file_name_part("Add users"), "add_users");
        assert_eq!(file_name_part("Größe: ändern!"), "größe__ändern_");
        assert_eq!(file_name_part("../../etc"), "______etc");
    }
}
