//! What is said of a failure: what is wrong, where, who is at fault, and what is left.
//!
//! Owns these lines and the fields of `error` in the JSON.

use crate::database::holder::lock_holder;
use crate::database::permission::{at_fault, temporary_directory, unreadable_for, with_suffix};
use crate::database::room::{full_disk, no_more_files};
use crate::diagnostics::error::{Cause, Committed, Error, ScriptError};
use crate::diagnostics::problem::Finding;
use crate::diagnostics::text::{counted, discreet, escape, shown};
use crate::program::report::json::Json;
use crate::program::report::objects;
use crate::program::report::{Report, database_is_at};
use std::io;
use std::path::{Path, PathBuf};

impl Report {
    /// Why the run stopped.
    pub(crate) fn failed(&mut self, error: &Error) {
        self.ended();
        self.problems_of(error);
        self.printer.error(&self.sentence(error));
        if let Some(position) = error.position() {
            self.printer.show(position);
        }
        let holder = self.holder(error);
        if let Some(holder) = &holder {
            self.printer.error(holder);
        }
        let fault = self.at_fault(error);
        if let Some(fault) = &fault {
            self.printer.error(&format!("at fault: {fault}"));
        }
        let remedy = match error {
            Error::Script(script) | Error::Replay(script) => script.remedy.clone(),
            Error::Directory { path, source }
                if source.kind() == io::ErrorKind::NotFound
                    && path == Path::new("sqlpage/migrations")
                    && Path::new("migrations").is_dir() =>
            {
                Some("this may be the configuration directory itself, which holds migrations: run this in the directory above it, or with `-d .`".to_owned())
            }
            _ => None,
        };
        if let Some(remedy) = &remedy {
            self.printer.error(&format!("remedy: {remedy}"));
        }
        match error {
            Error::Script(script) | Error::Warned(script) => {
                self.printer.error(&what_remains(script))
            }
            Error::Replay(_) => self
                .printer
                .error("the migrations were only replayed in memory; the database was not touched"),
            _ => {}
        }
        if let Some(live) = &self.printer.live {
            live.status(&discreet(&self.sentence(error)));
        }
        let mut described = self.described(error);
        if let Json::Object(fields) = &mut described {
            let more = [("holder", holder), ("at_fault", fault), ("remedy", remedy)];
            fields.extend(more.into_iter().filter_map(|(name, text)| {
                Some((name, Json::from(discreet(&text?).into_owned())))
            }));
        }
        self.error = Some(described);
    }

    fn findings(&mut self, findings: &[Finding]) {
        for found in findings {
            self.printer.error(&found.to_string());
            if let Some(position) = &found.position {
                self.printer.show(position);
            }
            self.problems.push(objects::finding(found));
        }
    }

    /// Everything that an error lists.
    fn problems_of(&mut self, error: &Error) {
        match error {
            Error::Unusable {
                findings, warnings, ..
            } => {
                self.warnings(warnings);
                self.findings(findings);
            }
            Error::NotImported { findings, .. } => self.findings(findings),
            Error::Drift { differences, .. } => {
                for (name, value) in &mut self.fields {
                    if let ("problem_kinds", Json::Object(kinds)) = (*name, value) {
                        kinds.push(("drift", Json::from(differences.len())));
                    }
                }
                for difference in differences {
                    self.printer.error(&difference.to_string());
                    let (expected, found) = (&difference.expected, &difference.found);
                    for (what, sql) in [("expected", expected), ("found   ", found)] {
                        if let Some(sql) = sql.as_ref().filter(|sql| !sql.is_empty()) {
                            self.printer.quote(&format!("    {what} {}", escape(sql)));
                        }
                    }
                    self.problems.push(objects::difference(difference));
                }
            }
            Error::Refused { problems } => {
                for problem in problems {
                    self.printer.error(&problem.sentence());
                    self.problems.push(objects::problem(problem));
                }
            }
            _ => {}
        }
    }

    /// Who holds the lock, if that is it.
    fn holder(&self, error: &Error) -> Option<String> {
        let message = match error {
            Error::Database {
                cause: Cause::Busy,
                message,
                ..
            } => message,
            Error::Script(script) if script.cause == Cause::Busy => &script.message,
            _ => return None,
        };
        let database = self.database.as_deref()?;
        if !message.contains("locked") {
            return None;
        }
        let lock = with_suffix(database, ".lock");
        Some(match lock_holder(database) {
            // As --vfs unix-dotfile makes it.
            None if lock.is_dir() => format!(
                "the lock {} is there: if no program has the database open, one that was killed has left it, and it must be removed",
                shown(&lock)
            ),
            Some(holder) => holder,
            None => "no process of this machine holds a lock on it now; if it stays locked, its file system refuses locks (see --vfs)".to_owned(),
        })
    }

    /// Which file, directory or mount does not let itself be written, if that is it,
    /// and which disk is full.
    fn at_fault(&self, error: &Error) -> Option<String> {
        let database = self.database.as_deref();
        let storage = match error {
            Error::Database {
                path,
                cause,
                message,
                ..
            } => Some((*cause, message, Some(path.as_path()))),
            Error::Script(script) => Some((script.cause, &script.message, database)),
            _ => None,
        };
        if let Some((Cause::Storage, message, path)) = storage
            && message.contains("database or disk is full")
        {
            let named = ["SQLITE_TMPDIR", "TMPDIR"];
            let named = named.map(|name| std::env::var_os(name).map(PathBuf::from));
            return full_disk(path?, &temporary_directory(named)?);
        }
        if let Some((Cause::Storage, message, path)) = storage
            && message.contains("unable to open database file")
        {
            return no_more_files(path?);
        }
        let denied = [Cause::Permission, Cause::CannotOpen];
        let is_denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        match error {
            Error::Unusable { findings, .. } => {
                let denied = findings
                    .iter()
                    .find(|found| found.kind == "no-permission")?;
                return unreadable_for(&denied.path);
            }
            Error::Directory { path, source }
            | Error::Read { path, source }
            | Error::Import { path, source, .. }
                if is_denied(source) =>
            {
                return unreadable_for(path);
            }
            Error::Database { cause, .. } if denied.contains(cause) => {}
            Error::Script(script) if denied.contains(&script.cause) => {}
            Error::CannotCreateDatabase { .. } => {}
            _ => return None,
        }
        // Of a backup, not of the database.
        if let Error::Database { path, .. } = error
            && let Some(fault) = unreadable_for(path)
        {
            return Some(fault);
        }
        at_fault(self.database.as_deref()?)
    }

    /// The path that an error is about: the database's as it was named, because
    /// SQLite tells it in full, and not at all if it is not UTF-8.
    fn path_of<'a>(&'a self, error: &'a Error) -> Option<&'a Path> {
        let path = error.path()?;
        let database = self.database.as_deref()?;
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        let is_it = path.as_os_str().is_empty()
            || (path.is_absolute() && real(path).is_some_and(|path| Some(path) == real(database)));
        Some(if is_it { database } else { path })
    }

    /// The error's sentence, with that path; of what is about versions only, with the
    /// database.
    fn sentence(&self, error: &Error) -> String {
        let sentence = error.sentence();
        let is_about_versions =
            matches!(error, Error::Refused { .. } | Error::NoSuchVersion { .. });
        if let (true, Some(database)) = (is_about_versions, &self.database) {
            return format!("{}: {sentence}", shown(database));
        }
        let told = error.path().map(shown).unwrap_or_default();
        match (self.path_of(error), sentence.strip_prefix(&told)) {
            (Some(path), Some(rest)) => format!("{}{rest}", shown(path)),
            _ => sentence,
        }
    }

    fn described(&self, error: &Error) -> Json {
        let version = match error {
            Error::Script(script) | Error::Warned(script) | Error::Replay(script) => {
                Some(script.version)
            }
            Error::NoSuchVersion { version } => Some(*version),
            _ => None,
        };
        let message = match error {
            Error::Script(script) | Error::Warned(script) | Error::Replay(script) => {
                script.message.clone()
            }
            Error::Configuration {
                message,
                position: Some(_),
                ..
            } => message.clone(),
            _ => self.sentence(error),
        };
        objects::error(
            error.kind(),
            message,
            self.path_of(error).or(error.path()),
            error.position(),
            version,
        )
    }
}

/// What a failed script leaves behind.
fn what_remains(script: &ScriptError) -> String {
    let name = script.path.file_name().unwrap_or(script.path.as_os_str());
    let name = name.to_string_lossy();
    let name = escape(name.strip_suffix(".sql").unwrap_or(&name)).into_owned();
    let at = database_is_at(script.newest);
    match script.committed {
        Committed::Yes => {
            return format!(
                "{name} was committed all the same; {at}, but a power cut may still undo it: look at the disk and its mount, then run again"
            );
        }
        Committed::Unknown => {
            return format!(
                "whether {name} was committed is not known, because the database cannot be read: look at the disk, then at `litemigrate status`"
            );
        }
        Committed::No => {}
    }
    if script.rolled_back {
        let with_it = match script.rolled_back_with_it {
            0 => String::new(),
            count => format!(", and {} before it", counted(count, "script", "scripts")),
        };
        return format!("{name} was rolled back{with_it}; {at}, unchanged by it");
    }
    let done = match script.statements_kept {
        0 => "none of its statements is done".to_owned(),
        1 => "its first statement is done and stays".to_owned(),
        count => format!("its first {count} statements are done and stay"),
    };
    format!(
        "{name} runs outside a transaction: {done}; {at}, and the next run starts the script again from its beginning"
    )
}
