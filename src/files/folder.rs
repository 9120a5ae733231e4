//! A folder as a whole: which set of scripts it is, and whether two have one version.
//!
//! Owns the folder's checksum. Reads no file.

use crate::diagnostics::error::Error;
use crate::diagnostics::problem::Finding;
use crate::files::migration::{Checksum, Kind, Migration};
use std::path::Path;

/// The checksum of a whole set of scripts: SHA-384 of a line `<version> <checksum>` for
/// each of them, in the order in which a folder has them. What undoes has ` down` at the
/// line's end: a script that is made one by its name alone is not the same.
#[must_use]
pub(crate) fn folder_checksum(migrations: &[Migration]) -> Checksum {
    let lines = migrations.iter().map(|migration| {
        let mark = match migration.kind {
            Kind::Down => " down",
            Kind::Simple | Kind::Up => "",
        };
        format!("{} {}{mark}\n", migration.version, migration.checksum)
    });
    Checksum::of_parts(lines)
}

/// Refuses any set of scripts but the one that has this checksum.
///
/// # Errors
///
/// [`Error::OtherFolder`].
pub(crate) fn refuse_other(
    directory: &Path,
    migrations: &[Migration],
    expected: Checksum,
) -> Result<(), Error> {
    let found = folder_checksum(migrations);
    if found == expected {
        return Ok(());
    }
    Err(Error::OtherFolder {
        path: directory.to_owned(),
        expected: expected.to_string(),
        found: found.to_string(),
    })
}

/// A finding for every file whose version another file has already. One file
/// that applies and one that undoes are one migration. `recorded` are the versions
/// and checksums of a history, if one is known: it tells which file was applied.
pub(crate) fn duplicates(sorted: &[&Migration], recorded: &[(i64, Vec<u8>)]) -> Vec<Finding> {
    let undoes = |migration: &Migration| migration.kind == Kind::Down;
    let is_applied = |migration: &Migration| {
        let found = recorded.binary_search_by_key(&migration.version, |(version, _)| *version);
        !undoes(migration)
            && found.is_ok_and(|index| recorded[index].1[..] == migration.checksum.0[..])
    };
    sorted
        .windows(2)
        .filter(|pair| pair[0].version == pair[1].version && undoes(pair[0]) == undoes(pair[1]))
        .map(|pair| {
            let (first, second) = (pair[0].file_name(), pair[1].file_name());
            let cure = match (is_applied(pair[0]), is_applied(pair[1])) {
                (true, false) => {
                    format!("{first} is the one that was applied: give {second} another number")
                }
                (false, true) => {
                    format!("{second} is the one that was applied: give {first} another number")
                }
                _ => "give one of them another number".to_owned(),
            };
            let message = format!("has the same version as {first}: {cure}");
            Finding::new("duplicate-version", &pair[1].path, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::folder_checksum;
    use crate::files::directory::embedded;

    fn checksum(names: [&str; 2]) -> String {
        let scripts = names.map(|name| (name, "SELECT 1;"));
        folder_checksum(&embedded(&scripts).unwrap().migrations).to_string()
    }

    #[test]
    fn what_is_run_and_what_undoes_are_other_folders() {
        let plain = checksum(["1_a.sql", "2_b.sql"]);
        assert_eq!(plain, checksum(["1_a.up.sql", "02_other.sql"]));
        assert_ne!(plain, checksum(["1_a.sql", "2_b.down.sql"]));
        assert_ne!(plain, checksum(["1_a.sql", "3_b.sql"]));
    }
}
