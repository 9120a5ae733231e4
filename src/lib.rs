//! Applies SQL migration files to a SQLite database, and records them in
//! `_sqlx_migrations`, the table of sqlx and SQLPage.
//!
//! Blocking, single-threaded, without an async runtime. The library never
//! prints, never exits and never reads arguments or the environment.
//!
//! ```
//! use litemigrate::{Event, Options, read_dir, up};
//! use litemigrate::rusqlite::Connection;
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
//! An application that carries its scripts with it makes the same list by
//! [`embedded`], and does the same with it on a connection of its own. [`down`]
//! takes the same list.
//!
//! The rooms, from the bottom up: `diagnostics` says what is wrong, `schema` compares
//! schemas, `script` runs one script, `database` opens and locks, `files` reads the
//! folder, `plan` joins it with the history, `sqlpage` has SQLPage's own rules,
//! `operations` does the work, `program` is the program.

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
pub use diagnostics::error::{Cause, Error, ScriptError};
pub use diagnostics::position::Position;
pub use diagnostics::problem::{Difference, DifferenceKind, Finding, Problem};
pub use files::directory::{Directory, embedded, read_dir};
pub use files::migration::{Checksum, Kind, Migration};
pub use operations::apply::{Event, Step, Summary, down, up};
pub use plan::history::AppliedMigration;
pub use plan::policy::Options;
pub use plan::{OutOfOrder, Plan, Policy, State, plan};
pub use rusqlite;

/// What this project's own tests and fuzz targets look at: no part of the interface.
#[doc(hidden)]
pub mod internals {
    pub use crate::database::location::Location;
    pub use crate::files::migration::{NameVerdict, difference, parse_name};
    pub use crate::operations::repair;
    pub use crate::plan::history::read as read_history;
    pub use crate::program::parses;
    pub use crate::sqlpage::connection::register_functions;
    pub use crate::sqlpage::settings::read as read_settings;
}
