//! The bytes of one file: read, checked, and written once.
//!
//! Owns what a script's text may be, and every read of one, by way of `pieces`. Never lists
//! a folder.

use crate::database::permission::place::Place;
use crate::diagnostics::error::Error;
use crate::diagnostics::position::{CONTEXT, Origin, Position, floor};
use crate::diagnostics::problem::Finding;
use crate::files::migration::{Checksum, Migration};
use crate::files::pieces::{Pieces, window};
use crate::files::spelling::{Difference, Spellings, difference};
use crate::script::text;
use sha2::{Digest, Sha384};
use std::fs::Metadata;
use std::io;
use std::path::Path;

/// The text of a migration, read a second time when its turn comes: in pieces, of which
/// none ends inside a character, and hashed on the way.
pub(crate) struct Source<'a> {
    migration: &'a Migration,
    from: Bytes<'a>,
    buffer: Vec<u8>,
    hasher: Sha384,
    /// The first piece, until it is taken.
    head: String,
    is_taken: bool,
    is_complete: bool,
}

/// Where the bytes are.
enum Bytes<'a> {
    Program(&'a str),
    File(Pieces),
}

impl<'a> Source<'a> {
    /// Reads the first piece; of a script that is to be run outside a transaction all of
    /// it once, because nothing could be taken back if it were not what it was.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if it cannot be read, [`Error::Changed`] if its checksum is
    /// not the one that the folder's listing found.
    pub(crate) fn open(migration: &'a Migration) -> Result<Self, Error> {
        let mut source = Self::begin(migration)?;
        if !migration.transactional && !source.is_complete {
            let mut text = String::new();
            while !source.read_on(&mut text)? {
                text.clear();
            }
            source = Self::begin(migration)?;
        }
        Ok(source)
    }

    fn begin(migration: &'a Migration) -> Result<Self, Error> {
        let from = match &migration.embedded {
            Some(text) => Bytes::Program(text),
            None => {
                let pieces = Pieces::open(&migration.path);
                Bytes::File(pieces.map_err(|source| unread(migration, source))?.0)
            }
        };
        let mut source = Self {
            migration,
            from,
            buffer: Vec::new(),
            hasher: Sha384::new(),
            head: String::new(),
            is_taken: false,
            is_complete: false,
        };
        let mut head = String::new();
        source.append(&mut head)?;
        source.head = head;
        Ok(source)
    }

    /// The first piece, and whether it is all.
    pub(crate) fn head(&self) -> (&str, bool) {
        (&self.head, self.is_complete)
    }

    /// Appends the next piece. Whether it is the last.
    pub(crate) fn read_on(&mut self, text: &mut String) -> Result<bool, Error> {
        if !self.is_taken {
            self.is_taken = true;
            match text.is_empty() {
                true => *text = std::mem::take(&mut self.head),
                false => text.push_str(&self.head),
            }
        } else if !self.is_complete {
            self.append(text)?;
        }
        Ok(self.is_complete)
    }

    fn append(&mut self, text: &mut String) -> Result<(), Error> {
        let migration = self.migration;
        let changed = |message: &str| Error::Changed {
            path: migration.path.clone(),
            message: message.to_owned(),
        };
        match &mut self.from {
            Bytes::Program(rest) => {
                let mut length = window().min(rest.len());
                while !rest.is_char_boundary(length) {
                    length += 1;
                }
                let (piece, later) = rest.split_at(length);
                text.push_str(piece);
                *rest = later;
                self.is_complete = later.is_empty();
                // It is part of the program, and cannot have changed.
                return Ok(());
            }
            Bytes::File(pieces) => {
                let (bytes, is_last) = pieces
                    .next(&mut self.buffer)
                    .map_err(|source| unread(migration, source))?;
                self.is_complete = is_last;
                self.hasher.update(bytes);
                let end = text.len();
                let piece = pieces.append(bytes, is_last, text);
                piece.map_err(|_| changed("is not UTF-8"))?;
                if text[end..].contains('\0') {
                    return Err(changed("holds a NUL byte"));
                }
            }
        }
        if self.is_complete {
            let checksum = std::mem::take(&mut self.hasher).finalize();
            if checksum[..] != migration.checksum.0 {
                return Err(changed("has changed since this run began"));
            }
        }
        Ok(())
    }
}

fn unread(migration: &Migration, source: io::Error) -> Error {
    Error::Read {
        path: migration.path.clone(),
        source,
    }
}

/// The whole text of a migration: for what cannot be done in pieces.
///
/// # Errors
///
/// As [`Source::open`].
pub(crate) fn read_sql(migration: &Migration) -> Result<String, Error> {
    let mut source = Source::begin(migration)?;
    let mut text = String::new();
    while !source.read_on(&mut text)? {}
    Ok(text)
}

/// What the text of a script says by itself that a person should know.
///
/// # Errors
///
/// As [`read_sql`].
pub(crate) fn text_findings(migration: &Migration) -> Result<Vec<Finding>, Error> {
    let path = &migration.path;
    let mut source = Source::begin(migration)?;
    let (head, is_all) = source.head();
    let is_known = is_all || !head.trim().is_empty();
    let mut findings = Vec::new();
    findings.extend(is_known.then(|| text::at_its_head(path, head)).flatten());
    // From where a token begins that may end in the next piece.
    let (mut open, mut origin) = (String::new(), Origin::default());
    loop {
        let wanted = 2 * open.len();
        let mut is_last = source.read_on(&mut open)?;
        while !is_last && open.len() < wanted {
            is_last = source.read_on(&mut open)?;
        }
        if is_last {
            let comment = text::unclosed_comment(&open);
            let place = comment.map(|at| Position::within(path, &open, at, origin));
            findings.extend(place.map(text::never_closed));
            return Ok(findings);
        }
        let end = text::open_token(&open).unwrap_or(open.len());
        origin.pass_over(&open[..end]);
        open.drain(..end);
    }
}

/// Reads a text that is no migration, such as a settings file. The error is a
/// sentence.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let bytes = read_file(path).map_err(|error| format!("cannot be read: {error}"))?;
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
    let mut spellings = Spellings::default();
    let mut buffer = Vec::new();
    let (pieces, _) = Pieces::open(&migration.path).ok()?;
    let feed = |piece: &[u8]| {
        spellings.feed(piece);
        Ok(())
    };
    pieces.each(&mut buffer, feed).ok()?;
    spellings.which_is(recorded)
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
        let like = (0o666, &place.directory()?);
        place.write_whole(TEMPORARY, like, content.as_bytes(), Place::publish_new)
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

/// Reads a script by way of `buffer` and checks that it is text, in pieces if it is long.
/// Gives back the first of them.
pub(super) fn scan<'b>(
    path: &Path,
    is_link: bool,
    buffer: &'b mut Vec<u8>,
) -> Result<(&'b [u8], Metadata, Checksum), Finding> {
    let failed = |error: io::Error| unreadable(path, &error);
    let opened = match is_link {
        true => Pieces::open(path),
        false => Pieces::open_listed(path),
    };
    let (mut pieces, metadata) = opened.map_err(failed)?;
    let (first, is_all) = pieces.next(buffer).map_err(failed)?;
    if is_all || is_utf16(first) {
        check_text(path, first)?;
    }
    if is_all {
        return Ok((first, metadata, Checksum::of(first)));
    }
    let mut hasher = Sha384::new();
    let (mut piece, mut is_last) = (first, is_all);
    let (mut others, mut text) = (Vec::new(), String::new());
    loop {
        hasher.update(piece);
        text.clear();
        if pieces.append(piece, is_last, &mut text).is_err() || text.contains('\0') {
            return Err(wrong_text(path).unwrap_or_else(failed));
        }
        if is_last {
            return Ok((first, metadata, Checksum(hasher.finalize().into())));
        }
        (piece, is_last) = pieces.next(&mut others).map_err(failed)?;
    }
}

/// Reads a long file again, to tell where it is no text or has a NUL byte.
fn wrong_text(path: &Path) -> io::Result<Finding> {
    let (mut pieces, _) = Pieces::open(path)?;
    let mut origin = Origin::default();
    // A piece, and the end of the one before it, to show where it stands.
    let mut text = String::new();
    let mut buffer = Vec::new();
    loop {
        let (piece, is_last) = pieces.next(&mut buffer)?;
        let kept = text.len();
        let wrong = match pieces.append(piece, is_last, &mut text) {
            Ok(()) if !text[kept..].contains('\0') => None,
            Ok(()) => Some(std::mem::take(&mut pieces.begun)),
            Err(wrong) => Some(wrong),
        };
        if let Some(wrong) = wrong {
            // Enough of what follows to show the line.
            let (next, _) = pieces.next(&mut buffer)?;
            let bytes = [text.as_bytes(), &wrong, next].concat();
            return Ok(not_text(path, &bytes, origin));
        }
        if is_last {
            return Err(io::Error::other("it is changing"));
        }
        let passed = floor(&text, text.len().saturating_sub(CONTEXT));
        origin.pass_over(&text[..passed]);
        text.drain(..passed);
    }
}

/// Reads the whole of a regular file.
pub(super) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let (pieces, _) = Pieces::open(path)?;
    let mut all = Vec::new();
    all.try_reserve_exact(pieces.left)
        .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    pieces.each(&mut Vec::new(), |piece| {
        all.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(all)
}

pub(super) fn check_text(path: &Path, bytes: &[u8]) -> Result<(), Finding> {
    if is_plain_ascii(bytes) {
        return Ok(());
    }
    if is_utf16(bytes) {
        let message = "is UTF-16 and not UTF-8 text, as some editors and PowerShell save it: save it as UTF-8";
        return Err(Finding::new("not-utf8", path, message));
    }
    if std::str::from_utf8(bytes).is_err() || bytes.contains(&0) {
        return Err(not_text(path, bytes, Origin::default()));
    }
    Ok(())
}

/// Where a piece of a file is no text, or has a NUL byte.
fn not_text(path: &Path, bytes: &[u8], origin: Origin) -> Finding {
    if let Err(error) = std::str::from_utf8(bytes)
        && !bytes[..error.valid_up_to()].contains(&0)
    {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = String::from_utf8_lossy(&bytes[error.valid_up_to()..]);
        let line = line.split('\n').next().unwrap_or_default();
        let text = format!("{valid}{line}");
        let position = Position::within(path, &text, error.valid_up_to(), origin);
        let message = "is not UTF-8 text: save it as UTF-8";
        return Finding::at("not-utf8", position, message);
    }
    let offset = bytes.iter().position(|&byte| byte == 0).unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    let position = Position::within(path, &text, offset, origin);
    let message =
        "holds a NUL byte, as a power cut leaves in a file that was just written: restore the file";
    Finding::at("nul-byte", position, message)
}

/// Whether every byte is ASCII and none is NUL, eight at a time: what nearly every script
/// is, and fast even where the program is built for size.
fn is_plain_ascii(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);
    let (words, rest) = bytes.as_chunks();
    // A byte of zero borrows, which sets its highest bit.
    let seen = words.iter().fold(0, |seen, &word| {
        let word = u64::from_ne_bytes(word);
        seen | word | word.wrapping_sub(ONES)
    });
    seen & HIGHEST == 0 && rest.iter().all(|&byte| byte != 0 && byte.is_ascii())
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
