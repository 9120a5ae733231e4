//! The database as a file: where it is, how it is looked at, locked and committed,
//! and who may write to it.
//!
//! Owns what SQLite is told when a database is opened, how long is waited for whom,
//! and every question about owners, modes and mounts. Never runs a script, and knows
//! nothing of migrations or of the history.

pub(crate) mod guard;
pub(crate) mod holder;
pub(crate) mod limits;
pub(crate) mod location;
pub(crate) mod look;
pub(crate) mod permission;
pub(crate) mod room;
pub(crate) mod settings;
pub(crate) mod transaction;
mod url;
