//! A file that is read in pieces, so that memory does not grow with it.
//!
//! Owns how long a piece is, and that none ends inside a character. Knows nothing of what
//! is read.

use crate::database::permission::discovery::refuse_led_astray;
use crate::database::permission::{is_root, open_without_waiting};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// SQLite's limit for the length of a text (sqlite.org/limits.html): a longer
/// script cannot be run, so it is not read either.
const MAX_SCRIPT_BYTES: u64 = 1_000_000_000;

/// How many bytes of a script are read at a time.
static WINDOW: AtomicUsize = AtomicUsize::new(64 << 10);

/// How long a piece is.
pub(super) fn window() -> usize {
    WINDOW.load(Ordering::Relaxed)
}

/// Reads scripts in pieces of another size: for tests.
pub fn set_window(bytes: usize) {
    WINDOW.store(bytes.max(1), Ordering::Relaxed);
}

/// A regular file that is read in pieces.
pub(super) struct Pieces {
    file: File,
    /// How many bytes are to come. The length is a promise of the file system's that a
    /// writer may break; reading ends at the end of the file, or at the promised length,
    /// which saves a system call for each script. A script that grows meanwhile is found
    /// out by its checksum when its turn comes.
    pub(super) left: usize,
    /// The beginning of a character whose rest is in the next piece.
    pub(super) begun: Vec<u8>,
}

impl Pieces {
    /// Opens it: what the system knows of it, too. As root nothing that a user's link has
    /// led to and that user may not read.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Metadata)> {
        let (pieces, metadata) = Self::open_anyway(path)?;
        if is_root() {
            refuse_led_astray(path, &metadata)?;
        }
        Ok((pieces, metadata))
    }

    /// The same of a name that is no link in a folder that was listed, and may have become
    /// one since.
    pub(super) fn open_listed(path: &Path) -> io::Result<(Self, Metadata)> {
        let (pieces, metadata) = Self::open_anyway(path)?;
        if metadata.mode() & 0o004 == 0 && is_root() {
            refuse_led_astray(path, &metadata)?;
        }
        Ok((pieces, metadata))
    }

    fn open_anyway(path: &Path) -> io::Result<(Self, Metadata)> {
        let unusable = |message: &str| io::Error::new(io::ErrorKind::InvalidData, message);
        let file = open_without_waiting(path)?;
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
        let pieces = Self {
            file,
            left: usize::try_from(metadata.len()).map_err(io::Error::other)?,
            begun: Vec::new(),
        };
        Ok((pieces, metadata))
    }

    /// Reads the next piece by way of `buffer`, which is as long as the longest piece so
    /// far. Whether it is the last.
    pub(super) fn next<'b>(&mut self, buffer: &'b mut Vec<u8>) -> io::Result<(&'b [u8], bool)> {
        let wanted = self.left.min(window());
        // A file of no promised length is asked whether it has one by now.
        let length = wanted.max(1);
        if buffer.len() < length {
            // The system gives zeros; to extend the old one would write them.
            *buffer = vec![0; length];
        }
        let mut filled = 0;
        while filled < length {
            match self.file.read(&mut buffer[filled..length]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if wanted == 0 && filled > 0 {
            let message = "it is growing";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let ended = filled < wanted;
        self.left -= filled;
        Ok((&buffer[..filled], ended || self.left == 0))
    }

    /// Reads all pieces, one after the other.
    pub(super) fn each(
        mut self,
        buffer: &mut Vec<u8>,
        mut work: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        loop {
            let (piece, is_last) = self.next(buffer)?;
            work(piece)?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Appends a piece to a text, with what was left of the one before it, and without a
    /// character that the next one ends. The error is what stands where no text is.
    pub(super) fn append(
        &mut self,
        piece: &[u8],
        is_last: bool,
        text: &mut String,
    ) -> Result<(), Vec<u8>> {
        let joined;
        let piece = match self.begun.is_empty() {
            true => piece,
            false => {
                joined = [&std::mem::take(&mut self.begun), piece].concat();
                &joined
            }
        };
        let valid = match std::str::from_utf8(piece) {
            Ok(valid) => valid,
            Err(error) if error.error_len().is_none() && !is_last => {
                let (valid, begun) = piece.split_at(error.valid_up_to());
                self.begun = begun.to_vec();
                std::str::from_utf8(valid).unwrap_or_default()
            }
            Err(_) => return Err(piece.to_vec()),
        };
        text.push_str(valid);
        Ok(())
    }
}
