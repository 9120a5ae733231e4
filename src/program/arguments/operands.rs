//! A command's word and what stands after it become a [`Command`].
//!
//! Owns what each command wants to be about. The error is a sentence.

use crate::diagnostics::text::escape;
use crate::program::arguments::help::help_on;
use crate::program::arguments::parse::{Arguments, Command};
use crate::program::arguments::table::{CommandHelp, Name};
use std::ffi::OsString;
use std::path::PathBuf;

/// The command, if it has what it needs and nothing else.
pub(crate) fn make_command(
    command: &CommandHelp,
    mut operands: Vec<OsString>,
    options: &Arguments,
) -> Result<Command, String> {
    match command.name {
        Name::Up => without(command, operands, Command::Up),
        Name::Status => without(command, operands, Command::Status),
        Name::Check => without(command, operands, Command::Check),
        Name::Down => without(command, operands, Command::Down),
        Name::Schema => without(command, operands, Command::Schema),
        Name::New => {
            let missing = "new needs a name: litemigrate new \"create users\"";
            let name = one(operands)?.ok_or(missing)?;
            if name.is_empty() {
                return Err("new needs a name that is not empty".to_owned());
            }
            Ok(Command::New(text(name)?))
        }
        Name::Restore => {
            let missing = "restore needs the file of a backup";
            let file = one(operands)?.filter(|file| !file.is_empty());
            Ok(Command::Restore(PathBuf::from(file.ok_or(missing)?)))
        }
        Name::Import => {
            let missing = "import needs the folder of another tool's scripts";
            let folder = one(operands)?.filter(|folder| !folder.is_empty());
            Ok(Command::Import(PathBuf::from(folder.ok_or(missing)?)))
        }
        Name::Help => {
            // A recipe is named after its topic.
            let name = match operands.first() {
                Some(topic) if topic == "recipes" && operands.len() == 2 => operands.pop(),
                _ => None,
            };
            let name = name.map(text).transpose()?;
            let topic = one(operands)?.map(text).transpose()?;
            Ok(Command::Print(help_on(topic.as_deref(), name.as_deref())?))
        }
        Name::Baseline => {
            let version = one(operands)?.map(version).transpose()?;
            Ok(Command::Baseline(version))
        }
        Name::Repair => {
            let named = [
                !operands.is_empty(),
                options.line_endings,
                options.renumbered,
            ];
            if named.into_iter().filter(|is_named| *is_named).count() != 1 {
                return Err("repair needs either versions, or --line-endings, or --renumbered: litemigrate repair 7".to_owned());
            }
            let versions = operands.into_iter().map(version);
            versions.collect::<Result<_, _>>().map(Command::Repair)
        }
    }
}

/// A command that stands alone.
fn without(
    command: &CommandHelp,
    operands: Vec<OsString>,
    made: Command,
) -> Result<Command, String> {
    match operands.first() {
        None => Ok(made),
        Some(operand) => Err(format!(
            "{} takes no operand, and '{}' is one",
            command.word,
            escape(&operand.to_string_lossy())
        )),
    }
}

/// The only operand, if there is any.
fn one(operands: Vec<OsString>) -> Result<Option<OsString>, String> {
    let mut operands = operands.into_iter();
    let first = operands.next();
    match operands.next() {
        None => Ok(first),
        Some(operand) => Err(format!(
            "'{}' is one operand too many (quote a name with spaces)",
            escape(&operand.to_string_lossy())
        )),
    }
}

fn version(operand: OsString) -> Result<i64, String> {
    let text = text(operand)?;
    let wrong = || format!("'{}' is not a version, such as 7", escape(&text));
    text.parse().map_err(|_| wrong())
}

fn text(operand: OsString) -> Result<String, String> {
    let shown =
        |operand: OsString| format!("'{}' is not UTF-8", escape(&operand.to_string_lossy()));
    operand.into_string().map_err(shown)
}
