//! Where SQLPage will do something else with a script than we do.
//!
//! Judges files that are about to be run; changes nothing.

use crate::diagnostics::problem::Finding;
use crate::files::directory::read_text;
use crate::files::migration::Migration;
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
        let text = read_text(path).unwrap_or_default();
        if text.starts_with('\u{FEFF}') {
            add(
                "byte-order-mark",
                path,
                "begins with a byte order mark: it is part of the checksum, so an editor that drops it changes the script",
            );
        }
        if text.contains("\r\n") {
            add(
                "line-endings",
                path,
                "has CRLF line endings: they are part of the checksum, so keep Git from changing them (`*.sql -text` in .gitattributes)",
            );
        }
    }
    found
}
