//! Versions of different kinds side by side, whose order may not be what was meant.
//!
//! Owns what is a kind of version. Only what is pending is looked at.

use crate::diagnostics::problem::Finding;
use crate::files::migration::Migration;

/// Numbers that count are short; dates and times have a number of digits each.
fn kind(version: i64) -> u32 {
    match version.unsigned_abs().checked_ilog10() {
        None | Some(..=5) => 0,
        Some(digits) => digits,
    }
}

/// What a person should know about the order of `pending`, which is by version.
pub(super) fn warnings(pending: &[&Migration]) -> Vec<Finding> {
    let mut warnings: Vec<Finding> = pending
        .iter()
        .filter(|migration| is_cut_date(migration))
        .map(|migration| {
            let message = format!(
                "is read as version {}, because a version ends at the first `_`: write the date without it, as in 20240131_name.sql",
                migration.version
            );
            Finding::new("version-kind", &migration.path, message)
        })
        .collect();
    // What begins all, as tools name it (`0_init`), or nearly so (`1_init`), was meant to.
    let is_head = |version: i64| version == 0 || version == 1;
    let differ = |two: &&[&Migration]| {
        kind(two[0].version) != kind(two[1].version) && !is_head(two[0].version)
    };
    for two in pending.windows(2).filter(differ) {
        let (before, after) = (two[0], two[1]);
        let message = format!(
            "version {} comes before {} of {}, which is of another kind: number them alike, if that is not the order that was meant",
            before.version,
            after.version,
            after.file_name()
        );
        warnings.push(Finding::new("version-kind", &before.path, message));
    }
    warnings
}

/// Whether it is called `2024_01_31_name.sql`.
fn is_cut_date(migration: &Migration) -> bool {
    let mut parts = migration.description.splitn(3, ' ');
    let mut is_two_digits = || {
        let part = parts.next().unwrap_or_default();
        part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    (1990..2100).contains(&migration.version) && is_two_digits() && is_two_digits()
}

#[cfg(test)]
mod tests {
    use super::is_cut_date;
    use crate::files::migration::{Checksum, Kind, Migration};
    use std::path::PathBuf;

    #[test]
    fn a_cut_date_is_a_year_and_two_numbers_of_two_digits() {
        for (version, description, expected) in [
            (2024, "01 31 name", true),
            (2024, "01 31", true),
            (2024, "to do 1", false),
            (2024, "1 3 name", false),
            (2024, "01 name", false),
            (2024, "01", false),
            (1989, "01 31 name", false),
            (2100, "01 31 name", false),
        ] {
            let file = Migration {
                version,
                description: description.to_owned(),
                kind: Kind::Simple,
                path: PathBuf::new(),
                checksum: Checksum([0; 48]),
                transactional: true,
                replaces: Vec::new(),
                embedded: None,
            };
            assert_eq!(is_cut_date(&file), expected, "{version} {description}");
        }
    }
}
