//! One migration file: its name taken apart, and the checksum of its bytes.
//!
//! Owns the rules of names and checksums, which are sqlx's
//! (`sqlx-core/src/migrate/source.rs`, `migration.rs`, `migration_type.rs`).
//! Never lists a folder and never opens a database.

use sha2::{Digest, Sha384};
use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// The bytes that make a script run outside a transaction, if the file starts
/// with exactly them (`sqlx-core/src/migrate/source.rs`).
pub const NO_TRANSACTION: &[u8] = b"-- no-transaction";

/// What a file does to the version it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `<version>_<name>.sql`: applied, never undone.
    Simple,
    /// `<version>_<name>.up.sql`: applied; may be undone by a [`Kind::Down`].
    Up,
    /// `<version>_<name>.down.sql`: undoes a version.
    Down,
}

/// SHA-384 of a file's bytes; displays as lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksum(pub [u8; 48]);

impl Checksum {
    /// The checksum of a script's bytes, exactly as they are in the file.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha384::digest(bytes).into())
    }

    /// The checksum of several texts, one after the other.
    pub(crate) fn of_parts(parts: impl Iterator<Item = String>) -> Self {
        let hasher = parts.fold(Sha384::new(), |hasher, part| hasher.chain_update(part));
        Self(hasher.finalize().into())
    }

    /// Reads one as it is displayed, in any case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits: Option<Vec<u8>> = text
            .chars()
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let digits = digits.filter(|digits| digits.len() == 96)?;
        let mut bytes = [0; 48];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One migration file. Its text is not kept: it is read again when its turn comes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The number before the first `_` of the file's name.
    pub version: i64,
    /// The rest of the name without its suffix, `_` replaced by a space.
    pub description: String,
    /// Simple, up or down.
    pub kind: Kind,
    /// The file.
    pub path: PathBuf,
    /// SHA-384 of the file's bytes.
    pub checksum: Checksum,
    /// `false` if the file starts with `-- no-transaction`.
    pub transactional: bool,
    /// The versions that it replaces, as `-- replaces: 1-40` in the comment lines at
    /// its head says.
    pub replaces: Vec<RangeInclusive<i64>>,
    /// The script, if it is part of the program and not a file: see
    /// [`embedded`](crate::files::directory::embedded).
    pub embedded: Option<Cow<'static, str>>,
}

impl Migration {
    /// The file's name, as it should be shown.
    #[must_use]
    pub fn file_name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// The file's name without the suffix of its kind: `0003_orders`.
    #[must_use]
    pub fn short_name(&self) -> String {
        let name = self.file_name();
        let suffix = suffix(self.kind);
        name.strip_suffix(suffix).unwrap_or(&name).to_owned()
    }
}

/// A file name taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The number before the first `_`.
    pub version: i64,
    /// The description that goes into the history.
    pub description: String,
    /// What the suffix says.
    pub kind: Kind,
}

/// What a file name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameVerdict {
    /// A migration.
    Migration(Name),
    /// Not a migration; sqlx and SQLPage pass it over in silence.
    Ignored,
    /// It has a migration's form but no number: sqlx and SQLPage refuse the
    /// whole folder because of it.
    NotANumber,
}

/// The number that a name begins with, whatever follows it.
pub(crate) fn leading_number(name: &str) -> Option<i64> {
    let end = name.bytes().take_while(u8::is_ascii_digit).count();
    name[..end].parse().ok()
}

/// Takes a file name apart as sqlx does: split at the first `_`, the rest must
/// end in `.sql`, the version is what [`i64::from_str`](std::str::FromStr)
/// accepts, and the suffix of the kind is trimmed repeatedly.
#[must_use]
pub fn parse_name(name: &str) -> NameVerdict {
    let Some((version, rest)) = name.split_once('_') else {
        return NameVerdict::Ignored;
    };
    if !rest.ends_with(".sql") {
        return NameVerdict::Ignored;
    }
    let Ok(version) = version.parse() else {
        return NameVerdict::NotANumber;
    };
    let kind = if rest.ends_with(suffix(Kind::Up)) {
        Kind::Up
    } else if rest.ends_with(suffix(Kind::Down)) {
        Kind::Down
    } else {
        Kind::Simple
    };
    let mut description = rest;
    while let Some(shorter) = description.strip_suffix(suffix(kind)) {
        description = shorter;
    }
    let description = description.replace('_', " ");
    NameVerdict::Migration(Name {
        version,
        description,
        kind,
    })
}

fn suffix(kind: Kind) -> &'static str {
    match kind {
        Kind::Simple => ".sql",
        Kind::Up => ".up.sql",
        Kind::Down => ".down.sql",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(name: &str) -> Option<(i64, String, Kind)> {
        match parse_name(name) {
            NameVerdict::Migration(name) => Some((name.version, name.description, name.kind)),
            NameVerdict::Ignored | NameVerdict::NotANumber => None,
        }
    }

    #[test]
    fn names_are_taken_apart_as_sqlx_does() {
        for (name, version, description, kind) in [
            ("1_a.sql", 1, "a", Kind::Simple),
            ("0001_create_users.sql", 1, "create users", Kind::Simple),
            ("+5_a.sql", 5, "a", Kind::Simple),
            ("-5_a.sql", -5, "a", Kind::Simple),
            ("-0_a.sql", 0, "a", Kind::Simple),
            ("9223372036854775807_a.sql", i64::MAX, "a", Kind::Simple),
            ("-9223372036854775808_a.sql", i64::MIN, "a", Kind::Simple),
            ("1__a.sql", 1, " a", Kind::Simple),
            ("1_.sql", 1, "", Kind::Simple),
            ("1_a_.sql", 1, "a ", Kind::Simple),
            ("1_a.sql.sql", 1, "a", Kind::Simple),
            ("1_a.up.sql", 1, "a", Kind::Up),
            ("1_a.down.sql", 1, "a", Kind::Down),
            ("1_a.up.up.sql", 1, "a.up", Kind::Up),
            ("1_a.sql.up.sql", 1, "a.sql", Kind::Up),
            ("1_a.up.sql.sql", 1, "a.up", Kind::Simple),
            ("1_a.UP.sql", 1, "a.UP", Kind::Simple),
            ("1_up.sql", 1, "up", Kind::Simple),
            ("1_.up.sql", 1, "", Kind::Up),
        ] {
            assert_eq!(
                parsed(name),
                Some((version, description.to_owned(), kind)),
                "{name}"
            );
        }
        for name in [
            "README_x.sql",
            "_x.sql",
            "1.5_x.sql",
            "V1__init.sql",
            " 1_x.sql",
            "１_x.sql",
            "2024-01-31_x.sql",
            "._1_a.sql",
            ".1_a.sql",
            "9223372036854775808_x.sql",
        ] {
            assert_eq!(parse_name(name), NameVerdict::NotANumber, "{name}");
        }
        for name in [
            "",
            "_",
            "1.sql",
            "1_a",
            "1_a.SQL",
            "1_a.sql~",
            "1_asql",
            "schema.sql",
            "1-a.sql",
        ] {
            assert_eq!(parse_name(name), NameVerdict::Ignored, "{name}");
        }
    }

    #[test]
    fn the_checksum_is_sha_384() {
        assert_eq!(
            Checksum::of(b"abc").to_string(),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"
        );
        let sum = Checksum::of(b"abc");
        let shown = sum.to_string();
        assert_eq!(Checksum::parse(&shown), Some(sum));
        assert_eq!(Checksum::parse(&shown.to_uppercase()), Some(sum));
        for wrong in [
            "",
            "cb",
            &shown[1..],
            &format!("{}x", &shown[1..]),
            &format!("{shown}00"),
        ] {
            assert_eq!(Checksum::parse(wrong), None);
        }
    }
}
