//! What is wrong with files, with the history, or with the schema.
//!
//! Owns the sentence about each, which says what to do next. Decides nothing.

use crate::diagnostics::position::Position;
use crate::diagnostics::text::{counted, escape, shown};
use crate::diagnostics::words::of_the_library;
use std::fmt;
use std::path::{Path, PathBuf};

/// Something about one file of the migrations directory: a reason to refuse the
/// directory, or a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// A stable word for programs, such as `duplicate-version`.
    pub kind: &'static str,
    /// The file.
    pub path: PathBuf,
    /// The place in the file, where there is one.
    pub position: Option<Position>,
    /// What is wrong and what to do, in one sentence.
    pub message: String,
}

impl Finding {
    /// A finding about a file as a whole.
    #[must_use]
    pub fn new(kind: &'static str, path: &Path, message: impl Into<String>) -> Self {
        Self {
            kind,
            path: path.to_owned(),
            position: None,
            message: message.into(),
        }
    }

    /// Whether `strict` takes it for a reason to refuse: not what is as it was meant,
    /// what another program would do, or what is no matter of the script.
    pub(crate) fn refuses_if_strict(&self) -> bool {
        const NOTED_ONLY: [&str; 13] = [
            "useless-object",
            "transaction-absorbed",
            "sqlpage-foreign-keys",
            "not-run",
            "link",
            "no-transaction",
            "byte-order-mark",
            "line-endings",
            "world-writable",
            "group-writable",
            "foreign-owner",
            "no-guard",
            "on-connect",
        ];
        !NOTED_ONLY.contains(&self.kind)
    }

    /// Whether it says how the script should have been written, and the script has left
    /// something else in the database.
    pub(crate) fn leaves_something(&self) -> bool {
        const KINDS: [&str; 17] = [
            "already-there",
            "column-type",
            "text-default",
            "odd-space",
            "outer-column",
            "unmeant-condition",
            "unknown-column",
            "uncopied-column",
            "uncopied-rows",
            "lost-by-rebuild",
            "crossing-columns",
            "text-for-column",
            "parameter",
            "pragma-value",
            "empty-script",
            "hidden-no-transaction",
            "unclosed-comment",
        ];
        KINDS.contains(&self.kind)
    }

    /// A finding about a place in a file.
    #[must_use]
    pub fn at(kind: &'static str, position: Position, message: impl Into<String>) -> Self {
        Self {
            kind,
            path: position.path.clone(),
            position: Some(position),
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.position {
            Some(position) => write!(f, "{position}: {}", escape(&self.message)),
            None => write!(f, "{}: {}", shown(&self.path), escape(&self.message)),
        }
    }
}

/// One reason why files and history do not fit together. A plan can have several.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The history says that applying this version failed half way (`success` is
    /// false). sqlx calls the database dirty. We never write such a row.
    Failed {
        /// The version.
        version: i64,
        /// Its description in the history.
        description: String,
        /// Whether there is a file of it.
        has_file: bool,
    },
    /// The version was applied, but its file is gone.
    Missing {
        /// The version.
        version: i64,
        /// Its description in the history.
        description: String,
    },
    /// The version was applied and is above every file: the database is newer.
    Newer {
        /// The version.
        version: i64,
        /// Its description in the history.
        description: String,
        /// When it was applied, as stored: UTC, `YYYY-MM-DD HH:MM:SS`.
        installed_on: String,
    },
    /// The file was edited after it had been applied.
    Modified {
        /// The version.
        version: i64,
        /// The file.
        path: PathBuf,
        /// The checksum in the history.
        recorded: Vec<u8>,
        /// In what the file differs, as a phrase, if it is only in spelling.
        difference: Option<String>,
        /// Its description in the history, if the file has another: it may be another
        /// application's.
        recorded_as: Option<String>,
    },
    /// The version is to be undone, and no file undoes it.
    NotReversible {
        /// The version.
        version: i64,
        /// The file, if it replaces others: what these did cannot be undone as one.
        replaces: Option<PathBuf>,
    },
    /// The script that was applied as this version is there under another number.
    Renumbered {
        /// The version in the history.
        version: i64,
        /// Its description there.
        description: String,
        /// The file that holds the script.
        path: PathBuf,
        /// Its number.
        now: i64,
        /// The file that has the version's number instead, if there is one.
        newcomer: Option<PathBuf>,
        /// Whether the row can get the new number.
        renumbering: Renumbering,
    },
    /// The file replaces versions of which the database has some, but not all.
    ReplacesSome {
        /// The version of the file.
        version: i64,
        /// The file.
        path: PathBuf,
        /// Those that the database lacks.
        missing: Vec<i64>,
    },
    /// There is a history, and not one file.
    NoFiles {
        /// How many versions were applied.
        applied: usize,
        /// The newest of them.
        newest: i64,
        /// The folder, where it is known.
        directory: Option<PathBuf>,
        /// The database, where it is known.
        database: Option<PathBuf>,
    },
    /// The version is pending and below the newest applied one, which the policy forbids.
    OutOfOrder {
        /// The version.
        version: i64,
        /// The file.
        path: PathBuf,
        /// The newest applied version.
        newest: i64,
    },
}

/// Whether the row of a script that has another number now can get that number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renumbering {
    /// It can.
    Clear,
    /// Another script was applied under that number, and is gone.
    Taken,
    /// Several files or rows have the same content and other names.
    Ambiguous,
}

impl Problem {
    /// The version that the problem is about.
    #[must_use]
    pub fn version(&self) -> i64 {
        match self {
            Self::Failed { version, .. }
            | Self::Missing { version, .. }
            | Self::Newer { version, .. }
            | Self::Modified { version, .. }
            | Self::NotReversible { version, .. }
            | Self::Renumbered { version, .. }
            | Self::ReplacesSome { version, .. }
            | Self::OutOfOrder { version, .. } => *version,
            Self::NoFiles { newest, .. } => *newest,
        }
    }

    /// The file that the problem is about, if there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Modified { path, .. }
            | Self::Renumbered { path, .. }
            | Self::ReplacesSome { path, .. }
            | Self::OutOfOrder { path, .. } => Some(path),
            Self::NoFiles { directory, .. } => directory.as_deref(),
            Self::NotReversible { replaces, .. } => replaces.as_deref(),
            Self::Failed { .. } | Self::Missing { .. } | Self::Newer { .. } => None,
        }
    }

    /// A stable word for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Failed { .. } => "failed",
            Self::Missing { .. } => "missing",
            Self::Newer { .. } => "newer",
            Self::Modified { .. } => "modified",
            Self::NotReversible { .. } => "not-reversible",
            Self::OutOfOrder { .. } => "out-of-order",
            Self::Renumbered { .. } => "renumbered",
            Self::ReplacesSome { .. } => "replaces-some",
            Self::NoFiles { .. } => "no-files",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&of_the_library(&self.sentence()))
    }
}

impl Problem {
    /// The sentence, in the words of the program.
    pub(crate) fn sentence(&self) -> String {
        Sentence(self).to_string()
    }
}

struct Sentence<'a>(&'a Problem);

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Problem::Failed {
                version,
                description,
                has_file,
            } => write!(
                f,
                "version {version} ({}) is recorded as failed half way by another tool: undo by hand what it left in the database, then remove its row with `litemigrate repair {}`{}",
                escape(description),
                operand(*version),
                match has_file {
                    true => format!(
                        ", and it is run again; or finish it by hand, remove the row, and record it with `litemigrate baseline {}`",
                        operand(*version)
                    ),
                    false => "; there is no file of it, so it is not run again".to_owned(),
                }
            ),
            Problem::Missing {
                version,
                description,
            } => write!(
                f,
                "version {version} ({}) was applied, but its file is missing: put the file back, allow it with --allow-missing, or forget it for good with `litemigrate repair {}`",
                escape(description),
                operand(*version)
            ),
            Problem::Newer {
                version,
                description,
                installed_on,
            } => write!(
                f,
                "version {version} ({}), applied {} UTC, is above every file: the database is newer than the migrations; install the release that has this file, or let this one run on with --allow-newer",
                escape(description),
                escape(installed_on)
            ),
            Problem::Modified {
                path,
                difference: None,
                version,
                recorded_as: Some(description),
                ..
            } => write!(
                f,
                "{}: is not what was applied as version {version} ({}): is that the right folder (-m), and is it the right database (-D)? If it is, put the old file back and give this one another number (or take it for what was applied: `litemigrate repair {}`)",
                shown(path),
                escape(description),
                operand(*version)
            ),
            Problem::Modified {
                path,
                difference: None,
                version,
                ..
            } => write!(
                f,
                "{}: was edited after it was applied: put its old content back and make the change in a new migration (or take the new text for what was applied: `litemigrate repair {}`)",
                shown(path),
                operand(*version)
            ),
            Problem::Modified {
                path,
                difference: Some(difference),
                ..
            } => write!(
                f,
                "{}: differs only in {difference} from what was applied: put these back as they were, and keep Git from changing them with this line in .gitattributes: *.sql -text",
                shown(path)
            ),
            Problem::NotReversible {
                version,
                replaces: Some(path),
            } => write!(
                f,
                "{}: replaces others, so version {version} cannot be undone: undo by hand, in a new migration",
                shown(path)
            ),
            Problem::NotReversible { version, .. } => write!(
                f,
                "version {version} cannot be undone: there is no {version}_….down.sql for it; write one, or undo it by hand in a new migration"
            ),
            Problem::OutOfOrder {
                version,
                path,
                newest,
            } => write!(
                f,
                "{}: version {version} is pending, but the newer version {newest} is applied: number it above {newest}, or allow it with --out-of-order allow",
                shown(path)
            ),
            Problem::Renumbered {
                version,
                description,
                path,
                now,
                newcomer,
                renumbering,
            } => {
                write!(
                    f,
                    "{}: is what was applied as version {version} ({})",
                    shown(path),
                    escape(description)
                )?;
                if let Some(newcomer) = newcomer {
                    write!(f, ", and {} is not", shown(newcomer))?;
                }
                match renumbering {
                    Renumbering::Clear => write!(
                        f,
                        ": give it back the number {version}, or its record the number {now} with `litemigrate repair --renumbered`"
                    ),
                    Renumbering::Taken => write!(
                        f,
                        ": give it back the number {version}, because another script, which is gone, was applied as version {now}"
                    ),
                    Renumbering::Ambiguous => f.write_str(
                        ", or another file with the same content is: give the right one back that number",
                    ),
                }
            }
            Problem::ReplacesSome { path, missing, .. } => write!(
                f,
                "{}: replaces versions of which this database has some, but not {}: first apply the release that brings {}, then this one",
                shown(path),
                listed(missing),
                if missing.len() == 1 { "it" } else { "them" }
            ),
            Problem::NoFiles {
                applied,
                newest,
                directory,
                database,
            } => {
                let folder = directory.as_deref().map_or("the folder".into(), shown);
                let database = database.as_deref().map_or("the database".into(), shown);
                write!(
                    f,
                    "{folder}: holds no migration, but {} applied to {database}, the newest is version {newest}: is that the right folder (-m), is it mounted, and is that the right database (-D)? --allow-missing lets this pass",
                    counted(*applied, "was", "were")
                )
            }
        }
    }
}

/// Versions as a person would list them.
pub(crate) fn listed(versions: &[i64]) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<String> = versions.iter().take(SHOWN).map(i64::to_string).collect();
    let more = versions.len().saturating_sub(SHOWN);
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A version as it must be typed: what begins with `-` is an option.
fn operand(version: i64) -> String {
    match version {
        ..0 => format!("-- {version}"),
        _ => version.to_string(),
    }
}
