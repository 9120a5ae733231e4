//! Whose a folder is, and the names that each tool gives its files.
//!
//! Owns what only one tool puts into a folder. Lists, and reads no more than it takes to
//! know whose a folder is. Never writes.

use crate::diagnostics::sorted::sort;
use crate::files::foreign::search::searched;
use crate::files::foreign::{Tool, VersionedName, versioned_name};
use crate::files::read::read_text;
use std::io;
use std::path::{Path, PathBuf};

/// How deep folders in folders are looked at.
pub(crate) const DEPTH: usize = 8;

/// Whether a folder's name is diesel's: digits and dashes before the first `_`
/// (`migrations_internals/src/lib.rs`, `version_from_string`).
pub(crate) fn is_diesel_name(name: &str) -> bool {
    let number = name.split('_').next().unwrap_or_default().replace('-', "");
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a folder's name is rusqlite_migration's: a number before the first `-`
/// (`rusqlite_migration/src/loader.rs`, `get_id`), and not diesel's.
pub(crate) fn is_rusqlite_name(name: &str) -> bool {
    let number = name.split_once('-').map(|(number, _)| number);
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    number.is_some_and(is_number) && !is_diesel_name(name)
}

/// Whose the folder is, by what only that tool puts there. Where several have the
/// same form, `tables`, the tools whose history the database has, decides.
///
/// # Errors
///
/// What the system says if it cannot be listed.
pub(crate) fn recognise(folder: &Path, tables: &[Tool]) -> io::Result<Option<Tool>> {
    let names = list(folder)?;
    let one_of = |tools: &[Tool]| tools.iter().copied().find(|tool| tables.contains(tool));
    for path in names.iter().filter(|path| is_sql(path)) {
        if let Some(tool) = read_text(path).ok().and_then(|text| searched(&text).tool) {
            return Ok(Some(tool));
        }
    }
    let has = |file: &str| folder.join(file).is_file();
    if has("atlas.sum") {
        // Atlas writes other tools' forms, too (atlasgo.io, migration formats).
        let is_pair = |path: &PathBuf| pair_name(&name_of(path)).is_some();
        return Ok(Some(match names.iter().any(is_pair) {
            true => Tool::GolangMigrate,
            false => Tool::Atlas,
        }));
    }
    if has("meta/_journal.json") {
        return Ok(Some(Tool::Drizzle));
    }
    if has("migration_lock.toml") {
        return Ok(Some(Tool::Prisma));
    }
    for path in names.iter().filter(|path| path.is_dir()) {
        if path.join("migration.sql").is_file() {
            let is_drizzle = path.join("snapshot.json").is_file();
            let tool = if is_drizzle {
                Tool::Drizzle
            } else {
                Tool::Prisma
            };
            return Ok(Some(tool));
        }
        if path.join("up.sql").is_file() {
            return Ok(Some(match is_rusqlite_name(&name_of(path)) {
                true => Tool::Rusqlite,
                false => Tool::Diesel,
            }));
        }
    }
    let mut deep = Vec::new();
    list_deep(folder, DEPTH, &mut deep)?;
    let names_of_form: Vec<String> = deep.iter().map(|path| name_of(path)).collect();
    let mut versioned = names_of_form.iter().filter_map(|name| versioned_name(name));
    if let Some(first) = versioned.next() {
        let is_code = |name: &VersionedName<'_>| name.extension == "rs";
        let is_refinery = is_code(&first) || versioned.any(|name| is_code(&name));
        return Ok(Some(match one_of(&[Tool::Refinery, Tool::Flyway]) {
            Some(tool) => tool,
            None if is_refinery => Tool::Refinery,
            // The one that does more with a text.
            None => Tool::Flyway,
        }));
    }
    if let Some(tool) = one_of(&[Tool::D1, Tool::GolangMigrate]) {
        return Ok(Some(tool));
    }
    let is_half = |path: &PathBuf| pair_name(&name_of(path)).is_some();
    Ok(names.iter().any(is_half).then_some(Tool::GolangMigrate))
}

/// The name of golang-migrate's files without what stands after it, and whether it
/// applies (`source/parse.go`).
pub(crate) fn pair_name(name: &str) -> Option<(&str, bool)> {
    if !name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let up = name.strip_suffix(".up.sql").map(|stem| (stem, true));
    up.or(name.strip_suffix(".down.sql").map(|stem| (stem, false)))
}

pub(crate) fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

pub(crate) fn is_sql(path: &Path) -> bool {
    name_of(path).ends_with(".sql") && path.is_file()
}

/// What is in a folder, by name; hidden files are nobody's.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if !name_of(&path).starts_with('.') {
            names.push(path);
        }
    }
    sort(&mut names, &Ord::cmp);
    Ok(names)
}

/// The files of a folder and of those in it; links to folders are not followed.
pub(crate) fn list_deep(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for path in list(folder)? {
        let is_folder = std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
        match is_folder {
            true if depth > 0 => list_deep(&path, depth - 1, found)?,
            true => {}
            false => found.push(path),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{is_diesel_name, is_rusqlite_name};

    #[test]
    fn diesels_names_are_told_from_rusqlites() {
        for (name, is_diesel, is_rusqlite) in [
            ("2024-01-01-120000_users", true, false),
            ("00000000000000_diesel_initial_setup", true, false),
            ("01-friend_car", false, true),
            ("1-init", false, true),
            ("20240101", true, false),
            ("archive", false, false),
        ] {
            assert_eq!(is_diesel_name(name), is_diesel, "{name}");
            assert_eq!(is_rusqlite_name(name), is_rusqlite, "{name}");
        }
    }
}
