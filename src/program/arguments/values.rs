//! The values of options.
//!
//! Owns what each may be. The error is a sentence that names the option.

use crate::diagnostics::text::escape;
use crate::files::foreign::Tool;
use crate::files::migration::Checksum;
use crate::operations::create::Numbering;
use crate::plan::OutOfOrder;
use crate::program::arguments::parse::{Arguments, Color, Command};
use crate::program::arguments::table::{FLAGS, Flag, Id};
use crate::program::arguments::{completions, man};
use crate::schema::history_table::HistoryTable;
use crate::sqlpage::project::Profile;
use lexopt::Parser;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Records a flag that is neither help nor version, reading its value if it has one.
/// One arm for each, so that none is forgotten.
pub(crate) fn set(parsed: &mut Arguments, flag: &Flag, parser: &mut Parser) -> Result<(), String> {
    let value = match flag.value {
        Some(_) => value_of(flag, parser)?,
        None => OsString::new(),
    };
    let wrong = |expected: &str| {
        let typed = value.to_string_lossy();
        format!(
            "--{} must be {expected}, not '{}'",
            flag.long,
            escape(&typed)
        )
    };
    let text = value.to_str().unwrap_or_default();
    match flag.id {
        Id::ConfigDir => once_path(flag, &mut parsed.config_dir, value)?,
        Id::ConfigFile => once_path(flag, &mut parsed.config_file, value)?,
        Id::Profile => {
            let profile = match text {
                "sqlpage" => Profile::Sqlpage,
                "sqlite" => Profile::Sqlite,
                _ => return Err(wrong("sqlpage or sqlite")),
            };
            once(
                flag,
                &mut parsed.profile,
                profile,
                |profile| match profile {
                    Profile::Sqlpage => "sqlpage".to_owned(),
                    Profile::Sqlite => "sqlite".to_owned(),
                },
            )?;
        }
        Id::Migrations => once_path(flag, &mut parsed.migrations, value)?,
        Id::Database => parsed.databases.push(not_empty(flag, value)?),
        Id::Vfs => {
            let name = value
                .to_str()
                .filter(|name| !name.contains('\0') && !name.is_empty());
            parsed.vfs = Some(name.ok_or_else(|| wrong("a name"))?.to_owned());
        }
        Id::Table => {
            let named = HistoryTable::named(text).map_err(|error| error.to_string())?;
            once(flag, &mut parsed.table, named, HistoryTable::to_string)?;
        }
        Id::DatabasesFrom => parsed.databases_from = Some(not_empty(flag, value)?.into()),
        Id::Null => parsed.null = true,
        Id::FailFast => parsed.fail_fast = true,
        Id::To => {
            let version = text.parse().map_err(|_| wrong("a version, such as 7"))?;
            once(flag, &mut parsed.to, version, i64::to_string)?;
        }
        Id::LockWait => {
            parsed.lock_wait = Some(seconds(text).ok_or_else(|| wrong("a number of seconds"))?)
        }
        Id::Timeout => {
            parsed.timeout = Some(seconds(text).ok_or_else(|| wrong("a number of seconds"))?);
        }
        Id::DryRun => parsed.dry_run = true,
        Id::SingleTransaction => parsed.single_transaction = true,
        Id::Backup => once_path(flag, &mut parsed.backup, value)?,
        Id::Keep => {
            let count = text.parse().ok().filter(|count| *count > 0);
            parsed.keep = Some(count.ok_or_else(|| wrong("a number above 0"))?);
        }
        Id::Verify => parsed.verify = true,
        Id::AllowCascade => parsed.allow_cascade = true,
        Id::Strict => parsed.strict = true,
        Id::OutOfOrder => {
            parsed.policy.out_of_order = match text {
                "warn" => OutOfOrder::Warn,
                "allow" => OutOfOrder::Allow,
                "refuse" => OutOfOrder::Refuse,
                _ => return Err(wrong("warn, allow or refuse")),
            };
        }
        Id::AllowMissing => parsed.policy.allow_missing = true,
        Id::AllowNewer => parsed.policy.allow_newer = true,
        Id::NoCreate => parsed.no_create = true,
        Id::NoDotenv => parsed.no_dotenv = true,
        Id::Optional => parsed.optional = true,
        Id::Sequential => parsed.numbering = Numbering::Sequential,
        Id::Timestamp => parsed.numbering = Numbering::Timestamp,
        Id::Reversible => parsed.reversible = true,
        Id::Force => parsed.force = true,
        Id::LineEndings => parsed.line_endings = true,
        Id::Renumbered => parsed.renumbered = true,
        Id::Drift => parsed.drift = true,
        Id::Long => parsed.long = true,
        Id::From => {
            let tool = Tool::of_word(text);
            parsed.from = Some(tool.ok_or_else(|| wrong(&flag.words().join(", ")))?);
        }
        Id::FolderChecksum => {
            let sum = Checksum::parse(text);
            parsed.folder_checksum = Some(sum.ok_or_else(|| {
                wrong("96 hexadecimal digits, as `litemigrate status -v` prints them")
            })?);
        }
        Id::Ignore => {
            let glob = text.to_owned();
            if glob.is_empty() {
                return Err(wrong("a pattern, such as cache_*"));
            }
            parsed.ignore.push(glob);
        }
        Id::Quiet => parsed.quiet = true,
        Id::Verbose => parsed.verbose = true,
        Id::Json => parsed.json = true,
        Id::Color => {
            parsed.color = match text {
                "auto" => Color::Auto,
                "always" => Color::Always,
                "never" => Color::Never,
                _ => return Err(wrong("auto, always or never")),
            };
        }
        Id::Help | Id::Version | Id::Generate => {}
    }
    Ok(())
}

/// The text that `--generate` names.
pub(crate) fn generated(flag: &Flag, parser: &mut Parser) -> Result<Command, String> {
    match value_of(flag, parser)?.to_str() {
        Some("man") => Ok(Command::Print(man::man())),
        Some("bash") => Ok(Command::Print(completions::bash())),
        Some("zsh") => Ok(Command::Print(completions::zsh())),
        Some("fish") => Ok(Command::Print(completions::fish())),
        Some("rust") => Ok(Command::Embed),
        _ => Err(format!(
            "--{} must be man, bash, zsh, fish or rust",
            flag.long
        )),
    }
}

fn value_of(flag: &Flag, parser: &mut Parser) -> Result<OsString, String> {
    let needs = || format!("--{} needs a value", flag.long);
    if let Some(attached) = parser.optional_value() {
        return Ok(attached);
    }
    let value = parser.value().map_err(|_| needs())?;
    // An empty variable of a shell leaves the next option in its place.
    match value.to_str().is_some_and(is_option) {
        true => {
            let value = escape(&value.to_string_lossy()).into_owned();
            Err(format!(
                "{}, and what follows it is the option {value}: if that is its value, write --{}={value}",
                needs(),
                flag.long
            ))
        }
        false => Ok(value),
    }
}

/// Whether a word is an option of ours, with its value or without.
fn is_option(word: &str) -> bool {
    let long = word
        .strip_prefix("--")
        .map(|word| word.split_once('=').map_or(word, |w| w.0));
    let short = word.strip_prefix('-').and_then(|word| {
        let mut letters = word.chars();
        letters.next().filter(|_| letters.next().is_none())
    });
    let is_long = |flag: &Flag| long == Some(flag.long);
    let is_short = |flag: &Flag| short.is_some() && flag.short == short;
    FLAGS.iter().any(|flag| is_long(flag) || is_short(flag))
}

/// Records what decides where the run works, or how far: of two different values none
/// is taken. Of other options the last counts.
fn once<T: PartialEq>(
    flag: &Flag,
    slot: &mut Option<T>,
    value: T,
    shown: impl Fn(&T) -> String,
) -> Result<(), String> {
    match slot {
        Some(before) if *before != value => Err(format!(
            "--{} is given twice, as '{}' and as '{}': which one is meant?",
            flag.long,
            escape(&shown(before)),
            escape(&shown(&value))
        )),
        _ => {
            *slot = Some(value);
            Ok(())
        }
    }
}

fn once_path(flag: &Flag, slot: &mut Option<PathBuf>, value: OsString) -> Result<(), String> {
    let path = PathBuf::from(not_empty(flag, value)?);
    once(flag, slot, path, |path| path.to_string_lossy().into_owned())
}

fn not_empty(flag: &Flag, value: OsString) -> Result<OsString, String> {
    if value.is_empty() {
        return Err(format!("--{} must not be empty", flag.long));
    }
    Ok(value)
}

/// Seconds, whole or decimal; SQLite counts milliseconds in 31 bits.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || !has_digit {
        return None;
    }
    let milliseconds = format!("{fraction:0<3.3}").parse().ok()?;
    let whole = match whole {
        "" => 0,
        whole => whole.parse().ok()?,
    };
    let seconds = Duration::from_secs(whole) + Duration::from_millis(milliseconds);
    (whole <= 2_000_000).then_some(seconds)
}

#[cfg(test)]
mod tests {
    #[test]
    fn seconds_are_whole_or_decimal() {
        let milliseconds = |text| super::seconds(text).map(|seconds| seconds.as_millis());
        for (text, expected) in [
            ("5", 5000),
            ("0.25", 250),
            (".5", 500),
            ("1.", 1000),
            ("0.12345", 123),
            ("2000000", 2_000_000_000),
        ] {
            assert_eq!(milliseconds(text), Some(expected), "{text}");
        }
        for text in [
            "",
            ".",
            "-1",
            "1e3",
            "inf",
            "2000001",
            "99999999999999999999",
            "5s",
            "1.2.3",
            "١",
        ] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }
}
