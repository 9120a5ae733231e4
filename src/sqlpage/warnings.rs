//! Where SQLPage will do something else with a script than we do.
//!
//! Judges files that are about to be run; changes nothing.

use crate::database::permission::open_without_waiting;
use crate::diagnostics::problem::Finding;
use crate::files::migration::Migration;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Where SQLPage will differ from what is about to be done with `pending`: each
/// kind once, with its first file.
#[must_use]
pub(crate) fn of_scripts<'a>(pending: impl Iterator<Item = &'a Migration>) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    let mut add = |kind: &'static str, path: &Path, message: &str| {
        if found.iter().all(|finding| finding.kind != kind) {
            found.push(Finding::new(kind, path, message));
        }
    };
    for migration in pending {
        let path = &migration.path;
        if std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
            add(
                "link",
                path,
                "is a link: SQLPage passes it over, and calls its version missing once it is applied: make it a file",
            );
        }
        if !migration.transactional {
            add(
                "no-transaction",
                path,
                "begins with `-- no-transaction`: SQLPage does not know that, and would run it in a transaction",
            );
        }
        let spelling = spelling_of(path);
        if spelling.byte_order_mark {
            add(
                "byte-order-mark",
                path,
                "begins with a byte order mark: it is part of the checksum, so an editor that drops it changes the script",
            );
        }
        if spelling.carriage_returns {
            add(
                "line-endings",
                path,
                "has CRLF line endings: they are part of the checksum, so keep Git from changing them (`*.sql -text` in .gitattributes)",
            );
        }
    }
    found
}

/// A folder of scripts that is not there, which SQLPage does not mind.
#[must_use]
pub(crate) fn missing_directory(path: &Path) -> Finding {
    let message = "is not there: SQLPage would start all the same, and apply nothing, which --optional does here";
    Finding::new("missing-directory", path, message)
}

/// What editors and Git change in a script without asking.
#[derive(Default)]
struct Spelling {
    byte_order_mark: bool,
    carriage_returns: bool,
}

/// Goes over the file piece by piece: a script can be large. What cannot be read, the
/// run will say.
fn spelling_of(path: &Path) -> Spelling {
    let mut spelling = Spelling::default();
    let Ok(file) = open_without_waiting(path) else {
        return spelling;
    };
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let mut is_first = true;
    let mut after_return = false;
    while let Ok(piece) = reader.fill_buf()
        && !piece.is_empty()
        && !spelling.carriage_returns
    {
        spelling.byte_order_mark |= is_first && piece.starts_with(b"\xEF\xBB\xBF");
        spelling.carriage_returns = (after_return && piece.starts_with(b"\n"))
            || piece.windows(2).any(|pair| pair == b"\r\n");
        after_return = piece.ends_with(b"\r");
        is_first = false;
        let length = piece.len();
        reader.consume(length);
    }
    spelling
}
