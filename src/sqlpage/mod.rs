//! SQLPage's own rules: where its files are, and what it does to its connections.
//!
//! Owns every word about SQLPage. Never migrates anything, and writes no file.

pub(crate) mod connection;
mod dotenv;
mod environment;
pub(crate) mod project;
pub(crate) mod settings;
pub(crate) mod warnings;
