//! The sentence about each error, and the whole story for an application.
//!
//! Owns what is said. Decides nothing.

use crate::diagnostics::error::{Error, ScriptError};
use crate::diagnostics::text::{counted, escape, shown};
use crate::diagnostics::words::of_the_library;
use std::fmt;
use std::io;

impl Error {
    /// One line, in the words of the program, which tells the rest by itself. A database
    /// in memory has no path.
    pub(crate) fn sentence(&self) -> String {
        let sentence = Sentence(self).to_string();
        match sentence.strip_prefix(": ") {
            Some(rest) => format!("the database in memory: {rest}"),
            None => sentence,
        }
    }
}

/// The whole story: the sentence, and below it every file, problem or difference that
/// it is about, or what to do.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&of_the_library(&self.sentence()))?;
        let line =
            |f: &mut fmt::Formatter<'_>, text: String| write!(f, "\n  {}", of_the_library(&text));
        match self {
            Self::Unusable { findings, .. } | Self::NotImported { findings, .. } => findings
                .iter()
                .try_for_each(|found| line(f, found.to_string())),
            Self::Refused { problems } => problems
                .iter()
                .try_for_each(|problem| line(f, problem.sentence())),
            Self::Drift { differences, .. } => differences
                .iter()
                .try_for_each(|difference| line(f, difference.to_string())),
            Self::Script(script) | Self::Warned(script) | Self::Replay(script) => script
                .remedy
                .iter()
                .try_for_each(|remedy| line(f, remedy.clone())),
            _ => Ok(()),
        }
    }
}

/// One line about an error, in the words of the program.
struct Sentence<'a>(&'a Error);

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Error::Directory { path, source } if source.kind() == io::ErrorKind::NotFound => {
                write!(
                    f,
                    "{}: no such migrations directory: create it (`litemigrate new NAME` does), name another with -m, or allow this with --optional",
                    shown(path)
                )
            }
            Error::Directory { path, source } => write!(
                f,
                "{}: cannot list the migrations directory: {source}",
                shown(path)
            ),
            Error::Import { path, source } => write!(
                f,
                "{}: cannot list the folder to import: {source}",
                shown(path)
            ),
            Error::NotImported { path, findings } => write!(
                f,
                "{}: nothing was imported, because of {} named above",
                shown(path),
                counted(findings.len(), "problem", "problems")
            ),
            Error::Unusable {
                directory,
                findings,
                ..
            } => write!(
                f,
                "{}: {} unusable: correct or remove what is named above; the database was not touched",
                shown(directory),
                counted(findings.len(), "file is", "files are")
            ),
            Error::OtherFolder {
                path,
                expected,
                found,
            } => write!(
                f,
                "{}: is not the folder that was signed off: its checksum is {found} and not {expected}; no script was run, restore the folder or name the right checksum (`litemigrate status -v` prints it)",
                shown(path)
            ),
            Error::Changed { path, message } => write!(
                f,
                "{}: {}: nothing of it was run; run again when nobody is writing to the directory",
                shown(path),
                escape(message)
            ),
            Error::Read { path, source } => write!(
                f,
                "{}: cannot be read: {source}: nothing of it was run; run again when it can be read",
                shown(path)
            ),
            Error::CannotCreate { path, message } => {
                write!(f, "{}: cannot create: {}", shown(path), escape(message))
            }
            Error::NoSuchVersion { version } => write!(
                f,
                "there is no migration with version {version}: nothing was done; `litemigrate status` lists the versions"
            ),
            Error::Refused { problems } => write!(
                f,
                "refused because of {}: nothing is done before that is solved",
                counted(problems.len(), "problem", "problems")
            ),
            Error::Drift {
                database,
                differences,
            } => write!(
                f,
                "{}: the schema is not what its migrations make, in {}: bring this database in line by hand; if it is right as it is, or others are like it, write a migration that works on both; --ignore passes over what is another application's",
                shown(database),
                counted(
                    differences.iter().filter(|found| found.is_drift()).count(),
                    "object",
                    "objects"
                )
            ),
            Error::Declined { database, message } => write!(
                f,
                "{}: {}: nothing was changed",
                shown(database),
                escape(message)
            ),
            Error::History {
                table,
                database,
                message,
            } => write!(
                f,
                "{}: the table {table} cannot be used: {}: nothing was changed; correct the table or name the right database",
                shown(database),
                escape(message)
            ),
            Error::Script(script) | Error::Warned(script) | Error::Replay(script) => {
                write!(f, "{script}")
            }
            Error::NoDatabase { path } => write!(
                f,
                "{}: no such database: check its path; only `up` creates one, and not with --no-create or a URL without mode=rwc",
                shown(path)
            ),
            Error::NoBackup { path, message } => {
                write!(f, "{}: {}", shown(path), escape(message))
            }
            Error::Database {
                path,
                doing,
                message,
                ..
            } => write!(f, "{}: cannot {doing}: {}", shown(path), escape(message)),
            Error::CannotCreateDatabase { path, message } => write!(
                f,
                "{}: cannot open or create the database: {}",
                shown(path),
                escape(message)
            ),
            Error::Usage {
                option: origin,
                message,
            }
            | Error::Configuration {
                origin,
                message,
                position: None,
            } => write!(f, "{}: {}", escape(origin), escape(message)),
            Error::Configuration {
                message,
                position: Some(position),
                ..
            } => write!(f, "{position}: {}", escape(message)),
        }
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.position {
            Some(position) => write!(f, "{position}: {}", escape(&self.message)),
            None => write!(f, "{}: {}", shown(&self.path), escape(&self.message)),
        }
    }
}
