//! Brings another tool's scripts and what it has recorded of them over.
//!
//! Owns the order: everything is read and checked, then the files are written, then the
//! rows. Never overwrites a file, never changes the other tool's folder or table.

use crate::diagnostics::error::Error;
use crate::diagnostics::problem::Finding;
use crate::diagnostics::text::shown;
use crate::files::directory::{self, read_dir};
use crate::files::foreign::convert::{Converted, convert};
use crate::files::foreign::folder::{Source, sources};
use crate::files::foreign::recognise::recognise;
use crate::files::foreign::{TOOLS, Tool};
use crate::files::migration::{Checksum, Kind, Migration, NameVerdict, parse_name};
use crate::files::read::create_file;
use crate::files::read::read_text;
use crate::operations::backup::is_empty;
use crate::operations::create::create_directory;
use crate::operations::repair::{Change, record_as_applied, recordable};
use crate::plan::foreign::matching::{AppliedScript, Script};
use crate::plan::foreign::tables::{read, tools};
use crate::plan::policy::Options;
use crate::plan::{history, plan};
use rusqlite::Connection;
use std::io;
use std::path::{Path, PathBuf};

/// A file that is written, or was there already.
#[derive(Debug)]
pub(crate) struct File {
    /// What it is made of.
    pub from: PathBuf,
    /// What it becomes.
    pub migration: Migration,
    /// It is there, with these bytes.
    pub is_there: bool,
}

/// What is to be done, after everything was checked.
#[derive(Debug)]
pub(crate) struct Import {
    pub tool: Tool,
    folder: PathBuf,
    directory: PathBuf,
    sources: Vec<Source>,
    checksums: Vec<Option<String>>,
    /// By version, what undoes after what applies.
    pub files: Vec<File>,
    /// What the folder holds in the end.
    migrations: Vec<Migration>,
    /// What a person should know.
    pub warnings: Vec<Finding>,
    /// Whether there is a database.
    pub has_database: bool,
    /// The database as it was named.
    database: PathBuf,
    /// What is to be recorded.
    pub changes: Vec<Change>,
    /// Whether the database has the tool's history.
    pub has_history: bool,
}

/// Reads the folder of another tool, and its history in a database if there is one,
/// and finds out what they become in `directory`. Writes nothing.
///
/// # Errors
///
/// [`Error::Import`] if there is no such folder; [`Error::NotImported`] with every file and
/// row that cannot be brought over; as [`read_dir`] for `directory`.
pub(crate) fn prepare(
    folder: &Path,
    from: Option<Tool>,
    directory: &Path,
    database: Option<(&Connection, &Path)>,
    options: &Options,
) -> Result<Import, Error> {
    let unlisted = |source| Error::Import {
        path: folder.to_owned(),
        source,
    };
    let in_database = match database {
        Some((connection, _)) => tools(connection)?,
        None => Vec::new(),
    };
    let recognised = match from {
        Some(tool) => Some(tool),
        None => recognise(folder, &in_database).map_err(unlisted)?,
    };
    let Some(tool) = recognised else {
        let words: Vec<&str> = TOOLS.iter().map(|form| form.word).collect();
        let message = format!(
            "whose scripts these are is not to be seen: say it with --from ({})",
            words.join(", ")
        );
        return Err(refused(
            folder,
            vec![Finding::new("unknown-tool", folder, message)],
        ));
    };
    let has_history = tool == Tool::Rusqlite || in_database.contains(&tool);
    let history = match database.filter(|_| has_history) {
        Some((connection, _)) => Some(read(connection, tool)?),
        None => None,
    };
    let existing = match read_dir(directory) {
        Ok(found) => found.migrations,
        Err(Error::Directory { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Vec::new()
        }
        Err(error) => return Err(error),
    };
    let mut import = Import {
        tool,
        folder: folder.to_owned(),
        directory: directory.to_owned(),
        sources: Vec::new(),
        checksums: Vec::new(),
        files: Vec::new(),
        migrations: existing,
        warnings: Vec::new(),
        changes: Vec::new(),
        has_history: history.is_some(),
        has_database: database.is_some(),
        database: database.map_or_else(PathBuf::new, |(_, path)| path.to_owned()),
    };
    let found = sources(tool, folder).map_err(unlisted)?;
    (import.sources, import.warnings) = (found.sources, found.warnings);
    if let Some((connection, path)) = database
        && !has_history
        && !is_empty(connection)?
        && history::read(connection, &options.table)?.is_empty()
    {
        let message = format!(
            "has tables, and no history of {} ({}): if it is under another name, or gone, record what is applied with `litemigrate baseline VERSION`, or the next `up` runs it again",
            tool.form().name,
            tool.form().table.unwrap_or_default()
        );
        import
            .warnings
            .push(Finding::new("no-history", path, message));
    }
    let mut findings = found.findings;
    for source in &import.sources {
        match convert(tool, source) {
            Ok(converted) => {
                for target in targets(tool, directory, source, &converted) {
                    match import.file(&target) {
                        Ok(file) => import.files.push(file),
                        Err(finding) => findings.push(finding),
                    }
                }
                import.checksums.push(converted.sha256);
            }
            Err(finding) => findings.push(finding),
        }
    }
    let new = import.files.iter().filter(|file| !file.is_there);
    let new: Vec<Migration> = new.map(|file| file.migration.clone()).collect();
    import.migrations.extend(new);
    if let (Some((connection, _)), Some(history)) = (database, history) {
        // Without all files, only what a row says of itself is certain.
        let applied = match findings.is_empty() {
            true => history.applied(&import.scripts()),
            false => Err(history.problems),
        };
        match applied {
            Ok(applied) => {
                import.warn_of_edited(&applied);
                let versions = import.versions(applied);
                let known = history::read(connection, &options.table)?;
                let recordable = recordable(&plan(&import.migrations, &known), options, versions)?;
                let change = |(migration, _)| Change::Recorded(migration);
                import.changes = recordable.into_iter().map(change).collect();
            }
            Err(problems) => findings.extend(import.about_rows(problems)),
        }
    }
    match findings.is_empty() {
        true => Ok(import),
        false => Err(refused(folder, findings)),
    }
}

fn refused(folder: &Path, findings: Vec<Finding>) -> Error {
    Error::NotImported {
        path: folder.to_owned(),
        findings,
    }
}

/// A file that a script becomes.
struct Target<'a> {
    path: PathBuf,
    text: &'a str,
    /// What it is made of.
    from: &'a Path,
    version: i64,
    undoes: bool,
}

/// The files that a script becomes: what applies, and what undoes.
fn targets<'a>(
    tool: Tool,
    directory: &Path,
    source: &'a Source,
    converted: &'a Converted,
) -> impl Iterator<Item = Target<'a>> {
    // golang-migrate's files keep their names, also where there is no way back.
    let is_one_of_two = converted.down.is_some() || tool == Tool::GolangMigrate;
    let up = if is_one_of_two { ".up.sql" } else { ".sql" };
    let file = |suffix: &str, text: Option<&'a str>, own: Option<&'a Path>| {
        let name = format!("{}_{}{suffix}", source.digits, source.name);
        Some(Target {
            path: directory.join(name),
            text: text?,
            from: own.or(source.path())?,
            version: source.version,
            undoes: suffix == ".down.sql",
        })
    };
    let files = [
        file(up, converted.up.as_deref(), source.up.as_deref()),
        file(
            ".down.sql",
            converted.down.as_deref(),
            source.down.as_deref(),
        ),
    ];
    files.into_iter().flatten()
}

impl Import {
    /// One file more, if nothing else stands in its place.
    fn file(&self, target: &Target<'_>) -> Result<File, Finding> {
        let Target {
            path, text, from, ..
        } = target;
        let refuse = |message: String| Err(Finding::new("cannot-import", from, message));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let parsed = match parse_name(&name) {
            NameVerdict::Migration(parsed)
                if parsed.version == target.version
                    && (parsed.kind == Kind::Down) == target.undoes =>
            {
                parsed
            }
            _ => {
                return refuse(format!(
                    "would become {name}, which means something else here: rename it"
                ));
            }
        };
        // By version, as the folder was read.
        let first = self
            .migrations
            .partition_point(|known| known.version < target.version);
        let mut same = self.migrations[first..].iter();
        let twin = same.find(|known| {
            known.version != target.version || (known.kind == Kind::Down) == target.undoes
        });
        let twin = twin.filter(|known| known.version == target.version && known.path != *path);
        if let Some(twin) = twin {
            return refuse(format!(
                "would become {}, and {} has that version already: move one of them away, or name another folder with -m",
                shown(path),
                shown(&twin.path)
            ));
        }
        let is_there = match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return refuse(format!("would become {}: {error}", shown(path))),
            Ok(_) if read_text(path).is_ok_and(|there| there == *text) => true,
            Ok(_) => {
                return refuse(format!(
                    "would become {}, which is there and is not the same: it is never overwritten; move one of them away, or name another folder with -m",
                    shown(path)
                ));
            }
        };
        Ok(File {
            from: from.to_path_buf(),
            migration: directory::migration(
                parsed,
                path,
                text.as_bytes(),
                Checksum::of(text.as_bytes()),
            ),
            is_there,
        })
    }

    fn versions(&self, applied: Vec<AppliedScript>) -> Vec<(i64, Option<String>)> {
        let applied = applied.into_iter();
        applied
            .map(|script| (self.sources[script.index].version, script.installed_on))
            .collect()
    }

    /// The scripts as the tool's history knows them.
    pub(crate) fn scripts(&self) -> Vec<Script<'_>> {
        let scripts = self.sources.iter().zip(&self.checksums);
        scripts
            .map(|(source, sha256)| Script {
                version: source.version,
                key: &source.key,
                when: source.when,
                sha256: sha256.clone(),
            })
            .collect()
    }

    fn warn_of_edited(&mut self, applied: &[AppliedScript]) {
        for script in applied.iter().filter(|script| script.is_edited) {
            let path = self.sources[script.index].path().unwrap_or(&self.folder);
            let message = format!(
                "is not the text that {} applied, by the checksum that it kept: what the database has may not be what this makes",
                self.tool.form().name
            );
            self.warnings.push(Finding::new("edited", path, message));
        }
    }

    /// Sentences about rows of the tool's history, as findings.
    fn about_rows(&self, problems: Vec<String>) -> Vec<Finding> {
        let form = self.tool.form();
        let table = match form.table {
            Some(table) => format!("the table {table} of {}", form.name),
            None => "PRAGMA user_version".to_owned(),
        };
        let finding = |problem: String| {
            let message = format!("{table}: {problem}; mend that with {} first", form.name);
            Finding::new("cannot-import", &self.database, message)
        };
        problems.into_iter().map(finding).collect()
    }

    /// Writes the files that are not there yet, each whole or not at all.
    ///
    /// # Errors
    ///
    /// [`Error::CannotCreate`]; what was written stays, and counts as written when this
    /// is done again.
    pub(crate) fn write_files(&self) -> Result<(), Error> {
        if self.files.iter().all(|file| file.is_there) {
            return Ok(());
        }
        create_directory(&self.directory).map_err(|error| Error::CannotCreate {
            path: self.directory.clone(),
            message: error.to_string(),
        })?;
        let mut files = self.files.iter();
        for source in &self.sources {
            let converted = convert(self.tool, source)
                .map_err(|finding| refused(&self.folder, vec![finding]))?;
            for target in targets(self.tool, &self.directory, source, &converted) {
                let is_same = |file: &&File| {
                    file.migration.path == target.path
                        && file.migration.checksum == Checksum::of(target.text.as_bytes())
                };
                match files.next().filter(is_same) {
                    Some(file) if file.is_there => {}
                    Some(_) => create_file(&target.path, target.text)?,
                    None => {
                        return Err(Error::Changed {
                            path: target.from.to_owned(),
                            message: "has changed since this import began".to_owned(),
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// Records what the tool has applied, in one transaction, as it stands under the lock.
    ///
    /// # Errors
    ///
    /// [`Error::NotImported`] with every row that cannot be brought over;
    /// [`Error::Refused`], [`Error::History`], [`Error::Database`].
    pub(crate) fn record(
        &self,
        connection: &mut Connection,
        options: &Options,
    ) -> Result<Vec<Change>, Error> {
        record_as_applied(connection, &self.migrations, options, |connection| {
            let history = read(connection, self.tool)?;
            let applied = history
                .applied(&self.scripts())
                .map_err(|problems| refused(&self.folder, self.about_rows(problems)))?;
            Ok(self.versions(applied))
        })
    }
}
