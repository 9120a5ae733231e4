//! Migrations that are folders, and those that a journal lists.
//!
//! Owns what diesel, Prisma and Drizzle keep in a folder of their own for each migration,
//! and Drizzle's journal.

use super::{Found, Source};
use crate::files::foreign::Tool;
use crate::files::foreign::recognise::{is_sql, list, name_of};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

impl Found {
    /// `<number>_<name>/up.sql` and the like.
    pub(super) fn folder(&mut self, tool: Tool, folder: &Path) {
        let name = name_of(folder);
        let [up, down] = match tool {
            Tool::Prisma | Tool::Drizzle => ["migration.sql", "down.sql"],
            _ => ["up.sql", "down.sql"],
        };
        let file = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
        let Some(up) = file(up) else {
            let is_empty = list(folder).is_ok_and(|names| names.is_empty());
            if !is_empty && !name.starts_with('.') && name != "meta" {
                self.refuse(
                    folder,
                    format!("holds no {up}: remove it, or put the file back"),
                );
            }
            return;
        };
        let source = match tool {
            Tool::Diesel => {
                let (number, rest) = name.split_once('_').unwrap_or((&name, ""));
                let number = number.replace('-', "");
                let found = self.numbered(&up, &format!("{number}_{rest}"));
                if found.as_ref().is_some_and(|source| source.digits != number) {
                    self.refuse(&up, "has a version that is no whole number: renumber it");
                    return;
                }
                found
            }
            _ => self.numbered(&up, &name),
        };
        let Some(mut source) = source else {
            return;
        };
        source.order = match tool {
            // A `MigrationVersion` is text (diesel `diesel/src/migration/mod.rs`).
            Tool::Diesel => source.digits.clone(),
            Tool::Prisma => name.clone(),
            _ => String::new(),
        };
        source.key = name;
        source.down = file(down);
        if tool == Tool::Diesel {
            self.diesel_settings(folder, &mut source);
        }
        self.add(source);
    }

    /// `metadata.toml`, in which diesel reads `run_in_transaction` only, and takes it
    /// for false if it is not there (`migrations_internals/src/lib.rs`).
    fn diesel_settings(&mut self, folder: &Path, source: &mut Source) {
        let settings = folder.join("metadata.toml");
        let Some(text) = self.settings(&settings) else {
            return;
        };
        let mut values = text.lines().filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            let value = value.split('#').next().unwrap_or_default().trim();
            (key.trim() == "run_in_transaction").then_some(value)
        });
        match values.next_back() {
            Some("true") => {}
            Some("false") => source.transactional = false,
            _ => self.refuse(
                &settings,
                "does not say whether to run_in_transaction: true or false",
            ),
        }
    }

    /// The files that the journal names, or the folders of newer versions.
    pub(super) fn drizzle(&mut self, folder: &Path, names: &[PathBuf]) {
        let journal = folder.join("meta/_journal.json");
        let Some(text) = self.settings(&journal) else {
            for path in names.iter().filter(|path| path.is_dir()) {
                self.folder(Tool::Drizzle, path);
            }
            return;
        };
        let entries = journal_entries(&text);
        let tags: BTreeSet<&str> = entries.iter().map(|(tag, _)| &**tag).collect();
        for (place, (tag, when)) in entries.iter().enumerate() {
            let path = folder.join(format!("{tag}.sql"));
            if !path.is_file() {
                self.refuse(
                    &path,
                    "is named in meta/_journal.json and is not there: put it back",
                );
            } else if let Some(mut source) = self.numbered(&path, tag) {
                source.when = *when;
                source.order = format!("{place:08}");
                self.add(source);
            }
        }
        for path in names.iter().filter(|path| is_sql(path)) {
            let name = name_of(path);
            if !tags.contains(name.strip_suffix(".sql").unwrap_or(&name)) {
                self.refuse(
                    path,
                    "is not named in meta/_journal.json, so Drizzle never runs it: move it away",
                );
            }
        }
    }
}

/// Tag and time of each entry of Drizzle's journal: a list of flat objects, which only
/// drizzle-kit writes.
fn journal_entries(text: &str) -> Vec<(String, Option<i64>)> {
    let value = |entry: &str, key: &str| -> Option<String> {
        let (_, rest) = entry.split_once(&format!("\"{key}\""))?;
        let rest = rest.trim_start().strip_prefix(':')?.trim_start();
        match rest.strip_prefix('"') {
            Some(string) => string.split('"').next().map(str::to_owned),
            None => rest
                .split([',', '}', '\n'])
                .next()
                .map(|word| word.trim().to_owned()),
        }
    };
    let entries = text.split('{').filter_map(|entry| {
        let when = value(entry, "when").and_then(|when| when.parse().ok());
        Some((value(entry, "tag")?, when))
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::journal_entries;

    #[test]
    fn the_journal_is_read() {
        let text = r#"{ "version": "7", "entries": [ { "idx": 0, "when": 1700000000000, "tag": "0000_a", "breakpoints": true }, {"when":1,"tag":"0001_b"} ] }"#;
        assert_eq!(
            journal_entries(text),
            [
                ("0000_a".to_owned(), Some(1_700_000_000_000)),
                ("0001_b".to_owned(), Some(1))
            ]
        );
    }
}
