//! The bytes of one file: read, checked, and written once.
//!
//! Owns every read of a script's text, and what text may be. Never lists a folder.

use crate::database::permission::open_without_waiting;
use crate::database::permission::place::Place;
use crate::diagnostics::error::Error;
use crate::diagnostics::position::Position;
use crate::diagnostics::problem::Finding;
use crate::files::migration::{Checksum, Difference, Migration, difference};
use crate::script::text;
use std::fs::Metadata;
use std::io::{self, Read, Write};
use std::path::Path;

/// SQLite's limit for the length of a text (sqlite.org/limits.html): a longer
/// script cannot be run, so it is not read either.
const MAX_SCRIPT_BYTES: u64 = 1_000_000_000;

/// Reads the text of a migration again, with room for one more byte.
///
/// # Errors
///
/// [`Error::Read`] if it cannot be read, [`Error::Changed`] if its checksum is
/// not the one that the folder's listing found.
pub(crate) fn read_sql(migration: &Migration) -> Result<String, Error> {
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
pub(crate) fn spelling_difference(migration: &Migration, recorded: &[u8]) -> Option<Difference> {
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
pub(crate) fn create_file(path: &Path, content: &str) -> Result<(), Error> {
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

/// A file that cannot be read: by this user, because of the disk, or at all.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Finding {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => "no-permission",
        io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge => "unreadable",
        _ => "io-error",
    };
    Finding::new(kind, path, format!("cannot be read: {error}"))
}

/// Reads the whole of a regular file into `buffer`, which is cleared first and
/// has room for one byte more afterwards. Returns what the system knows of it.
pub(super) fn read_file(path: &Path, buffer: &mut Vec<u8>) -> io::Result<Metadata> {
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

pub(super) fn check_text(path: &Path, bytes: &[u8]) -> Result<(), Finding> {
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
pub(super) fn is_utf16(bytes: &[u8]) -> bool {
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
