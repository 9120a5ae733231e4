//! A folder of scripts: listed, read, checked and sorted.
//!
//! Owns every read of a script, what makes a folder unusable, and the making of
//! new files. Never opens a database. What is ignored and what is refused follows
//! `sqlx-core/src/migrate/source.rs`; where we differ, COMPAT in the README says so.

use crate::database::permission::place::Place;
use crate::database::permission::{
    directory_of, is_world_writable, open_without_waiting, world_writable,
};
use crate::diagnostics::error::Error;
use crate::diagnostics::position::Position;
use crate::diagnostics::problem::Finding;
use crate::files::folder::duplicates;
use crate::files::foreign::{self, Sign, sign_of_file, sign_of_folder};
use crate::files::migration::{
    Checksum, Difference, Kind, Migration, NO_TRANSACTION, Name, NameVerdict, difference,
    parse_name,
};
use crate::files::replaces::replaces;
use crate::script::text;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{FileType, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// SQLite's limit for the length of a text (sqlite.org/limits.html): a longer
/// script cannot be run, so it is not read either.
const MAX_SCRIPT_BYTES: u64 = 1_000_000_000;

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
    let mut found = Directory::default();
    let mut findings = Vec::new();
    let mut buffer = Vec::new();
    let mut open_to_all = Vec::new();
    let mut signs = Vec::new();
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
            Ok(Entry::Ignored) => {}
            Err(finding) => findings.push(finding),
        }
    }
    if !found.migrations.is_empty() {
        open_to_all.push(directory.to_owned());
    }
    found.warnings.extend(world_writable(&open_to_all));
    // Nothing here is ours: who runs it means the other tool's scripts.
    let is_theirs = found.migrations.is_empty();
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
        match (parse_name(name), check_text(path, bytes)) {
            (NameVerdict::Migration(parsed), Ok(())) => {
                let mut migration = migration(parsed, path, bytes);
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
        list.sort_unstable();
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
    found
        .migrations
        .sort_by(|a, b| (a.version, a.kind, &a.path).cmp(&(b.version, b.kind, &b.path)));
    let sorted: Vec<&Migration> = found.migrations.iter().collect();
    if sorted
        .windows(2)
        .any(|two| two[0].version == two[1].version)
    {
        findings.extend(duplicates(&sorted, &recorded()));
    }
    found.warnings.sort_by(|a, b| a.path.cmp(&b.path));
    if findings.is_empty() {
        return Ok(found);
    }
    findings.sort_by(|a, b| a.path.cmp(&b.path));
    Err(Error::Unusable {
        directory: directory.to_owned(),
        findings,
        warnings: found.warnings,
    })
}

/// A migration as its name and its bytes say.
pub(crate) fn migration(name: Name, path: &Path, bytes: &[u8]) -> Migration {
    Migration {
        replaces: match name.kind {
            Kind::Down => Vec::new(),
            Kind::Simple | Kind::Up => replaces(bytes),
        },
        version: name.version,
        description: name.description,
        kind: name.kind,
        path: path.to_owned(),
        checksum: Checksum::of(bytes),
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

/// Reads the text of a migration again, with room for one more byte.
///
/// # Errors
///
/// [`Error::Read`] if it cannot be read, [`Error::Changed`] if its checksum is
/// not the one that the folder's listing found.
pub fn read_sql(migration: &Migration) -> Result<String, Error> {
    let changed = |message: String| Error::Changed {
        path: migration.path.clone(),
        message,
    };
    if let Some(text) = &migration.embedded {
        return Ok(text.clone().into_owned());
    }
    let mut bytes = Vec::new();
    read_file(&migration.path, &mut bytes).map_err(|source| Error::Read {
        path: migration.path.clone(),
        source,
    })?;
    if Checksum::of(&bytes) != migration.checksum {
        return Err(changed("has changed since this run began".to_owned()));
    }
    String::from_utf8(bytes).map_err(|_| changed("is not UTF-8".to_owned()))
}

/// What the text of a script says by itself that a person should know.
///
/// # Errors
///
/// As [`read_sql`].
pub(crate) fn text_findings(migration: &Migration) -> Result<Vec<Finding>, Error> {
    let text = read_sql(migration)?;
    let path = &migration.path;
    let head = text::at_its_head(path, &text);
    Ok(head
        .into_iter()
        .chain(text::comment_never_closed(path, &text, 0))
        .collect())
}

/// Reads a text that is no migration, such as a settings file. The error is a
/// sentence.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    read_file(path, &mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.contains(&0) {
        return Err("holds a NUL byte".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())
}

/// In what the script differs from the one whose checksum is `recorded`, if it is
/// only in line endings, byte order mark or final newline.
#[must_use]
pub fn spelling_difference(migration: &Migration, recorded: &[u8]) -> Option<Difference> {
    if let Some(text) = &migration.embedded {
        return difference(text.as_bytes(), recorded);
    }
    let mut bytes = Vec::new();
    read_file(&migration.path, &mut bytes).ok()?;
    difference(&bytes, recorded)
}

/// Makes a new file that must not be there yet, and writes `content`. It has its name
/// only when it is complete and on the disk: an empty one would be applied by the next
/// run.
///
/// # Errors
///
/// [`Error::CannotCreate`] if it is there already or cannot be written.
pub fn create_file(path: &Path, content: &str) -> Result<(), Error> {
    const TEMPORARY: &str = ".litemigrate-tmp";
    let make = || {
        let place = Place::of(path)?;
        // What a killed run left.
        place.remove(TEMPORARY)?;
        let mut file = place.create(TEMPORARY, 0o666, &place.directory()?)?;
        file.write_all(content.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| place.publish_new(TEMPORARY))
            .inspect_err(|_| drop(place.remove(TEMPORARY)))
    };
    make().map_err(|error: io::Error| Error::CannotCreate {
        path: path.to_owned(),
        message: error.to_string(),
    })
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
        if let Some(sign) = is_folder(entry).then(|| sign_of_folder(path)).flatten() {
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
    let metadata = read_file(path, buffer).map_err(|error| unreadable(path, &error))?;
    check_text(path, buffer)?;
    let migration = migration(parsed, path, buffer);
    let is_open = is_world_writable(&metadata);
    Ok(Entry::Migration(migration, metadata.uid(), is_open))
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

/// A file that cannot be read: by this user, because of the disk, or at all.
fn unreadable(path: &Path, error: &io::Error) -> Finding {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => "no-permission",
        io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge => "unreadable",
        _ => "io-error",
    };
    Finding::new(kind, path, format!("cannot be read: {error}"))
}

/// Reads the whole of a regular file into `buffer`, which is cleared first and
/// has room for one byte more afterwards. Returns what the system knows of it.
fn read_file(path: &Path, buffer: &mut Vec<u8>) -> io::Result<Metadata> {
    let unusable = |message: &str| io::Error::new(io::ErrorKind::InvalidData, message);
    let mut file = open_without_waiting(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(unusable("it is not a regular file"));
    }
    if metadata.len() > MAX_SCRIPT_BYTES {
        let message = format!(
            "it has {} bytes, and SQLite takes {MAX_SCRIPT_BYTES} at most: split it",
            metadata.len()
        );
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    // The length is a promise of the file system's that a writer may break; the
    // loop ends at the end of the file, or at the promised length, which saves
    // a system call for each script. A script that grows meanwhile is found out
    // by its checksum when its turn comes.
    let promised = usize::try_from(metadata.len()).map_err(io::Error::other)?;
    buffer.clear();
    buffer
        .try_reserve(promised + 1)
        .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    buffer.resize(promised.max(1), 0);
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if promised == 0 && filled > 0 {
        return Err(unusable("it is growing"));
    }
    buffer.truncate(filled);
    Ok(metadata)
}

fn check_text(path: &Path, bytes: &[u8]) -> Result<(), Finding> {
    if is_utf16(bytes) {
        let message = "is UTF-16 and not UTF-8 text, as some editors and PowerShell save it: save it as UTF-8";
        return Err(Finding::new("not-utf8", path, message));
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = String::from_utf8_lossy(&bytes[error.valid_up_to()..]);
        let line = line.split('\n').next().unwrap_or_default();
        let text = format!("{valid}{line}");
        let position = Position::new(path, &text, error.valid_up_to());
        let message = "is not UTF-8 text: save it as UTF-8";
        return Err(Finding::at("not-utf8", position, message));
    }
    if bytes.contains(&0) {
        let offset = bytes.iter().position(|&byte| byte == 0).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes);
        let position = Position::new(path, &text, offset);
        let message = "holds a NUL byte, as a power cut leaves in a file that was just written: restore the file";
        return Err(Finding::at("nul-byte", position, message));
    }
    Ok(())
}

/// By its byte order mark, or because every other of the first bytes is zero.
fn is_utf16(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return true;
    }
    let head = &bytes[..bytes.len().min(64)];
    let zeros = |parity: usize, zero: bool| {
        let mut each = head.iter().skip(parity).step_by(2);
        each.all(|byte| (*byte == 0) == zero)
    };
    head.len() >= 4 && ((zeros(0, true) && zeros(1, false)) || (zeros(1, true) && zeros(0, false)))
}
