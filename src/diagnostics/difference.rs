//! Where the schema is not what the scripts make.
//!
//! Owns the sentence about each difference. Finds none.

use crate::diagnostics::text::escape;
use std::fmt;

/// In what an object of a schema is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DifferenceKind {
    /// It is not there.
    Missing,
    /// It should not be there.
    Extra,
    /// It should not be there, and is the history of another tool.
    HistoryOf(String),
    /// It is another; of a table, with a phrase for each column that is.
    Different(Vec<String>),
}

/// An object of a database's schema that is not what its migrations make.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// In what it differs.
    pub kind: DifferenceKind,
    /// `table`, `index`, `trigger` or `view`.
    pub object: String,
    /// Its name.
    pub name: String,
    /// The SQL that the migrations make, on one line.
    pub expected: Option<String>,
    /// The SQL that the database has, on one line.
    pub found: Option<String>,
}

impl Difference {
    /// Whether it is one by itself: what another tool keeps beside ours is named where there
    /// is drift, and is none.
    pub(crate) fn is_drift(&self) -> bool {
        !matches!(self.kind, DifferenceKind::HistoryOf(_))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, name, .. } = self;
        let name = escape(name);
        match &self.kind {
            DifferenceKind::Missing => write!(f, "{object} {name} is missing"),
            DifferenceKind::Extra => write!(f, "{object} {name} is extra"),
            DifferenceKind::HistoryOf(tool) => write!(
                f,
                "{object} {name} belongs to the history of {tool}, which is no drift: drop it if that is no longer used, or pass it over with --ignore {name}"
            ),
            DifferenceKind::Different(columns) if columns.is_empty() => {
                write!(f, "{object} {name} is different")
            }
            DifferenceKind::Different(columns) => write!(
                f,
                "{object} {name} is different: {}",
                escape(&columns.join(", "))
            ),
        }
    }
}
