//! What the environment says, asked once for a whole start.
//!
//! Owns how SQLPage reads names there. Knows nothing of files.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// The variables of this process, in their order.
pub(super) struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// Of this process.
    pub fn of_this_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// A setting: with SQLPage's prefix before without it, in any case, as SQLPage
    /// reads them. Gives back the name that was found, too.
    pub fn setting(&self, name: &str) -> Option<(String, &OsStr)> {
        let prefixed = format!("sqlpage_{name}");
        let last = |name: &str| {
            let mut found = self.0.iter().rev();
            found.find(|(key, _)| key.eq_ignore_ascii_case(name))
        };
        let (key, value) = last(&prefixed).or_else(|| last(name))?;
        Some((key.to_string_lossy().into_owned(), value))
    }

    /// The folder of SQLPage's configuration, if no file names it: the first of four
    /// names, which are taken as they are written.
    pub fn configuration_directory(&self) -> PathBuf {
        [
            "configuration_directory",
            "CONFIGURATION_DIRECTORY",
            "sqlpage_configuration_directory",
            "SQLPAGE_CONFIGURATION_DIRECTORY",
        ]
        .into_iter()
        .find_map(|name| self.0.iter().find(|(key, _)| key == name))
        .map_or_else(|| PathBuf::from("sqlpage"), |(_, value)| value.into())
    }
}
