//! A folder of scripts: listed and sorted.
//!
//! Owns what makes a folder unusable. Reads each script by way of `read`, and never
//! opens a database. What is ignored and what is refused follows
//! `sqlx-core/src/migrate/source.rs`; where we differ, COMPAT in the README says so.

use crate::database::permission::discovery::{is_led_by_users, refuse_led_astray};
use crate::database::permission::{directory_of, is_root, is_world_writable, world_writable};
use crate::diagnostics::error::Error;
use crate::diagnostics::problem::Finding;
use crate::diagnostics::sorted::sort;
use crate::diagnostics::text::shown;
use crate::files::folder::duplicates;
use crate::files::foreign::{self, Sign, sign_of_file, sign_of_folder};
use crate::files::migration::{
    Checksum, Kind, Migration, NO_TRANSACTION, Name, NameVerdict, parse_name,
};
use crate::files::read::{check_text, scan, unreadable};
use crate::files::replaces::{check_replaces, replaces};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::FileType;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a folder holds.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Directory {
    /// The migrations, by version, what undoes after what applies.
    pub migrations: Vec<Migration>,
    /// Files that are passed over but look like a mistake.
    pub warnings: Vec<Finding>,
    /// Whose the scripts are, with one of each owner.
    pub(crate) owners: BTreeMap<u32, PathBuf>,
}

/// Lists `directory` and reads every script in it once, through one buffer.
///
/// # Errors
///
/// [`Error::Directory`] if it cannot be listed, [`Error::Unusable`] with every
/// file that makes it unusable: two files of one version, a prefix that is not a
/// number, text that is not UTF-8 or holds a NUL byte, a file that cannot be
/// read, a dangling link.
pub fn read_dir(directory: &Path) -> Result<Directory, Error> {
    read_dir_of(directory, Vec::new)
}

/// The same for a database whose history is asked, if two files have one version,
/// which of them was applied.
pub(crate) fn read_dir_of(
    directory: &Path,
    recorded: impl FnOnce() -> Vec<(i64, Vec<u8>)>,
) -> Result<Directory, Error> {
    // Asked of nobody where there is no such link.
    if is_led_by_users(directory) && is_root() {
        let judged = std::fs::metadata(directory)
            .and_then(|metadata| refuse_led_astray(directory, &metadata));
        judged.map_err(|source| Error::Directory {
            path: directory.to_owned(),
            source,
        })?;
    }
    let mut found = Directory::default();
    let mut findings = Vec::new();
    let mut buffer = Vec::new();
    let mut open_to_all = Vec::new();
    let mut signs = Vec::new();
    let mut unnumbered = Vec::new();
    for entry in list(directory)? {
        match read_entry(&entry, &mut buffer) {
            Ok(Entry::Migration(migration, owner, is_open)) => {
                open_to_all.extend(is_open.then(|| migration.path.clone()));
                let of_owner = found.owners.entry(owner);
                of_owner.or_insert_with(|| migration.path.clone());
                found.migrations.push(migration);
            }
            Ok(Entry::Suspicious(warning)) => found.warnings.push(warning),
            Ok(Entry::Foreign(sign)) => signs.push(sign),
            Ok(Entry::Ignored) => {
                let is_sql = entry.path.extension().is_some_and(|end| end == "sql");
                unnumbered.extend(is_sql.then_some(entry.path));
            }
            Err(finding) => findings.push(finding),
        }
    }
    if !found.migrations.is_empty() {
        open_to_all.push(directory.to_owned());
    }
    found.warnings.extend(world_writable(&open_to_all));
    // Nothing here is ours: who runs it means the other tool's scripts.
    let is_theirs = found.migrations.is_empty();
    if is_theirs && signs.is_empty() {
        found.warnings.extend(nothing_here(directory, unnumbered));
    }
    match is_theirs {
        true => findings.extend(foreign::findings(directory, signs)),
        false => found.warnings.extend(foreign::findings(directory, signs)),
    }
    finish(directory, found, findings, recorded)
}

/// Scripts that are part of the program, by file name and text: the same rules
/// as for a folder, but no file is read when they run.
///
/// ```
/// use litemigrate::embedded;
///
/// let scripts = embedded(&[
///     ("0001_create_users.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY);"),
///     ("0002_add_name.sql", "ALTER TABLE users ADD COLUMN name TEXT;"),
/// ])?;
/// assert_eq!(scripts.migrations[1].description, "add name");
/// # Ok::<(), litemigrate::Error>(())
/// ```
///
/// With `include_str!` the texts stay files until the program is built, and are borrowed,
/// not copied. A text that is made at run time is given as a `String`.
///
/// # Errors
///
/// [`Error::Unusable`], also for a name that would be ignored in a folder.
pub fn embedded<T: Into<Cow<'static, str>> + Clone>(
    scripts: &[(&str, T)],
) -> Result<Directory, Error> {
    let mut found = Directory::default();
    let mut findings = Vec::new();
    for (name, text) in scripts {
        let path = Path::new(name);
        let text: Cow<'static, str> = text.clone().into();
        let bytes = text.as_bytes();
        let checked = check_text(path, bytes).and_then(|()| check_replaces(path, bytes));
        match (parse_name(name), checked) {
            (NameVerdict::Migration(parsed), Ok(())) => {
                let mut migration = migration(parsed, path, bytes, Checksum::of(bytes));
                migration.embedded = Some(text);
                found.migrations.push(migration);
            }
            (NameVerdict::Migration(_), Err(finding)) => findings.push(finding),
            (NameVerdict::Ignored | NameVerdict::NotANumber, _) => {
                let message = "is no migration's name: call it <number>_<name>.sql";
                findings.push(Finding::new("not-a-number", path, message));
            }
        }
    }
    finish(Path::new("the program"), found, findings, Vec::new)
}

/// Whether two lists are the same scripts, such as those that a program carries with it
/// and those of the folder that it was built from: by name and content, in any order. For
/// a test of the application's own.
#[must_use]
pub fn same_scripts(one: &[Migration], other: &[Migration]) -> bool {
    let sorted = |list: &[Migration]| {
        let mut list: Vec<_> = list
            .iter()
            .map(|migration| (migration.file_name(), migration.checksum.0))
            .collect();
        sort(&mut list, &Ord::cmp);
        list
    };
    sorted(one) == sorted(other)
}

/// Sorts what was found, and refuses it if it is unusable.
fn finish(
    directory: &Path,
    mut found: Directory,
    mut findings: Vec<Finding>,
    recorded: impl FnOnce() -> Vec<(i64, Vec<u8>)>,
) -> Result<Directory, Error> {
    sort(&mut found.migrations, &|a, b| {
        (a.version, a.kind, &a.path).cmp(&(b.version, b.kind, &b.path))
    });
    let sorted: Vec<&Migration> = found.migrations.iter().collect();
    if sorted
        .windows(2)
        .any(|two| two[0].version == two[1].version)
    {
        findings.extend(duplicates(&sorted, &recorded()));
    }
    let by_path = |a: &Finding, b: &Finding| a.path.cmp(&b.path);
    sort(&mut found.warnings, &by_path);
    if findings.is_empty() {
        return Ok(found);
    }
    sort(&mut findings, &by_path);
    Err(Error::Unusable {
        directory: directory.to_owned(),
        findings,
        warnings: found.warnings,
    })
}

/// A migration as its name and the beginning of its bytes say.
pub(crate) fn migration(name: Name, path: &Path, bytes: &[u8], checksum: Checksum) -> Migration {
    Migration {
        replaces: match name.kind {
            Kind::Down => Vec::new(),
            Kind::Simple | Kind::Up => replaces(bytes),
        },
        version: name.version,
        description: name.description,
        kind: name.kind,
        path: path.to_owned(),
        checksum,
        transactional: !bytes.starts_with(NO_TRANSACTION),
        embedded: None,
    }
}

/// The highest version among the files of `directory` with the text of its
/// number, whatever else is wrong with the folder. `None` if there is none.
///
/// # Errors
///
/// [`Error::Directory`] if it cannot be listed.
pub fn highest_version(directory: &Path) -> Result<Option<(i64, String)>, Error> {
    let mut highest = None;
    for entry in list(directory)? {
        let name = entry.name();
        if let NameVerdict::Migration(parsed) = parse_name(&name)
            && highest
                .as_ref()
                .is_none_or(|&(version, _)| parsed.version > version)
        {
            let digits = name.split('_').next().unwrap_or_default().to_owned();
            highest = Some((parsed.version, digits));
        }
    }
    Ok(highest)
}

/// One name in a folder.
struct Listed {
    path: PathBuf,
    file_type: io::Result<FileType>,
}

impl Listed {
    /// The name as sqlx sees it: what is not UTF-8 becomes U+FFFD.
    fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

fn list(directory: &Path) -> Result<Vec<Listed>, Error> {
    let failed = |source| Error::Directory {
        path: directory.to_owned(),
        source,
    };
    std::fs::read_dir(directory)
        .map_err(failed)?
        .map(|entry| {
            let entry = entry.map_err(failed)?;
            Ok(Listed {
                path: entry.path(),
                file_type: entry.file_type(),
            })
        })
        .collect()
}

/// What one name of a folder turned out to be.
enum Entry {
    /// A script, its owner, and whether everybody may write to it.
    Migration(Migration, u32, bool),
    Suspicious(Finding),
    /// A sub-folder that another tool has made.
    Foreign(Sign),
    Ignored,
}

fn read_entry(entry: &Listed, buffer: &mut Vec<u8>) -> Result<Entry, Finding> {
    let name = entry.name();
    let path = &entry.path;
    let verdict = parse_name(&name);
    if verdict == NameVerdict::Ignored {
        let is_folder = |entry: &Listed| matches!(&entry.file_type, Ok(kind) if kind.is_dir());
        let sign = match is_folder(entry) {
            true => sign_of_folder(path),
            // A migration that is a program.
            false => sign_of_file(path),
        };
        if let Some(sign) = sign {
            return Ok(Entry::Foreign(sign));
        }
        return Ok(match looks_like_a_mistake(&name) {
            Some(why) => Entry::Suspicious(Finding::new("ignored-file", path, why)),
            None => Entry::Ignored,
        });
    }
    let file_type = match &entry.file_type {
        Ok(file_type) if file_type.is_symlink() => match std::fs::metadata(path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let message =
                    "is a link to a file that does not exist: remove the link or restore the file";
                return Err(Finding::new("dangling-link", path, message));
            }
            Err(error) => return Err(unreadable(path, &error)),
        },
        Ok(file_type) => *file_type,
        Err(error) => return Err(unreadable(path, error)),
    };
    if !file_type.is_file() {
        // sqlx skips these before it looks at the name.
        let message = "is ignored: it is not a regular file";
        return Ok(Entry::Suspicious(Finding::new(
            "ignored-file",
            path,
            message,
        )));
    }
    let NameVerdict::Migration(parsed) = verdict else {
        if let Some(sign) = sign_of_file(path) {
            let message = format!(
                "belongs to {}: {}",
                sign.tool,
                foreign::cure(directory_of(path))
            );
            return Err(Finding::new("another-tool", path, message));
        }
        let message = "what stands before the first `_` is not a number, which stops SQLPage and sqlx: rename it to <number>_<name>.sql, or move it out of the directory";
        return Err(Finding::new("not-a-number", path, message));
    };
    let is_link = matches!(&entry.file_type, Ok(kind) if kind.is_symlink());
    let (head, metadata, checksum) = scan(path, is_link, buffer)?;
    check_replaces(path, head)?;
    let migration = migration(parsed, path, head, checksum);
    let is_open = is_world_writable(&metadata);
    // Whoever has made a link chooses what is run.
    let linked = is_link
        .then(|| std::fs::symlink_metadata(path).ok())
        .flatten();
    let linker = linked.map(|link| link.uid()).filter(|user| *user != 0);
    let owner = linker.unwrap_or_else(|| metadata.uid());
    Ok(Entry::Migration(migration, owner, is_open))
}

/// What is said of a folder without a migration that holds scripts all the same, or a folder
/// of migrations.
fn nothing_here(directory: &Path, mut unnumbered: Vec<PathBuf>) -> Option<Finding> {
    let inner = directory.join("migrations");
    let message = if highest_version(&inner).is_ok_and(|highest| highest.is_some()) {
        format!(
            "holds no migration, and {} does: is that the folder that is meant (-m)?",
            shown(&inner)
        )
    } else {
        sort(&mut unnumbered, &Ord::cmp);
        let name = unnumbered.first()?.file_name()?;
        format!(
            "holds no migration: {} is none, because its name does not begin with a number: rename it to <number>_<name>.sql",
            shown(Path::new(name))
        )
    };
    Some(Finding::new("ignored-file", directory, message))
}

/// Why a name that is ignored may have been meant as a migration.
fn looks_like_a_mistake(name: &str) -> Option<&'static str> {
    if !name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    if lower.ends_with(".sql") {
        return Some(if name.contains('_') {
            "is ignored: its name must end in .sql, in lower case"
        } else {
            "is ignored: its name has no `_` after the version: rename it to <number>_<name>.sql"
        });
    }
    (lower.trim_end().ends_with(".sql") || lower.ends_with(".sql.txt"))
        .then_some("is ignored: its name does not end in .sql")
}
