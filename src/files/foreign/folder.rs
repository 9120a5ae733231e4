//! A folder of another tool, listed as that tool lists it.
//!
//! Owns what each tool takes for a migration, and what has no place among ours. Never
//! writes, and reads settings only.

mod nested;

use crate::diagnostics::problem::Finding;
use crate::diagnostics::sorted::sort;
use crate::diagnostics::text::shown;
use crate::files::foreign::recognise::{DEPTH, is_sql, list, list_deep, name_of, pair_name};
use crate::files::foreign::{Tool, versioned_name};
use crate::files::read::read_text;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// One migration of another tool.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub version: i64,
    /// The version as it stands in the name.
    pub digits: String,
    /// What follows it in the name, without a suffix.
    pub name: String,
    /// What the tool's history calls it, where it keeps names.
    pub key: String,
    /// What applies; in some forms the way back is in it.
    pub up: Option<PathBuf>,
    /// What undoes.
    pub down: Option<PathBuf>,
    /// Whether the tool runs it in a transaction, as far as other files say.
    pub transactional: bool,
    /// Whether the tool puts values in the place of `${…}`.
    pub placeholders: bool,
    /// What the tool sorts by, if that is no number but text.
    pub order: String,
    /// When it was generated, in milliseconds, where the tool's history calls it so.
    pub when: Option<i64>,
}

impl Source {
    /// The file that it is best known by.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.up.as_deref().or(self.down.as_deref())
    }
}

/// The migrations of a folder, by version, as `tool` would list them.
///
/// # Errors
///
/// What the system says if it cannot be listed.
pub(crate) fn sources(tool: Tool, folder: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    let names = list(folder)?;
    match tool {
        Tool::Dbmate | Tool::SqlMigrate | Tool::D1 | Tool::Atlas => {
            for path in names.iter().filter(|path| is_sql(path)) {
                found.numbered_file(tool, path);
            }
        }
        Tool::Goose => {
            for path in &names {
                let name = name_of(path);
                let is_numbered = name.starts_with(|c: char| c.is_ascii_digit());
                if is_numbered && name.ends_with(".go") && !name.ends_with("_test.go") {
                    found.refuse(path, "is a migration in Go, which cannot be brought over: write what it does in SQL");
                } else if is_sql(path) {
                    found.numbered_file(tool, path);
                }
            }
        }
        Tool::GolangMigrate => {
            for path in &names {
                match golang_ending(&name_of(path)) {
                    Some("sql") => found.half_of_pair(path),
                    Some(_) => found.refuse(
                        path,
                        "is run by golang-migrate whatever its name ends in: let it end in .sql",
                    ),
                    None => {}
                }
            }
        }
        Tool::Flyway | Tool::Refinery => {
            let mut deep = Vec::new();
            list_deep(folder, DEPTH, &mut deep)?;
            for path in &deep {
                found.versioned_file(tool, path);
            }
        }
        Tool::Diesel | Tool::Rusqlite | Tool::Prisma => {
            for path in names.iter().filter(|path| path.is_dir()) {
                found.folder(tool, path);
            }
        }
        Tool::Drizzle => found.drizzle(folder, &names),
    }
    found.finish(folder, tool);
    found.pass_over(tool, &names);
    Ok(found)
}

/// What is in a folder of another tool.
#[derive(Default)]
pub(crate) struct Found {
    /// By version.
    pub sources: Vec<Source>,
    /// One for each file that has no place in our form.
    pub findings: Vec<Finding>,
    /// Scripts that are not the tool's.
    pub warnings: Vec<Finding>,
    /// Where those of each version stand, as long as there come more.
    by_version: BTreeMap<i64, Vec<usize>>,
}

impl Found {
    fn refuse(&mut self, path: &Path, message: impl Into<String>) {
        self.findings
            .push(Finding::new("cannot-convert", path, message));
    }

    fn add(&mut self, source: Source) {
        let places = self.by_version.entry(source.version).or_default();
        places.push(self.sources.len());
        self.sources.push(source);
    }

    /// The first of a version that is like this.
    fn find(&mut self, version: i64, is_it: impl Fn(&Source) -> bool) -> Option<&mut Source> {
        let mut places = self.by_version.get(&version)?.iter();
        let place = places.find(|place| self.sources.get(**place).is_some_and(&is_it))?;
        self.sources.get_mut(*place)
    }

    /// A file of settings, if it is there.
    fn settings(&mut self, path: &Path) -> Option<String> {
        let is_there = std::fs::symlink_metadata(path).is_ok();
        match is_there.then(|| read_text(path))? {
            Ok(text) => Some(text),
            Err(message) => {
                self.refuse(path, message);
                None
            }
        }
    }

    /// A name that begins with its version: `20240101120000_x`, `0001-x`.
    fn numbered(&mut self, path: &Path, stem: &str) -> Option<Source> {
        let end = stem.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = stem.split_at(end);
        let Ok(version) = digits.parse() else {
            self.refuse(path, "has no number at its beginning that could be its version: give it one, in its tool's history too");
            return None;
        };
        let name = match rest.strip_prefix('_') {
            Some(name) => name,
            None => rest.trim_start_matches(['-', '.', ' ']),
        };
        Some(Source {
            version,
            digits: digits.to_owned(),
            name: name.to_owned(),
            key: stem.to_owned(),
            up: Some(path.to_owned()),
            transactional: true,
            ..Source::default()
        })
    }

    fn numbered_file(&mut self, tool: Tool, path: &Path) {
        let name = name_of(path);
        let stem = name.strip_suffix(".sql").unwrap_or(&name);
        // dbmate passes over what begins with no digit.
        if tool == Tool::Dbmate && !name.starts_with(|c: char| c.is_ascii_digit()) {
            return;
        }
        if let Some(source) = self.numbered(path, stem) {
            // `1.2_x` is another version than 1, but not for dbmate.
            let mut after = stem[source.digits.len()..].chars();
            let is_dotted = after.next() == Some('.') && after.next().is_some_and(char::is_numeric);
            // dbmate `pkg/dbmate/db.go`, Atlas `sql/migrate/dir.go`.
            let is_by_text = matches!(tool, Tool::Dbmate | Tool::Atlas);
            let order = if is_by_text { name } else { String::new() };
            match is_dotted && tool != Tool::Dbmate {
                true => self.refuse(path, "has a version that is no whole number: renumber it"),
                false => self.add(Source { order, ..source }),
            }
        }
    }

    /// `000001_x.up.sql` and `000001_x.down.sql`.
    fn half_of_pair(&mut self, path: &Path) {
        let name = name_of(path);
        let Some((stem, is_up)) = pair_name(&name) else {
            return;
        };
        let Some(mut source) = self.numbered(path, stem) else {
            return;
        };
        if !is_up {
            source.down = source.up.take();
        }
        let is_up = source.up.is_some();
        let key = source.key.clone();
        let same = |other: &Source| other.key == key && other.up.is_some() != is_up;
        match self.find(source.version, same) {
            Some(half) => {
                half.up = half.up.take().or(source.up);
                half.down = half.down.take().or(source.down);
            }
            None => self.add(source),
        }
    }

    /// `V1__x.sql`, and of Flyway `U1__x.sql`, its way back.
    fn versioned_file(&mut self, tool: Tool, path: &Path) {
        let name = name_of(path);
        let is_flyway = tool == Tool::Flyway;
        let Some(parts) = versioned_name(&name) else {
            let lower = name.to_ascii_lowercase();
            let is_callback = ["before", "after"]
                .iter()
                .any(|word| lower.starts_with(word));
            if is_flyway && is_callback && is_sql(path) {
                self.refuse(path, "is a callback of Flyway, which is run around the migrations: there is nothing like it here");
            }
            return;
        };
        match (parts.prefix, parts.extension) {
            (_, "rs" | "java") => {
                self.refuse(path, "is a migration in a programming language, which cannot be brought over: write what it does in SQL");
                return;
            }
            ('R', _) => {
                self.refuse(
                    path,
                    "is repeatable, which a migration here is not: make a numbered migration of it",
                );
                return;
            }
            ('B', _) => {
                self.refuse(path, "is a baseline of Flyway, which stands for the migrations before it: leave it out, they make the same");
                return;
            }
            _ => {}
        }
        let Ok(version) = parts.version.parse() else {
            self.refuse(path, "has a version that is no whole number: renumber it");
            return;
        };
        let mut source = Source {
            version,
            digits: parts.version.to_owned(),
            name: parts.description.to_owned(),
            key: parts.description.to_owned(),
            up: Some(path.to_owned()),
            transactional: true,
            placeholders: true,
            ..Source::default()
        };
        if is_flyway {
            self.flyway_settings(path, &mut source);
        }
        if is_flyway && parts.prefix == 'U' {
            source.down = source.up.take();
        }
        let is_up = source.up.is_some();
        match self.find(version, |other| other.up.is_some() != is_up) {
            Some(half) if half.transactional == source.transactional => {
                if source.up.is_some() {
                    (half.name, half.key) = (source.name, source.key);
                }
                half.up = half.up.take().or(source.up);
                half.down = half.down.take().or(source.down);
                half.placeholders |= source.placeholders;
            }
            Some(_) => self.refuse(path, "is run in a transaction and its way back is not, or the other way round: bring it over by hand"),
            None => self.add(source),
        }
    }

    /// `V1__x.sql.conf` (`internal/sqlscript/SqlScriptMetadata.java`).
    fn flyway_settings(&mut self, path: &Path, source: &mut Source) {
        let settings = path.with_file_name(format!("{}.conf", name_of(path)));
        let Some(text) = self.settings(&settings) else {
            return;
        };
        for line in text.lines().map(str::trim) {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            match (key.trim(), value.trim()) {
                ("", _) => {}
                (key, _) if key.starts_with('#') => {}
                ("executeInTransaction", "true") | ("encoding", "UTF-8") => {}
                ("executeInTransaction", "false") => source.transactional = false,
                ("placeholderReplacement", value) => source.placeholders = value != "false",
                (key, _) => self.refuse(
                    &settings,
                    format!("the setting {key} has no counterpart here"),
                ),
            }
        }
    }

    fn finish(&mut self, folder: &Path, tool: Tool) {
        self.by_version.clear();
        if tool == Tool::Flyway {
            let lone = self.sources.iter().filter(|source| source.up.is_none());
            let lone: Vec<PathBuf> = lone.filter_map(|source| source.down.clone()).collect();
            for path in lone {
                self.refuse(&path, "undoes what no V file of its version makes, and to refinery it is a migration: say --from refinery if these are refinery's scripts");
            }
        }
        sort(&mut self.sources, &|a: &Source, b: &Source| {
            (a.version, &a.key).cmp(&(b.version, &b.key))
        });
        let twice: Vec<(PathBuf, String)> = self
            .sources
            .windows(2)
            .filter(|pair| pair[0].version == pair[1].version)
            .filter_map(|pair| Some((pair[1].path()?.to_owned(), pair[0].key.clone())))
            .collect();
        for (path, key) in twice {
            self.refuse(
                &path,
                format!("has the version of {key}: renumber one of them"),
            );
        }
        let is_turned =
            |pair: &&[Source]| pair[0].order > pair[1].order && !pair[1].order.is_empty();
        let turned = self.sources.windows(2).filter(is_turned);
        let turned = turned.filter_map(|pair| {
            let message = format!(
                "is run before {} by {}, which does not go by numbers, and would be run after it here: give the two numbers that stand in that order, in its tool's history too",
                pair[0].key,
                tool.form().name
            );
            Some((pair[1].path()?.to_owned(), message))
        });
        for (path, message) in turned.collect::<Vec<_>>() {
            self.refuse(&path, message);
        }
        let unnamed = self
            .sources
            .iter_mut()
            .filter(|source| source.name.is_empty());
        unnamed.for_each(|source| source.name = "migration".to_owned());
        let inner = folder.join("migrations");
        if self.sources.is_empty() && inner.is_dir() {
            self.findings.clear();
            self.refuse(
                folder,
                format!(
                    "holds no migration of {}: is {} the folder that is meant?",
                    tool.form().name,
                    shown(&inner)
                ),
            );
        }
        if self.sources.is_empty() && self.findings.is_empty() {
            let message = format!("holds no migration of {}", tool.form().name);
            self.findings
                .push(Finding::new("cannot-convert", folder, message));
        }
    }

    /// Says which scripts the tool does not take for its own.
    fn pass_over(&mut self, tool: Tool, names: &[PathBuf]) {
        // By name, as the folder was listed.
        let mut is_taken = vec![false; names.len()];
        let sources = self.sources.iter();
        let files = sources
            .flat_map(|source| [&source.up, &source.down])
            .flatten();
        for path in files.chain(self.findings.iter().map(|finding| &finding.path)) {
            if let Ok(place) = names.binary_search(path) {
                is_taken[place] = true;
            }
        }
        let passed_over = names.iter().zip(is_taken);
        let passed_over = passed_over.filter(|(path, is_taken)| !is_taken && is_sql(path));
        let name = tool.form().name;
        let warning = |(path, _): (&PathBuf, bool)| {
            let message = format!("is not run by {name}, and is passed over");
            Finding::new("passed-over", path, message)
        };
        self.warnings = passed_over.map(warning).collect();
    }
}

/// What the name of golang-migrate's file ends in: `^([0-9]+)_(.*)\.(down|up)\.(.*)$`
/// (`source/parse.go`). `None` if it is not its.
fn golang_ending(name: &str) -> Option<&str> {
    let rest = name.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = rest.strip_prefix('_').filter(|_| rest.len() < name.len())?;
    let after = |word: &str| rest.rfind(word).map(|at| at + word.len());
    let at = after(".up.").max(after(".down."))?;
    Some(&rest[at..])
}

#[cfg(test)]
mod tests {
    use super::golang_ending;

    #[test]
    fn what_golang_migrate_runs() {
        for (name, ending) in [
            ("1_a.up.sql", Some("sql")),
            ("000001_a_b.down.sql", Some("sql")),
            ("1_.up.sql", Some("sql")),
            ("1_a.up.sqlite", Some("sqlite")),
            ("1_a.up.SQL", Some("SQL")),
            ("1_a.up.sql.bak", Some("sql.bak")),
            ("1_a.up.down.sql", Some("sql")),
            ("1-a.up.sql", None),
            ("_a.up.sql", None),
            ("a_1.up.sql", None),
            ("1_a.sql", None),
        ] {
            assert_eq!(golang_ending(name), ending, "{name}");
        }
    }
}
