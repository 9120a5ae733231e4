//! Applies SQL migration files to a SQLite database, and records them in
//! `_sqlx_migrations`, the table of sqlx and SQLPage.
//!
//! Blocking, single-threaded, without an async runtime. The library never
//! prints, never exits and never reads arguments or the environment.
//!
//! # From a folder
//!
//! ```
//! use litemigrate::rusqlite::Connection;
//! use litemigrate::{Event, Options, read_dir, up};
//! use std::path::Path;
//!
//! # fn main() -> Result<(), litemigrate::Error> {
//! let folder = Path::new("fixtures/quickstart/sqlpage/migrations");
//! let scripts = read_dir(folder)?;
//! let mut connection = Connection::open_in_memory().expect("memory");
//! let mut applied = Vec::new();
//! let summary = up(&mut connection, &scripts.migrations, &Options::default(), &mut |event| {
//!     if let Event::Applied(step) = event {
//!         applied.push((step.migration.version, step.elapsed));
//!     }
//! })?;
//! assert_eq!(summary.applied, applied.len());
//! # Ok(())
//! # }
//! ```
//!
//! # Embedded in the program
//!
//! [`embedded`] makes the same list of names and texts. For a whole folder let a
//! `build.rs` write the list, without any dependency:
//!
//! ```
//! use std::{env, fs, path::Path};
//!
//! fn main() {
//!     let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
//! #   let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/quickstart/sqlpage/migrations");
//!     println!("cargo::rerun-if-changed={}", folder.display());
//!     let mut list = String::from("&[");
//!     for entry in fs::read_dir(&folder).unwrap() {
//!         let path = entry.unwrap().path();
//!         if path.extension().is_some_and(|end| end == "sql") {
//!             list += &format!("({:?}, include_str!({path:?})),\n", path.file_name().unwrap());
//!         }
//!     }
//!     let out = env::var("OUT_DIR");
//! #   assert!(list.contains("0001_create_members.sql"));
//! #   let out = out.or(Ok::<_, env::VarError>(env::temp_dir().display().to_string()));
//!     fs::write(Path::new(&out.unwrap()).join("migrations.rs"), list + "]").unwrap();
//! }
//! ```
//!
//! Then `embedded(include!(concat!(env!("OUT_DIR"), "/migrations.rs")))?` is the list.
//! Without a `build.rs`, `litemigrate --generate rust -m migrations` writes such a list to
//! be kept beside the source, and [`same_scripts`] says in a test of the application's own
//! whether it is still the folder.
//!
//! # In a test
//!
//! ```
//! use litemigrate::rusqlite::Connection;
//! use litemigrate::{Options, embedded, up};
//!
//! let scripts = embedded(&[("1_note.sql", "CREATE TABLE note (text TEXT);")]).unwrap();
//! let mut connection = Connection::open_in_memory().unwrap();
//! up(&mut connection, &scripts.migrations, &Options::default(), &mut |_| {}).unwrap();
//! connection.execute("INSERT INTO note VALUES ('it works')", []).unwrap();
//! ```
//!
//! # What is promised about the connection
//!
//! It must be in no transaction, and is in none afterwards, whatever happens. Its
//! `query_only`, `synchronous`, `journal_mode`, `foreign_keys` and busy timeout are then as
//! they were, and so is what a script has set, also if it failed. Its authorizer, progress
//! handler, update hook, commit hook and busy handler are taken, and there are none
//! afterwards: an application that has some sets them again.
//!
//! ```
//! # use litemigrate::rusqlite::Connection;
//! # use litemigrate::{Options, embedded, up};
//! # let scripts = embedded(&[("1_note.sql", "CREATE TABLE note (text TEXT);")]).unwrap();
//! # let mut connection = Connection::open_in_memory().unwrap();
//! up(&mut connection, &scripts.migrations, &Options::default(), &mut |_| {}).unwrap();
//! connection.busy_handler(Some(|tries| tries < 10)).unwrap();
//! ```
//!
//! # Errors
//!
//! [`Error`]'s `Display` tells the whole story: every problem with its file, line and
//! cause, and what to do.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod database;
mod diagnostics;
mod files;
mod operations;
mod plan;
#[doc(hidden)]
pub mod program;
mod schema;
mod script;
mod sqlpage;

pub use database::limits::Heartbeat;
pub use diagnostics::difference::{Difference, DifferenceKind};
pub use diagnostics::error::{Cause, Committed, Error, ScriptError};
pub use diagnostics::position::Position;
pub use diagnostics::problem::{Finding, Problem};
pub use files::directory::{Directory, embedded, read_dir, same_scripts};
pub use files::migration::{Checksum, Kind, Migration};
pub use operations::apply::{Event, Step, Summary, down, up};
pub use operations::face::{applied, backup, check_drift, restore};
pub use operations::repair::{Change, Selection, baseline, repair};
pub use plan::history::AppliedMigration;
pub use plan::policy::Options;
pub use plan::{OutOfOrder, Plan, Policy, State, plan};
pub use rusqlite;
pub use schema::history_table::HistoryTable;

/// The example in the crate's README is tested, too.
#[cfg(doctest)]
#[doc = include_str!("README.md")]
struct Readme;

/// What this project's own tests and fuzz targets look at: no part of the interface.
#[doc(hidden)]
pub mod internals {
    pub use crate::database::location::Location;
    pub use crate::files::migration::{NameVerdict, parse_name};
    pub use crate::files::pieces::set_window;
    pub use crate::files::spelling::difference;
    pub use crate::operations::repair;
    pub use crate::program::parses;
    pub use crate::sqlpage::connection::register_functions;
    pub use crate::sqlpage::settings::read as read_settings;

    /// The rows of the history under its usual name.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn read_history(
        connection: &crate::rusqlite::Connection,
    ) -> Result<Vec<crate::AppliedMigration>, crate::Error> {
        crate::plan::history::read(connection, &crate::HistoryTable::default())
    }

    /// Whether a comparison of schemas takes two statements for the same, where these are
    /// the names, in lower case.
    #[must_use]
    pub fn is_same(one: &str, other: &str, names: &std::collections::BTreeSet<String>) -> bool {
        crate::schema::sql::is_same(one, other, names)
    }

    /// What each script of another tool's folder becomes: what applies, and what undoes; or
    /// why not.
    #[must_use]
    pub fn convert_foreign(
        tool: &str,
        folder: &std::path::Path,
    ) -> Vec<Result<Vec<String>, String>> {
        use crate::files::foreign::{Tool, convert::convert, folder::sources};
        let Some(tool) = Tool::of_word(tool) else {
            return Vec::new();
        };
        let found = match sources(tool, folder) {
            Ok(found) => found,
            Err(error) => return vec![Err(error.to_string())],
        };
        let refused = found
            .findings
            .iter()
            .map(|finding| Err(finding.to_string()));
        let converted = found.sources.iter().map(|source| {
            let converted = convert(tool, source).map_err(|finding| finding.to_string())?;
            Ok(converted.up.into_iter().chain(converted.down).collect())
        });
        refused.chain(converted).collect()
    }
}
