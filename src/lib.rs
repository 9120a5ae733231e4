//! Applies SQL migration files to a SQLite database, and records them in
//! `_sqlx_migrations`, the table of sqlx and SQLPage.
//!
//! Blocking, single-threaded, without an async runtime. The library never
//! prints, never exits and never reads arguments or the environment, except
//! [`sqlpage`], whose subject that is.
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
//! [`embedded`](directory::embedded), and does the same with it on a connection
//! of its own. [`down`], [`repair`] and [`backup`] take the same list.
//!
//! The modules, in the order of the work: [`migration`] takes a file name apart,
//! [`directory`] reads a folder, [`database`] opens a database, [`mod@look`] leaves it
//! as it was, [`history`] reads its rows, [`mod@plan`] joins the two, [`targets`] says
//! which scripts follow from that or why none may run, and [`apply`] runs them as
//! [`options`] say, by way of `transaction`, `script` and `authorizer`. [`create`] makes
//! the next file, [`backup`] copies a database and puts it back, [`repair`] corrects the
//! history, [`drift`] compares its [`schema`] with what the migrations make.
//! [`sqlpage`] and [`connection`] are SQLPage's own rules; [`permission`] says who may
//! write what.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod apply;
mod authorizer;
pub mod backup;
pub mod connection;
pub mod create;
pub mod database;
pub mod directory;
pub mod drift;
pub mod error;
mod foreign_keys;
pub mod history;
pub mod look;
pub mod migration;
pub mod options;
pub mod permission;
pub mod plan;
mod position;
pub mod problem;
pub mod repair;
pub mod schema;
mod script;
mod sql;
pub mod sqlpage;
pub mod targets;
pub mod text;
mod transaction;

pub use apply::{Event, Step, Summary, down, up};
pub use directory::{Directory, read_dir};
pub use error::{Cause, Error, ScriptError};
pub use history::AppliedMigration;
pub use migration::{Checksum, Kind, Migration};
pub use options::Options;
pub use plan::{OutOfOrder, Plan, Policy, State, plan};
pub use position::Position;
pub use problem::{Finding, Problem};
pub use rusqlite;
