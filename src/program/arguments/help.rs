//! The help, made from the table of commands and options.
//!
//! Owns its layout. Prints nothing.

use crate::program::arguments::fields::JSON_FIELDS;
use crate::program::arguments::grouping::{COMMONEST, GROUPS};
use crate::program::arguments::nearest::unknown;
use crate::program::arguments::recipes::recipes;
use crate::program::arguments::table::{
    COMMANDS, CommandHelp, ENVIRONMENT, EXAMPLES, EXIT_CODES, FLAGS, Flag, Name, SUMMARY,
};
use crate::program::arguments::topics::{FILES, TABLES, TOPICS};
use crate::program::arguments::words::command_for;

/// What can be asked for help on.
pub(crate) fn topics() -> Vec<&'static str> {
    let commands = COMMANDS.iter().map(|command| command.word);
    commands.chain(explained().map(|(word, _)| word)).collect()
}

/// The topics besides the commands, and what each is about.
fn explained() -> impl Iterator<Item = (&'static str, &'static str)> {
    let texts = TOPICS.iter().map(|(word, about, _)| (*word, *about));
    texts.chain(TABLES.iter().copied())
}

/// The text of `help TOPIC`, or of `help recipes NAME`.
pub(crate) fn help_on(topic: Option<&str>, name: Option<&str>) -> Result<String, String> {
    match topic {
        None => Ok(manual()),
        Some("exit-codes") => Ok(EXIT_CODES.to_owned()),
        Some("json") => Ok(json_help()),
        Some("recipes") => recipes(name),
        Some(word) if let Some(found) = text_of(word) => Ok(found.to_owned()),
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

/// The text of a topic that has a file.
fn text_of(topic: &str) -> Option<&'static str> {
    let found = TOPICS.iter().find(|(word, ..)| *word == topic)?;
    Some(found.2)
}

/// The text of `-h`, which fits a screen.
pub(crate) fn short_help() -> String {
    let mut text = format!("litemigrate: {SUMMARY}\nUsage: litemigrate [COMMAND] [OPTIONS]\n\n");
    push_commands(&mut text);
    text.push('\n');
    for flag in FLAGS.iter().filter(|flag| COMMONEST.contains(&flag.id)) {
        push_flag(&mut text, flag, flag.help);
    }
    text.push_str("\n`litemigrate help COMMAND` lists its options; --help is the manual.\n");
    text
}

/// The text of `--help`.
pub(crate) fn manual() -> String {
    let mut text = String::from(
        "litemigrate applies SQL migration files to a SQLite database.\n\nUsage: litemigrate [COMMAND] [OPTIONS]\n\nCommands:\n",
    );
    push_commands(&mut text);
    push_topics(&mut text);
    text.push_str("\nOptions, and the commands that know them:\n");
    push_groups(
        &mut text,
        |_| true,
        |flag| {
            let known_by = known_by(flag);
            // Columns that the option's own name takes, and a line's hundred.
            let fits = 29 + flag.help.chars().count() + 3 + known_by.len() <= 100;
            let space = if fits {
                " "
            } else {
                "\n                             "
            };
            format!("{}{space}({known_by})", flag.help)
        },
    );
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
    text
}

/// The text of `help COMMAND`.
pub(crate) fn command_help(command: &CommandHelp) -> String {
    let mut text = format!(
        "Usage: litemigrate {}{} [OPTIONS]\n\n{}\n",
        command.word, command.operand, command.about
    );
    if command.name == Name::Help {
        push_topics(&mut text);
    }
    push_groups(
        &mut text,
        |flag| flag.belongs_to(command),
        |flag| flag.wording(command).to_owned(),
    );
    text
}

/// The text of `help json`.
fn json_help() -> String {
    let mut text = String::from(
        "With --json, stdout is exactly one object on one line, whatever happens.\nFields may be added, never removed.\n",
    );
    for (field, commands, content) in JSON_FIELDS {
        text.push_str(&format!("\n{field} ({commands})\n"));
        let mut line = String::from("   ");
        for word in content.split(' ') {
            if line.chars().count() + word.chars().count() >= 79 {
                text.push_str(&line);
                text.push('\n');
                line = String::from("   ");
            }
            line.push(' ');
            line.push_str(word);
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn push_commands(text: &mut String) {
    for command in COMMANDS {
        let usage = format!("{}{}", command.word, command.operand);
        text.push_str(&format!("  {usage:<14} {}\n", command.summary));
    }
}

fn push_topics(text: &mut String) {
    text.push_str("\nTopics, besides the commands:\n");
    for (word, about) in explained() {
        text.push_str(&format!("  {word:<14} {about}\n"));
    }
}

/// The options that are wanted, in their groups, each with what is said of it.
fn push_groups(
    text: &mut String,
    is_wanted: impl Fn(&Flag) -> bool,
    wording: impl Fn(&Flag) -> String,
) {
    for (group, heading) in GROUPS {
        let of_group = |flag: &&Flag| flag.id.group() == group && is_wanted(flag);
        let mut flags = FLAGS.iter().filter(of_group).peekable();
        if flags.peek().is_some() {
            text.push_str(&format!("\n{heading}:\n"));
        }
        for flag in flags {
            push_flag(text, flag, &wording(flag));
        }
    }
}

/// The commands that know an option, or the few that do not.
fn known_by(flag: &Flag) -> String {
    let words = |knows: bool| {
        let of_them =
            |command: &&CommandHelp| command.name != Name::Help && flag.goes_with(command) == knows;
        let words: Vec<&str> = COMMANDS
            .iter()
            .filter(of_them)
            .map(|command| command.word)
            .collect();
        words
    };
    let (knows, not) = (words(true), words(false));
    if not.is_empty() {
        "all".to_owned()
    } else if not.len() < 3 {
        format!("all but {}", not.join(", "))
    } else {
        knows.join(", ")
    }
}

fn push_flag(text: &mut String, flag: &Flag, wording: &str) {
    let short = flag
        .short
        .map_or(String::from("    "), |short| format!("-{short}, "));
    let value = flag
        .value
        .map_or(String::new(), |value| format!(" {value}"));
    let usage = format!("{short}--{}{value}", flag.long);
    if usage.len() > 26 {
        text.push_str(&format!("  {usage}\n{:28} {wording}\n", ""));
    } else {
        text.push_str(&format!("  {usage:<26} {wording}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::{command_help, known_by, manual, short_help, topics};
    use crate::program::arguments::table::{COMMANDS, FLAGS};

    #[test]
    fn the_short_help_fits_a_screen() {
        let help = short_help();
        assert!(help.lines().count() <= 24, "{help}");
        assert!(
            help.lines().all(|line| line.chars().count() <= 80),
            "{help}"
        );
        assert!(COMMANDS.iter().all(|command| help.contains(command.word)));
    }

    #[test]
    fn the_manual_names_everything_and_the_commands_of_each_option() {
        let help = manual();
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{help}"
        );
        assert!(COMMANDS.iter().all(|command| help.contains(command.word)));
        for flag in FLAGS {
            let after = help.split(flag.help).nth(1).unwrap().trim_start();
            assert!(after.starts_with(&format!("({})\n", known_by(flag))));
            assert!(help.contains(&format!("--{}", flag.long)));
        }
    }

    /// A command's help lists its options, and no other's; each speaks of its own.
    #[test]
    fn the_help_of_a_command_is_its_own() {
        for command in COMMANDS {
            let help = command_help(command);
            for flag in FLAGS {
                let is_its = flag.belongs_to(command);
                let listed = format!("--{}", flag.long);
                let is_listed = help.lines().any(|line| {
                    line.starts_with("  ") && line.split_whitespace().any(|word| word == listed)
                });
                assert_eq!(is_listed, is_its, "{} {listed}", command.word);
            }
            assert!(topics().contains(&command.word));
        }
        let down = COMMANDS.iter().find(|command| command.word == "down");
        assert!(!command_help(down.unwrap()).contains("appl"));
    }
}
