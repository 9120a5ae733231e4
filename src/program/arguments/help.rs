//! The help, made from the table of commands and options.
//!
//! Owns its layout. Prints nothing.

use crate::program::arguments::nearest::unknown;
use crate::program::arguments::table::{
    COMMANDS, CommandHelp, ENVIRONMENT, EXAMPLES, EXIT_CODES, FILES, FLAGS, Flag,
};
use crate::program::arguments::words::command_for;

/// What can be asked for help on.
pub(crate) fn topics() -> Vec<&'static str> {
    let commands = COMMANDS.iter().map(|command| command.word);
    commands.chain(["exit-codes", "files"]).collect()
}

/// The text of `help TOPIC`.
pub(crate) fn help_on(topic: Option<&str>) -> Result<String, String> {
    match topic {
        None => Ok(general_help(true)),
        Some("exit-codes") => Ok(EXIT_CODES.to_owned()),
        Some("files") => Ok(FILES.to_owned()),
        Some(word) => match COMMANDS.iter().find(|command| command.word == word) {
            Some(command) => Ok(command_help(command)),
            None => Err(unknown(
                "topic",
                "",
                word,
                command_for(word),
                topics().into_iter(),
            )),
        },
    }
}

/// The text of `--help`, or the shorter one of `-h`.
pub(crate) fn general_help(long: bool) -> String {
    let mut text = String::from(
        "litemigrate applies SQL migration files to a SQLite database.\n\nUsage: litemigrate [COMMAND] [OPTIONS]\n\nCommands:\n",
    );
    for command in COMMANDS {
        let usage = format!("{}{}", command.word, command.operand);
        text.push_str(&format!("  {usage:<14} {}\n", command.summary));
    }
    text.push_str("\nOptions:\n");
    push_flags(&mut text, FLAGS.iter());
    if long {
        text.push_str("\nFiles:\n\n");
        text.push_str(FILES);
        text.push_str("\nEnvironment:\n\n");
        for (name, meaning) in ENVIRONMENT {
            text.push_str(&format!("  {name}\n{:28} {meaning}\n", ""));
        }
        text.push_str("\nExamples:\n\n");
        for (command, meaning) in EXAMPLES {
            text.push_str(&format!("  {command}\n{:28} {meaning}\n", ""));
        }
        text.push_str("\nExit codes:\n\n");
        text.push_str(EXIT_CODES);
    } else {
        text.push_str("\n`litemigrate help COMMAND` explains a command, --help tells more.\n");
    }
    text
}

/// The text of `help COMMAND`.
pub(crate) fn command_help(command: &CommandHelp) -> String {
    let mut text = format!(
        "Usage: litemigrate {}{} [OPTIONS]\n\n{}\n\nOptions:\n",
        command.word, command.operand, command.about
    );
    push_flags(
        &mut text,
        FLAGS.iter().filter(|flag| flag.goes_with(command)),
    );
    text
}

fn push_flags(text: &mut String, flags: impl Iterator<Item = &'static Flag>) {
    for flag in flags {
        let short = flag
            .short
            .map_or(String::from("    "), |short| format!("-{short}, "));
        let value = flag
            .value
            .map_or(String::new(), |value| format!(" {value}"));
        let usage = format!("{short}--{}{value}", flag.long);
        if usage.len() > 26 {
            text.push_str(&format!("  {usage}\n{:28} {}\n", "", flag.help));
        } else {
            text.push_str(&format!("  {usage:<26} {}\n", flag.help));
        }
    }
}
