//! The scripts: their names, their bytes, and the folder or program that they are in.
//!
//! Owns every read of a script, and what makes a folder unusable. Never opens a
//! database, and keeps no script's text.

pub(crate) mod directory;
pub(crate) mod folder;
pub(crate) mod foreign;
pub(crate) mod migration;
pub(crate) mod pieces;
pub(crate) mod read;
mod replaces;
pub(crate) mod spelling;
